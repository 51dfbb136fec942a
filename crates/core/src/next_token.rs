//! What decoding knows of a model.

use burn::tensor::{Int, Tensor};

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

    /// Makes row `i` of `state` a copy of its old row `parents[i]`; rows may be repeated, reordered or dropped.
    ///
    /// Parents stand on the host, where a search decides on them, so that a model can see what did not move.
    fn reorder(&self, state: &mut Self::State, parents: &[usize]);
}
