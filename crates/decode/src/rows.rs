//! The rows that a model continues.

use attentive_core::{NextToken, TokenId, TopTokens};
use burn::tensor::{Int, Tensor, TensorData};

use crate::{DecodeError, DecodeRequest, candidates::TopCandidates};

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

    /// Lets every row read its tokens and scores those that may follow, at least the `k` most probable ones.
    pub(crate) fn advance(&mut self, k: usize) -> Result<Scores, DecodeError> {
        if let Some(top) = self.model.advance_top(&self.tokens, &mut self.state, k) {
            return Ok(Scores::Top(top));
        }
        let [rows, _] = self.tokens.dims();
        let vocab_size = self.model.vocab_size();
        let log_probs = self.model.advance(self.tokens.clone(), &mut self.state);
        assert_eq!(log_probs.dims(), [rows, vocab_size], "advance: log-probabilities must be [rows, vocab]");
        Ok(Scores::All { log_probs: log_probs.try_into_vec_as::<f32>()?, vocab_size })
    }

    /// Row `i` continues the old row `parents[i]` by `tokens[i]`.
    pub(crate) fn keep(&mut self, parents: &[usize], tokens: &[TokenId]) {
        self.model.reorder(&mut self.state, parents);
        let tokens: Vec<i64> = tokens.iter().map(|&token| token.into()).collect();
        let shape = [tokens.len(), 1];
        self.tokens = Tensor::from_data(TensorData::new(tokens, shape), &self.tokens.device());
    }
}

/// What may follow each row after one step, on the host.
pub(crate) enum Scores {
    /// Log-probabilities of every token, `[rows, vocab]`.
    All { log_probs: Vec<f32>, vocab_size: usize },
    /// The most probable tokens.
    Top(TopTokens),
}

impl Scores {
    /// Shows `top` what may follow row `row`, which has `log_prob` so far.
    pub(crate) fn offer(&self, row: usize, log_prob: f64, top: &mut TopCandidates<'_>) {
        match self {
            Self::All { log_probs, vocab_size } => {
                top.scan(&log_probs[row * vocab_size..][..*vocab_size], log_prob, row);
            }
            Self::Top(best) => {
                let tokens = best.ids.chunks_exact(best.k).nth(row).into_iter().flatten();
                for (&token, &next) in tokens.zip(&best.log_probs[row * best.k..]) {
                    top.offer(token, next, log_prob, row);
                }
            }
        }
    }
}
