use std::fmt;

use crate::{NumpyFloat, Real, RefCount, Scorer, Scratch, Segment, Signature, text::is_space};

/// The share of hypotheses that equal a reference, white space around them apart: the score of transliteration and of other
/// tasks with one right answer. Case and punctuation count.
///
/// # Examples
/// ```
/// use attentive_metrics::{ExactMatch, Scorer};
///
/// let exact = ExactMatch.corpus(&["abe", "aden"], &[["abe", "aaden"]])?;
/// assert_eq!(exact.to_string(), "EM = 50.00");
/// # Ok::<(), attentive_metrics::MetricError>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ExactMatch;

/// A share of exact matches and its parts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExactMatchScore {
    /// Matches per hundred segments.
    pub score: f64,
    /// Segments that equal a reference.
    pub n_equal: u64,
    /// All segments.
    pub n: u64,
}

impl fmt::Display for ExactMatchScore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = f.precision().unwrap_or(2);
        write!(f, "EM = {:.width$}", self.score)
    }
}

/// Statistics: `[equal, 1]`.
impl Scorer for ExactMatch {
    type Score = ExactMatchScore;

    fn name(&self) -> String {
        "EM".into()
    }

    fn n_statistics(&self) -> usize {
        2
    }

    fn segment(&self, segment: Segment<'_>, _: &mut Scratch, statistics: &mut [f64]) {
        let hypothesis = segment.hypothesis.trim_matches(is_space);
        let is_equal = segment.references.iter().any(|reference| reference.trim_matches(is_space) == hypothesis);
        (statistics[0], statistics[1]) = (f64::from(u8::from(is_equal)), 1.0);
    }

    fn value<R: Real>(&self, sums: &[R]) -> NumpyFloat<R> {
        NumpyFloat::Native(R::nearest(100.0) * (sums[0] / sums[1]))
    }

    fn score(&self, sums: &[f64]) -> ExactMatchScore {
        ExactMatchScore { score: self.value(sums).get(), n_equal: sums[0] as u64, n: sums[1] as u64 }
    }

    fn signature(&self, n_refs: impl Into<RefCount>) -> Signature {
        Signature::of(n_refs.into(), [("case", "c", "mixed".into())], env!("CARGO_PKG_VERSION"))
    }
}
