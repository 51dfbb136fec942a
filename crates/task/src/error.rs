//! Errors of tasks and runs.

use std::{error::Error as StdError, iter};

use attentive_backend::BackendError;
use attentive_bundle::{BundleError, EncodeError, PlayError, TranscribeError, TranslateError};
use attentive_data::DataError;
use attentive_decode::DecodeError;
use attentive_interchange::InterchangeError;
use attentive_metrics::MetricError;
use attentive_model::ConfigError;
use attentive_optim::OptimizerError;
use attentive_speech::SpeechError;
use attentive_tokenizer::{TokenizerError, UnknownId};
use attentive_trainer::TrainError;
use attentive_vision::VisionError;
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
    /// Of reading pictures.
    #[error(transparent)]
    Vision(#[from] VisionError),
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
    /// Of an adapter that does not load, or is of another model.
    #[error(transparent)]
    Adapter(Box<InterchangeError>),
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
    /// Of an agent in its environment.
    #[error(transparent)]
    Play(#[from] PlayError),
    /// Of sound.
    #[error(transparent)]
    Speech(#[from] SpeechError),
    /// Of a transcription.
    #[error(transparent)]
    Transcribe(#[from] TranscribeError),
    /// Of a metric's settings.
    #[error(transparent)]
    Metric(#[from] MetricError),
    /// Of a backend.
    #[error(transparent)]
    Backend(#[from] BackendError),
}

impl Error {
    /// Names the part of the data, `validation` for example, in which nothing is left, or not enough.
    pub(crate) fn of_part(self, part: &str) -> Self {
        match self {
            Self::Data(
                cause @ (DataError::NoPairs | DataError::NoText | DataError::ShortText { .. } | DataError::OneDocument),
            ) => Self::While { doing: format!("data.{part}"), cause: cause.into() },
            error => error,
        }
    }
}

impl From<InterchangeError> for Error {
    fn from(cause: InterchangeError) -> Self {
        match cause {
            InterchangeError::Bundle(cause) => cause.into(),
            cause => Self::Adapter(Box::new(cause)),
        }
    }
}

/// What a task or a run gives.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error and its causes in a line, those left out that the text before has said already.
pub fn with_causes(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    for cause in iter::successors(error.source(), |&cause| cause.source()).map(ToString::to_string) {
        if cause.starts_with(&text) {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    without_types(&text)
}

/// A text in which readers of files say what they expected in plain words, and not by Rust's types.
fn without_types(text: &str) -> String {
    const EXPECTED: &str = "expected ";
    let mut parts = text.split(EXPECTED);
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = [" at line", ",", ";", ":", "\n"].iter().filter_map(|end| part.find(end)).min().unwrap_or(part.len());
        let (expected, rest) = part.split_at(end);
        plain = plain + EXPECTED + in_plain_words(expected).unwrap_or(expected) + rest;
    }
    plain
}

/// What serde calls by a type of Rust.
fn in_plain_words(expected: &str) -> Option<&'static str> {
    match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" => return Some("an integer of at least 0"),
        "i8" | "i16" | "i32" | "i64" | "isize" => return Some("an integer"),
        "f32" | "f64" => return Some("a number"),
        _ => {}
    }
    let begins = |words: &[&str]| words.iter().any(|word| expected.starts_with(word));
    if begins(&["struct ", "internally tagged ", "adjacently tagged "]) {
        Some("a table")
    } else if begins(&["tuple ", "a tuple ", "an array "]) {
        Some("a list")
    } else if begins(&["a nonzero "]) {
        Some("an integer other than 0")
    } else {
        None
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Because {
        text: String,
        #[source]
        cause: Option<Box<Because>>,
    }

    /// Errors of these texts, each the cause of the one before.
    fn chain(texts: &[&str]) -> Option<Box<Because>> {
        let (text, rest) = texts.split_first()?;
        Some(Box::new(Because { text: (*text).to_owned(), cause: chain(rest) }))
    }

    #[test]
    fn a_cause_is_said_once() {
        for (texts, said) in [
            (&["reading a", "not found"][..], "reading a: not found"),
            (&["a: damaged", "damaged"], "a: damaged"),
            (&["reading a", "reading a: not found", "not found"], "reading a: not found"),
            (&["one"], "one"),
        ] {
            assert_eq!(with_causes(&*chain(texts).unwrap()), said);
        }
    }

    #[test]
    fn no_type_of_rust_is_named() {
        #[derive(Debug, serde::Deserialize)]
        #[expect(dead_code, reason = "its fields are only read into")]
        struct Sizes {
            n: usize,
            rate: f64,
            pair: (i32, i32),
        }
        let said = |json: &str| with_causes(&serde_json::from_str::<Sizes>(json).unwrap_err());
        assert!(
            said(r#"{"n": "x"}"#).contains("expected an integer of at least 0 at line 1"),
            "{}",
            said("{\"n\": \"x\"}")
        );
        assert!(said(r#"{"n": 1, "rate": []}"#).contains("expected a number at line 1"));
        assert!(said(r#"{"n": 1, "rate": 1, "pair": 3}"#).contains("expected a list at line 1"));
        assert!(said("7").contains("expected a table at line 1"));
        assert_eq!(without_types("line 2 is 7, expected two tokens"), "line 2 is 7, expected two tokens");
    }
}
