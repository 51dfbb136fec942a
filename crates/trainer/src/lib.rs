//! The training loop.
//!
//! [`Trainer`] minimises an [`Objective`](attentive_core::Objective) over a stream of batches: accumulation over
//! micro-batches, clipping by the global norm, Adam under a schedule, validation and checkpoints at intervals. What
//! happens is told to [`Callback`]s as [`Event`]s; the loop itself prints nothing.
#![recursion_limit = "256"]

mod checkpoint;
mod error;
mod event;
mod trainer;

pub use checkpoint::{Checkpoint, CheckpointDir, TrainState};
pub use error::TrainError;
pub use event::{Callback, CallbackError, Event, StepReport, Validation};
pub use trainer::{BatchStream, Evaluate, Outcome, Trainer, TrainerConfig};
