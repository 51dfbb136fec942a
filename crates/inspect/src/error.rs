//! Errors.

use attentive_bundle::{BundleError, TooLong};
use attentive_tokenizer::FrameError;

/// Why a model can't be looked into.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// The model, its parts or its kind.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The languages of a translation have to be said.
    #[error(transparent)]
    Frame(FrameError),
    /// The family attends to nothing.
    #[error("a model of family {family:?} attends to nothing that could be shown")]
    NoAttention {
        /// The family.
        family: &'static str,
    },
    /// The family's layers are no single stack.
    #[error(
        "a model of family {family:?} can't be looked into yet: its layers are no single stack; one of gpt or bert can"
    )]
    NoStack {
        /// The family.
        family: &'static str,
    },
    /// The model predicts no tokens.
    #[error("the model has no head that predicts tokens")]
    NoTokens,
    /// A token that is asked for does not exist.
    #[error("the text has {n_tokens} tokens, and the vocabulary {n_ids}: name one of each, counted from 0")]
    NoSuchToken {
        /// Tokens of the text.
        n_tokens: usize,
        /// Tokens of the vocabulary.
        n_ids: usize,
    },
    /// The text has no token.
    #[error("the text is empty")]
    Empty,
    /// A text does not fit.
    #[error("{what} has {cause}; shorten it")]
    TooLong {
        /// Which text.
        what: &'static str,
        /// Its length, and the model's.
        cause: TooLong,
    },
    /// There is no such head.
    #[error("there is no {name:?} with head {head}")]
    NoHead {
        /// The attention's path.
        name: String,
        /// The head.
        head: usize,
    },
}
