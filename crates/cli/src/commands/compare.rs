//! `attentive compare`.

use std::{fmt, path::PathBuf};

use anyhow::Result;
use attentive_metrics::{Comparison, DEFAULT_SEED, Estimate, Interval, PairedTest, RefCount, Resampling, Signature};
use clap::Args;
use serde_json::{Value, json};

use super::numbers::{MANY_RESAMPLED, integer};
use crate::metric::{AnyScorer, MetricArgs, Segments, check_aligned};

/// Tell whether translations are better than others, or the test set was kind to them.
///
/// The first file is the baseline that each of the others is compared with. Scores, intervals and p-values equal those
/// of sacreBLEU 2.6's paired tests.
#[derive(Debug, Args)]
pub(crate) struct Compare {
    /// Translations, a line each, of the same sentences by two systems or more; plain or compressed.
    #[arg(value_name = "FILE", required = true, num_args = 2..)]
    systems: Vec<PathBuf>,
    /// Their translations by people; may be given several times.
    #[arg(short, long, value_name = "FILE", required = true)]
    reference: Vec<PathBuf>,
    /// Write JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    test: TestArgs,
    #[command(flatten)]
    metrics: MetricArgs,
}

/// How to tell a difference from chance.
#[derive(Debug, Args)]
#[command(next_help_heading = "Test")]
struct TestArgs {
    /// Paired bootstrap resampling (Koehn 2004), the default.
    #[arg(long, conflicts_with = "paired_ar")]
    paired_bs: bool,
    /// Paired approximate randomisation (Riezler and Maxwell 2005).
    #[arg(long)]
    paired_ar: bool,
    /// Samples: 1,000 for the bootstrap and 10,000 for randomisation unless given.
    #[arg(long, value_name = "N", value_parser = integer(1..=MANY_RESAMPLED))]
    samples: Option<usize>,
    /// What the random numbers start from.
    #[arg(long, value_name = "N", default_value_t = DEFAULT_SEED, env = "SACREBLEU_SEED")]
    seed: u64,
    /// Samples for intervals beside randomisation, which gives none of itself.
    #[arg(long, value_name = "N", default_value_t = 0, requires = "paired_ar")]
    #[arg(value_parser = integer(0..=MANY_RESAMPLED))]
    confidence_n: usize,
}

impl TestArgs {
    fn test(&self) -> PairedTest {
        let test = if self.paired_ar {
            let method = Resampling::Randomization { n_confidence: self.confidence_n };
            PairedTest { method, ..PairedTest::randomization() }
        } else {
            PairedTest::bootstrap()
        };
        PairedTest { n_samples: self.samples.unwrap_or(test.n_samples), seed: self.seed, ..test }
    }
}

impl Compare {
    pub(super) fn run(self) -> Result<()> {
        let scorers = self.metrics.scorers(false)?;
        let references = read(&self.reference)?;
        let systems = read(&self.systems)?;
        for system in &systems {
            check_aligned(&system.name, &system.lines, &references)?;
            self.metrics.warn(&system.name, &system.lines)?;
        }
        let test = self.test.test();
        let reports = scorers.iter().map(|scorer| Report::new(&**scorer, &test, &systems, &references));
        let reports = reports.collect::<Result<Vec<_>>>()?;
        if self.json {
            let metrics: Vec<Value> = reports.iter().map(Report::to_json).collect();
            let method = if self.test.paired_ar { "ar" } else { "bs" };
            let names: Vec<&str> = references.iter().map(|reference| reference.name.as_str()).collect();
            let json = json!({
                "test": method,
                "samples": test.n_samples,
                "seed": test.seed,
                "references": names,
                "n_segments": references[0].lines.len(),
                "metrics": metrics,
            });
            say!("{}", serde_json::to_string_pretty(&json)?)?;
            return Ok(());
        }
        for report in &reports {
            say!("{:.*}", self.metrics.width, report)?;
        }
        for system in &systems {
            if let Some(text) = self.metrics.explain(&system.lines, &references)? {
                say!("{}: {text}", system.name)?;
            }
        }
        Ok(())
    }
}

fn read(paths: &[PathBuf]) -> Result<Vec<Segments>> {
    paths.iter().map(|path| Segments::read(path)).collect()
}

/// The level below which a difference is called real; sacreBLEU's.
const LEVEL: f64 = 0.05;

/// What one score says of all systems.
struct Report {
    metric: String,
    signature: Signature,
    lower_is_better: bool,
    baseline: (String, Estimate),
    systems: Vec<(String, Comparison)>,
}

impl Report {
    fn new(scorer: &dyn AnyScorer, test: &PairedTest, systems: &[Segments], references: &[Segments]) -> Result<Self> {
        let statistics = systems.iter().map(|system| scorer.statistics(&system.lines, references));
        let statistics = statistics.collect::<Result<Vec<_>, _>>()?;
        let compared = systems[1..].iter().zip(&statistics[1..]).map(|(system, statistics_of)| {
            Ok((system.name.clone(), scorer.compare(test, &statistics[0], statistics_of)?))
        });
        let compared = compared.collect::<Result<Vec<_>>>()?;
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
            baseline: (systems[0].name.clone(), compared[0].1.baseline),
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

    /// In sacreBLEU's words where it has some: `mean` and `ci` are of the resampled scores.
    fn to_json(&self) -> Value {
        let system = |name: &str, estimate: &Estimate| {
            json!({
                "system": name,
                "score": estimate.score,
                "mean": estimate.interval.map(|interval| interval.mean),
                "ci": estimate.interval.map(|interval| interval.half_width),
            })
        };
        let compared = self.systems.iter().map(|(name, comparison)| {
            let mut value = system(name, &comparison.system);
            value["difference"] = (comparison.system.score - comparison.baseline.score).into();
            value["p_value"] = comparison.p_value.into();
            value["significant"] = comparison.is_significant().into();
            value
        });
        json!({
            "metric": self.metric,
            "signature": self.signature.to_string(),
            "lower_is_better": self.lower_is_better,
            "baseline": system(&self.baseline.0, &self.baseline.1),
            "systems": compared.collect::<Vec<_>>(),
        })
    }
}

/// A table with a row for each system, and the verdicts; a precision sets the digits of scores.
impl fmt::Display for Report {
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
