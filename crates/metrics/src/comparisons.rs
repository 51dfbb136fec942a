use std::fmt;

use crate::{AnyScorer, Comparison, Estimate, Interval, MetricError, PairedTest, RefCount, Resampling, Signature};

/// The level below which a difference is called real; sacreBLEU's.
const LEVEL: f64 = 0.05;

/// What one score says of several systems, the first of which is the baseline.
#[derive(Debug, Clone)]
pub struct Comparisons {
    /// The score's name.
    pub metric: String,
    /// What reproduces it.
    pub signature: Signature,
    /// Whether the better system has the lower score.
    pub lower_is_better: bool,
    /// The baseline's name and score.
    pub baseline: (String, Estimate),
    /// Each other system's name, and how it compares with the baseline.
    pub systems: Vec<(String, Comparison)>,
}

impl Comparisons {
    /// Compares systems, each a name and its translations, by one score; `references` are streams as long as these.
    ///
    /// # Errors
    /// Those of [`Scorer::statistics`](crate::Scorer::statistics) and [`PairedTest::compare`].
    ///
    /// # Panics
    /// There are fewer than two systems.
    pub fn new(
        scorer: &dyn AnyScorer,
        test: &PairedTest,
        systems: &[(&str, &[String])],
        references: &[&[String]],
    ) -> Result<Self, MetricError> {
        assert!(systems.len() > 1, "a comparison is of two systems at least");
        let statistics = systems.iter().map(|(_, lines)| scorer.statistics(lines, references));
        let statistics = statistics.collect::<Result<Vec<_>, _>>()?;
        let compared = systems[1..]
            .iter()
            .zip(&statistics[1..])
            .map(|((name, _), of_system)| Ok(((*name).to_owned(), scorer.compare(test, &statistics[0], of_system)?)));
        let compared = compared.collect::<Result<Vec<_>, MetricError>>()?;
        let signature = scorer.signature(RefCount::Fixed(references.len()));
        let signature = match test.method {
            Resampling::Bootstrap => signature.with_bootstrap(test.n_samples, test.seed),
            Resampling::Randomization { n_confidence } => {
                let signature = signature.with_randomization(test.n_samples, test.seed);
                if n_confidence == 0 { signature } else { signature.with_bootstrap(n_confidence, test.seed) }
            }
        };
        Ok(Self {
            metric: scorer.name(),
            signature,
            lower_is_better: scorer.lower_is_better(),
            baseline: (systems[0].0.to_owned(), compared[0].1.baseline),
            systems: compared,
        })
    }

    /// Whether the difference is real, in words.
    fn verdict(&self, name: &str, comparison: &Comparison, digits: usize) -> String {
        let (baseline, metric) = (&self.baseline.0, &self.metric);
        let gain = comparison.system.score - comparison.baseline.score;
        if gain == 0.0 {
            return format!("{name} and {baseline} score the same.");
        }
        let direction = if (gain > 0.0) != self.lower_is_better { "better" } else { "worse" };
        let by = format!("by {:.digits$} {metric}", gain.abs());
        let p = comparison.p_value;
        if comparison.is_significant() {
            format!("{name} is {direction} than {baseline} {by}. The difference is real: p = {p:.4}, below {LEVEL}.")
        } else {
            format!(
                "{name} scores {direction} than {baseline} {by}. That may be chance: p = {p:.4}, not below {LEVEL}."
            )
        }
    }
}

/// A table with a row for each system, and the verdicts; a precision sets the digits of scores.
impl fmt::Display for Comparisons {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(2);
        let interval = |interval: Option<Interval>| {
            interval.map_or_else(String::new, |Interval { mean, half_width }| {
                format!("{mean:.digits$} ± {half_width:.digits$}")
            })
        };
        let (name, estimate) = &self.baseline;
        let mut rows = vec![
            ["system", &self.metric, "95 % interval", "difference", "p-value"].map(str::to_owned),
            [
                name.clone(),
                format!("{:.digits$}", estimate.score),
                interval(estimate.interval),
                String::new(),
                "baseline".into(),
            ],
        ];
        for (name, comparison) in &self.systems {
            let Comparison { baseline, system, p_value } = comparison;
            let star = if comparison.is_significant() { " *" } else { "" };
            rows.push([
                name.clone(),
                format!("{:.digits$}", system.score),
                interval(system.interval),
                format!("{:+.digits$}", system.score - baseline.score),
                format!("{p_value:.4}{star}"),
            ]);
        }
        if rows.iter().skip(1).all(|row| row[2].is_empty()) {
            rows[0][2].clear();
        }
        let widths: [usize; 5] =
            std::array::from_fn(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default());
        writeln!(f, "{} ({})", self.metric, self.signature)?;
        for row in &rows {
            let cells = row.iter().zip(widths).filter(|&(_, width)| width > 0);
            let cells: Vec<String> = cells.map(|(cell, width)| format!("{cell:<width$}")).collect();
            writeln!(f, "  {}", cells.join("  ").trim_end())?;
        }
        for (name, comparison) in &self.systems {
            writeln!(f, "{}", self.verdict(name, comparison, digits))?;
        }
        Ok(())
    }
}
