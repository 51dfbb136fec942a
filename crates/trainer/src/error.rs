//! Why training stops before its end.

use std::path::PathBuf;

use attentive_collective::CollectiveError;
use attentive_optim::OptimizerError;
use attentive_weights::WeightsError;

use crate::{CallbackError, Diagnosis};

/// Why training stops before its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// A setting that no training can have.
    #[error("{key} = {value}: {problem}")]
    Setting {
        /// Name of the setting.
        key: &'static str,
        /// What it was set to.
        value: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A pattern of `freeze` that fits no training.
    #[error("freeze has {pattern:?}: {problem}")]
    Freeze {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Learning rates of parts that the model does not have.
    #[error("{setting}: {problem}")]
    Rates {
        /// The setting, with the pattern if it is one.
        setting: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A matrix that the format of `quantize` can't hold.
    #[error("quantize: {0}")]
    Quantize(#[source] WeightsError),
    /// A setting of the optimizer.
    #[error(transparent)]
    Optimizer(#[from] OptimizerError),
    /// A checkpoint of another optimizer.
    #[error("the checkpoint holds the state of the optimizer {found:?}, and the run trains by {expected:?}")]
    OtherOptimizer {
        /// That of the checkpoint.
        found: String,
        /// That of the run.
        expected: String,
    },
    /// The stream of batches failed.
    #[error("reading training data: {0}")]
    Data(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The data is cut into other batches than those that the checkpoint's position was counted in.
    #[error(
        "the epoch that the checkpoint was saved in had {before} batches, and it has {now} now, so that its place among \
         them is lost: bring back the settings that batches are made by, or begin a new run"
    )]
    OtherBatches {
        /// Batches of the epoch when the checkpoint was saved.
        before: u64,
        /// Batches of the epoch now.
        now: u64,
    },
    /// Evaluation failed.
    #[error("validation after step {step}: {cause}")]
    Evaluation {
        /// Updates made.
        step: u64,
        /// What went wrong.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Training diverged, however often it went back to a healthy checkpoint.
    #[error(
        "training diverged{}: {diagnosis}\n  what helps: a lower peak of the learning rate, more warm-up, clipping \
         (clip_norm), a look at these examples", after(*.n_rollbacks)
    )]
    Diverged {
        /// How often training went back to a checkpoint.
        n_rollbacks: u64,
        /// What numbers tell.
        diagnosis: Box<Diagnosis>,
    },
    /// Weights can't be written or read, or are of another model.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// A file of a checkpoint can't be written or read.
    #[error("{path}: {cause}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// A file of a checkpoint is not what was written.
    #[error("{path}: damaged: {problem}", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A checkpoint of a later format.
    #[error("{path}: {problem}", path = path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// Its format, and what to do.
        problem: String,
    },
    /// A checkpoint can't be taken into the mean of several.
    #[error("the mean of the checkpoints is not made: {cause}; the run is complete and nothing is lost: {}", help(.cause))]
    NotAveraged {
        /// What is wrong with the checkpoint.
        #[source]
        cause: Box<TrainError>,
    },
    /// No checkpoint is the best.
    #[error("no validation scored the model, so no checkpoint is the best: take the last model, or a mean")]
    NoBest,
    /// The best checkpoint can't be read.
    #[error(
        "the best checkpoint is not read: {cause}; the run is complete and nothing is lost: bring the file back from a \
         copy, or take the last model, or a mean"
    )]
    BestUnread {
        /// What went wrong.
        #[source]
        cause: Box<TrainError>,
    },
    /// A checkpoint could not be written.
    #[error("the checkpoint of step {step} is not saved ({cause}); those before it are whole: make room and resume")]
    NotSaved {
        /// Updates made.
        step: u64,
        /// What went wrong.
        #[source]
        cause: Box<TrainError>,
    },
    /// No checkpoint is whole.
    #[error("no checkpoint is whole; bring one back from a copy, or begin a new run:{}", list(.damaged))]
    AllDamaged {
        /// Their folders, newest first, and what is wrong with each.
        damaged: Vec<(PathBuf, TrainError)>,
    },
    /// A callback failed.
    #[error(transparent)]
    Callback(#[from] CallbackError),
    /// A process would train another model.
    #[error(
        "process {rank} of {size} begins with other parameters than process 0: give all the same recipe, and the same \
         model to begin from"
    )]
    OtherParameters {
        /// The process, counted from 0.
        rank: usize,
        /// How many there are.
        size: usize,
    },
    /// Another process can't go on.
    #[error(transparent)]
    Collective(#[from] CollectiveError),
}

impl TrainError {
    /// Names of the settings that this is about, if any.
    pub fn keys(&self) -> Vec<&'static str> {
        match self {
            Self::Setting { key, .. } => vec![key],
            Self::Freeze { .. } => vec!["freeze"],
            Self::Rates { setting, .. } if setting.starts_with("rates") => vec!["rates"],
            Self::Rates { .. } => vec!["layer_decay"],
            Self::Quantize(_) => vec!["quantize"],
            Self::Optimizer(error) => error.keys(),
            _ => Vec::new(),
        }
    }
}

/// How often training went back before, in words.
fn after(n_rollbacks: u64) -> String {
    match n_rollbacks {
        0 => String::new(),
        1 => " again after going back once".into(),
        n => format!(" again after going back {n} times"),
    }
}

/// What helps if a checkpoint can't be averaged.
fn help(cause: &TrainError) -> &'static str {
    match cause {
        TrainError::Damaged { .. } => "bring the file back from a copy, or leave the checkpoint out of the mean",
        _ => "try again when the file can be read",
    }
}

fn list(damaged: &[(PathBuf, TrainError)]) -> String {
    damaged.iter().map(|(_, problem)| format!("\n  {problem}")).collect()
}
