//! Ending a run that does not get better.

use serde::{Deserialize, Serialize};

use crate::Validation;

/// When a run ends before its last update.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct EarlyStoppingConfig {
    /// What must get better, and what the best checkpoint is judged by.
    #[serde(default)]
    pub on: Monitored,
    /// Validations in a row without improvement after which training ends.
    pub patience: u64,
    /// How much better is an improvement.
    #[serde(default)]
    pub min_delta: f64,
}

/// The part of a validation that is monitored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Monitored {
    /// [`Validation::quality`], for example BLEU; higher is better.
    #[default]
    Quality,
    /// [`Validation::nll_nats`]; lower is better.
    Loss,
}

/// How long there was no improvement.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EarlyStoppingState {
    /// The best value of what is monitored, the loss with its sign turned.
    pub best: Option<f64>,
    /// The least loss with that value; states of older versions do not have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best_loss: Option<f64>,
    /// Validations since.
    pub n_stale: u64,
}

impl Monitored {
    /// Its value in a validation; higher is better.
    pub(crate) fn of(self, validation: &Validation) -> f64 {
        match self {
            Self::Quality => validation.quality(),
            Self::Loss => -validation.nll_nats,
        }
    }
}

/// Whether a validation has the best value again, with a lower loss: a translator that begins has a BLEU of 0 for long.
pub(crate) fn is_lower_at(validation: &Validation, value: f64, best: (Option<f64>, Option<f64>)) -> bool {
    best.0 == Some(value) && best.1.is_some_and(|loss| validation.nll_nats < loss)
}

impl EarlyStoppingConfig {
    /// Whether the run has used up its patience.
    pub(crate) fn is_over(&self, state: &EarlyStoppingState) -> bool {
        state.n_stale >= self.patience
    }
}

impl EarlyStoppingState {
    /// Takes in a validation; of equal values, a lower loss is an improvement where any is, and NaN is none.
    pub(crate) fn record(&mut self, config: &EarlyStoppingConfig, validation: &Validation) {
        let value = config.on.of(validation);
        let is_better = !value.is_nan() && self.best.is_none_or(|best| value > best + config.min_delta);
        let is_lower = config.min_delta == 0.0 && is_lower_at(validation, value, (self.best, self.best_loss));
        if is_better || is_lower {
            *self = Self { best: Some(value), best_loss: Some(validation.nll_nats), n_stale: 0 };
        } else {
            self.n_stale += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stale_after(config: EarlyStoppingConfig, values: &[f64]) -> Vec<u64> {
        let mut state = EarlyStoppingState::default();
        let record = |&value: &f64| {
            state.record(&config, &Validation { nll_nats: value, scores: Vec::new(), quality: Some(value) });
            state.n_stale
        };
        values.iter().map(record).collect()
    }

    #[test]
    fn quality_rises_and_loss_falls() {
        let on = |on| EarlyStoppingConfig { on, patience: 2, min_delta: 0.0 };
        assert_eq!(stale_after(on(Monitored::Quality), &[1.0, 2.0, 2.0, 1.5, 3.0]), [0, 0, 1, 2, 0]);
        assert_eq!(stale_after(on(Monitored::Loss), &[3.0, 2.0, 2.5, 1.0, f64::NAN]), [0, 0, 1, 0, 1]);
    }

    #[test]
    fn a_small_gain_is_none() {
        let config = EarlyStoppingConfig { on: Monitored::Quality, patience: 1, min_delta: 0.5 };
        // Gains add up against the best that counted.
        assert_eq!(stale_after(config, &[1.0, 1.4, 1.6, 1.7]), [0, 1, 0, 1]);
        assert!(config.is_over(&EarlyStoppingState { n_stale: 1, ..EarlyStoppingState::default() }));
    }

    #[test]
    fn of_equal_quality_the_lower_loss_is_better() {
        let config = EarlyStoppingConfig { on: Monitored::Quality, patience: 2, min_delta: 0.0 };
        let mut state = EarlyStoppingState::default();
        let stale = [(0.0, 5.0), (0.0, 4.0), (0.0, 4.0), (0.0, 4.5), (1.0, 9.0), (0.0, 1.0)].map(|(bleu, loss)| {
            state.record(&config, &Validation { nll_nats: loss, scores: Vec::new(), quality: Some(bleu) });
            state.n_stale
        });
        assert_eq!(stale, [0, 0, 1, 2, 0, 1]);
    }
}
