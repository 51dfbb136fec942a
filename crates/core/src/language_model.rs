//! Models that continue a text.

use crate::{DeviceError, NextToken, TokenId};

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
}
