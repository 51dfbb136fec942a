//! The training loop.
//!
//! [`Trainer`] minimises an [`Objective`](attentive_backend::Objective) over a stream of batches: accumulation over
//! micro-batches, clipping by the global norm, Adam under a schedule, validation and checkpoints at intervals. What
//! happens is told to [`Callback`]s as [`Event`]s; the loop itself prints nothing.
//!
//! A run loses no work: [`CheckpointDir`] writes each [`Checkpoint`] whole or not at all, with a checksum of every file,
//! and passes over damaged ones; what [`TrainState`] holds makes a resumed run equal to one that never stopped, bit for
//! bit. Losses that are not finite, or far above their mean, are answered as [`DivergenceConfig`] says.
#![recursion_limit = "256"]

mod batch_stream;
mod checkpoint;
mod config;
mod divergence;
mod early_stopping;
mod error;
mod event;
mod train_state;
mod trainer;
mod validation;

pub use batch_stream::BatchStream;
pub use checkpoint::{Checkpoint, CheckpointDir, Newest};
pub use config::TrainerConfig;
pub use divergence::{Diagnosis, DivergenceConfig, DivergenceState};
pub use early_stopping::{EarlyStoppingConfig, EarlyStoppingState, Watched};
pub use error::TrainError;
pub use event::{Callback, CallbackError, Event, StepReport};
pub use train_state::TrainState;
pub use trainer::{Outcome, Trainer};
pub use validation::{Evaluate, Validation};
