//! Training byte-pair encoding.

use std::collections::BTreeSet;
use std::rc::Rc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::piece::Piece;
use super::pre_tokenization::{PreToken, PreTokenization};
use super::{Bpe, BpeFile};
use crate::error::TokenizerError;
use crate::merge_learner::{Limits, MergeRules, Word, learn};
use crate::tokenizer::TokenId;
use crate::training::{MAX_LINE_LEN, TrainingReport, covered};
use crate::vocabulary::{Spellings, WordCounts};

/// Learns a [`Bpe`] from lines of text: for a joint vocabulary, from the lines of both languages.
///
/// The most frequent pair of neighbouring symbols is merged, again and again; of equally frequent pairs the greatest
/// in code point order goes first, as in subword-nmt. The same text gives the same tokenizer, in any order of lines.
///
/// ```
/// use attentive_tokenizer::{BpeTrainer, PreTokenization};
///
/// let tokenizer = BpeTrainer::with_merges(2).pre_tokenization(PreTokenization::Spaces).train(["hug pug", "hug bug"])?;
/// let merges: Vec<_> = tokenizer.merges().collect();
/// assert_eq!(merges, [("u", "g</w>"), ("h", "ug</w>")]);
/// # Ok::<(), attentive_tokenizer::TokenizerError>(())
/// ```
#[derive(Clone, Debug)]
pub struct BpeTrainer {
    size: Size,
    min_frequency: u64,
    pre_tokenization: PreTokenization,
    end_of_word_suffix: bool,
    character_coverage: f64,
    max_line_len: usize,
}

#[derive(Clone, Copy, Debug)]
enum Size {
    Merges(usize),
    Vocabulary(usize),
}

impl BpeTrainer {
    /// Learns `n_merges` merges, or fewer where no pair is frequent enough. The vocabulary is larger than that by 262
    /// and by the characters of the text.
    pub fn with_merges(n_merges: usize) -> Self {
        Self::new(Size::Merges(n_merges))
    }

    /// Learns merges until the vocabulary has `vocab_size` entries, or no pair is frequent enough.
    pub fn with_vocab_size(vocab_size: usize) -> Self {
        Self::new(Size::Vocabulary(vocab_size))
    }

    fn new(size: Size) -> Self {
        Self {
            size,
            min_frequency: 2,
            pre_tokenization: PreTokenization::default(),
            end_of_word_suffix: true,
            character_coverage: 1.0,
            max_line_len: MAX_LINE_LEN,
        }
    }

    /// The least frequency of a pair that is merged; 2 by default, as in subword-nmt.
    pub fn min_frequency(self, min_frequency: u64) -> Self {
        Self { min_frequency: min_frequency.max(1), ..self }
    }

    /// Where text is split first; [`PreTokenization::Punctuation`] by default.
    pub fn pre_tokenization(self, pre_tokenization: PreTokenization) -> Self {
        Self { pre_tokenization, ..self }
    }

    /// Whether the last character of a word carries `</w>`; true by default.
    ///
    /// With it, the end of a word takes part in merges: `est</w>` (the ending of *widest*) is another token than
    /// `est` (in *estate*), and a frequent word with the space after it is one token. Without it, `ug` is the same
    /// token in *hug* and *hugs*, but every word costs a `</w>` of its own, since text must come back exactly.
    pub fn end_of_word_suffix(self, end_of_word_suffix: bool) -> Self {
        Self { end_of_word_suffix, ..self }
    }

    /// The share of the text whose characters are in the vocabulary; 1 by default, which is all. The rarest others are
    /// written as bytes: 0.9995 is usual for scripts of thousands of characters.
    ///
    /// Source: `character_coverage` of the SentencePiece library.
    pub fn character_coverage(self, character_coverage: f64) -> Self {
        Self { character_coverage, ..self }
    }

    /// The longest line that is learned from, in bytes; 16 MiB by default. Longer ones are left out, which
    /// [`train_with_report`](Self::train_with_report) tells.
    pub fn max_line_len(self, max_line_len: usize) -> Self {
        Self { max_line_len, ..self }
    }

    /// Learns from `lines`.
    ///
    /// # Errors
    /// [`TokenizerError::VocabTooSmall`] if the vocabulary asked for has no room for the characters of the text.
    pub fn train<L: AsRef<str>>(&self, lines: impl IntoIterator<Item = L>) -> Result<Bpe, TokenizerError> {
        self.train_with_report(lines).map(|(tokenizer, _)| tokenizer)
    }

    /// Learns from `lines` and tells what was left out.
    ///
    /// # Errors
    /// [`TokenizerError::VocabTooSmall`] if the vocabulary asked for has no room for the characters of the text.
    #[expect(clippy::missing_panics_doc, reason = "what was learned is a whole vocabulary")]
    pub fn train_with_report<L: AsRef<str>>(
        &self,
        lines: impl IntoIterator<Item = L>,
    ) -> Result<(Bpe, TrainingReport), TokenizerError> {
        let mut report = TrainingReport::default();
        let mut counts: [WordCounts; 4] = Default::default(); // by marks
        for line in report.lines(lines, self.max_line_len) {
            for mut word in self.pre_tokenization.split(line.as_ref()) {
                if !self.end_of_word_suffix {
                    (word.glued, word.ends_word) = (false, false);
                }
                counts[usize::from(word.glued) << 1 | usize::from(word.ends_word)].add(word.text);
            }
        }
        let words = (0..).zip(&counts).flat_map(|(marks, counts)| {
            let word = move |text| PreToken { text, start: 0, glued: marks & 2 != 0, ends_word: marks & 1 != 0 };
            counts.sorted().into_iter().map(move |(text, count)| (word(text), count))
        });
        let words: Vec<_> = words.collect();
        report.n_long_words = counts.iter().map(|counts| counts.n_long).sum();
        let (kept, n_uncovered) = self.covered(&words);
        report.n_uncovered_characters = n_uncovered;

        let mut symbols = Spellings::default();
        symbols.extend(BpeFile::base_vocab());
        symbols.extend(characters(words.iter().map(|(word, _)| word), &kept));
        let symbol = |piece: Piece| symbols.id(&piece.to_string()).unwrap_or(UNKNOWN);
        let words = words
            .iter()
            .map(|(word, count)| Word { symbols: Piece::characters(word).map(symbol).collect(), count: *count })
            .collect();
        let (merges, vocab_size) = match self.size {
            Size::Merges(merges) => (merges, usize::MAX),
            Size::Vocabulary(vocab_size) if vocab_size < symbols.len() => {
                return Err(TokenizerError::VocabTooSmall { vocab_size, required: symbols.len() });
            }
            Size::Vocabulary(vocab_size) => (usize::MAX, vocab_size),
        };
        let limits = Limits { merges, symbols: vocab_size, min_frequency: self.min_frequency };
        let merges = learn(words, &mut symbols, &GreatestSpelling, limits);

        let file = BpeFile { pre_tokenization: self.pre_tokenization, vocab: symbols.into_vec(), merges };
        Ok((Bpe::new(file).expect("a trained vocabulary holds what its merges join and make"), report))
    }

    /// The characters that are learned, and the number of the others.
    ///
    /// The space of a word is a character of the text too, and the library counts one before each word.
    fn covered(&self, words: &[(PreToken<'_>, u64)]) -> (FxHashSet<char>, usize) {
        let mut counts = FxHashMap::default();
        for (word, count) in words {
            word.text.chars().for_each(|c| *counts.entry(c).or_insert(0) += count);
            if word.ends_word {
                *counts.entry(' ').or_insert(0) += count;
            }
        }
        let kept: FxHashSet<char> = covered(&counts, self.character_coverage).into_iter().collect();
        let n_others = counts.len() - kept.len();
        (kept, n_others)
    }
}

/// Those characters of `words` that are `kept`, each plain and with the marks that it carries somewhere, in code point
/// order.
fn characters<'a>(words: impl Iterator<Item = &'a PreToken<'a>>, kept: &FxHashSet<char>) -> BTreeSet<String> {
    let marked = words.flat_map(Piece::characters).filter(|piece| piece.text.chars().all(|c| kept.contains(&c)));
    let pieces = marked.flat_map(|piece| [Piece::new(false, piece.text.as_str(), false), piece]);
    pieces.filter(Piece::is_spellable).map(|piece| piece.to_string()).collect()
}

/// `<unk>`, for a character that the vocabulary does not hold: it looks like a mark, or is too rare.
const UNKNOWN: TokenId = 3;

struct GreatestSpelling;

impl MergeRules for GreatestSpelling {
    type Priority = (Rc<str>, Rc<str>);

    fn priority(&self, (left, right): (TokenId, TokenId), symbols: &Spellings) -> Self::Priority {
        (symbols.shared(left), symbols.shared(right))
    }

    fn merge(&self, (left, right): (TokenId, TokenId), symbols: &Spellings) -> Option<String> {
        let piece = Piece::join(&Piece::parse(&symbols[left]), &Piece::parse(&symbols[right]));
        (left != UNKNOWN && right != UNKNOWN && piece.is_spellable()).then(|| piece.to_string())
    }
}
