//! The state of a run.

use attentive_core::Position;
use serde::{Deserialize, Serialize};

use crate::{DivergenceState, EarlyStoppingState, Environment, Monitored};

/// Everything besides parameters and optimizer state that a run needs to continue as if it had never stopped.
///
/// It has no random state: dropout and the order of batches are functions of seed, step and position.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TrainState {
    /// Name of the optimizer whose state the checkpoint holds; older checkpoints have no name, and are Adam's.
    pub optimizer: String,
    /// Updates made.
    pub step: u64,
    /// Updates of the optimizer, fewer where some were skipped.
    pub n_updates: u64,
    /// Target tokens trained on.
    pub n_targets: u64,
    /// The update after which the model was validated last.
    pub validated_step: u64,
    /// What validations are judged by.
    #[serde(skip_serializing_if = "is_quality")]
    pub monitored: Monitored,
    /// The name of what a validation's quality is, with the settings that change it; older checkpoints do not have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub measure: Option<String>,
    /// The best value of what is monitored so far, the loss with its sign turned, and its step.
    pub best: Option<(f64, u64)>,
    /// The loss of that validation; older checkpoints do not have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best_loss: Option<f64>,
    /// The newest checkpoints that were due, by step: those that an average is taken of.
    pub scheduled: Vec<u64>,
    /// Position of the next batch in the data.
    pub position: Position,
    /// Batches in the epoch of the position, unless it is at the beginning of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epoch_batches: Option<u64>,
    /// How healthy losses were.
    pub divergence: DivergenceState,
    /// How long there was no improvement.
    pub early_stopping: EarlyStoppingState,
    /// The environment that the run was saved in.
    #[serde(skip_serializing_if = "Environment::is_unknown")]
    pub environment: Environment,
    /// Seconds trained, validation included; kept apart from all else, which is the same in every run.
    #[serde(skip_serializing)]
    pub elapsed_seconds: f64,
}

fn is_quality(monitored: &Monitored) -> bool {
    *monitored == Monitored::Quality
}

impl Default for TrainState {
    /// No update of Adam yet.
    fn default() -> Self {
        Self {
            optimizer: "adam".into(),
            step: 0,
            n_updates: 0,
            n_targets: 0,
            validated_step: 0,
            monitored: Monitored::Quality,
            measure: None,
            best: None,
            best_loss: None,
            scheduled: Vec::new(),
            position: Position::START,
            epoch_batches: None,
            divergence: DivergenceState::default(),
            early_stopping: EarlyStoppingState::default(),
            environment: Environment::default(),
            elapsed_seconds: 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Losses are compared with running means: a last digit lost in a file would make a resumed run another run.
        #[test]
        fn a_state_is_read_back_bit_for_bit(
            numbers in prop::array::uniform5(any::<f64>().prop_filter("a number", |x| !x.is_nan())),
            counts in prop::array::uniform4(0_u64..1 << 62),
            scheduled in prop::collection::vec(0_u64..1 << 62, 0..4),
        ) {
            let [quality, lr_scale, mean, variance, stale] = numbers;
            let [step, n_updates, epoch, batch_idx] = counts;
            let state = TrainState {
                step,
                n_updates,
                scheduled,
                best: Some((quality, step)),
                best_loss: Some(mean),
                position: Position { epoch, batch_idx },
                divergence: DivergenceState { lr_scale, mean, variance, ..DivergenceState::default() },
                early_stopping: EarlyStoppingState { best: Some(stale), best_loss: Some(variance), n_stale: 1 },
                environment: Environment { simd: Some("avx2".into()), ..Environment::default() },
                ..TrainState::default()
            };
            let text = toml::to_string(&state).unwrap();
            prop_assert_eq!(toml::from_str::<TrainState>(&text).unwrap(), state, "{}", text);
        }
    }
}
