//! Why training stops before its end.

use std::path::PathBuf;

use attentive_optim::OptimizerError;
use attentive_weights::WeightsError;

use crate::CallbackError;

/// Why training stops before its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// A setting that no training can have.
    #[error("training.{key} = {value}: {problem}")]
    Setting {
        /// Name of the setting.
        key: &'static str,
        /// What it was set to.
        value: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A setting of the optimizer.
    #[error(transparent)]
    Optimizer(#[from] OptimizerError),
    /// The stream of batches failed.
    #[error("reading training data: {0}")]
    Data(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Evaluation failed.
    #[error("validation after step {step}: {cause}")]
    Evaluation {
        /// Updates made.
        step: u64,
        /// What went wrong.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Losses are no numbers any more.
    #[error(
        "the loss or its gradient was not finite in {n_skipped} updates in a row, the last at step {step} (pairs {examples:?} of the training data); lower the learning rate or clip gradients (training.clip_norm)"
    )]
    Diverged {
        /// Update that was tried last.
        step: u64,
        /// Updates skipped in a row.
        n_skipped: u64,
        /// First examples of the last batch.
        examples: Vec<u64>,
    },
    /// A checkpoint can't be written or read.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// A checkpoint's state can't be written or read.
    #[error("{path}: {problem}", path = path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// A callback failed.
    #[error(transparent)]
    Callback(#[from] CallbackError),
}
