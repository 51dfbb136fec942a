//! Texts to read, which may be longer than a model has positions for.

use attentive_core::TokenId;
use attentive_tokenizer::Tokenizer;

/// A text to read. One that is longer than the model has positions for is refused, or cropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Input<'a> {
    /// The text.
    pub text: &'a str,
    /// Whether its last tokens are left out where the model has no positions for them; the tokens that frame it stay.
    pub crop: bool,
}

impl<'a, T: AsRef<str> + ?Sized> From<&'a T> for Input<'a> {
    fn from(text: &'a T) -> Self {
        Self { text: text.as_ref(), crop: false }
    }
}

impl Input<'_> {
    /// The tokens of this text that the model has positions for, with `n_frame` more around them.
    pub(crate) fn fit(
        self,
        mut ids: Vec<TokenId>,
        n_frame: usize,
        max_len: Option<usize>,
    ) -> Result<Vec<TokenId>, TooLong> {
        let n_tokens = ids.len() + n_frame;
        match max_len.filter(|&max_len| n_tokens > max_len) {
            Some(max_len) if self.crop => ids.truncate(max_len.saturating_sub(n_frame)),
            Some(max_len) => return Err(TooLong { n_tokens, max_len }),
            None => {}
        }
        Ok(ids)
    }
}

/// Two texts to read as one. If they are longer than the model has positions for, they are refused or cropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair<'a> {
    /// The first text: a question, a premise, a query.
    pub first: &'a str,
    /// The second text.
    pub second: &'a str,
    /// Whether last tokens are left out where the model has no positions for them: those of the longer text, until both
    /// have one length, then of both.
    pub crop: bool,
}

impl Pair<'_> {
    /// The tokens of both texts that the model has positions for, with `n_frame` more around them.
    pub(crate) fn fit(
        self,
        [mut first, mut second]: [Vec<TokenId>; 2],
        n_frame: usize,
        max_len: Option<usize>,
    ) -> Result<[Vec<TokenId>; 2], TooLong> {
        let n_tokens = first.len() + second.len() + n_frame;
        match max_len.filter(|&max_len| n_tokens > max_len) {
            // For a frame alone.
            Some(max_len) if self.crop && n_frame > max_len => return Err(TooLong { n_tokens: n_frame, max_len }),
            Some(max_len) if self.crop => {
                let room = max_len - n_frame;
                let (shorter, longer) =
                    if first.len() > second.len() { (&mut second, &mut first) } else { (&mut first, &mut second) };
                shorter.truncate(room / 2);
                longer.truncate(room - shorter.len());
            }
            Some(max_len) => return Err(TooLong { n_tokens, max_len }),
            None => {}
        }
        Ok([first, second])
    }
}

/// What is read as one: a text, or two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sequence<'a> {
    /// A text.
    One(Input<'a>),
    /// Two texts.
    Two(Pair<'a>),
}

/// A text that is longer than the model has positions for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{n_tokens} tokens, and the model has positions for {max_len}")]
pub struct TooLong {
    /// Its length, with the tokens that frame it.
    pub n_tokens: usize,
    /// The model's limit.
    pub max_len: usize,
}

/// Whether a text has no tokens: white space, for example, or characters that the tokenizer drops.
pub fn is_blank(tokenizer: &dyn Tokenizer, text: &str) -> bool {
    text.trim().is_empty() || tokenizer.encode(text).is_empty()
}
