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
        Ok(StepScores::new(scores, self.n_rows, self.model.vocab_size()))
    }

    /// As [`advance`](Self::advance), with the attention of each row to its source: `[rows][source tokens]`.
    pub(crate) fn advance_attending(&mut self, want: Want) -> Result<(StepScores, Vec<Vec<f32>>), DecodeError> {
        self.n_held += self.n_new();
        let (scores, attention) = self.model.advance_attending(&self.tokens, &mut self.state, want)?;
        let scores = StepScores::new(scores, self.n_rows, self.model.vocab_size());
        match attention {
            Some(attention) => Ok((scores, attention)),
            None => Err(DecodeError::NotShown { search: "a coverage penalty", part: "the attention" }),
        }
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

impl RowScores<'_> {
    /// The log-probability of a token, one of those whose score is known.
    pub(crate) fn log_prob(self, token: TokenId) -> f64 {
        let known = match self {
            Self::All(log_probs) => log_probs.get(token as usize),
            Self::Top { ids, log_probs } => ids.iter().position(|&id| id == token).and_then(|at| log_probs.get(at)),
        };
        known.map_or(f64::NEG_INFINITY, |&log_prob| f64::from(log_prob))
    }
}

impl StepScores {
    /// The scores of so many rows.
    ///
    /// # Panics
    /// If they are not.
    pub(crate) fn new(scores: Scores, n_rows: usize, vocab_size: usize) -> Self {
        if let Scores::All(log_probs) = &scores {
            assert_eq!(log_probs.len(), n_rows * vocab_size, "advance: log-probabilities must be [rows × vocab]");
        }
        Self { scores, vocab_size }
    }

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
