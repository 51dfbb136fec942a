//! Sentences to decode.

use attentive_core::{NextToken, TokenId};

use crate::{DecodeError, Rules, rules::check_forced};

/// Sentences to decode, for any search.
///
/// The model's state goes with it: one row for each sentence, in the same order.
#[derive(Debug, Clone, Copy)]
pub struct DecodeRequest<'a> {
    /// The tokens that each sentence's row reads first, for a translation the begin-of-sentence id:
    /// `[sentences × new]`, row after row.
    pub prompt: &'a [TokenId],
    /// The beginning that each sentence's hypothesis is forced to have, after [`Rules::forced_first`]: `[sentences]`,
    /// or empty for none. Its tokens count as the hypothesis' own, and are exempt from all rules.
    pub prefixes: &'a [Vec<TokenId>],
    /// The id that ends a hypothesis.
    pub eos: TokenId,
    /// Rules for the tokens of hypotheses.
    pub rules: &'a Rules,
    /// The most tokens that each sentence's hypothesis may have, `eos` included: `[sentences]`.
    ///
    /// The paper's limit for a translation is the input's length + 50 (Vaswani et al. 2017, §6.1).
    pub max_len: &'a [usize],
}

impl<'a> DecodeRequest<'a> {
    pub(crate) fn n_sentences(&self) -> usize {
        self.max_len.len()
    }

    /// The tokens that the sentence's row reads first.
    pub(crate) fn prompt_of(&self, sentence: usize) -> &'a [TokenId] {
        let new = self.prompt.len() / self.n_sentences();
        &self.prompt[sentence * new..][..new]
    }

    pub(crate) fn prefix_of(&self, sentence: usize) -> &'a [TokenId] {
        self.prefixes.get(sentence).map_or(&[], Vec::as_slice)
    }

    /// Whether the next token after `n_written` tokens is forced, in any sentence.
    pub(crate) fn is_forced(&self, n_written: usize) -> bool {
        n_written < self.rules.n_forced(&[])
            || self.prefixes.iter().any(|prefix| n_written < self.rules.n_forced(prefix))
    }

    pub(crate) fn validate(&self, model: &impl NextToken) -> Result<(), DecodeError> {
        let (n_tokens, n_sentences) = (self.prompt.len(), self.n_sentences());
        let vocab_size = model.vocab_size();
        self.rules.validate_for(vocab_size, &[self.eos])?;
        if n_sentences > 0 && n_tokens == 0 {
            return Err(DecodeError::EmptyPrompt);
        }
        if n_tokens.checked_rem(n_sentences).unwrap_or(n_tokens) != 0 {
            return Err(DecodeError::PromptShape { n_tokens, n_sentences });
        }
        let n_prefixes = self.prefixes.len();
        if n_prefixes != 0 && n_prefixes != n_sentences {
            return Err(DecodeError::PrefixCount { n_prefixes, n_sentences });
        }
        for (sentence, &max_len) in self.max_len.iter().enumerate() {
            if max_len == 0 {
                return Err(DecodeError::ZeroLength { sentence });
            }
            let prefix = self.prefix_of(sentence);
            prefix.iter().try_for_each(|&token| check_forced(token, vocab_size, &[self.eos]))?;
            let n_forced = self.rules.n_forced(prefix);
            if n_forced > max_len {
                return Err(DecodeError::LongPrefix { sentence, n_forced, max_len });
            }
            // The last token of a hypothesis is not read.
            let n_tokens = self.prompt_of(sentence).len().saturating_add(max_len - 1);
            if let Some(limit) = model.max_len().filter(|&limit| n_tokens > limit) {
                return Err(DecodeError::BeyondPositions { sentence, n_tokens, limit });
            }
        }
        Ok(())
    }
}
