use std::fmt;

use rayon::prelude::*;

use crate::{Metric, MetricError, NumpyFloat, Real, RefCount, Scratch, Signature};

/// A corpus score that depends on each segment through a few numbers that add up: BLEU, chrF, TER.
///
/// The three methods that matter to a user are [`corpus`](Self::corpus), [`sentence`](Self::sentence) and
/// [`signature`](Self::signature). [`statistics`](Self::statistics) serves the significance tests, and [`Accumulator`]
/// a corpus that arrives piece by piece.
pub trait Scorer: Sync {
    /// The score with its parts. Displays as sacreBLEU's line; a precision sets the digits of the score, 2 by default.
    type Score: fmt::Display;

    /// The name before the equals sign, such as `chrF2++`.
    fn name(&self) -> String;

    /// Whether the better system has the lower score, as an error rate does.
    fn lower_is_better(&self) -> bool {
        false
    }

    /// Number of values that describe a segment.
    fn n_statistics(&self) -> usize;

    /// Checks a segment whose lines must have a form; scores of text take any.
    ///
    /// # Errors
    /// [`MetricError::Alignment`], of scores of alignments.
    fn check(&self, segment: Segment<'_>) -> Result<(), MetricError> {
        let _ = segment;
        Ok(())
    }

    /// Writes the numbers that describe a segment over `statistics`, in sacreBLEU's order.
    ///
    /// A segment without references counts as one with an empty reference and nothing in common with it.
    ///
    /// # Panics
    /// If `statistics` is not [`n_statistics`](Self::n_statistics) long.
    fn segment(&self, segment: Segment<'_>, scratch: &mut Scratch, statistics: &mut [f64]);

    /// The score of summed statistics, computed in `R`.
    ///
    /// # Panics
    /// If `sums` is not [`n_statistics`](Self::n_statistics) long.
    fn value<R: Real>(&self, sums: &[R]) -> NumpyFloat<R>;

    /// The score of summed statistics, with its parts.
    ///
    /// # Panics
    /// If `sums` is not [`n_statistics`](Self::n_statistics) long.
    fn score(&self, sums: &[f64]) -> Self::Score;

    /// The string that identifies the configuration, to be printed next to every score.
    fn signature(&self, n_refs: impl Into<RefCount>) -> Signature;

    /// The statistics of every segment; `references` are streams, each as long as `hypotheses`.
    ///
    /// # Errors
    /// [`MetricError::EmptyCorpus`], [`MetricError::NoReferences`], [`MetricError::Misaligned`],
    /// [`MetricError::NothingToCount`] or [`MetricError::Segment`].
    fn statistics<H, R, S>(&self, hypotheses: &[H], references: &[R]) -> Result<Statistics, MetricError>
    where
        H: AsRef<str> + Sync,
        R: AsRef<[S]>,
        S: AsRef<str> + Sync,
    {
        let streams: Vec<&[S]> = references.iter().map(AsRef::as_ref).collect();
        if hypotheses.is_empty() {
            return Err(MetricError::EmptyCorpus);
        }
        if streams.is_empty() {
            return Err(MetricError::NoReferences);
        }
        if let Some(idx) = streams.iter().position(|stream| stream.len() != hypotheses.len()) {
            let (expected, got) = (hypotheses.len(), streams[idx].len());
            return Err(MetricError::Misaligned { stream: idx + 1, expected, got });
        }

        let width = self.n_statistics();
        if width == 0 {
            return Err(MetricError::NothingToCount);
        }
        let references_of = |idx: usize| streams.iter().map(|stream| stream[idx].as_ref()).collect::<Vec<&str>>();
        for (idx, hypothesis) in hypotheses.iter().enumerate() {
            let segment = Segment { hypothesis: hypothesis.as_ref(), references: &references_of(idx) };
            let at = |cause| MetricError::Segment { number: idx + 1, cause: Box::new(cause) };
            self.check(segment).map_err(at)?;
        }
        let mut rows = vec![0.0; width * hypotheses.len()];
        rows.par_chunks_mut(width).zip(hypotheses).enumerate().for_each_init(
            Scratch::default,
            |scratch, (idx, (row, hypothesis))| {
                let references = references_of(idx);
                self.segment(Segment { hypothesis: hypothesis.as_ref(), references: &references }, scratch, row);
            },
        );
        Ok(Statistics { width, rows, n_refs: streams.len().into() })
    }

    /// The score of a corpus; `references` are streams, each as long as `hypotheses`.
    ///
    /// # Errors
    /// [`MetricError::EmptyCorpus`], [`MetricError::NoReferences`], [`MetricError::Misaligned`] or
    /// [`MetricError::NothingToCount`].
    fn corpus<H, R, S>(&self, hypotheses: &[H], references: &[R]) -> Result<Self::Score, MetricError>
    where
        H: AsRef<str> + Sync,
        R: AsRef<[S]>,
        S: AsRef<str> + Sync,
    {
        Ok(self.score(&self.statistics(hypotheses, references)?.sums()))
    }

    /// The score of one segment by itself.
    ///
    /// # Errors
    /// [`MetricError::NoReferences`] or [`MetricError::NothingToCount`]; of [`check`](Self::check).
    fn sentence<S: AsRef<str>>(&self, hypothesis: &str, references: &[S]) -> Result<Self::Score, MetricError> {
        if references.is_empty() {
            return Err(MetricError::NoReferences);
        }
        let references: Vec<&str> = references.iter().map(AsRef::as_ref).collect();
        let mut statistics = vec![0.0; self.n_statistics()];
        if statistics.is_empty() {
            return Err(MetricError::NothingToCount);
        }
        let segment = Segment { hypothesis, references: &references };
        self.check(segment)?;
        self.segment(segment, &mut Scratch::default(), &mut statistics);
        Ok(self.score(&statistics))
    }
}

/// A hypothesis and its references.
#[derive(Debug, Clone, Copy)]
pub struct Segment<'a> {
    /// The output of the system.
    pub hypothesis: &'a str,
    /// Correct outputs.
    pub references: &'a [&'a str],
}

/// The statistics of a corpus, segment by segment.
#[derive(Debug, Clone, PartialEq)]
pub struct Statistics {
    width: usize,
    rows: Vec<f64>,
    n_refs: RefCount,
}

impl Statistics {
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// The number of segments.
    pub fn n_segments(&self) -> usize {
        self.rows.len() / self.width
    }

    /// Number of references of the segments.
    pub fn n_refs(&self) -> RefCount {
        self.n_refs
    }

    /// One row per segment, each [`Scorer::n_statistics`] long.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f64]> {
        self.rows.chunks_exact(self.width)
    }

    /// The sums over all segments.
    pub fn sums(&self) -> Vec<f64> {
        let mut sums = vec![0.0; self.width];
        self.rows().for_each(|row| add(&mut sums, row));
        sums
    }
}

/// A score of a corpus that arrives segment by segment, or in parts to be merged.
///
/// Segments may differ in their number of references; the signature then says `nrefs:var`.
///
/// # Examples
/// ```
/// use attentive_metrics::{Accumulator, Bleu, Metric, Segment};
///
/// let mut bleu = Accumulator::new(Bleu::default());
/// bleu.add(Segment { hypothesis: "The cat sat on a mat.", references: &["The cat sat on the mat."] });
/// assert_eq!(bleu.score().unwrap().counts, [6, 4, 2, 1]);
/// assert_eq!(bleu.signature().unwrap().to_string(), "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0");
/// ```
#[derive(Debug)]
pub struct Accumulator<S> {
    scorer: S,
    sums: Vec<f64>,
    n_refs: Option<RefCount>,
    scratch: Scratch,
    row: Vec<f64>,
}

impl<S: Scorer> Accumulator<S> {
    /// An empty accumulator.
    pub fn new(scorer: S) -> Self {
        let zeros = vec![0.0; scorer.n_statistics()];
        Self { scorer, sums: zeros.clone(), n_refs: None, scratch: Scratch::default(), row: zeros }
    }

    /// The score so far, or `None` before the first segment.
    pub fn score(&self) -> Option<S::Score> {
        self.n_refs.map(|_| self.scorer.score(&self.sums))
    }

    /// The signature of the score so far, or `None` before the first segment.
    pub fn signature(&self) -> Option<Signature> {
        self.n_refs.map(|n_refs| self.scorer.signature(n_refs))
    }

    fn see(&mut self, n_refs: RefCount) {
        self.n_refs = Some(self.n_refs.map_or(n_refs, |seen| seen.and(n_refs)));
    }
}

impl<S: Scorer> Metric for Accumulator<S> {
    type Sample<'a> = Segment<'a>;

    fn add(&mut self, segment: Segment<'_>) {
        self.see(segment.references.len().into());
        self.scorer.segment(segment, &mut self.scratch, &mut self.row);
        add(&mut self.sums, &self.row);
    }

    fn merge(&mut self, other: Self) {
        if let Some(n_refs) = other.n_refs {
            self.see(n_refs);
            add(&mut self.sums, &other.sums);
        }
    }

    fn value(&self) -> Option<f64> {
        self.n_refs.map(|_| self.scorer.value(&self.sums).get())
    }
}

pub(crate) fn add<R: Real>(sums: &mut [R], row: &[R]) {
    for (sum, &x) in sums.iter_mut().zip(row) {
        *sum += x;
    }
}
