//! The rows that a model continues.

use std::slice::ChunksExact;

use attentive_core::{NextToken, TokenId};
use burn::tensor::{Int, Tensor, TensorData};

use crate::{DecodeError, DecodeRequest};

/// A model, its state, and what it reads next.
pub(crate) struct Rows<'a, M: NextToken> {
    model: &'a M,
    state: M::State,
    /// `[rows, new]`
    tokens: Tensor<2, Int>,
}

impl<'a, M: NextToken> Rows<'a, M> {
    /// A row for each sentence, about to read its prompt.
    pub(crate) fn new(model: &'a M, state: M::State, request: &DecodeRequest<'_>) -> Self {
        Self { model, state, tokens: request.prompt.clone() }
    }

    /// Lets every row read its tokens and scores those that may follow.
    pub(crate) fn advance(&mut self) -> Result<LogProbs, DecodeError> {
        let [rows, _] = self.tokens.dims();
        let vocab_size = self.model.vocab_size();
        let log_probs = self.model.advance(self.tokens.clone(), &mut self.state);
        assert_eq!(log_probs.dims(), [rows, vocab_size], "advance: log-probabilities must be [rows, vocab]");
        let values = log_probs.try_into_vec_as::<f32>()?;
        Ok(LogProbs { values, vocab_size })
    }

    /// Row `i` continues the old row `parents[i]` by `tokens[i]`.
    pub(crate) fn keep(&mut self, parents: &[usize], tokens: &[TokenId]) {
        self.model.reorder(&mut self.state, parents);
        let tokens: Vec<i64> = tokens.iter().map(|&token| token.into()).collect();
        let shape = [tokens.len(), 1];
        self.tokens = Tensor::from_data(TensorData::new(tokens, shape), &self.tokens.device());
    }
}

/// Log-probabilities of one step, on the host: `[rows, vocab]`.
pub(crate) struct LogProbs {
    values: Vec<f32>,
    vocab_size: usize,
}

impl LogProbs {
    /// One slice a row.
    pub(crate) fn rows(&self) -> ChunksExact<'_, f32> {
        self.values.chunks_exact(self.vocab_size)
    }
}
