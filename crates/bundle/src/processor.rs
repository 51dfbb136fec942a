//! What turns a user's input into what a model reads, and back.

use std::{fmt, sync::Arc};

use attentive_tokenizer::Tokenizer;

/// What turns a user's input into what a model reads, and what it writes into what a user sees.
#[derive(Clone)]
#[non_exhaustive]
pub enum Processor {
    /// Text to ids and back.
    Text(Arc<dyn Tokenizer>),
    /// Nothing: the model is given numbers.
    None,
}

impl Processor {
    /// The tokenizer, if the model reads or writes text.
    pub fn tokenizer(&self) -> Option<&Arc<dyn Tokenizer>> {
        match self {
            Self::Text(tokenizer) => Some(tokenizer),
            Self::None => None,
        }
    }
}

impl From<Arc<dyn Tokenizer>> for Processor {
    fn from(tokenizer: Arc<dyn Tokenizer>) -> Self {
        Self::Text(tokenizer)
    }
}

impl From<Box<dyn Tokenizer>> for Processor {
    fn from(tokenizer: Box<dyn Tokenizer>) -> Self {
        Self::Text(tokenizer.into())
    }
}

impl fmt::Debug for Processor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(tokenizer) => write!(f, "Text({} entries)", tokenizer.vocab_size()),
            Self::None => f.write_str("None"),
        }
    }
}
