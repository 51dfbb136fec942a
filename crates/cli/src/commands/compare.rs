//! `attentive compare`.

use std::path::PathBuf;

use anyhow::Result;
use attentive_metrics::{Comparisons, DEFAULT_SEED, PairedTest, Resampling};
use attentive_task::comparisons_json;
use clap::Args;
use serde_json::{Value, json};

use super::numbers::{MANY_RESAMPLED, integer};
use crate::metric::{MetricArgs, check_aligned, segments, streams};

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
    #[arg(long, value_name = "N", default_value_t = DEFAULT_SEED, env = "SACREBLEU_SEED", value_parser = integer(0..=u64::MAX))]
    seed: u64,
    /// Samples for intervals beside randomisation, which gives none of itself.
    #[arg(long, value_name = "N", default_value_t = 0, requires = "paired_ar", conflicts_with = "paired_bs")]
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
        let references = self.reference.iter().map(segments).collect::<Result<Vec<_>>>()?;
        let systems = self.systems.iter().map(segments).collect::<Result<Vec<_>>>()?;
        for system in &systems {
            check_aligned(&system.name, &system.lines, &references)?;
            self.metrics.warn(&system.name, &system.lines)?;
        }
        let test = self.test.test();
        let streams = streams(&references);
        let named: Vec<(&str, &[String])> = systems.iter().map(|system| (&*system.name, &system.lines[..])).collect();
        let reports = scorers.iter().map(|scorer| Comparisons::new(&**scorer, &test, &named, &streams));
        let reports = reports.collect::<Result<Vec<_>, _>>()?;
        if self.json {
            let metrics: Vec<Value> = reports.iter().map(comparisons_json).collect();
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
            return Ok(say!("{}", serde_json::to_string_pretty(&json)?)?);
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
