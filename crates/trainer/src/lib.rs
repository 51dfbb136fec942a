//! The training loop.
//!
//! [`Trainer`] minimises an [`Objective`](attentive_backend::Objective) over a [`BatchStream`]: accumulation over
//! micro-batches, clipping by the global norm, any [`Optimizer`](attentive_optim::Optimizer) under a schedule, validation
//! and checkpoints at intervals. [`Callback`]s receive what happens as [`Event`]s; the loop itself prints nothing.
//! [`Update`] is one update alone, for loops of your own.
//!
//! A language model that learns to count up to seven and begin again:
//!
//! ```
//! use std::ops::ControlFlow;
//! use attentive_backend::BackendKind;
//! use attentive_core::SequenceBatch;
//! use attentive_model::{CausalLmObjective, GptConfig, ModelSpec};
//! use attentive_trainer::{CheckpointDir, Endless, Event, FinishedModel, OnDamage, Trainer, TrainerConfig};
//!
//! let rows: Vec<Vec<u32>> = (0..8).map(|first| (first..first + 7).map(|n| n % 8).collect()).collect();
//! let data = vec![SequenceBatch::next_tokens(&rows, 0, (0..8).collect())];
//! let device = BackendKind::Flex.device()?.autodiff();
//! let model = GptConfig::gpt2_like(8, 6, [1, 2, 16]).init(&device, 1)?;
//!
//! let folder = tempfile::tempdir()?;
//! let checkpoints = CheckpointDir::new(folder.path(), 2);
//! let trainer = Trainer::builder(model, CausalLmObjective::default())
//!     .config(TrainerConfig { steps: 150, clip_norm: 1.0, checkpoint_every: 50, ..TrainerConfig::default() })
//!     .checkpoints(checkpoints.clone())
//!     .build()?;
//! let mut losses = Vec::new();
//! let mut watch = |event: &Event<'_>| {
//!     if let Event::Step(report) = event {
//!         losses.push(report.loss_nats);
//!     }
//!     ControlFlow::Continue(())
//! };
//! let outcome = trainer.run(&mut Endless::new(data), None, &mut [&mut watch])?;
//! assert!(losses[149] < losses[0] / 2.0, "{losses:?}");
//!
//! // The finished model is the mean of the last two checkpoints.
//! let finished = outcome.finished(FinishedModel::Average, Some(&checkpoints), OnDamage::Refuse)?;
//! assert_eq!(finished.steps, [100, 150]);
//! let model = attentive_weights::load(outcome.model, finished.params)?;
//! # drop(model);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A run loses no work: [`CheckpointDir`] writes each [`Checkpoint`] whole or not at all, with a checksum of every file,
//! and passes over damaged ones; what [`TrainState`] holds makes a resumed run equal to one that never stopped, bit for
//! bit. Losses that are not finite, or far above their mean, are answered as [`DivergenceConfig`] says.
#![recursion_limit = "256"]

mod builder;
mod checkpoint;
mod config;
mod divergence;
mod early_stopping;
mod environment;
mod error;
mod event;
mod finished;
mod freeze;
mod rates;
mod rounding;
mod train_state;
mod trainer;
mod update;
mod validation;

pub use attentive_core::{BatchStream, Endless, Epochs};
pub use builder::TrainerBuilder;
pub use checkpoint::{
    Averaged, Checkpoint, CheckpointDir, LatestCheckpoint, OnDamage, average, params_of_first, read_params, read_state,
};
pub use config::TrainerConfig;
pub use divergence::{Diagnosis, DivergenceConfig, DivergenceState};
pub use early_stopping::{EarlyStoppingConfig, EarlyStoppingState, Monitored};
pub use environment::{Environment, EnvironmentChange};
pub use error::TrainError;
pub use event::{Callback, CallbackError, Event, StepReport};
pub use finished::FinishedModel;
pub use rates::RateConfig;
pub use rounding::QuantizeFormat;
pub use train_state::TrainState;
pub use trainer::{Outcome, Trainer};
pub use update::{Update, UpdateReport};
pub use validation::{Evaluate, Validation};
