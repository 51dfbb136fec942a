//! Runs beside one another.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use attentive_bundle::Bundle;
use clap::Args;
use serde::Deserialize;

use attentive_task::thousands;

use super::or_dash;
use crate::markdown::Table;

/// Runs beside one another: sizes, speed, scores at the end, and at each validation until the shortest has ended.
#[derive(Debug, Args)]
pub(super) struct Runs {
    /// The runs' folders: the Transformer's, the RNN's, any others.
    #[arg(required = true, num_args = 2..)]
    runs: Vec<PathBuf>,
}

/// A validation in `metrics.jsonl`.
#[derive(Debug, Clone, Deserialize)]
struct Validation {
    step: u64,
    nll_nats: Option<f64>,
    #[serde(default)]
    scores: BTreeMap<String, Option<f64>>,
    elapsed_seconds: f64,
}

struct Run {
    name: String,
    bundle: Bundle,
    validations: Vec<Validation>,
}

impl Runs {
    pub(super) fn run(self) -> Result<()> {
        let runs: Vec<Run> = self.runs.iter().map(|path| Run::read(path)).collect::<Result<_>>()?;
        let head = [String::new()].into_iter().chain(runs.iter().map(|run| run.name.clone()));
        let mut table = Table::new(head);
        let mut row = |name: &str, cell: &dyn Fn(&Run) -> String| {
            table.row([name.to_owned()].into_iter().chain(runs.iter().map(cell)));
        };
        row("model", &Run::model);
        row("parameters", &|run| thousands(run.bundle.model.n_params() as u64));
        row("updates", &|run| thousands(run.bundle.record.steps));
        row("target tokens", &|run| thousands(run.bundle.record.n_targets));
        row("time", &|run| minutes(run.bundle.record.seconds));
        row("target tokens a second", &|run| {
            let record = &run.bundle.record;
            thousands((record.n_targets as f64 / record.seconds.max(f64::MIN_POSITIVE)) as u64)
        });
        let mut scores: Vec<(String, String)> = Vec::new();
        for score in runs.iter().flat_map(|run| &run.bundle.record.scores) {
            let key = (score.split.clone(), score.metric.clone());
            if !scores.contains(&key) {
                scores.push(key);
            }
        }
        for (split, metric) in scores {
            row(&format!("{split} {metric}"), &|run| {
                let mut all = run.bundle.record.scores.iter();
                let score = all.find(|score| score.split == split && score.metric == metric);
                or_dash(score, |score| format!("{:.2}", score.value))
            });
        }
        say!("At the end\n\n{table}")?;

        // The last validation that each run has made by then.
        let shortest = runs.iter().filter_map(Run::end).fold(f64::INFINITY, f64::min);
        if !shortest.is_finite() {
            bail!("no validation is logged in one of these runs");
        }
        let mut table = Table::new(["after", "run", "update", "validation loss", "perplexity", "scores"]);
        for quarter in 1..=4 {
            let time = shortest * f64::from(quarter) / 4.0;
            for run in &runs {
                let Some(validation) = run.by(time) else { continue };
                let scores =
                    validation.scores.iter().filter_map(|(name, value)| Some(format!("{name} {:.2}", (*value)?)));
                table.row([
                    minutes(time),
                    run.name.clone(),
                    thousands(validation.step),
                    or_dash(validation.nll_nats, |nats| format!("{nats:.3}")),
                    or_dash(validation.nll_nats, |nats| format!("{:.2}", nats.exp())),
                    scores.collect::<Vec<_>>().join(", "),
                ]);
            }
        }
        say!("After equal time: each run's last validation by then\n\n{table}")?;
        Ok(())
    }
}

impl Run {
    fn read(path: &Path) -> Result<Self> {
        let bundle = Bundle::read(attentive_run::resolve(path))?;
        let log = bundle.path.join("metrics.jsonl");
        let text = fs::read_to_string(&log).with_context(|| format!("can't read {}", log.display()))?;
        let mut validations = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line: serde_json::Value =
                serde_json::from_str(line).with_context(|| format!("{}:{number}", log.display()))?;
            if line["event"] == "validation" {
                validations
                    .push(Deserialize::deserialize(line).with_context(|| format!("{}:{number}", log.display()))?);
            }
        }
        Ok(Self { name: path.display().to_string(), bundle, validations })
    }

    fn model(&self) -> String {
        let model = &self.bundle.model;
        format!("{}: {}", model.family(), model.describe())
    }

    /// When the last validation was made, in seconds.
    fn end(&self) -> Option<f64> {
        self.validations.last().map(|validation| validation.elapsed_seconds)
    }

    /// The last validation that was made by `time`.
    fn by(&self, time: f64) -> Option<&Validation> {
        self.validations.iter().rfind(|validation| validation.elapsed_seconds <= time)
    }
}

fn minutes(seconds: f64) -> String {
    format!("{}:{:02} min", seconds as u64 / 60, seconds as u64 % 60)
}
