//! What turns a user's input into what a model reads, and back.

use std::{borrow::Cow, fmt, ops::Range, sync::Arc};

use attentive_tokenizer::{AddedToken, Model, Specials, Token, TokenId, Tokenizer, UnknownId};

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

    /// This processor, but that the names of special tokens in a text are these tokens, as
    /// [`Tokenizer::encode_with_specials`] has it.
    #[must_use]
    pub fn reading_specials(self) -> Self {
        match self {
            Self::Text(tokenizer) => Self::Text(Arc::new(ReadsSpecials(tokenizer))),
            Self::None => Self::None,
        }
    }
}

/// A tokenizer to which the names of special tokens in a text to be read are these tokens.
struct ReadsSpecials(Arc<dyn Tokenizer>);

impl Tokenizer for ReadsSpecials {
    fn encode(&self, text: &str) -> Vec<TokenId> {
        self.0.encode_with_specials(text)
    }

    fn encode_target(&self, text: &str) -> Vec<TokenId> {
        self.0.encode_target(text)
    }

    fn encode_with_offsets(&self, text: &str) -> Vec<(TokenId, Range<usize>)> {
        self.0.encode_with_offsets(text)
    }

    fn encode_with_words(&self, text: &str) -> Vec<Token> {
        self.0.encode_with_words(text)
    }

    fn continuation(&self) -> Option<&str> {
        self.0.continuation()
    }

    fn sample(&self, text: &str, strength: f64, seed: u64) -> Vec<TokenId> {
        self.0.sample(text, strength, seed)
    }

    fn decode_bytes(&self, ids: &[TokenId]) -> Result<Vec<u8>, UnknownId> {
        self.0.decode_bytes(ids)
    }

    fn vocab_size(&self) -> usize {
        self.0.vocab_size()
    }

    fn source_vocab_size(&self) -> usize {
        self.0.source_vocab_size()
    }

    fn specials(&self) -> &Specials {
        self.0.specials()
    }

    fn sentinel(&self, index: usize) -> Option<TokenId> {
        self.0.sentinel(index)
    }

    fn token(&self, id: TokenId) -> Option<Cow<'_, str>> {
        self.0.token(id)
    }

    fn added_tokens(&self) -> Vec<AddedToken> {
        self.0.added_tokens()
    }

    fn to_model(&self) -> Option<Model> {
        self.0.to_model()
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
