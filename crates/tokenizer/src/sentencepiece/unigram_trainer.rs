//! Training the Unigram language model.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use super::normalizer::{NormalizerSpec, SPACE};
use super::unigram::{Unigram, backward, forward};
use super::{Algorithm, PieceKind, SentencePiece, SentencePieceFile};
use crate::byte_level::gpt2_split::gpt2_split;
use crate::bytes::byte_token;
use crate::error::TokenizerError;
use crate::specials::Specials;
use crate::tokenizer::TokenId;
use crate::training::{MAX_LINE_LEN, TrainingReport, covered};
use crate::vocabulary::WordCounts;

/// Learns a Unigram [`SentencePiece`] model from lines of text.
///
/// Starts from all frequent substrings, and in turn fits their probabilities by expectation maximisation and drops
/// those that the likelihood of the text needs least. Source: Kudo 2018, "Subword Regularization", §3.2, with the
/// constants of the SentencePiece library's `unigram_model_trainer.cc`. Ours: pieces do not cross from one of GPT-2's
/// pre-tokens to the next, and text is not normalised, so that it comes back exactly (but for U+2581, which comes back
/// as the space that it stands for).
///
/// The vocabulary begins with `<pad>` `<s>` `</s>` `<unk>` and the bytes, which stand for unknown characters.
///
/// ```
/// use attentive_tokenizer::{Tokenizer, UnigramTrainer};
///
/// let tokenizer = UnigramTrainer::with_vocab_size(280).train(["too tired, too wide", "too wide, too tired"])?;
/// let ids = tokenizer.encode("too  tired ☃");
/// assert_eq!(tokenizer.decode(&ids)?, "too  tired ☃");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct UnigramTrainer {
    vocab_size: usize,
    character_coverage: f64,
    max_line_len: usize,
}

const SPECIAL_TOKENS: [(&str, PieceKind); 4] = [
    ("<pad>", PieceKind::Control),
    ("<s>", PieceKind::Control),
    ("</s>", PieceKind::Control),
    ("<unk>", PieceKind::Unknown),
];
const N_META: usize = SPECIAL_TOKENS.len() + 256;

/// The longest piece in characters, and the most that the search begins with.
const MAX_PIECE_LEN: usize = 16;
const MAX_SEEDS: usize = 1_000_000;
/// How many steps of expectation maximisation come before each pruning, and how much of the pieces that leaves.
const N_SUB_ITERATIONS: usize = 2;
const SHRINKING_FACTOR: f64 = 0.75;
/// Pieces are pruned down to this many times the number wanted; the last cut is by score.
const OVERSHOOT: f64 = 1.1;
/// Pieces that are expected less often are dropped after each step.
const MIN_EXPECTED_COUNT: f64 = 0.5;

/// A word of the text and its count.
type Word<'a> = (&'a str, f64);
/// A piece and its log-probability.
type Scored = (String, f64);

impl UnigramTrainer {
    /// Learns pieces until the vocabulary has `vocab_size` entries, or as many as the text gives.
    pub fn with_vocab_size(vocab_size: usize) -> Self {
        Self { vocab_size, character_coverage: 1.0, max_line_len: MAX_LINE_LEN }
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
    pub fn train<L: AsRef<str>>(&self, lines: impl IntoIterator<Item = L>) -> Result<SentencePiece, TokenizerError> {
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
    ) -> Result<(SentencePiece, TrainingReport), TokenizerError> {
        let mut report = TrainingReport::default();
        let mut counts = WordCounts::default();
        for line in report.lines(lines, self.max_line_len) {
            for word in gpt2_split(&format!(" {}", line.as_ref())) {
                counts.add(&word.replace(' ', SPACE.encode_utf8(&mut [0; 4])));
            }
        }
        report.n_long_words = counts.n_long;
        let words = counts.sorted();
        let mut all: FxHashMap<char, u64> = FxHashMap::default();
        for (word, count) in &words {
            word.chars().for_each(|c| *all.entry(c).or_default() += count);
        }
        let characters: BTreeMap<char, f64> =
            covered(&all, self.character_coverage).into_iter().map(|c| (c, all[&c] as f64)).collect();
        report.n_uncovered_characters = all.len() - characters.len();
        // No piece reaches over a character that is not learned.
        let parts = |(word, count): (_, u64)| {
            let parts = str::split(word, |c| !characters.contains_key(&c)).filter(|part| !part.is_empty());
            parts.map(move |part| (part, count as f64))
        };
        let words: Vec<Word<'_>> = words.into_iter().flat_map(parts).collect();
        let required = N_META + characters.len();
        if self.vocab_size < required {
            return Err(TokenizerError::VocabTooSmall { vocab_size: self.vocab_size, required });
        }
        let n_pieces = self.vocab_size - N_META;
        let n_wanted = (n_pieces as f64 * OVERSHOOT) as usize;
        let mut pieces = seeds(&words, &characters);
        loop {
            for _ in 0..N_SUB_ITERATIONS {
                pieces = expectation_maximization(pieces, &words);
            }
            if pieces.len() <= n_wanted {
                break;
            }
            let n_before = pieces.len();
            let n_kept = n_wanted.max((n_before as f64 * SHRINKING_FACTOR) as usize);
            pieces = prune(&pieces, &words, n_kept);
            if pieces.len() == n_before {
                break; // all that is left is needed
            }
        }
        let pieces = finish(pieces, n_pieces);
        let model =
            SentencePiece::new(file(pieces)).expect("a trained model has its special tokens, and nothing twice");
        Ok((model, report))
    }
}

/// The characters, and the substrings that cover most of the text, with log-probabilities in proportion to that.
fn seeds(words: &[Word<'_>], characters: &BTreeMap<char, f64>) -> Vec<Scored> {
    let mut counts: FxHashMap<&str, f64> = FxHashMap::default();
    for (word, count) in words {
        let ends: Vec<_> = word.char_indices().map(|(at, c)| at + c.len_utf8()).collect();
        for (first, (start, _)) in word.char_indices().enumerate() {
            for &end in ends.iter().skip(first + 1).take(MAX_PIECE_LEN - 1) {
                *counts.entry(&word[start..end]).or_default() += count;
            }
        }
    }
    let substrings = counts.into_iter().filter(|&(_, count)| count >= 2.0);
    let mut substrings: Vec<_> =
        substrings.map(|(piece, count)| (piece.to_owned(), count * piece.chars().count() as f64)).collect();
    sort_best_first(&mut substrings);
    substrings.truncate(MAX_SEEDS);
    let mut pieces: Vec<_> = characters.iter().map(|(c, &count)| (c.to_string(), count)).collect();
    pieces.extend(substrings);
    let log_sum = pieces.iter().map(|(_, score)| score).sum::<f64>().ln();
    pieces.iter_mut().for_each(|(_, score)| *score = score.ln() - log_sum);
    pieces
}

fn model(pieces: &[Scored]) -> Unigram {
    let texts = (0..).zip(pieces).map(|(id, (piece, _))| (piece.as_str(), id));
    // Every character is a piece, so that nothing is unknown.
    Unigram::new(texts, pieces.iter().map(|(_, score)| *score).collect(), 0, f32::MIN)
}

/// One step of expectation maximisation; drops what is hardly ever expected, characters excepted.
///
/// The new probabilities are those of variational Bayes with a Dirichlet prior, `exp(ψ(count) − ψ(sum))`, which makes
/// rare pieces rarer still, as the SentencePiece library does.
fn expectation_maximization(pieces: Vec<Scored>, words: &[Word<'_>]) -> Vec<Scored> {
    let model = model(&pieces);
    let mut expected = vec![0.0; pieces.len()];
    for (word, count) in words {
        let edges = model.lattice(word);
        let (forward, backward) = (forward(&edges, word.len()), backward(&edges, word.len()));
        for edge in &edges {
            let log_probability = forward[edge.range.start] + edge.score + backward[edge.range.end] - backward[0];
            expected[edge.id as usize] += count * log_probability.exp();
        }
    }
    let kept = pieces.into_iter().zip(expected);
    let kept = kept.filter(|((piece, _), count)| *count >= MIN_EXPECTED_COUNT || is_character(piece));
    let mut kept: Vec<Scored> = kept.map(|((piece, _), count)| (piece, count.max(MIN_EXPECTED_COUNT))).collect();
    let log_sum = digamma(kept.iter().map(|(_, count)| count).sum());
    kept.iter_mut().for_each(|(_, count)| *count = digamma(*count) - log_sum);
    kept
}

/// The `n_kept` pieces without which the text would become least likely.
///
/// The loss of a piece is approximated by putting its second-best segmentation in its place.
fn prune(pieces: &[Scored], words: &[Word<'_>], n_kept: usize) -> Vec<Scored> {
    let model = model(pieces);
    let mut counts = vec![0.0; pieces.len()];
    for (word, count) in words {
        for (id, _) in model.best(word) {
            counts[id as usize] += count;
        }
    }
    let sum: f64 = counts.iter().sum();
    let mut kept = Vec::new();
    let mut candidates = Vec::new();
    for ((id, (piece, score)), &count) in (0..).zip(pieces).zip(&counts) {
        match model.best_without(piece, id) {
            None => kept.push(id), // a character
            Some(others) => {
                let alternative: f64 = others.iter().map(|&(other, _)| pieces[other as usize].1).sum();
                if alternative >= *score && count == 0.0 {
                    continue; // its own best segmentation is another
                }
                if count == 0.0 {
                    candidates.push((id, 0.0));
                    continue;
                }
                let log_sum = (sum + count * (others.len() as f64 - 1.0)).ln();
                let instead: f64 =
                    others.iter().map(|&(other, _)| (counts[other as usize] + count).ln() - log_sum).sum();
                candidates.push((id, count * (count.ln() - sum.ln() - instead)));
            }
        }
    }
    candidates.sort_by(|(a, loss_a): &(TokenId, f64), (b, loss_b)| loss_b.total_cmp(loss_a).then(a.cmp(b)));
    let n_more = n_kept.saturating_sub(kept.len());
    kept.extend(candidates.into_iter().take(n_more).map(|(id, _)| id));
    kept.sort_unstable();
    kept.into_iter().map(|id| pieces[id as usize].clone()).collect()
}

/// All characters and the most probable other pieces, best first.
fn finish(pieces: Vec<Scored>, n_pieces: usize) -> Vec<Scored> {
    let (mut kept, mut others): (Vec<_>, Vec<_>) = pieces.into_iter().partition(|(piece, _)| is_character(piece));
    sort_best_first(&mut others);
    others.truncate(n_pieces.saturating_sub(kept.len()));
    kept.extend(others);
    sort_best_first(&mut kept);
    kept
}

fn is_character(piece: &str) -> bool {
    let mut chars = piece.chars();
    chars.next().is_some() && chars.next().is_none()
}

fn sort_best_first(pieces: &mut [Scored]) {
    pieces.sort_by(|(piece_a, a), (piece_b, b)| b.total_cmp(a).then_with(|| piece_a.cmp(piece_b)));
}

fn file(pieces: Vec<Scored>) -> SentencePieceFile {
    let specials = SPECIAL_TOKENS.map(|(name, kind)| (name.to_owned(), 0.0, kind)).into_iter();
    let bytes = (0..=255).map(|byte| (byte_token(byte), 0.0, PieceKind::Byte));
    let pieces = pieces.into_iter().map(|(piece, score)| (piece, score as f32, PieceKind::Normal));
    SentencePieceFile {
        algorithm: Algorithm::Unigram,
        byte_fallback: true,
        whitespace_as_suffix: false,
        unk_surface: " \u{2047} ".to_owned(),
        specials: Specials { pad: Some(0), bos: Some(1), eos: Some(2), unk: Some(3), ..Specials::default() },
        normalizer: NormalizerSpec {
            charsmap: Vec::new(),
            add_dummy_prefix: true,
            remove_extra_whitespaces: false,
            escape_whitespaces: true,
        },
        denormalizer: None,
        pieces: specials.chain(bytes).chain(pieces).collect(),
    }
}

/// The derivative of ln Γ, for x > 0.
///
/// ψ(x) = ψ(x + 1) − 1/x, and from 7 on its asymptotic series. Source: Abramowitz and Stegun 1964, 6.3.5 and 6.3.18.
fn digamma(mut x: f64) -> f64 {
    let mut shift = 0.0;
    while x < 7.0 {
        shift -= 1.0 / x;
        x += 1.0;
    }
    let y = 1.0 / (x * x);
    let series = y * (1.0 / 12.0 - y * (1.0 / 120.0 - y * (1.0 / 252.0 - y * (1.0 / 240.0 - y / 132.0))));
    shift + x.ln() - 0.5 / x - series
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digamma_has_its_known_values() {
        const EULER_GAMMA: f64 = 0.577_215_664_901_532_9;
        assert!((digamma(1.0) + EULER_GAMMA).abs() < 1e-10);
        assert!((digamma(0.5) + EULER_GAMMA + 2.0 * 2f64.ln()).abs() < 1e-10);
        assert!((digamma(10.0) - digamma(9.0) - 1.0 / 9.0).abs() < 1e-12);
    }
}
