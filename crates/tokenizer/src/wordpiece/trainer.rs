//! Training WordPiece.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use super::bert_words::bert_words;
use super::{CONTINUATION, WordPiece, WordPieceFile, chunks};
use crate::error::TokenizerError;
use crate::merge_learner::{Limits, MergeRules, Word, learn};
use crate::tokenizer::TokenId;
use crate::training::{MAX_LINE_LEN, MAX_WORD_LEN, TrainingReport};
use crate::vocabulary::{Spellings, WordCounts};

/// Learns a [`WordPiece`] vocabulary from text.
///
/// BERT's own trainer was never released; as in Hugging Face's, the pieces are those that byte-pair merges of the
/// most frequent pairs make. The vocabulary begins with `[PAD]` `[UNK]` `[CLS]` `[SEP]` `[MASK]` and the characters.
///
/// ```
/// use attentive_tokenizer::{Tokenizer, WordPieceTrainer};
///
/// let tokenizer = WordPieceTrainer::with_vocab_size(40).train(["too tired", "too wide", "tired, too"])?;
/// let ids = tokenizer.encode("TOO tired!");
/// let tokens: Vec<_> = ids.iter().filter_map(|&id| tokenizer.token(id)).collect();
/// assert_eq!(tokens, ["too", "tired", "[UNK]"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct WordPieceTrainer {
    vocab_size: usize,
    min_frequency: u64,
    lowercase: bool,
    max_line_len: usize,
}

const SPECIAL_TOKENS: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];

impl WordPieceTrainer {
    /// Learns pieces until the vocabulary has `vocab_size` entries, or no pair is frequent enough.
    pub fn with_vocab_size(vocab_size: usize) -> Self {
        Self { vocab_size, min_frequency: 2, lowercase: true, max_line_len: MAX_LINE_LEN }
    }

    /// The least frequency of a pair that is merged; 2 by default.
    pub fn min_frequency(self, min_frequency: u64) -> Self {
        Self { min_frequency: min_frequency.max(1), ..self }
    }

    /// Whether text is put in lower case and rid of accents; true by default.
    pub fn lowercase(self, lowercase: bool) -> Self {
        Self { lowercase, ..self }
    }

    /// The longest line that is learned from, in bytes; 16 MiB by default. Longer ones are left out, which
    /// [`train_with_report`](Self::train_with_report) tells.
    pub fn max_line_len(self, max_line_len: usize) -> Self {
        Self { max_line_len, ..self }
    }

    /// Learns from `texts`.
    ///
    /// # Errors
    /// [`TokenizerError::VocabTooSmall`] if the vocabulary asked for has no room for the characters of the text.
    pub fn train<T: AsRef<str>>(&self, texts: impl IntoIterator<Item = T>) -> Result<WordPiece, TokenizerError> {
        self.train_with_report(texts).map(|(tokenizer, _)| tokenizer)
    }

    /// Learns from `texts` and tells what was left out.
    ///
    /// # Errors
    /// [`TokenizerError::VocabTooSmall`] if the vocabulary asked for has no room for the characters of the text.
    #[expect(clippy::missing_panics_doc, reason = "what was learned is a whole vocabulary")]
    pub fn train_with_report<T: AsRef<str>>(
        &self,
        texts: impl IntoIterator<Item = T>,
    ) -> Result<(WordPiece, TrainingReport), TokenizerError> {
        let mut report = TrainingReport::default();
        let mut counts = WordCounts::default();
        for text in report.lines(texts, self.max_line_len) {
            // Word by word, so that no more than one is held normalised, and of one that is too long only the beginning.
            for (_, chunk) in chunks(text.as_ref()) {
                bert_words(chunk, 0, self.lowercase, MAX_WORD_LEN).for_each(|word| counts.add(&word.text));
            }
        }
        report.n_long_words = counts.n_long;
        let words = counts.sorted();
        let mut symbols = Spellings::default();
        symbols.extend(SPECIAL_TOKENS);
        symbols.extend(words.iter().flat_map(|(word, _)| characters(word)).collect::<BTreeSet<_>>());
        if self.vocab_size < symbols.len() {
            return Err(TokenizerError::VocabTooSmall { vocab_size: self.vocab_size, required: symbols.len() });
        }
        let words = words.into_iter().map(|(word, count)| Word {
            symbols: characters(word).filter_map(|character| symbols.id(&character)).collect(),
            count,
        });
        let words = words.collect();
        let limits = Limits { merges: usize::MAX, symbols: self.vocab_size, min_frequency: self.min_frequency };
        learn(words, &mut symbols, &JoinContinuation, limits);

        let file = WordPieceFile { lowercase: self.lowercase, vocab: symbols.into_vec() };
        Ok((WordPiece::new(file).expect("a trained vocabulary has the special tokens"), report))
    }
}

/// The characters of `word`, all but the first with the mark that they continue it.
fn characters(word: &str) -> impl Iterator<Item = String> {
    word.char_indices().map(|(at, c)| if at == 0 { c.to_string() } else { format!("{CONTINUATION}{c}") })
}

struct JoinContinuation;

impl MergeRules for JoinContinuation {
    type Priority = Reverse<(TokenId, TokenId)>;

    fn priority(&self, pair: (TokenId, TokenId), _: &Spellings) -> Self::Priority {
        Reverse(pair)
    }

    fn merge(&self, (left, right): (TokenId, TokenId), symbols: &Spellings) -> Option<String> {
        symbols[right].strip_prefix(CONTINUATION).map(|rest| format!("{}{rest}", &symbols[left]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokenizer::Tokenizer;

    #[test]
    fn words_that_are_too_long_are_counted_and_left_out() {
        let text = format!("{} wide {}", "x".repeat(MAX_WORD_LEN + 1), "y".repeat(MAX_WORD_LEN));
        let (tokenizer, report) = WordPieceTrainer::with_vocab_size(20).train_with_report([text]).unwrap();
        assert_eq!(report.n_long_words, 1);
        let has = |c: &str| (0..tokenizer.vocab_size() as TokenId).any(|id| tokenizer.token(id).as_deref() == Some(c));
        assert_eq!(["x", "y", "w"].map(has), [false, true, true]);
    }
}
