//! A model's memory of a text that grows and is taken back.

use attentive_core::{LanguageModel, TokenId, Turn, Want};

use crate::DecodeError;

/// A model's memory of the end of one text, which is as long as the model has positions for.
pub(super) struct Reader<M: LanguageModel> {
    state: M::State,
    /// Tokens of the text before what was read.
    first: usize,
    /// Tokens that were read.
    n_held: usize,
}

impl<M: LanguageModel> Reader<M> {
    pub(super) fn new(model: &M) -> Self {
        Self { state: model.start(1), first: 0, n_held: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.n_held == 0
    }

    /// Makes room for what is to be read of `text`: where the model has no positions for it, the last half of them is read, from
    /// an empty state, as [`generate`](crate::generate()) does.
    pub(super) fn make_room(&mut self, model: &M, text: &[TokenId]) {
        if let Some(max_len) = model.max_len().filter(|&max_len| text.len() - self.first > max_len) {
            *self = Self { first: text.len() - max_len.div_ceil(2), ..Self::new(model) };
        }
    }

    /// Tokens that can be read after the next one.
    pub(super) fn room(&self, model: &M) -> usize {
        model.max_len().map_or(usize::MAX, |max_len| max_len.saturating_sub(self.n_held + 1))
    }

    /// The turn in which the rest of `text` is read.
    pub(super) fn turn<'t>(&'t mut self, model: &M, text: &'t [TokenId], want: Want) -> Turn<'t, M::State> {
        self.make_room(model, text);
        let tokens = &text[self.first + self.n_held..];
        self.n_held += tokens.len();
        Turn { tokens, state: &mut self.state, want }
    }

    /// Takes back what was read after the first `n` tokens of `text`.
    pub(super) fn keep(&mut self, model: &M, text: &[TokenId], n: usize) -> Result<(), DecodeError> {
        if n <= self.first {
            *self = Self::new(model);
        } else if self.first + self.n_held > n {
            self.n_held = n - self.first;
            model.rewind(&mut self.state, &text[self.first..n])?;
        }
        Ok(())
    }
}
