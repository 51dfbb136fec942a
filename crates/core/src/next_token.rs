//! A model as decoding sees it.

use std::error::Error;

use crate::TokenId;

/// What rows look at in their sources: for each row a weight for each token of its source, which sum to 1.
pub type SourceAttention = Vec<Vec<f32>>;

/// A model that continues rows of tokens, one or more tokens at a time.
///
/// Tokens and scores are on the host, where a search decides. The state knows its rows and holds the model's memory of
/// all that they have read: key–value caches, the encoder's output.
pub trait NextToken {
    /// The model's memory of each row.
    type State;

    /// Size of the vocabulary.
    fn vocab_size(&self) -> usize;

    /// Largest number of tokens that a row can read (and that a source can have), if there is a limit.
    fn max_len(&self) -> Option<usize>;

    /// Reads `tokens` (`[rows × new]`, row after row, the same number for every row of `state`) and scores the token that
    /// follows each row, in nats.
    ///
    /// [`Want::All`] is answered by [`Scores::All`]; [`Want::Top`] by [`Scores::Top`] if the model finds the best tokens
    /// without storing every log-probability, else by [`Scores::All`].
    ///
    /// # Errors
    /// [`DeviceError`] if the device does not hand over its results.
    ///
    /// # Panics
    /// If the number of tokens is not a multiple of the rows of `state`, or a row reads more than
    /// [`max_len`](Self::max_len) tokens.
    fn advance(&self, tokens: &[TokenId], state: &mut Self::State, want: Want) -> Result<Scores, DeviceError>;

    /// Lets several states read their tokens at once, each as [`advance`](Self::advance) would, and scores each in the
    /// order of `turns`: a step that searches of their own share.
    ///
    /// The scores of a state do not depend on the others. Models whose step costs little more for many rows than for
    /// one do it in one step; others advance one state after another.
    ///
    /// # Errors
    /// [`DeviceError`] if the device does not hand over its results.
    ///
    /// # Panics
    /// As [`advance`](Self::advance).
    fn advance_together(&self, turns: &mut [Turn<'_, Self::State>]) -> Result<Vec<Scores>, DeviceError> {
        turns.iter_mut().map(|turn| self.advance(turn.tokens, turn.state, turn.want)).collect()
    }

    /// Reads `tokens` as [`advance`](Self::advance) does, and also tells what the last of each row was read with an eye on: the
    /// weights of the last decoder layer's attention to the source, the mean over heads, for each row `[source tokens]`. A model
    /// that reads no source, or does not show its attention, tells none.
    ///
    /// # Errors
    /// [`DeviceError`] if the device does not hand over its results.
    ///
    /// # Panics
    /// As [`advance`](Self::advance).
    fn advance_attending(
        &self,
        tokens: &[TokenId],
        state: &mut Self::State,
        want: Want,
    ) -> Result<(Scores, Option<SourceAttention>), DeviceError> {
        Ok((self.advance(tokens, state, want)?, None))
    }

    /// Whether the model can [`restrict`](Self::restrict) the tokens that follow.
    fn restricts(&self) -> bool {
        false
    }

    /// Holds the rows of a new state to some tokens, `allowed` for each row, in rising order: from now on no other token follows
    /// the row or its copies, and log-probabilities are those among these tokens alone. The scores of a row do not depend on
    /// what other rows are held to.
    ///
    /// # Panics
    /// If the model does not [restrict](Self::restricts), the state is not new, there is not one list for each row, or a token is
    /// not in the vocabulary.
    fn restrict(&self, _state: &mut Self::State, _allowed: &[Vec<TokenId>]) {
        panic!("restrict: this model scores every token");
    }

    /// Makes row `i` of `state` a copy of its old row `parents[i]`; rows may be repeated, reordered or dropped.
    ///
    /// Parents are on the host, so that a model can see which rows stay in place.
    fn reorder(&self, state: &mut Self::State, parents: &[usize]);

    /// Reads `tokens` as [`advance`](Self::advance) does and returns the log-probability of every token in nats:
    /// `[rows × vocab]`.
    ///
    /// # Errors
    /// [`DeviceError`].
    ///
    /// # Panics
    /// As [`advance`](Self::advance), and if the model breaks its contract.
    fn log_probs(&self, tokens: &[TokenId], state: &mut Self::State) -> Result<Vec<f32>, DeviceError> {
        Ok(self.advance(tokens, state, Want::All)?.all())
    }
}

/// What one state reads in a step of several, and the scores that are wanted of it: the arguments of
/// [`NextToken::advance`].
#[derive(Debug)]
pub struct Turn<'a, S: ?Sized> {
    /// `[rows × new]`, row after row.
    pub tokens: &'a [TokenId],
    /// The state.
    pub state: &'a mut S,
    /// The scores that are wanted.
    pub want: Want,
}

impl<S: ?Sized> Turn<'_, S> {
    /// The same turn of what is within the state.
    pub fn of<'a, T: ?Sized>(&'a mut self, within: impl FnOnce(&'a mut S) -> &'a mut T) -> Turn<'a, T> {
        Turn { tokens: self.tokens, state: within(self.state), want: self.want }
    }
}

/// The scores that a search needs of each row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// Those of all tokens.
    All,
    /// Those of at least this many most probable tokens.
    Top(usize),
}

/// The scores of the tokens that may follow each row, in nats.
#[derive(Debug, Clone, PartialEq)]
pub enum Scores {
    /// The log-probability of every token: `[rows × vocab]`, row after row.
    All(Vec<f32>),
    /// The most probable tokens.
    Top(TopTokens),
}

impl Scores {
    /// The log-probability of every token, of a model that was asked for [`Want::All`].
    ///
    /// # Panics
    /// If the model breaks its contract: these are of some tokens only.
    pub fn all(self) -> Vec<f32> {
        match self {
            Self::All(log_probs) => log_probs,
            Self::Top(_) => panic!("advance: all log-probabilities are wanted, but only some were given"),
        }
    }
}

/// The most probable tokens of each row, best first, and the lower id first among equals.
#[derive(Debug, Clone, PartialEq)]
pub struct TopTokens {
    /// Tokens of each row.
    pub k: usize,
    /// `[rows × k]`.
    pub ids: Vec<TokenId>,
    /// In nats, `[rows × k]`; -∞ if no token is left.
    pub log_probs: Vec<f32>,
}

/// The device of a model failed to hand over its results.
#[derive(Debug, thiserror::Error)]
#[error("can't read results from the device; its memory may be full: use a smaller batch or beam")]
pub struct DeviceError {
    #[source]
    cause: Box<dyn Error + Send + Sync>,
}

impl DeviceError {
    /// The error of a read that failed with `cause`.
    pub fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { cause: cause.into() }
    }
}
