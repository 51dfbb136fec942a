//! Tests of whether one system is better than another, or the difference is due to the test set.

use std::fmt;

use crate::{MetricError, NumpyFloat, Real, Scorer, Statistics, numpy_random::NumpyRandom, scorer::add};

/// The default seed of sacreBLEU's resamples (its `SACREBLEU_SEED`).
pub const DEFAULT_SEED: u64 = 12345;

/// A paired significance test, equal to sacreBLEU's: the same resamples, the same roundings, the same p-values.
///
/// # Examples
/// ```
/// use attentive_metrics::{Bleu, PairedTest, Scorer};
///
/// let references = [["It rained all night.", "The road was closed.", "We walked home."]];
/// let baseline = ["It rained the night.", "The street was shut.", "We walked home."];
/// let system = ["It rained all night.", "The road was closed.", "We went home."];
/// let bleu = Bleu { max_order: 2, ..Bleu::default() };
/// let [baseline, system] = [baseline, system].map(|hypotheses| bleu.statistics(&hypotheses, &references));
/// let comparison = PairedTest::bootstrap().compare(&bleu, &baseline?, &system?)?;
/// assert!(comparison.system.score > comparison.baseline.score);
/// assert!(comparison.p_value > 0.05); // three sentences prove nothing
/// # Ok::<(), attentive_metrics::MetricError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PairedTest {
    /// The method of making samples.
    pub method: Resampling,
    /// Number of samples.
    pub n_samples: usize,
    /// Seed of the random numbers.
    pub seed: u64,
}

/// The method by which a paired test makes its samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resampling {
    /// Draws segments with replacement (Koehn 2004). Also gives intervals.
    Bootstrap,
    /// Exchanges the two systems' outputs segment by segment, at random (Riezler and Maxwell 2005).
    ///
    /// For [`Ter`](crate::Ter) with three references or more, sacreBLEU's own p-value depends on the order in which
    /// its machine's BLAS adds thirds, which decides ties; no order is equal to all of them. For BLEU smoothed by a
    /// fraction ([`AddK`](crate::Smoothing::AddK)), sacreBLEU cuts the fraction off in the trials; here it counts.
    Randomization {
        /// Number of bootstrap samples for the intervals, 0 for no intervals.
        n_confidence: usize,
    },
}

/// The outcome of a [`PairedTest`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Comparison {
    /// The system to compare with.
    pub baseline: Estimate,
    /// The system in question.
    pub system: Estimate,
    /// The probability of such a difference between equally good systems.
    pub p_value: f64,
}

impl Comparison {
    /// Whether the difference is significant at the level of 0.05, where sacreBLEU puts its star.
    ///
    /// Unlike in sacreBLEU, it never is for systems with equal scores, whose p-value is the lowest that the samples
    /// allow.
    pub fn is_significant(&self) -> bool {
        self.p_value < 0.05 && self.baseline.score != self.system.score
    }
}

/// A score and its variation with the test set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The score of the whole test set.
    pub score: f64,
    /// The interval that holds the scores of 95 % of the resampled test sets.
    pub interval: Option<Interval>,
}

/// A 95 % confidence interval, `mean ± half_width`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The mean of the resampled scores.
    pub mean: f64,
    /// Half the distance between the 2.5 % and the 97.5 % quantile of the resampled scores.
    pub half_width: f64,
}

/// `μ = 41.03 ± 0.52`; a precision sets the digits.
impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = f.precision().unwrap_or(2);
        write!(f, "μ = {:.width$} ± {:.width$}", self.mean, self.half_width)
    }
}

impl PairedTest {
    /// Paired bootstrap resampling with sacreBLEU's 1,000 samples and its seed.
    pub fn bootstrap() -> Self {
        Self { method: Resampling::Bootstrap, n_samples: 1000, seed: DEFAULT_SEED }
    }

    /// Paired approximate randomization with sacreBLEU's 10,000 trials and its seed, without intervals.
    pub fn randomization() -> Self {
        Self { method: Resampling::Randomization { n_confidence: 0 }, n_samples: 10_000, seed: DEFAULT_SEED }
    }

    /// Tests whether two systems differ in a score, given their statistics on the same segments.
    ///
    /// # Errors
    /// [`MetricError::Unpaired`] or [`MetricError::NoSamples`].
    ///
    /// # Panics
    /// If the statistics are not `scorer`'s.
    pub fn compare<S: Scorer>(
        &self,
        scorer: &S,
        baseline: &Statistics,
        system: &Statistics,
    ) -> Result<Comparison, MetricError> {
        if baseline.n_segments() != system.n_segments() {
            return Err(MetricError::Unpaired { baseline: baseline.n_segments(), system: system.n_segments() });
        }
        if self.n_samples == 0 {
            return Err(MetricError::NoSamples);
        }
        let scores = [baseline, system].map(|statistics| scorer.value(&statistics.sums()).get());
        let difference = (scores[0] - scores[1]).abs();
        let (p_value, intervals) = match self.method {
            Resampling::Bootstrap => self.paired_bootstrap(scorer, [baseline, system], difference),
            Resampling::Randomization { n_confidence } => {
                self.paired_randomization(scorer, [baseline, system], difference, n_confidence)
            }
        };
        let [baseline, system] = std::array::from_fn(|idx| Estimate { score: scores[idx], interval: intervals[idx] });
        Ok(Comparison { baseline, system, p_value })
    }

    fn paired_bootstrap<S: Scorer>(
        &self,
        scorer: &S,
        systems: [&Statistics; 2],
        difference: f64,
    ) -> (f64, [Option<Interval>; 2]) {
        let samples = bootstrap(scorer, systems, self.n_samples, &mut NumpyRandom::new(self.seed));
        let p_value = match &samples {
            [Samples::Native(baseline), Samples::Native(system)] => bootstrap_p_value(baseline, system, difference),
            [baseline, system] => bootstrap_p_value(&baseline.to_double(), &system.to_double(), difference),
        };
        (p_value, samples.map(|samples| Some(samples.interval())))
    }

    fn paired_randomization<S: Scorer>(
        &self,
        scorer: &S,
        systems: [&Statistics; 2],
        difference: f64,
        n_confidence: usize,
    ) -> (f64, [Option<Interval>; 2]) {
        let mut random = NumpyRandom::new(self.seed);
        let mut bits = random.bits();
        let width = systems[0].width();
        let exceeds = |_: &usize| {
            let [mut left, mut right] = [vec![0.0; width], vec![0.0; width]];
            for ((baseline, system), keep) in systems[0].rows().zip(systems[1].rows()).zip(&mut bits) {
                add(&mut left, if keep { baseline } else { system });
                add(&mut right, if keep { system } else { baseline });
            }
            (scorer.value(&left).get() - scorer.value(&right).get()).abs() > difference
        };
        let n_greater = (0..self.n_samples).filter(exceeds).count();
        drop(bits);

        let intervals = (n_confidence > 0).then(|| {
            // sacreBLEU seeds the baseline's interval again; the system's continues from the trials.
            let [baseline] = bootstrap(scorer, [systems[0]], n_confidence, &mut NumpyRandom::new(self.seed));
            let [system] = bootstrap(scorer, [systems[1]], n_confidence, &mut random);
            [baseline, system].map(|samples| samples.interval())
        });
        let intervals = intervals.map_or([None; 2], |intervals| intervals.map(Some));
        (p_value(n_greater, self.n_samples), intervals)
    }
}

/// The bootstrap interval of one system's score, as sacreBLEU's `--confidence` gives it.
///
/// # Errors
/// [`MetricError::NoSamples`].
///
/// # Panics
/// If the statistics are not `scorer`'s.
pub fn confidence_interval<S: Scorer>(
    scorer: &S,
    statistics: &Statistics,
    n_samples: usize,
    seed: u64,
) -> Result<Interval, MetricError> {
    if n_samples == 0 {
        return Err(MetricError::NoSamples);
    }
    let [samples] = bootstrap(scorer, [statistics], n_samples, &mut NumpyRandom::new(seed));
    let Interval { half_width, .. } = samples.interval();
    // Only here, sacreBLEU takes the mean with Python's exact `statistics.mean`, rounded to the samples' type.
    let exact = samples.to_double().iter().sum::<f64>() / n_samples as f64;
    let mean = if let Samples::Native(_) = samples { f64::from(exact as f32) } else { exact };
    Ok(Interval { mean, half_width })
}

/// Scores of resampled test sets, in the type of numpy's array.
enum Samples {
    Native(Vec<f32>),
    Double(Vec<f64>),
}

impl FromIterator<NumpyFloat<f32>> for Samples {
    /// As numpy makes an array from a list: one Python float makes all of them double.
    fn from_iter<I: IntoIterator<Item = NumpyFloat<f32>>>(values: I) -> Self {
        let values: Vec<_> = values.into_iter().collect();
        let native: Option<Vec<f32>> =
            values.iter().map(|value| if let NumpyFloat::Native(x) = value { Some(*x) } else { None }).collect();
        native.map_or_else(|| Self::Double(values.iter().map(|value| value.get()).collect()), Self::Native)
    }
}

impl Samples {
    fn to_double(&self) -> Vec<f64> {
        match self {
            Self::Native(scores) => scores.iter().map(|&score| score.into()).collect(),
            Self::Double(scores) => scores.clone(),
        }
    }

    fn interval(&self) -> Interval {
        match self {
            Self::Native(scores) => interval(scores),
            Self::Double(scores) => interval(scores),
        }
    }
}

/// Scores test sets of segments drawn with replacement, the same draws for all systems.
fn bootstrap<S: Scorer, const N: usize>(
    scorer: &S,
    systems: [&Statistics; N],
    n_samples: usize,
    random: &mut NumpyRandom,
) -> [Samples; N] {
    let width = systems[0].width();
    let n_segments = systems[0].n_segments();
    let rows = systems.map(|system| system.rows().flatten().map(|&x| x as f32).collect::<Vec<f32>>());
    let mut values: [Vec<NumpyFloat<f32>>; N] = std::array::from_fn(|_| Vec::with_capacity(n_samples));
    for _ in 0..n_samples {
        let mut sums: [Vec<f32>; N] = std::array::from_fn(|_| vec![0.0; width]);
        for _ in 0..n_segments {
            let start = random.below(n_segments as u32) as usize * width;
            for (sums, rows) in sums.iter_mut().zip(&rows) {
                add(sums, &rows[start..start + width]);
            }
        }
        for (values, sums) in values.iter_mut().zip(&sums) {
            values.push(scorer.value(sums));
        }
    }
    values.map(|values| values.into_iter().collect())
}

/// Fraction of samples whose difference, less its mean, exceeds the difference.
fn bootstrap_p_value<R: Real>(baseline: &[R], system: &[R], difference: f64) -> f64 {
    let differences: Vec<R> = baseline.iter().zip(system).map(|(&a, &b)| if a < b { b - a } else { a - b }).collect();
    let mean = mean(&differences);
    let n_greater = differences.iter().filter(|&&d| d - mean > R::nearest(difference)).count();
    p_value(n_greater, differences.len())
}

/// The 1 that is added keeps the test exact for few samples.
fn p_value(n_greater: usize, n_samples: usize) -> f64 {
    (n_greater + 1) as f64 / (n_samples + 1) as f64
}

fn interval<R: Real>(scores: &[R]) -> Interval {
    let mut sorted = scores.to_vec();
    sorted.sort_by(|a, b| (*a).into().total_cmp(&(*b).into()));
    let tail = sorted.len() / 40;
    let half_width = R::nearest(0.5) * (sorted[sorted.len() - tail - 1] - sorted[tail]);
    Interval { mean: mean(&sorted).into(), half_width: half_width.into() }
}

fn mean<R: Real>(xs: &[R]) -> R {
    pairwise_sum(xs) / R::nearest(xs.len() as f64)
}

/// A sum in the order in which numpy adds.
fn pairwise_sum<R: Real>(xs: &[R]) -> R {
    const LANES: usize = 8;
    if xs.len() < LANES {
        return xs.iter().fold(R::default(), |sum, &x| sum + x);
    }
    if xs.len() > 128 {
        let (left, right) = xs.split_at(xs.len() / 2 / LANES * LANES);
        return pairwise_sum(left) + pairwise_sum(right);
    }
    let mut lanes = [R::default(); LANES];
    let chunks = xs.chunks_exact(LANES);
    let rest = chunks.remainder();
    chunks.for_each(|chunk| add(&mut lanes, chunk));
    let [a, b, c, d, e, f, g, h] = lanes;
    rest.iter().fold(((a + b) + (c + d)) + ((e + f) + (g + h)), |sum, &x| sum + x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_python_float_makes_the_samples_double() {
        let native: Samples = [NumpyFloat::Native(1.0), NumpyFloat::Native(0.1)].into_iter().collect();
        assert!(matches!(native, Samples::Native(_)));
        let double: Samples = [NumpyFloat::Native(1.0), NumpyFloat::Double(0.1)].into_iter().collect();
        assert!(matches!(double, Samples::Double(scores) if scores == [1.0, 0.1]));
    }

    #[test]
    fn the_interval_leaves_a_fortieth_out_on_each_side() {
        let scores: Vec<f64> = (0..80).rev().map(f64::from).collect();
        let interval = interval(&scores);
        assert_eq!(interval, Interval { mean: 39.5, half_width: 37.5 });
        assert_eq!(interval.to_string(), "μ = 39.50 ± 37.50");
    }

    #[test]
    fn a_system_does_not_differ_from_itself() {
        let bleu = crate::Bleu::default();
        let statistics = bleu.statistics(&["one two three four"; 5], &[["one two three five"; 5]]).unwrap();
        let comparison = PairedTest::bootstrap().compare(&bleu, &statistics, &statistics).unwrap();
        assert_eq!(comparison.p_value, 1.0 / 1001.0);
        assert!(!comparison.is_significant());
    }
}
