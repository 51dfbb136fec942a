//! Positions of values on an axis, and its ticks.

/// Approximate number of ticks of an axis.
const N_TICKS: f64 = 6.0;
/// The factor between most values from which on their logarithms are drawn.
const WIDE: f64 = 100.0;

/// An axis over given values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Axis {
    /// The first tick, at most the least value.
    pub low: f64,
    /// The last tick, at least the greatest value.
    pub high: f64,
    /// From tick to tick: 1, 2 or 5 times a power of ten.
    pub step: f64,
}

impl Axis {
    /// An axis that holds all of `values` that are finite; from 0 to 1 if there are none.
    ///
    /// ```
    /// use attentive_plot::Axis;
    ///
    /// let axis = Axis::over([3.0, 97.0, f64::NAN]);
    /// assert_eq!((axis.low, axis.high, axis.step), (0.0, 100.0, 20.0));
    /// assert_eq!(axis.ticks()[1], (20.0, "20".into()));
    /// ```
    pub fn over(values: impl IntoIterator<Item = f64>) -> Self {
        let finite = values.into_iter().filter(|value| value.is_finite());
        let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
        let magnitude = low.abs().max(high.abs());
        let (low, high) = match () {
            () if low > high || magnitude < f64::MIN_POSITIVE / f64::EPSILON => (0.0, 1.0),
            // A span of zero, or one within the values' rounding error, is widened: from 0 to twice the value.
            () if high - low < 1e-6 * magnitude => (low - magnitude, high + magnitude),
            () => (low, high),
        };
        let step = nice((high - low) / N_TICKS);
        Self { low: (low / step).floor() * step, high: ((high / step).ceil() * step).max(low + step), step }
    }

    /// Position of `value`, from 0 to 1.
    pub fn place(&self, value: f64) -> f64 {
        (value - self.low) / (self.high - self.low)
    }

    /// Marked values with their labels.
    pub fn ticks(&self) -> Vec<(f64, String)> {
        let n = ((self.high - self.low) / self.step).round() as usize;
        (0..=n).map(|i| self.low + i as f64 * self.step).map(|value| (value, self.label(value))).collect()
    }

    fn label(&self, value: f64) -> String {
        let magnitude = self.low.abs().max(self.high.abs());
        if value.abs() < self.step / 2.0 {
            "0".into()
        } else if (1e-3..1e6).contains(&magnitude) {
            let decimals = (-self.step.log10().floor()).max(0.0) as usize;
            format!("{value:.decimals$}")
        } else {
            let digits = (magnitude.log10().floor() - self.step.log10().floor()).clamp(0.0, 9.0) as usize;
            format!("{value:.digits$e}")
        }
    }
}

/// An axis in equal steps of a quantity, or of its logarithm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    /// The axis, of the values or of their decimal logarithms.
    axis: Axis,
    is_log: bool,
}

impl Scale {
    /// A logarithmic scale if nine of ten values are positive numbers that span a factor of 100 and none is 0 or
    /// negative, as perplexities from thousands to ten; otherwise one of equal steps.
    ///
    /// ```
    /// use attentive_plot::Scale;
    ///
    /// let labels = |values: [f64; 4]| Scale::over(values).ticks().into_iter().map(|tick| tick.1).collect::<Vec<_>>();
    /// assert_eq!(labels([5000.0, 400.0, 40.0, 8.0]), ["1", "10", "100", "1000", "10000"]);
    /// assert_eq!(labels([8.0, 4.0, 3.0, 2.0]), ["2", "3", "4", "5", "6", "7", "8"]);
    /// ```
    pub fn over(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
        values.sort_by(f64::total_cmp);
        let at = |share: f64| values[((values.len() - 1) as f64 * share).round() as usize];
        let is_log = values.first().is_some_and(|&least| least >= f64::MIN_POSITIVE) && at(0.95) / at(0.05) >= WIDE;
        if !is_log {
            return Self { axis: Axis::over(values), is_log };
        }
        let [low, high] = [at(0.0).log10().floor(), at(1.0).log10().ceil()];
        let step = ((high - low) / N_TICKS).ceil().max(1.0);
        // The values end between ticks where these are several powers apart.
        let high = low + ((high - low) / step).ceil() * step;
        Self { axis: Axis { low, high, step }, is_log }
    }

    /// Position of `value`, from 0 to 1.
    pub fn place(&self, value: f64) -> f64 {
        self.axis.place(if self.is_log { value.log10() } else { value })
    }

    /// Marked values with their labels.
    pub fn ticks(&self) -> Vec<(f64, String)> {
        if !self.is_log {
            return self.axis.ticks();
        }
        let label = |power: f64| match power {
            -4.0..=5.0 => format!("{}", 10_f64.powf(power)),
            _ => format!("1e{power}"),
        };
        self.axis.ticks().into_iter().map(|(power, _)| (10_f64.powf(power), label(power.round()))).collect()
    }
}

/// The least of 1, 2, 5 times a power of ten that is at least `step`.
fn nice(step: f64) -> f64 {
    let power = 10_f64.powf(step.log10().floor());
    let mantissas = [1.0, 2.0, 5.0, 10.0];
    // A hair below counts as equal.
    mantissas.map(|mantissa| mantissa * power).into_iter().find(|nice| *nice >= step * (1.0 - 1e-9)).unwrap_or(step)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_axis_holds_its_values_with_few_ticks(values in prop::collection::vec(-1e12_f64..1e12, 1..20)) {
            let axis = Axis::over(values.iter().copied());
            for value in values {
                prop_assert!((-1e-6..=1.0 + 1e-6).contains(&axis.place(value)), "{axis:?} {value}");
            }
            let ticks = axis.ticks();
            prop_assert!((2..=9).contains(&ticks.len()), "{axis:?}");
            prop_assert!(ticks.windows(2).all(|pair| pair[0].0 < pair[1].0));
            let mut labels: Vec<&String> = ticks.iter().map(|(_, label)| label).collect();
            labels.dedup();
            prop_assert_eq!(labels.len(), ticks.len(), "{:?}", ticks);
        }
    }

    proptest! {
        #[test]
        fn a_scale_holds_its_values(powers in prop::collection::vec(-300_f64..300.0, 1..20)) {
            let values: Vec<f64> = powers.into_iter().map(|power| 10_f64.powf(power)).collect();
            let scale = Scale::over(values.iter().copied());
            for value in values {
                prop_assert!((-1e-6..=1.0 + 1e-6).contains(&scale.place(value)), "{scale:?} {value}");
            }
            prop_assert!((2..=9).contains(&scale.ticks().len()), "{scale:?}");
        }
    }

    #[test]
    fn logarithms_are_for_what_is_wide_and_positive() {
        let is_log = |values: &[f64]| Scale::over(values.iter().copied()).is_log;
        assert!(is_log(&[1e4, 1e3, 1e2, 10.0, 8.0]));
        assert!(!is_log(&[1e4, 1e3, 1e2, 10.0, 0.0]));
        assert!(!is_log(&[1e4, 1e3, 1e2, 10.0, -8.0]));
        assert!(!is_log(&[]) && !is_log(&[f64::NAN]) && !is_log(&[90.0, 1.0]));
        // One value far away among many.
        assert!(!is_log(&[&[1e9][..], &[5.0; 100]].concat()));
    }

    #[test]
    fn labels_are_as_short_as_their_steps_allow() {
        let labels =
            |values: [f64; 2]| -> Vec<String> { Axis::over(values).ticks().into_iter().map(|t| t.1).collect() };
        assert_eq!(labels([0.0, 1.0]), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"].map(|l| l.replace("0.0", "0")));
        assert_eq!(labels([0.0, 4e-4]), ["0", "1e-4", "2e-4", "3e-4", "4e-4"]);
        assert_eq!(labels([7.0, 7.0]), ["0", "5", "10", "15"]);
        assert_eq!(labels([0.0, 0.0]), labels([0.0, 1.0]));
        assert_eq!(labels([f64::NAN, f64::INFINITY]).len(), 6);
    }
}
