//! Rows of tokens, and what is to be learnt of each.

use attentive_core::TokenId;

/// Rows of tokens with what is to be learnt of each: a class ([`LabeledRows`](crate::LabeledRows)), or some of its tokens
/// ([`AnswerRows`](crate::AnswerRows)).
#[derive(Debug)]
pub struct Rows<T> {
    pub(crate) rows: Vec<(Vec<TokenId>, T)>,
    pub(crate) pad: TokenId,
}

impl<T> Rows<T> {
    /// Tokens of the longest row.
    pub fn longest(&self) -> usize {
        self.rows.iter().map(|(ids, _)| ids.len()).max().unwrap_or(0)
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}
