//! Training byte-level byte-pair encoding.

use std::cmp::Reverse;

use super::gpt2_split::gpt2_split;
use super::{ByteLevelBpe, ByteLevelFile, byte_char};
use crate::error::TokenizerError;
use crate::merge_learner::{Limits, MergeRules, Word, learn};
use crate::specials::Specials;
use crate::tokenizer::TokenId;
use crate::training::{MAX_LINE_LEN, TrainingReport};
use crate::vocabulary::{Spellings, WordCounts};

/// Learns a [`ByteLevelBpe`] from text.
///
/// Of equally frequent pairs the one with the smaller ids is merged first, as in Hugging Face's trainer. The
/// vocabulary begins with RoBERTa's special tokens `<s>` `<pad>` `</s>` `<unk>` `<mask>` and the 256 bytes.
///
/// ```
/// use attentive_tokenizer::{ByteLevelBpeTrainer, Tokenizer};
///
/// let tokenizer = ByteLevelBpeTrainer::with_vocab_size(300).train(["too tired, too wide", "too wide"])?;
/// let ids = tokenizer.encode("too wide");
/// assert_eq!(tokenizer.token(ids[1]).as_deref(), Some("Ġwide"));
/// assert_eq!(tokenizer.decode(&ids)?, "too wide");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct ByteLevelBpeTrainer {
    vocab_size: usize,
    min_frequency: u64,
    max_line_len: usize,
}

const SPECIAL_TOKENS: [&str; 5] = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"];

impl ByteLevelBpeTrainer {
    /// Learns merges until the vocabulary has `vocab_size` entries, or no pair is frequent enough.
    pub fn with_vocab_size(vocab_size: usize) -> Self {
        Self { vocab_size, min_frequency: 2, max_line_len: MAX_LINE_LEN }
    }

    /// The least frequency of a pair that is merged; 2 by default.
    pub fn min_frequency(self, min_frequency: u64) -> Self {
        Self { min_frequency: min_frequency.max(1), ..self }
    }

    /// The longest line that is learned from, in bytes; 16 MiB by default. Longer ones are left out, which
    /// [`train_with_report`](Self::train_with_report) tells.
    pub fn max_line_len(self, max_line_len: usize) -> Self {
        Self { max_line_len, ..self }
    }

    /// Learns from `texts`, which may be lines, with or without their ends, or whole documents.
    ///
    /// # Errors
    /// [`TokenizerError::VocabTooSmall`] if the vocabulary asked for has no room for the bytes.
    pub fn train<T: AsRef<str>>(&self, texts: impl IntoIterator<Item = T>) -> Result<ByteLevelBpe, TokenizerError> {
        self.train_with_report(texts).map(|(tokenizer, _)| tokenizer)
    }

    /// Learns from `texts` and tells what was left out.
    ///
    /// # Errors
    /// [`TokenizerError::VocabTooSmall`] if the vocabulary asked for has no room for the bytes.
    #[expect(clippy::missing_panics_doc, reason = "what was learned is a whole vocabulary")]
    pub fn train_with_report<T: AsRef<str>>(
        &self,
        texts: impl IntoIterator<Item = T>,
    ) -> Result<(ByteLevelBpe, TrainingReport), TokenizerError> {
        let mut report = TrainingReport::default();
        let mut counts = WordCounts::default();
        for text in report.lines(texts, self.max_line_len) {
            gpt2_split(text.as_ref()).for_each(|word| counts.add(word));
        }
        report.n_long_words = counts.n_long;
        let mut bytes: Vec<_> = (0..=255).map(byte_char).collect();
        bytes.sort_unstable();
        let mut symbols = Spellings::default();
        symbols.extend(SPECIAL_TOKENS);
        symbols.extend(bytes.iter().map(char::to_string));
        if self.vocab_size < symbols.len() {
            return Err(TokenizerError::VocabTooSmall { vocab_size: self.vocab_size, required: symbols.len() });
        }
        let byte_ids: Vec<_> = (0..=255).filter_map(|byte| symbols.id(&byte_char(byte).to_string())).collect();
        let symbols_of = |word: &str| word.bytes().map(|byte| byte_ids[usize::from(byte)]).collect();
        let words = counts.sorted().into_iter().map(|(word, count)| Word { symbols: symbols_of(word), count });
        let limits = Limits { merges: usize::MAX, symbols: self.vocab_size, min_frequency: self.min_frequency };
        let merges = learn(words.collect(), &mut symbols, &SmallestIds, limits);

        let specials = Specials::named(|name| symbols.id(name));
        let file = ByteLevelFile { specials, vocab: symbols.into_vec(), merges };
        Ok((ByteLevelBpe::new(file).expect("a trained vocabulary holds what its merges join and make"), report))
    }
}

struct SmallestIds;

impl MergeRules for SmallestIds {
    type Priority = Reverse<(TokenId, TokenId)>;

    fn priority(&self, pair: (TokenId, TokenId), _: &Spellings) -> Self::Priority {
        Reverse(pair)
    }

    fn merge(&self, (left, right): (TokenId, TokenId), symbols: &Spellings) -> Option<String> {
        let merged = format!("{}{}", &symbols[left], &symbols[right]);
        // Text that spells a special token stays in pieces.
        (!SPECIAL_TOKENS.contains(&merged.as_str())).then_some(merged)
    }
}
