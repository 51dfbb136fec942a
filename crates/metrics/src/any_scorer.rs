use crate::{Comparison, Interval, MetricError, PairedTest, RefCount, Scorer, Signature, Statistics};

/// A [`Scorer`] that is chosen at run time, behind a pointer: what it says of statistics that it made itself.
pub trait AnyScorer {
    /// The name before the equals sign.
    fn name(&self) -> String;

    /// Whether the better system has the lower score.
    fn lower_is_better(&self) -> bool;

    /// What reproduces the score.
    fn signature(&self, n_refs: RefCount) -> Signature;

    /// What the score is computed from, segment by segment; `references` are streams, each as long as `hypotheses`.
    ///
    /// # Errors
    /// As [`Scorer::statistics`].
    fn statistics(&self, hypotheses: &[String], references: &[&[String]]) -> Result<Statistics, MetricError>;

    /// The score of `sums`, the statistics of one segment or of many.
    fn value(&self, sums: &[f64]) -> f64;

    /// The line that sacreBLEU writes of it, with so many digits.
    fn line(&self, sums: &[f64], digits: usize) -> String;

    /// Whether two systems differ.
    ///
    /// # Errors
    /// As [`PairedTest::compare`].
    fn compare(&self, test: &PairedTest, baseline: &Statistics, system: &Statistics)
    -> Result<Comparison, MetricError>;

    /// The bootstrap interval of one system.
    ///
    /// # Errors
    /// [`MetricError::NoSamples`].
    fn interval(&self, statistics: &Statistics, n_samples: usize, seed: u64) -> Result<Interval, MetricError>;
}

impl<S: Scorer> AnyScorer for S {
    fn name(&self) -> String {
        Scorer::name(self)
    }

    fn lower_is_better(&self) -> bool {
        Scorer::lower_is_better(self)
    }

    fn signature(&self, n_refs: RefCount) -> Signature {
        Scorer::signature(self, n_refs)
    }

    fn statistics(&self, hypotheses: &[String], references: &[&[String]]) -> Result<Statistics, MetricError> {
        Scorer::statistics(self, hypotheses, references)
    }

    fn value(&self, sums: &[f64]) -> f64 {
        Scorer::value(self, sums).get()
    }

    fn line(&self, sums: &[f64], digits: usize) -> String {
        format!("{:.digits$}", self.score(sums))
    }

    fn compare(
        &self,
        test: &PairedTest,
        baseline: &Statistics,
        system: &Statistics,
    ) -> Result<Comparison, MetricError> {
        test.compare(self, baseline, system)
    }

    fn interval(&self, statistics: &Statistics, n_samples: usize, seed: u64) -> Result<Interval, MetricError> {
        crate::confidence_interval(self, statistics, n_samples, seed)
    }
}
