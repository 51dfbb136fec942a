//! The Unigram language model: segmentations of a text and their probabilities.

use std::ops::Range;

use crate::sampling::SplitMix64;
use crate::tokenizer::TokenId;
use crate::trie::Trie;

/// Pieces with log-probabilities. A segmentation's probability is the product of its pieces'.
///
/// Source: Kudo 2018, "Subword Regularization", §3.2.
#[derive(Clone, Debug)]
pub(crate) struct Unigram {
    trie: Trie,
    /// By id.
    scores: Vec<f64>,
    unk: TokenId,
    unk_score: f32,
    /// Bytes of the longest piece, or of a character.
    longest: usize,
}

/// Below this, sums begin again, so that single precision tells near ones apart in texts of any length.
const LOWEST_SUM: f32 = -1e5;

/// One piece of one segmentation: a range of bytes of the text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Edge {
    pub(crate) id: TokenId,
    pub(crate) range: Range<usize>,
    pub(crate) score: f64,
}

impl Unigram {
    /// `pieces` are those that text can become; `scores` are by id; a character that no piece stands for becomes `unk`.
    pub(crate) fn new<'a>(
        pieces: impl IntoIterator<Item = (&'a str, TokenId)>,
        scores: Vec<f64>,
        unk: TokenId,
        unk_score: f32,
    ) -> Self {
        let mut longest = char::MAX.len_utf8();
        let trie = Trie::new(pieces.into_iter().map(|(piece, id)| {
            longest = longest.max(piece.len());
            (piece.as_bytes(), id)
        }));
        Self { trie, scores, unk, unk_score, longest }
    }

    /// The most probable segmentation: each piece with where it ends.
    ///
    /// Adds up in single precision and keeps the first found of equal ones, so as to equal `EncodeOptimized` of the
    /// SentencePiece library (0.2.3) to the last bit.
    pub(crate) fn best(&self, text: &str) -> Vec<(TokenId, usize)> {
        self.best_where(text, |_| true)
    }

    /// The most probable segmentation of `text` that does without the piece `id`; `None` for a single character.
    pub(crate) fn best_without(&self, text: &str, id: TokenId) -> Option<Vec<(TokenId, usize)>> {
        (text.chars().count() > 1).then(|| self.best_where(text, |other| other != id))
    }

    fn best_where(&self, text: &str, allowed: impl Fn(TokenId) -> bool) -> Vec<(TokenId, usize)> {
        #[derive(Clone, Copy)]
        struct Path {
            score: f32,
            start: usize,
            id: TokenId,
        }
        let mut best: Vec<Option<Path>> = vec![None; text.len() + 1];
        for (start, c) in text.char_indices() {
            let mut before = best[start].map_or(0.0, |path| path.score);
            if before < LOWEST_SUM {
                let reached = start + 1..text.len().min(start + self.longest) + 1;
                best[reached].iter_mut().flatten().for_each(|path| path.score -= before);
                before = 0.0;
            }
            let mut has_single = false;
            for (len, id) in self.trie.prefixes(&text.as_bytes()[start..]).filter(|&(_, id)| allowed(id)) {
                let score = self.scores[id as usize] as f32 + before;
                let path = &mut best[start + len];
                if path.is_none_or(|path| score > path.score) {
                    *path = Some(Path { score, start, id });
                }
                has_single |= len == c.len_utf8();
            }
            if !has_single {
                let score = self.unk_score + before;
                let path = &mut best[start + c.len_utf8()];
                if path.is_none_or(|path| score > path.score) {
                    *path = Some(Path { score, start, id: self.unk });
                }
            }
        }
        let mut pieces = Vec::new();
        let mut end = text.len();
        while let Some(path) = best[end].filter(|_| end > 0) {
            pieces.push((path.id, end));
            end = path.start;
        }
        pieces.reverse();
        pieces
    }

    /// A segmentation drawn with a probability in proportion to the `1/temperature`-th power of its own.
    ///
    /// Source: Kudo 2018, §3.3, with l = ∞ by forward filtering and backward sampling.
    pub(crate) fn sample(&self, text: &str, temperature: f64, rng: &mut SplitMix64) -> Vec<(TokenId, usize)> {
        let mut edges = self.lattice(text);
        edges.iter_mut().for_each(|edge| edge.score /= temperature);
        let forward = forward(&edges, text.len());
        let mut pieces = Vec::new();
        let mut end = text.len();
        while end > 0 {
            let first = edges.partition_point(|edge| edge.range.end < end);
            let arriving = &edges[first..edges.partition_point(|edge| edge.range.end <= end)];
            let mut left = rng.next_f64();
            let chosen = arriving.iter().find(|edge| {
                left -= (forward[edge.range.start] + edge.score - forward[end]).exp();
                left < 0.0
            });
            // Rounding may leave a little of the last one's share.
            let Some(chosen) = chosen.or(arriving.last()) else {
                break;
            };
            pieces.push((chosen.id, end));
            end = chosen.range.start;
        }
        pieces.reverse();
        pieces
    }

    /// All pieces at all places of `text`, by where they end.
    pub(crate) fn lattice(&self, text: &str) -> Vec<Edge> {
        let mut edges = Vec::new();
        for (start, c) in text.char_indices() {
            let mut has_single = false;
            for (len, id) in self.trie.prefixes(&text.as_bytes()[start..]) {
                edges.push(Edge { id, range: start..start + len, score: self.scores[id as usize] });
                has_single |= len == c.len_utf8();
            }
            if !has_single {
                let range = start..start + c.len_utf8();
                edges.push(Edge { id: self.unk, range, score: f64::from(self.unk_score) });
            }
        }
        edges.sort_by_key(|edge| edge.range.end);
        edges
    }
}

/// For each byte position the logarithm of the summed probabilities of all paths to it; `edges` are by end.
pub(crate) fn forward(edges: &[Edge], len: usize) -> Vec<f64> {
    let mut sums = vec![f64::NEG_INFINITY; len + 1];
    sums[0] = 0.0;
    for Edge { range, score, .. } in edges {
        sums[range.end] = log_add(sums[range.end], sums[range.start] + score);
    }
    sums
}

/// For each byte position the logarithm of the summed probabilities of all paths from it to the end; `edges` are by
/// end.
pub(crate) fn backward(edges: &[Edge], len: usize) -> Vec<f64> {
    let mut sums = vec![f64::NEG_INFINITY; len + 1];
    sums[len] = 0.0;
    for Edge { range, score, .. } in edges.iter().rev() {
        sums[range.start] = log_add(sums[range.start], sums[range.end] + score);
    }
    sums
}

/// ln(eᵃ + eᵇ).
fn log_add(a: f64, b: f64) -> f64 {
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    if low == f64::NEG_INFINITY { high } else { high + (low - high).exp().ln_1p() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const PIECES: [(&str, f64); 6] =
        [("a", -2.0), ("b", -2.5), ("ab", -3.0), ("ba", -3.5), ("aba", -5.0), ("bb", -4.0)];

    fn model() -> Unigram {
        let texts = (0..).zip(PIECES).map(|(id, (piece, _))| (piece, id));
        Unigram::new(texts, PIECES.map(|(_, score)| score).to_vec(), 99, -20.0)
    }

    /// All segmentations of `text` with their log-probabilities, by recursion.
    fn all_segmentations(text: &str) -> Vec<(Vec<TokenId>, f64)> {
        if text.is_empty() {
            return vec![(Vec::new(), 0.0)];
        }
        let first = (0..).zip(PIECES).filter_map(|(id, (piece, score))| Some((id, text.strip_prefix(piece)?, score)));
        first
            .flat_map(|(id, rest, score)| {
                all_segmentations(rest).into_iter().map(move |(ids, other)| ([vec![id], ids].concat(), score + other))
            })
            .collect()
    }

    fn ids(pieces: Vec<(TokenId, usize)>) -> Vec<TokenId> {
        pieces.into_iter().map(|(id, _)| id).collect()
    }

    /// What the library (0.2.3) does of these sums, which single precision cannot tell apart far from zero.
    #[test]
    fn sums_of_long_texts_begin_anew() {
        let pieces = [("x", -10.0), ("a", -1.0), ("b", -2.0), ("ab", -3.003)];
        let texts = (0..).zip(pieces).map(|(id, (piece, _))| (piece, id));
        let model = Unigram::new(texts, pieces.map(|(_, score)| score).to_vec(), 99, -20.0);
        let last = |n| model.best(&format!("{}ab", "x".repeat(n))).last().map(|&(id, _)| pieces[id as usize].0);
        for (n, expected) in [(5_000, "b"), (9_995, "ab"), (10_001, "b"), (19_995, "ab"), (20_002, "b")] {
            assert_eq!(last(n), Some(expected), "{n}");
        }
    }

    #[test]
    fn best_and_sum_equal_those_of_all_segmentations() {
        for text in ["a", "abab", "babba", "abbabab"] {
            let all = all_segmentations(text);
            let (best, _) = all.iter().max_by(|(_, a), (_, b)| a.total_cmp(b)).unwrap();
            assert_eq!(ids(model().best(text)), *best);
            let sum = all.iter().map(|(_, score)| score.exp()).sum::<f64>().ln();
            let edges = model().lattice(text);
            assert!((forward(&edges, text.len())[text.len()] - sum).abs() < 1e-12);
            assert!((backward(&edges, text.len())[0] - sum).abs() < 1e-12);
        }
    }

    #[test]
    fn samples_are_as_frequent_as_they_are_probable() {
        const N: u64 = 40_000;
        let (text, temperature) = ("abbab", 2.0);
        let mut counts = BTreeMap::new();
        for seed in 0..N {
            *counts.entry(ids(model().sample(text, temperature, &mut SplitMix64::new(seed)))).or_insert(0.0) += 1.0;
        }
        let all = all_segmentations(text);
        let sum: f64 = all.iter().map(|(_, score)| (score / temperature).exp()).sum();
        for (ids, score) in all {
            let expected = (score / temperature).exp() / sum;
            let found = counts.get(&ids).unwrap_or(&0.0) / N as f64;
            let error = (expected * (1.0 - expected) / N as f64).sqrt();
            assert!((found - expected).abs() < 5.0 * error, "{ids:?}: {found} instead of {expected}");
        }
    }

    #[test]
    fn what_no_piece_stands_for_is_unknown() {
        assert_eq!(model().best("a☃b"), [(0, 1), (99, 4), (1, 5)]);
        assert_eq!(model().best_without("ab", 2), Some(vec![(0, 1), (1, 2)]));
        assert_eq!(model().best_without("a", 0), None);
    }
}
