//! Learning rate as a function of the update.

use std::num::NonZeroU64;

use serde::{Deserialize, Serialize};

use crate::OptimizerError;

/// The learning rate of each update.
///
/// A pure function of the update's number, counted from 1: resuming needs only that number.
pub trait Schedule {
    /// Learning rate of update `step`.
    fn lr(&self, step: NonZeroU64) -> f64;
}

/// Kind of schedule and its settings.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum ScheduleConfig {
    /// `factor · d_model^-½ · min(step^-½, step · warmup_steps^-1.5)` (Vaswani et al. 2017, §5.3, eq. 3).
    Noam {
        /// Factor before the paper's formula; 1 in the paper.
        #[serde(default = "one")]
        factor: f64,
        /// Updates until the peak; 4,000 in the paper.
        warmup_steps: u64,
    },
    /// Linear from 0 to `peak` at `warmup_steps`, then `peak · √(warmup_steps / step)`; fairseq's `inverse_sqrt`
    /// that warms up from 0.
    InverseSqrt {
        /// Highest learning rate.
        peak: f64,
        /// Updates until the peak.
        warmup_steps: u64,
    },
    /// Linear from 0 to `peak` at `warmup_steps`, then half a cosine down to `floor` at `total_steps`
    /// (Loshchilov and Hutter 2017, without restarts).
    Cosine {
        /// Highest learning rate.
        peak: f64,
        /// Updates until the peak.
        warmup_steps: u64,
        /// Updates until the floor.
        total_steps: u64,
        /// Lowest learning rate.
        #[serde(default)]
        floor: f64,
    },
    /// Linear from 0 to `lr` at `warmup_steps`, then `lr`.
    Constant {
        /// The learning rate.
        lr: f64,
        /// Updates until it is reached.
        #[serde(default)]
        warmup_steps: u64,
    },
}

fn one() -> f64 {
    1.0
}

impl ScheduleConfig {
    /// Checks that learning rates are in their range.
    ///
    /// # Errors
    /// [`OptimizerError::LearningRate`] names the first that is negative, infinite or not a number.
    pub fn validate(&self) -> Result<(), OptimizerError> {
        let rates: &[_] = match *self {
            Self::Noam { factor, .. } => &[("factor", factor)],
            Self::InverseSqrt { peak, .. } => &[("peak", peak)],
            Self::Cosine { peak, floor, .. } => &[("peak", peak), ("floor", floor)],
            Self::Constant { lr, .. } => &[("lr", lr)],
        };
        match rates.iter().copied().find(|(_, value)| !(value.is_finite() && *value >= 0.0)) {
            Some((key, value)) => Err(OptimizerError::LearningRate { key, value }),
            None => Ok(()),
        }
    }

    /// The update from which on the learning rate is 0, if there is one.
    pub fn ends_at(&self) -> Option<u64> {
        match *self {
            Self::Noam { factor: 0.0, .. }
            | Self::InverseSqrt { peak: 0.0, .. }
            | Self::Cosine { peak: 0.0, floor: 0.0, .. }
            | Self::Constant { lr: 0.0, .. } => Some(1),
            Self::Cosine { warmup_steps, total_steps, floor: 0.0, .. } => {
                Some(total_steps.max(warmup_steps.saturating_add(1)))
            }
            _ => None,
        }
    }

    /// The schedule for a model of width `d_model`, which the Noam schedule depends on.
    pub fn build(self, d_model: usize) -> Scheduled {
        Scheduled { config: self, d_model }
    }
}

/// A [`ScheduleConfig`] for one model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scheduled {
    config: ScheduleConfig,
    d_model: usize,
}

impl Schedule for Scheduled {
    fn lr(&self, step: NonZeroU64) -> f64 {
        let step = step.get() as f64;
        let ramp = |warmup_steps: u64| if warmup_steps == 0 { 1.0 } else { (step / warmup_steps as f64).min(1.0) };
        match self.config {
            ScheduleConfig::Noam { factor, warmup_steps } => {
                let decay = step.powf(-0.5);
                let rise = step * (warmup_steps.max(1) as f64).powf(-1.5);
                factor * (self.d_model as f64).powf(-0.5) * decay.min(rise)
            }
            ScheduleConfig::InverseSqrt { peak, warmup_steps } => {
                let warmup = warmup_steps.max(1) as f64;
                peak * ramp(warmup_steps) * (warmup / step.max(warmup)).sqrt()
            }
            ScheduleConfig::Cosine { peak, warmup_steps, total_steps, floor } => {
                let decay_steps = total_steps.saturating_sub(warmup_steps).max(1) as f64;
                let progress = ((step - warmup_steps as f64) / decay_steps).clamp(0.0, 1.0);
                let cosine = (1.0 + (std::f64::consts::PI * progress).cos()) / 2.0;
                if step < warmup_steps as f64 { peak * ramp(warmup_steps) } else { floor + (peak - floor) * cosine }
            }
            ScheduleConfig::Constant { lr, warmup_steps } => lr * ramp(warmup_steps),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lr(config: ScheduleConfig, step: u64) -> f64 {
        config.build(512).lr(NonZeroU64::new(step).unwrap())
    }

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() <= 1e-12 * a.abs().max(b.abs())
    }

    #[test]
    fn noam_is_equation_3() {
        let noam = ScheduleConfig::Noam { factor: 1.0, warmup_steps: 4000 };
        // 512^-0.5 · min(step^-0.5, step · 4000^-1.5), by hand.
        assert!(close(lr(noam, 1), 0.044_194_173_824_159_22 * 3.952_847_075_210_474e-6));
        assert!(close(lr(noam, 4000), 0.044_194_173_824_159_22 / 63.245_553_203_367_59));
        assert!(close(lr(noam, 100_000), 0.044_194_173_824_159_22 / 316.227_766_016_837_94));
    }

    #[test]
    fn cosine_starts_at_the_peak_and_ends_at_the_floor() {
        let cosine = ScheduleConfig::Cosine { peak: 1.0, warmup_steps: 10, total_steps: 110, floor: 0.1 };
        assert!(close(lr(cosine, 5), 0.5));
        assert!(close(lr(cosine, 10), 1.0));
        assert!(close(lr(cosine, 60), 0.55));
        assert!(close(lr(cosine, 110), 0.1));
        assert!(close(lr(cosine, 1_000), 0.1));
    }

    #[test]
    fn a_schedule_ends_where_its_rate_becomes_zero() {
        for (warmup_steps, total_steps) in [(10, 110), (0, 5), (1, 2), (7, 7), (0, 0)] {
            let cosine = ScheduleConfig::Cosine { peak: 1.0, warmup_steps, total_steps, floor: 0.0 };
            let first_idle = (1..1_000).find(|&step| lr(cosine, step) == 0.0);
            assert_eq!(cosine.ends_at(), first_idle);
        }
        let floored = ScheduleConfig::Cosine { peak: 1.0, warmup_steps: 10, total_steps: 110, floor: 0.1 };
        assert_eq!(floored.ends_at(), None);
        for rate in [0.0, 1.0] {
            for config in [
                ScheduleConfig::Noam { factor: rate, warmup_steps: 10 },
                ScheduleConfig::InverseSqrt { peak: rate, warmup_steps: 10 },
                ScheduleConfig::Cosine { peak: rate, warmup_steps: 10, total_steps: 110, floor: 0.0 },
                ScheduleConfig::Cosine { peak: 0.0, warmup_steps: 10, total_steps: 110, floor: rate },
                ScheduleConfig::Constant { lr: rate, warmup_steps: 10 },
            ] {
                // A rise to nothing is not an end, where a floor comes after it.
                let last_above = (1..1_000).rfind(|&step| lr(config, step) > 0.0).unwrap_or(0);
                assert_eq!(config.ends_at(), (last_above < 999).then_some(last_above + 1), "{config:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn every_schedule_peaks_at_warm_up(warmup_steps in 1_u64..5_000, step in 1_u64..100_000) {
            for config in [
                ScheduleConfig::Noam { factor: 2.0, warmup_steps },
                ScheduleConfig::InverseSqrt { peak: 5e-3, warmup_steps },
                ScheduleConfig::Cosine { peak: 1e-3, warmup_steps, total_steps: 50_000, floor: 1e-5 },
                ScheduleConfig::Constant { lr: 1e-3, warmup_steps },
            ] {
                let peak = lr(config, warmup_steps);
                prop_assert!(lr(config, step) <= peak * (1.0 + 1e-12));
                prop_assert!(lr(config, step) > 0.0);
            }
        }

        #[test]
        fn inverse_sqrt_is_noam_rescaled(warmup_steps in 1_u64..5_000, step in 1_u64..100_000) {
            let noam = ScheduleConfig::Noam { factor: 1.0, warmup_steps };
            let peak = lr(noam, warmup_steps);
            let inverse_sqrt = ScheduleConfig::InverseSqrt { peak, warmup_steps };
            prop_assert!(close(lr(noam, step), lr(inverse_sqrt, step)));
        }
    }
}
