//! What to decode.

use attentive_core::TokenId;
use burn::tensor::{Int, Tensor};

use crate::DecodeError;

/// What to decode, whatever the search.
///
/// The model's state goes with it: one row for each sentence, in the same order.
#[derive(Debug, Clone)]
pub struct DecodeRequest<'a> {
    /// What each sentence's row reads first, for a translation the begin-of-sentence id: `[sentences, new]`.
    pub prompt: Tensor<2, Int>,
    /// The id that ends a hypothesis.
    pub eos: TokenId,
    /// Ids that are never produced, a few: padding, begin of sentence, unknown.
    pub suppressed: &'a [TokenId],
    /// How many tokens a hypothesis must have before `eos` may follow; 0 in the paper.
    pub min_len: usize,
    /// How many tokens each sentence's hypothesis may have, `eos` included: `[sentences]`.
    ///
    /// The paper's limit for a translation is the input's length + 50 (Vaswani et al. 2017, §6.1).
    pub max_len: &'a [usize],
}

impl DecodeRequest<'_> {
    /// The token that can't follow a hypothesis of `len` tokens because that is too short to end.
    pub(crate) fn withheld(&self, len: usize) -> Option<TokenId> {
        (len < self.min_len).then_some(self.eos)
    }

    pub(crate) fn validate(&self, vocab_size: usize) -> Result<(), DecodeError> {
        let [n_prompts, new] = self.prompt.dims();
        let n_lengths = self.max_len.len();
        if n_prompts != n_lengths {
            return Err(DecodeError::LengthCount { n_prompts, n_lengths });
        }
        if new == 0 {
            return Err(DecodeError::EmptyPrompt);
        }
        if let Some(sentence) = self.max_len.iter().position(|&max_len| max_len == 0) {
            return Err(DecodeError::ZeroLength { sentence });
        }
        if self.eos as usize >= vocab_size || self.suppressed.contains(&self.eos) {
            return Err(DecodeError::UnreachableEos { eos: self.eos, vocab_size });
        }
        Ok(())
    }
}
