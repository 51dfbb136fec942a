//! Models that continue a text.

use crate::{DeviceError, NextToken, Scores, TokenId, Turn, Want};

/// A [`NextToken`] model whose rows start empty.
pub trait LanguageModel: NextToken {
    /// A state of `n_rows` rows that have read nothing.
    fn start(&self, n_rows: usize) -> Self::State;

    /// The log-probability of each token of `text` but the first, in nats, after those before it.
    ///
    /// Models that read a text at once do so here; others read token by token.
    ///
    /// # Errors
    /// [`DeviceError`] if the device does not hand over its results.
    ///
    /// # Panics
    /// If `text` has more than one token beyond [`max_len`](NextToken::max_len), or a token is not in the vocabulary.
    fn log_probs_of(&self, text: &[TokenId]) -> Result<Vec<f32>, DeviceError> {
        let mut state = self.start(1);
        let pairs = text.windows(2).map(|pair| {
            let log_probs = self.log_probs(&pair[..1], &mut state)?;
            Ok(log_probs[pair[1] as usize])
        });
        pairs.collect()
    }

    /// Lets several states of one row each read their tokens, as [`advance_together`](NextToken::advance_together) would, and
    /// scores the token that follows *each* of them, not the last alone: for each turn as many scores, each of one row, as it
    /// has tokens.
    ///
    /// Models that read several tokens of a row in one pass do so here; others read token by token. The scores are the same.
    ///
    /// # Errors
    /// [`DeviceError`] if the device does not hand over its results.
    ///
    /// # Panics
    /// As [`advance`](NextToken::advance), and if a state has another number of rows.
    fn verify(&self, turns: &mut [Turn<'_, Self::State>]) -> Result<Vec<Vec<Scores>>, DeviceError> {
        let of_turn = |turn: &mut Turn<'_, Self::State>| -> Result<Vec<Scores>, DeviceError> {
            turn.tokens.chunks(1).map(|token| self.advance(token, turn.state, turn.want)).collect()
        };
        turns.iter_mut().map(of_turn).collect()
    }

    /// Takes back what a state of one row has read after `text`, which is the beginning of what it has read.
    ///
    /// Models that can drop the end of their memory do so here; others read `text` again.
    ///
    /// # Errors
    /// [`DeviceError`] if the device does not hand over its results.
    ///
    /// # Panics
    /// If the state has another number of rows, or has read less.
    fn rewind(&self, state: &mut Self::State, text: &[TokenId]) -> Result<(), DeviceError> {
        *state = self.start(1);
        if !text.is_empty() {
            self.advance(text, state, Want::Top(1))?;
        }
        Ok(())
    }

    /// Reads `tokens` as [`advance`](NextToken::advance) does, and also gives the vector that the last layer, and the norm above
    /// it if there is one, made of each of them: `[rows × new × width]`. A model that does not show its vectors gives none.
    ///
    /// # Errors
    /// [`DeviceError`] if the device does not hand over its results.
    ///
    /// # Panics
    /// As [`advance`](NextToken::advance).
    fn advance_with_vectors(
        &self,
        tokens: &[TokenId],
        state: &mut Self::State,
        want: Want,
    ) -> Result<(Scores, Option<Vec<f32>>), DeviceError> {
        Ok((self.advance(tokens, state, want)?, None))
    }
}
