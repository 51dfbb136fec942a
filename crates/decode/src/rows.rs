//! The rows that a model continues.

use attentive_core::{NextToken, Scores, TokenId, Want};

use crate::DecodeError;

/// A model, its state, and the tokens that it reads next.
pub(crate) struct Rows<'a, M: NextToken> {
    model: &'a M,
    state: M::State,
    n_rows: usize,
    /// `[rows × new]`.
    tokens: Vec<TokenId>,
    /// Tokens of each row that `state` holds.
    n_held: usize,
}

impl<'a, M: NextToken> Rows<'a, M> {
    /// Rows about to read `tokens`, `[rows × new]`.
    pub(crate) fn new(model: &'a M, state: M::State, n_rows: usize, tokens: Vec<TokenId>) -> Self {
        Self { model, state, n_rows, tokens, n_held: 0 }
    }

    /// Lets every row read its tokens and scores those that may follow.
    pub(crate) fn advance(&mut self, want: Want) -> Result<StepScores, DecodeError> {
        self.n_held += self.n_new();
        let scores = self.model.advance(&self.tokens, &mut self.state, want)?;
        let vocab_size = self.model.vocab_size();
        if let Scores::All(log_probs) = &scores {
            assert_eq!(log_probs.len(), self.n_rows * vocab_size, "advance: log-probabilities must be [rows × vocab]");
        }
        Ok(StepScores { scores, vocab_size })
    }

    /// Row `i` continues the old row `parents[i]` by `tokens[i]`.
    pub(crate) fn keep(&mut self, parents: &[usize], tokens: Vec<TokenId>) {
        self.model.reorder(&mut self.state, parents);
        self.n_rows = parents.len();
        self.tokens = tokens;
    }

    /// Whether the model has no positions for the tokens that are to be read.
    pub(crate) fn is_full(&self) -> bool {
        self.model.max_len().is_some_and(|max_len| self.n_held + self.n_new() > max_len)
    }

    /// Continues with an empty state and `tokens`, `[rows × new]`.
    pub(crate) fn restart(&mut self, state: M::State, tokens: Vec<TokenId>) {
        (self.state, self.tokens, self.n_held) = (state, tokens, 0);
    }

    pub(crate) fn n_rows(&self) -> usize {
        self.n_rows
    }

    fn n_new(&self) -> usize {
        self.tokens.len().checked_div(self.n_rows).unwrap_or(0)
    }
}

/// The scores of one step.
pub(crate) struct StepScores {
    scores: Scores,
    vocab_size: usize,
}

/// The log-probabilities of the tokens that may follow one row, in nats.
#[derive(Clone, Copy)]
pub(crate) enum RowScores<'a> {
    /// Of every token: `[vocab]`.
    All(&'a [f32]),
    /// Of the most probable tokens.
    Top { ids: &'a [TokenId], log_probs: &'a [f32] },
}

impl StepScores {
    pub(crate) fn row(&self, row: usize) -> RowScores<'_> {
        match &self.scores {
            Scores::All(log_probs) => RowScores::All(&log_probs[row * self.vocab_size..][..self.vocab_size]),
            Scores::Top(top) => RowScores::Top {
                ids: &top.ids[row * top.k..][..top.k],
                log_probs: &top.log_probs[row * top.k..][..top.k],
            },
        }
    }
}
