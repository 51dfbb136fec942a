use std::{fmt, str::FromStr};

use crate::{MetricError, NumpyFloat, Real, RefCount, Scorer, Scratch, Segment, Signature};

/// Pairs of a source word and a target word, numbered from 0, in order.
///
/// It is written as Pharaoh's files have it, `0-0 1-2`.
///
/// # Examples
/// ```
/// use attentive_metrics::Alignment;
///
/// let alignment: Alignment = "2-1 0-0".parse()?;
/// assert_eq!(alignment.to_string(), "0-0 2-1");
/// # Ok::<(), attentive_metrics::BadAlignment>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Alignment(Vec<(usize, usize)>);

/// What is not an alignment in Pharaoh's form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an alignment: write pairs of a source word and a target word, counted from 0, as 0-0 1-2")]
pub struct BadAlignment(pub String);

impl Alignment {
    /// Of pairs in any order; what is there twice counts once.
    pub fn new(pairs: impl IntoIterator<Item = (usize, usize)>) -> Self {
        let mut pairs: Vec<_> = pairs.into_iter().collect();
        pairs.sort_unstable();
        pairs.dedup();
        Self(pairs)
    }

    /// Source word and target word of each pair.
    pub fn pairs(&self) -> &[(usize, usize)] {
        &self.0
    }

    /// Whether a pair of a source word and a target word is there.
    pub fn has(&self, pair: &(usize, usize)) -> bool {
        self.0.binary_search(pair).is_ok()
    }

    /// Words for tokens: `source` and `target` give the word of each token, and tokens without one are left out.
    ///
    /// # Panics
    /// If a token has no entry.
    #[must_use]
    pub fn of_words(&self, source: &[Option<usize>], target: &[Option<usize>]) -> Self {
        Self::new(self.0.iter().filter_map(|&(from, to)| Some((source[from]?, target[to]?))))
    }
}

impl fmt::Display for Alignment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (idx, (source, target)) in self.0.iter().enumerate() {
            write!(f, "{}{source}-{target}", if idx > 0 { " " } else { "" })?;
        }
        Ok(())
    }
}

impl FromStr for Alignment {
    type Err = BadAlignment;

    fn from_str(text: &str) -> Result<Self, BadAlignment> {
        let pairs = text.split_whitespace().map(|link| pair(link, '-')).collect::<Option<Vec<_>>>();
        pairs.map(Self::new).ok_or_else(|| BadAlignment(text.to_owned()))
    }
}

/// The numbers around `mark`.
fn pair(link: &str, mark: char) -> Option<(usize, usize)> {
    let (source, target) = link.split_once(mark)?;
    // `parse` takes a plus sign too.
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?;
    Some((number(source)?, number(target)?))
}

/// A sentence pair aligned by hand: what is certain, and what is possible, which all certain pairs are too.
///
/// In a file, certain pairs have a hyphen and possible ones a `p`: `0-0 1p2`.
///
/// # Examples
/// ```
/// use attentive_metrics::ReferenceAlignment;
///
/// let reference: ReferenceAlignment = "0-0 1p2".parse()?;
/// assert_eq!((reference.sure.to_string(), reference.possible.to_string()), ("0-0".into(), "1-2".into()));
/// # Ok::<(), attentive_metrics::BadAlignment>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReferenceAlignment {
    /// Pairs that must be found.
    pub sure: Alignment,
    /// Pairs that may be found besides.
    pub possible: Alignment,
}

impl FromStr for ReferenceAlignment {
    type Err = BadAlignment;

    fn from_str(text: &str) -> Result<Self, BadAlignment> {
        let (mut sure, mut possible) = (Vec::new(), Vec::new());
        for link in text.split_whitespace() {
            match (pair(link, '-'), pair(link, 'p')) {
                (Some(pair), _) => sure.push(pair),
                (_, Some(pair)) => possible.push(pair),
                (None, None) => return Err(BadAlignment(text.to_owned())),
            }
        }
        Ok(Self { sure: Alignment::new(sure), possible: Alignment::new(possible) })
    }
}

/// The alignment error rate, `1 − (|A ∩ S| + |A ∩ P|) / (|A| + |S|)` of the pairs A that are found, S that are certain and P
/// that are possible, in per cent; 0 is perfect, and so is nothing where nothing was to be found.
///
/// Lines of hypotheses are alignments in Pharaoh's form, `0-0 1-2`; lines of references have possible pairs too, `0-0 1p2`.
/// Of several references, the one with the fewest errors counts, segment by segment.
///
/// Source: Och and Ney 2003, "A Systematic Comparison of Various Statistical Alignment Models", §6.
///
/// # Examples
/// ```
/// use attentive_metrics::{AlignmentErrorRate, Scorer};
///
/// let score = AlignmentErrorRate.corpus(&["0-0 1-1 2-2"], &[["0-0 1-2 1p1"]])?;
/// // |A ∩ S| = 1, |A ∩ P| = 2, |A| = 3, |S| = 2.
/// assert_eq!(score.to_string(), "AER = 40.00");
/// # Ok::<(), attentive_metrics::MetricError>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AlignmentErrorRate;

/// An alignment error rate and its parts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AlignmentErrorRateScore {
    /// The error rate, in per cent.
    pub score: f64,
    /// The share of found pairs that are possible, in per cent; 100 if none are found.
    pub precision: f64,
    /// The share of certain pairs that are found, in per cent; 100 if there are none.
    pub recall: f64,
    /// Pairs that were found.
    pub n_found: u64,
    /// Certain pairs.
    pub n_sure: u64,
}

impl fmt::Display for AlignmentErrorRateScore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = f.precision().unwrap_or(2);
        write!(f, "AER = {:.width$}", self.score)
    }
}

/// `[|A ∩ S|, |A ∩ P|, |A|, |S|]`.
fn counts(found: &Alignment, ReferenceAlignment { sure, possible }: &ReferenceAlignment) -> [usize; 4] {
    let n_sure = found.0.iter().filter(|pair| sure.has(pair)).count();
    let n_possible = found.0.iter().filter(|pair| sure.has(pair) || possible.has(pair)).count();
    [n_sure, n_possible, found.0.len(), sure.0.len()]
}

/// Statistics: `[|A ∩ S|, |A ∩ P|, |A|, |S|]`. A line that is not an alignment, which [`statistics`](Scorer::statistics) refuses,
/// is one without pairs to [`segment`](Scorer::segment).
impl Scorer for AlignmentErrorRate {
    type Score = AlignmentErrorRateScore;

    fn name(&self) -> String {
        "AER".into()
    }

    fn lower_is_better(&self) -> bool {
        true
    }

    fn n_statistics(&self) -> usize {
        4
    }

    fn check(&self, segment: Segment<'_>) -> Result<(), MetricError> {
        segment.hypothesis.parse::<Alignment>()?;
        for reference in segment.references {
            reference.parse::<ReferenceAlignment>()?;
        }
        Ok(())
    }

    fn segment(&self, segment: Segment<'_>, _: &mut Scratch, statistics: &mut [f64]) {
        let found: Alignment = segment.hypothesis.parse().unwrap_or_default();
        let of_reference = |line: &&str| counts(&found, &line.parse().unwrap_or_default());
        let rate = |&[sure, possible, found, all]: &[usize; 4]| {
            (sure + possible) as f64 / (found + all).max(1) as f64 + f64::from(u8::from(found + all == 0))
        };
        let best = segment.references.iter().map(of_reference).reduce(|a, b| if rate(&b) > rate(&a) { b } else { a });
        let counts = best.unwrap_or_else(|| counts(&found, &ReferenceAlignment::default()));
        statistics.iter_mut().zip(counts).for_each(|(statistic, count)| *statistic = count as f64);
    }

    fn value<R: Real>(&self, sums: &[R]) -> NumpyFloat<R> {
        let (hits, all) = (sums[0] + sums[1], sums[2] + sums[3]);
        let share = if all > R::default() { (all - hits) / all } else { R::default() };
        NumpyFloat::Native(R::nearest(100.0) * share)
    }

    fn score(&self, sums: &[f64]) -> AlignmentErrorRateScore {
        let share = |hits: f64, all: f64| if all > 0.0 { 100.0 * hits / all } else { 100.0 };
        AlignmentErrorRateScore {
            score: self.value(sums).get(),
            precision: share(sums[1], sums[2]),
            recall: share(sums[0], sums[3]),
            n_found: sums[2] as u64,
            n_sure: sums[3] as u64,
        }
    }

    fn signature(&self, n_refs: impl Into<RefCount>) -> Signature {
        Signature::of(n_refs.into(), [("form", "f", "pharaoh".into())], env!("CARGO_PKG_VERSION"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_those_counted_by_hand() {
        let aer = |found: &[&str], references: &[&str]| AlignmentErrorRate.corpus(found, &[references]).unwrap();
        // |A ∩ S| = 1 + 1, |A ∩ P| = 2 + 1, |A| = 4, |S| = 3.
        let score = aer(&["0-0 2-1 2-2", "0-1"], &["0-0 1-1 2p1", "0-1"]);
        assert!((score.score - 100.0 * 2.0 / 7.0).abs() < 1e-12, "{score}");
        assert!((score.precision - 75.0).abs() < 1e-12 && (score.recall - 100.0 * 2.0 / 3.0).abs() < 1e-12);
        assert_eq!((score.n_found, score.n_sure), (4, 3));
        for (found, reference, expected) in [
            ("0-0 1-1", "0-0 1-1", 0.0),
            ("", "", 0.0),
            ("", "0-0", 100.0),
            ("0-0", "", 100.0),
            // What is possible is right, and not asked for.
            ("", "0p0", 0.0),
            ("0-0", "0p0", 0.0),
            ("0-0 0-0", "0-0 0p0", 0.0),
            // 1 − (1 + 1) / (1 + 2).
            ("0-0", "0-0 1-1", 100.0 / 3.0),
        ] {
            let score = aer(&[found], &[reference]).score;
            assert!((score - expected).abs() < 1e-12, "{found:?} of {reference:?}: {score}");
        }
    }

    #[test]
    fn the_reference_with_the_fewest_errors_counts() {
        let score = AlignmentErrorRate.corpus(&["0-0", "1-1"], &[["0-0", "0-0"], ["1-1", "1-1 2-2"]]).unwrap();
        // 1 − (2 + 2) / (2 + 3).
        assert!((score.score - 20.0).abs() < 1e-12, "{score}");
        assert_eq!((score.n_found, score.n_sure), (2, 3));
    }

    #[test]
    fn lines_that_are_no_alignment_are_refused_by_number() {
        for bad in ["0", "0-", "0-x", "1--1", "-1-1", "+1-1", "1-+1", "0p0"] {
            let error = AlignmentErrorRate.corpus(&["0-0", bad], &[["0-0", "0-0"]]).unwrap_err();
            assert_eq!(error.to_string().split(": ").next(), Some("segment 2"), "{error}");
        }
        let error = AlignmentErrorRate.sentence("0-0", &["0?0"]).unwrap_err();
        assert!(error.to_string().contains("\"0?0\" is not an alignment"), "{error}");
        assert!(AlignmentErrorRate.sentence("0-0", &["0p0 1-1"]).is_ok());
    }
}
