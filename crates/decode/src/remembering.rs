//! A model that remembers the last text that it has read.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use attentive_core::{DeviceError, LanguageModel, NextToken, Scores, TokenId, Turn, Want};

/// A model that remembers the last text that it has read or written, and reads one that begins alike from where the two part:
/// a conversation, whose every turn repeats those before it.
///
/// The scores are those of the model within. Texts of one row are remembered, in the memory that reading them has taken.
pub struct Remembering<M: NextToken> {
    model: M,
    last: Last<M::State>,
}

/// What was read last, until a text goes on with it.
type Last<S> = Arc<Mutex<Option<Memory<S>>>>;

/// A text of one row, and the model's memory of it.
struct Memory<S> {
    text: Vec<TokenId>,
    state: S,
}

/// A [`Remembering`] model's memory of its rows. When it is dropped, the model remembers its text.
pub struct RememberingState<S> {
    /// The state within, until it is dropped.
    state: Option<S>,
    /// What the row has read, where there is one row.
    text: Option<Vec<TokenId>>,
    last: Last<S>,
}

impl<M: NextToken> Remembering<M> {
    /// The model `model`, which has read nothing.
    pub fn new(model: M) -> Self {
        Self { model, last: Arc::default() }
    }

    /// The model within.
    pub fn within(&self) -> &M {
        &self.model
    }

    /// Makes a row that has read nothing go on with what is remembered, where the two begin alike; returns the tokens that it
    /// has read by that. The last of `tokens` is left to be read, as its scores are wanted.
    fn recall(&self, tokens: &[TokenId], state: &mut RememberingState<M::State>) -> Result<usize, DeviceError>
    where
        M: LanguageModel,
    {
        if state.text.as_ref().is_none_or(|text| !text.is_empty()) {
            return Ok(0);
        }
        let mut last = state.last.lock().unwrap_or_else(PoisonError::into_inner);
        let alike = |memory: &Memory<M::State>| {
            memory.text.iter().zip(tokens).take_while(|(read, token)| read == token).count()
        };
        let n_alike = last.as_ref().map_or(0, alike).min(tokens.len().saturating_sub(1));
        // What does not fit is freed before another text takes memory.
        let taken = last.take();
        drop(last);
        let Some(Memory { text, state: mut within }) = taken.filter(|_| n_alike > 0) else { return Ok(0) };
        if n_alike < text.len() {
            self.model.rewind(&mut within, &tokens[..n_alike])?;
        }
        (state.state, state.text) = (Some(within), Some(tokens[..n_alike].to_vec()));
        Ok(n_alike)
    }
}

impl<S> RememberingState<S> {
    fn within(&mut self) -> &mut S {
        self.state.as_mut().expect("a state is taken where it is dropped alone")
    }

    /// The state within, for a pass that adds `tokens` to what was read. A pass that fails leaves nothing to remember.
    fn during<T>(
        &mut self,
        tokens: &[TokenId],
        pass: impl FnOnce(&mut S) -> Result<T, DeviceError>,
    ) -> Result<T, DeviceError> {
        let text = self.text.take();
        let passed = pass(self.within())?;
        self.add(text, tokens);
        Ok(passed)
    }

    /// Sets what was read: `text`, which was taken for a pass, and what the pass has read.
    fn add(&mut self, text: Option<Vec<TokenId>>, tokens: &[TokenId]) {
        self.text = text;
        if let Some(text) = &mut self.text {
            text.extend_from_slice(tokens);
        }
    }
}

impl<S> Drop for RememberingState<S> {
    fn drop(&mut self) {
        let (Some(state), Some(text)) = (self.state.take(), self.text.take()) else { return };
        if !text.is_empty() {
            *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Memory { text, state });
        }
    }
}

impl<M: LanguageModel> NextToken for Remembering<M> {
    type State = RememberingState<M::State>;

    fn vocab_size(&self) -> usize {
        self.model.vocab_size()
    }

    fn max_len(&self) -> Option<usize> {
        self.model.max_len()
    }

    fn advance(&self, tokens: &[TokenId], state: &mut Self::State, want: Want) -> Result<Scores, DeviceError> {
        let tokens = &tokens[self.recall(tokens, state)?..];
        state.during(tokens, |state| self.model.advance(tokens, state, want))
    }

    fn reorder(&self, state: &mut Self::State, parents: &[usize]) {
        if parents != [0] {
            state.text = None;
        }
        self.model.reorder(state.within(), parents);
    }
}

impl<M: LanguageModel> LanguageModel for Remembering<M> {
    fn start(&self, n_rows: usize) -> Self::State {
        let (state, text) = (Some(self.model.start(n_rows)), (n_rows == 1).then(Vec::new));
        RememberingState { state, text, last: Arc::clone(&self.last) }
    }

    fn log_probs_of(&self, text: &[TokenId]) -> Result<Vec<f32>, DeviceError> {
        self.model.log_probs_of(text)
    }

    fn verify(&self, turns: &mut [Turn<'_, Self::State>]) -> Result<Vec<Vec<Scores>>, DeviceError> {
        let texts: Vec<_> = turns.iter_mut().map(|turn| turn.state.text.take()).collect();
        let mut within: Vec<_> = turns.iter_mut().map(|turn| turn.of(RememberingState::within)).collect();
        let scores = self.model.verify(&mut within)?;
        for (turn, text) in turns.iter_mut().zip(texts) {
            turn.state.add(text, turn.tokens);
        }
        Ok(scores)
    }

    fn rewind(&self, state: &mut Self::State, text: &[TokenId]) -> Result<(), DeviceError> {
        state.text = None;
        self.model.rewind(state.within(), text)?;
        state.text = Some(text.to_vec());
        Ok(())
    }

    fn advance_with_vectors(
        &self,
        tokens: &[TokenId],
        state: &mut Self::State,
        want: Want,
    ) -> Result<(Scores, Option<Vec<f32>>), DeviceError> {
        state.during(tokens, |state| self.model.advance_with_vectors(tokens, state, want))
    }
}

impl<M: NextToken + fmt::Debug> fmt::Debug for Remembering<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remembering").field("model", &self.model).finish_non_exhaustive()
    }
}

impl<S> fmt::Debug for RememberingState<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RememberingState").field("text", &self.text).finish_non_exhaustive()
    }
}
