//! Errors of tasks and runs.

use std::{error::Error as StdError, iter};

use attentive_backend::BackendError;
use attentive_bundle::{BundleError, EncodeError, TranslateError};
use attentive_data::DataError;
use attentive_decode::DecodeError;
use attentive_metrics::MetricError;
use attentive_model::ConfigError;
use attentive_optim::OptimizerError;
use attentive_tokenizer::{TokenizerError, UnknownId};
use attentive_trainer::TrainError;
use attentive_weights::WeightsError;

use crate::config::Problem;

/// Why a task or a run can't go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting that is wrong by itself, or beside others.
    #[error(transparent)]
    Setting(#[from] Problem),
    /// Settings, data or folders that do not go together; says what to do.
    #[error("{0}")]
    Refused(String),
    /// Something failed while something else was done.
    #[error("{doing}")]
    While {
        /// What was done, and to which file.
        doing: String,
        /// What failed.
        #[source]
        cause: Box<dyn StdError + Send + Sync>,
    },
    /// Of reading data.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Of reading or training a tokenizer.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// Of turning tokens into text.
    #[error(transparent)]
    Id(#[from] UnknownId),
    /// Of a model's configuration.
    #[error(transparent)]
    Model(#[from] ConfigError),
    /// Of weights.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// Of a model's folder.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// Of an optimizer's settings or state.
    #[error(transparent)]
    Optimizer(#[from] OptimizerError),
    /// Of training.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// Of a search.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// Of a translation.
    #[error(transparent)]
    Translate(#[from] TranslateError),
    /// Of an encoder.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// Of a metric's settings.
    #[error(transparent)]
    Metric(#[from] MetricError),
    /// Of a backend.
    #[error(transparent)]
    Backend(#[from] BackendError),
}

/// What a task or a run gives.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error and its causes in a line, those left out that the text before has said already.
pub fn with_causes(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    for cause in iter::successors(error.source(), |&cause| cause.source()).map(ToString::to_string) {
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// Says what was being done when something failed.
pub trait Context<T> {
    /// What was being done, or what is missing.
    ///
    /// # Errors
    /// [`Error::While`] or, of an `Option`, [`Error::Refused`].
    fn context(self, doing: impl Into<String>) -> Result<T>;

    /// The same, made only if it is needed.
    ///
    /// # Errors
    /// As [`context`](Self::context).
    fn with_context<S: Into<String>>(self, doing: impl FnOnce() -> S) -> Result<T>;
}

impl<T, E: Into<Box<dyn StdError + Send + Sync>>> Context<T> for std::result::Result<T, E> {
    fn context(self, doing: impl Into<String>) -> Result<T> {
        self.with_context(|| doing)
    }

    fn with_context<S: Into<String>>(self, doing: impl FnOnce() -> S) -> Result<T> {
        self.map_err(|cause| Error::While { doing: doing().into(), cause: cause.into() })
    }
}

impl<T> Context<T> for Option<T> {
    fn context(self, missing: impl Into<String>) -> Result<T> {
        self.with_context(|| missing)
    }

    fn with_context<S: Into<String>>(self, missing: impl FnOnce() -> S) -> Result<T> {
        self.ok_or_else(|| Error::Refused(missing().into()))
    }
}

/// Returns an [`Error::Refused`] with a text.
macro_rules! refuse {
    ($($text:tt)*) => { return Err($crate::Error::Refused(format!($($text)*))) };
}
