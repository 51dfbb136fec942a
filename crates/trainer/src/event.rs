//! Events of training, and those who watch it.

use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
    time::Duration,
};

use attentive_core::Position;

use crate::{Diagnosis, EnvironmentChange, TrainError, Validation};

/// One update.
#[derive(Debug, Clone, PartialEq)]
pub struct StepReport {
    /// Updates made, this one included.
    pub step: u64,
    /// Position of the next batch in the data.
    pub position: Position,
    /// The loss that was minimised, in nats per target; a distance, if [`is_in_nats`](Self::is_in_nats) is false.
    pub loss_nats: f64,
    /// Cross-entropy without smoothing, in nats per target; its exponential is the perplexity.
    pub nll_nats: f64,
    /// Whether losses are cross-entropies, which have a perplexity.
    pub is_in_nats: bool,
    /// Learning rate.
    pub lr: f64,
    /// L2 norm of the mean gradient, before clipping.
    pub grad_norm: f64,
    /// Targets in this update.
    pub n_targets: usize,
    /// What the objective tells beside the loss, by name: means over targets. Usually nothing.
    pub scores: Vec<(&'static str, f64)>,
    /// Whether the update was left out because a number was not finite.
    pub skipped: bool,
    /// Time since training began, validation included.
    pub elapsed: Duration,
    /// Time of this update alone.
    pub step_time: Duration,
}

/// What happens in training.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The run continues in another environment than that of its checkpoint, so its result may differ in the last digits.
    /// Comes before the first update.
    EnvironmentChanged {
        /// The parts that changed.
        changes: &'a [EnvironmentChange],
    },
    /// The run continues, and validations are judged by another measure than before, so its best can't be compared with
    /// what comes. Comes before the first update.
    BestForgotten {
        /// The update after which the best was validated.
        step: u64,
    },
    /// An update was made, or skipped.
    Step(&'a StepReport),
    /// The model was validated.
    Validated {
        /// Updates made.
        step: u64,
        /// The scores.
        validation: &'a Validation,
        /// Whether losses are cross-entropies, which have a perplexity.
        is_in_nats: bool,
        /// Whether it is the best so far.
        is_best: bool,
        /// Time since training began.
        elapsed: Duration,
    },
    /// A checkpoint is about to be written. What was logged until now has to be on the disk before it: it is not logged
    /// again by a run that continues from the checkpoint.
    Saving,
    /// A checkpoint was written.
    Saved {
        /// Updates made.
        step: u64,
        /// Its folder.
        path: &'a Path,
    },
    /// Training diverged, and checkpoints that it could have gone back to are damaged.
    PassedOver {
        /// Their folders, newest first, and what is wrong with each; of several processes, the first one is told.
        damaged: &'a [(PathBuf, TrainError)],
    },
    /// Training diverged and went back to a checkpoint.
    RolledBack {
        /// The checkpoint's folder.
        path: &'a Path,
        /// Updates that remain.
        step: u64,
        /// Factor of the schedule's learning rate from now on.
        lr_scale: f64,
        /// Why.
        diagnosis: &'a Diagnosis,
    },
}

impl Event<'_> {
    /// Lines for a user, on how a run that goes on is not what it was.
    pub fn notes(&self) -> Vec<String> {
        match self {
            Self::EnvironmentChanged { changes } => {
                let note = |change: &EnvironmentChange| {
                    format!("note: {change}: bytes will differ from here on, in the last digits of numbers")
                };
                changes.iter().map(note).collect()
            }
            Self::BestForgotten { step } => vec![format!(
                "note: validations are judged by another measure from here on: the best so far, of step {step}, is forgotten"
            )],
            Self::PassedOver { damaged } => {
                let note = |(path, problem): &(PathBuf, TrainError)| {
                    format!("note: passing over {}: {problem}", path.display())
                };
                damaged.iter().map(note).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// An observer of training, which may end it with [`ControlFlow::Break`].
pub trait Callback {
    /// Called after each event.
    ///
    /// # Errors
    /// Ends training with [`TrainError::Callback`](crate::TrainError::Callback).
    fn on_event(&mut self, event: &Event<'_>) -> Result<ControlFlow<()>, CallbackError>;
}

/// A closure is one: `|event: &Event<'_>| ControlFlow::Continue(())`.
impl<F: FnMut(&Event<'_>) -> ControlFlow<()>> Callback for F {
    fn on_event(&mut self, event: &Event<'_>) -> Result<ControlFlow<()>, CallbackError> {
        Ok(self(event))
    }
}

/// A callback that could not do its work.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {cause}")]
pub struct CallbackError {
    /// The work that failed.
    pub what: String,
    /// Why it failed.
    #[source]
    pub cause: Box<dyn std::error::Error + Send + Sync>,
}
