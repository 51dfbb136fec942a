//! What decoding knows of a model.

use burn::tensor::{Int, Tensor};

use crate::TokenId;

/// A model that continues rows of tokens, one or more tokens at a time.
///
/// The state holds what was read before (key–value caches, the encoder's output), one entry a row.
pub trait NextToken {
    /// What the model remembers of each row.
    type State;

    /// Size of the vocabulary.
    fn vocab_size(&self) -> usize;

    /// Reads `tokens` (`[rows, new]`) after what `state` holds and scores the token that follows.
    ///
    /// Returns log-probabilities in nats: `[rows, vocab]`.
    fn advance(&self, tokens: Tensor<2, Int>, state: &mut Self::State) -> Tensor<2>;

    /// Reads `tokens` as [`advance`](Self::advance) does and gives the `k` most probable tokens of each row, if the
    /// model finds them without making every log-probability; else does nothing.
    fn advance_top(&self, _tokens: &Tensor<2, Int>, _state: &mut Self::State, _k: usize) -> Option<TopTokens> {
        None
    }

    /// Makes row `i` of `state` a copy of its old row `parents[i]`; rows may be repeated, reordered or dropped.
    ///
    /// Parents stand on the host, where a search decides on them, so that a model can see what did not move.
    fn reorder(&self, state: &mut Self::State, parents: &[usize]);
}

/// The most probable tokens of each row, best first, and the lower id first among equals.
#[derive(Debug, Clone, PartialEq)]
pub struct TopTokens {
    /// Tokens of each row.
    pub k: usize,
    /// `[rows, k]`.
    pub ids: Vec<TokenId>,
    /// In nats, `[rows, k]`; -∞ where no token is left.
    pub log_probs: Vec<f32>,
}
