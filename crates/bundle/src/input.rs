//! Texts to read, which may be longer than a model can read.

use attentive_core::TokenId;
use attentive_tokenizer::Tokenizer;

/// Tokens of a text that are read at most by a model that has positions for any number: the time of attention grows by the
/// square of them.
pub const MAX_TEXT_TOKENS: usize = 1 << 14;

/// Tokens of a prompt, or of a conversation, that are read at most by a language model that has positions for any number.
pub const MAX_PROMPT_TOKENS: usize = 1 << 17;

/// A text to read. One that is longer than the model has positions for, or than [`MAX_TEXT_TOKENS`] if it has no limit, is
/// refused, or cropped.
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
        let (n_tokens, max_len) = (ids.len() + n_frame, max_len.unwrap_or(MAX_TEXT_TOKENS));
        if n_tokens > max_len {
            if !self.crop {
                return Err(TooLong { n_tokens, max_len });
            }
            ids.truncate(max_len.saturating_sub(n_frame));
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
        let (n_tokens, max_len) = (first.len() + second.len() + n_frame, max_len.unwrap_or(MAX_TEXT_TOKENS));
        if n_tokens > max_len {
            if !self.crop {
                return Err(TooLong { n_tokens, max_len });
            }
            let room = max_len.checked_sub(n_frame).ok_or(TooLong { n_tokens: n_frame, max_len })?;
            let (shorter, longer) =
                if first.len() > second.len() { (&mut second, &mut first) } else { (&mut first, &mut second) };
            shorter.truncate(room / 2);
            longer.truncate(room - shorter.len());
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

/// A text that is longer than the model has positions for, or than is read by one without a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{n_tokens} tokens, and {}", limit(*max_len))]
pub struct TooLong {
    /// Its length, with the tokens that frame it.
    pub n_tokens: usize,
    /// The model's limit, or [`MAX_TEXT_TOKENS`] or [`MAX_PROMPT_TOKENS`].
    pub max_len: usize,
}

fn limit(max_len: usize) -> String {
    match max_len {
        MAX_TEXT_TOKENS | MAX_PROMPT_TOKENS => format!("at most {max_len} are read at once"),
        _ => format!("the model has positions for {max_len}"),
    }
}

/// Whether a text has no tokens: white space, for example, or characters that the tokenizer drops.
pub fn is_blank(tokenizer: &dyn Tokenizer, text: &str) -> bool {
    text.trim().is_empty() || tokenizer.encode(text).is_empty()
}
