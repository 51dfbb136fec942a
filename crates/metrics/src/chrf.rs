use std::fmt;

use crate::{
    NumpyFloat, Real, RefCount, Scorer, Scratch, Segment, Signature,
    ngrams::n_ngrams,
    signature::{case, yes_no},
    text::{is_space, lowercase, words},
};

/// chrF and, with `word_order: 2`, chrF++, equal to sacreBLEU's.
///
/// `(1 + β²) P R / (β² P + R)` with `P` and `R` the precision and the recall of character (and word) n-grams, averaged
/// over the orders. Source: Popović 2015; Popović 2017 for the words. Of several references, the best one counts.
///
/// # Examples
/// ```
/// use attentive_metrics::{Chrf, Scorer};
///
/// let chrf = Chrf { word_order: 2, ..Chrf::default() };
/// let score = chrf.sentence("Die Katze schlief.", &["Die Katze schläft."])?;
/// assert_eq!(score.to_string(), "chrF2++ = 67.52");
/// assert_eq!(chrf.signature(1).to_string(), "nrefs:1|case:mixed|eff:yes|nc:6|nw:2|space:no|version:2.6.0");
/// # Ok::<(), attentive_metrics::MetricError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chrf {
    /// The longest character n-grams to count.
    pub char_order: u8,
    /// The longest word n-grams to count: 0 for chrF, 2 for chrF++.
    pub word_order: u8,
    /// The weight of recall relative to precision.
    pub beta: u32,
    /// Lower-cases both sides first.
    pub lowercase: bool,
    /// Counts white space among the characters.
    pub whitespace: bool,
    /// Smooths as chrF++.py, NLTK and Moses do: the mean of F over all orders, with a tiny value for an empty one.
    pub eps_smoothing: bool,
}

impl Default for Chrf {
    fn default() -> Self {
        Self { char_order: 6, word_order: 0, beta: 2, lowercase: false, whitespace: false, eps_smoothing: false }
    }
}

/// A chrF score.
#[derive(Debug, Clone, PartialEq)]
pub struct ChrfScore {
    /// chrF, from 0 to 100.
    pub score: f64,
    /// The variant, such as `chrF2++`.
    pub name: String,
}

impl fmt::Display for ChrfScore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = f.precision().unwrap_or(2);
        write!(f, "{} = {:.width$}", self.name, self.score)
    }
}

/// Statistics, for each order, characters before words: `[hypothesis n-grams, reference n-grams, matches]`.
impl Scorer for Chrf {
    type Score = ChrfScore;

    fn name(&self) -> String {
        format!("chrF{}{}", self.beta, "+".repeat(self.word_order.into()))
    }

    fn n_statistics(&self) -> usize {
        3 * self.n_orders()
    }

    fn segment(&self, segment: Segment<'_>, scratch: &mut Scratch, statistics: &mut [f64]) {
        let hypothesis = self.tokens(segment.hypothesis, scratch);
        let mut best = -1.0;
        let mut candidate = vec![0.0; statistics.len()];
        statistics.fill(0.0);
        for reference in segment.references {
            let reference = self.tokens(reference, scratch);
            let (chars, words) = candidate.split_at_mut(3 * usize::from(self.char_order));
            compare(&hypothesis.chars, &reference.chars, scratch, chars);
            compare(&hypothesis.words, &reference.words, scratch, words);
            let f_score = self.value(&candidate).get();
            if f_score > best {
                best = f_score;
                statistics.copy_from_slice(&candidate);
            }
        }
    }

    fn value<R: Real>(&self, sums: &[R]) -> NumpyFloat<R> {
        if self.eps_smoothing { self.mean_of_f(sums) } else { self.f_of_means(sums) }
    }

    fn score(&self, sums: &[f64]) -> ChrfScore {
        ChrfScore { score: self.value(sums).get(), name: self.name() }
    }

    fn signature(&self, n_refs: impl Into<RefCount>) -> Signature {
        Signature::new(
            n_refs.into(),
            [
                ("case", "c", case(self.lowercase)),
                ("eff", "e", yes_no(!self.eps_smoothing)),
                ("nc", "nc", self.char_order.to_string()),
                ("nw", "nw", self.word_order.to_string()),
                ("space", "s", yes_no(self.whitespace)),
            ],
        )
    }
}

/// A line as the code points and the words that n-grams are made of.
struct Tokens {
    chars: Vec<u32>,
    words: Vec<u32>,
}

impl Chrf {
    fn tokens(&self, line: &str, scratch: &mut Scratch) -> Tokens {
        let line = lowercase(line, self.lowercase);
        let chars = line.chars().filter(|&c| self.whitespace || !is_space(c)).map(u32::from).collect();
        let words = if self.word_order == 0 {
            Vec::new()
        } else {
            scratch.vocabulary.intern(words(&line).flat_map(part_punctuation).filter(|part| !part.is_empty()))
        };
        Tokens { chars, words }
    }

    /// F of the mean precision and the mean recall, over the orders that both sides are long enough for.
    fn f_of_means<R: Real>(&self, sums: &[R]) -> NumpyFloat<R> {
        let zero = R::default();
        let (mut precision, mut recall, mut n_orders) = (zero, zero, 0);
        for order in sums.chunks_exact(3) {
            let [n_hyp, n_ref, n_match] = [order[0], order[1], order[2]];
            if n_hyp > zero && n_ref > zero {
                precision += n_match / n_hyp;
                recall += n_match / n_ref;
                n_orders += 1;
            }
        }
        if precision + recall == zero {
            return NumpyFloat::Double(0.0);
        }
        let n_orders = R::nearest(f64::from(n_orders));
        let (precision, recall) = (precision / n_orders, recall / n_orders);
        let factor = self.factor();
        let f_score = R::nearest(1.0 + factor) * precision * recall / (R::nearest(factor) * precision + recall);
        NumpyFloat::Native(R::nearest(100.0) * f_score)
    }

    /// The mean of the F scores of all orders.
    fn mean_of_f<R: Real>(&self, sums: &[R]) -> NumpyFloat<R> {
        const EPS: f64 = 1e-16;
        let zero = R::default();
        let or_eps = |a: R, b: R| if b > zero { a / b } else { R::nearest(EPS) };
        let factor = self.factor();
        let mut sum = zero;
        let mut native = false; // Python's own floats until the first number of the statistics' type
        for order in sums.chunks_exact(3) {
            let [n_hyp, n_ref, n_match] = [order[0], order[1], order[2]];
            let (precision, recall) = (or_eps(n_match, n_hyp), or_eps(n_match, n_ref));
            let denominator = R::nearest(factor) * precision + recall;
            if denominator > zero {
                sum += R::nearest(1.0 + factor) * precision * recall / denominator;
                native |= n_hyp > zero || n_ref > zero;
            } else {
                sum += R::nearest(EPS);
            }
        }
        let mean = R::nearest(100.0) * sum / R::nearest(self.n_orders() as f64);
        if native { NumpyFloat::Native(mean) } else { NumpyFloat::Double(mean.into()) }
    }

    fn n_orders(&self) -> usize {
        usize::from(self.char_order) + usize::from(self.word_order)
    }

    fn factor(&self) -> f64 {
        f64::from(self.beta).powi(2)
    }
}

/// Separates one punctuation mark from the end of a word, or else from its beginning; `(hi)` becomes `(hi` and `)`.
fn part_punctuation(word: &str) -> [&str; 2] {
    let last = word.char_indices().next_back().filter(|&(idx, c)| idx > 0 && c.is_ascii_punctuation());
    let (left, right) = match last {
        Some((idx, _)) => word.split_at(idx),
        None => word.split_at(usize::from(word.starts_with(|c: char| c.is_ascii_punctuation()))),
    };
    [left, right]
}

/// `[hypothesis n-grams, reference n-grams, matches]` of each order that `statistics` has room for.
fn compare(hypothesis: &[u32], reference: &[u32], scratch: &mut Scratch, statistics: &mut [f64]) {
    let max_order = statistics.len() / 3;
    let mut matches = vec![0; max_order];
    scratch.ngrams.set_references([reference].into_iter(), max_order);
    scratch.ngrams.match_hypothesis(hypothesis, &mut matches);
    for (idx, (row, n_match)) in statistics.chunks_exact_mut(3).zip(matches).enumerate() {
        let [n_hyp, n_ref] = [hypothesis, reference].map(|side| n_ngrams(side.len(), idx + 1));
        // An order that the reference is too short for does not count against the hypothesis.
        row.copy_from_slice(&[if n_ref > 0 { n_hyp as f64 } else { 0.0 }, n_ref as f64, n_match as f64]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_mark_is_parted_from_a_word() {
        assert_eq!(part_punctuation("(hi)"), ["(hi", ")"]);
        assert_eq!(part_punctuation("(hi"), ["(", "hi"]);
        assert_eq!(part_punctuation("!"), ["!", ""]);
        assert_eq!(part_punctuation("né"), ["", "né"]);
    }
}
