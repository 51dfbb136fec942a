//! Runs beside one another.

use std::{collections::BTreeMap, path::Path};

use attentive_bundle::{Bundle, ScoreRecord};
use attentive_data::log_entries;
use attentive_task::{Result, resolve, thousands};
use serde::Deserialize;

use crate::{Exhibit, Table, table::or_dash};

/// Runs beside one another: the Transformer and the RNN that it replaced, or any others.
#[derive(Debug)]
pub struct Runs(Vec<Run>);

/// An entry of `metrics.jsonl`.
#[derive(Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Entry {
    Validation(Validation),
    #[serde(other)]
    Other,
}

/// A validation.
#[derive(Debug, Clone, Deserialize)]
struct Validation {
    step: u64,
    nll_nats: Option<f64>,
    #[serde(default)]
    scores: BTreeMap<String, Option<f64>>,
    elapsed_seconds: f64,
}

/// A run that was trained to its end.
#[derive(Debug)]
struct Run {
    name: String,
    bundle: Bundle,
    validations: Vec<Validation>,
}

impl Runs {
    /// Reads runs by their folders.
    ///
    /// # Errors
    /// A folder has no model, or no log, that can be read.
    pub fn read(folders: impl IntoIterator<Item = impl AsRef<Path>>) -> Result<Self> {
        Ok(Self(folders.into_iter().map(|folder| Run::read(folder.as_ref())).collect::<Result<_>>()?))
    }

    /// Sizes, speed, and scores at the end.
    pub fn at_the_end(&self) -> Exhibit {
        let head = [String::new()].into_iter().chain(self.0.iter().map(|run| run.name.clone()));
        let mut table = Table::new(head).under("At the end");
        let mut row = |name: &str, cell: &dyn Fn(&Run) -> String| {
            table.row([name.to_owned()].into_iter().chain(self.0.iter().map(cell)));
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
        for (split, metric) in self.scores() {
            row(&format!("{split} {metric}"), &|run| {
                or_dash(run.score(split, metric), |score| format!("{:.2}", score.value))
            });
        }
        [table].into()
    }

    /// Each run's last validation by the quarters of the time that the shortest of them has taken.
    ///
    /// # Errors
    /// No validation is logged in one of the runs.
    pub fn after_equal_time(&self) -> Result<Exhibit> {
        if let Some(run) = self.0.iter().find(|run| run.validations.is_empty()) {
            refuse!("no validation is logged in {}", run.name);
        }
        let shortest = self.0.iter().filter_map(Run::end).fold(f64::INFINITY, f64::min);
        let mut table = Table::new(["after", "run", "update", "validation loss", "perplexity", "scores"])
            .under("After equal time: each run's last validation by then");
        for time in (1..=4).map(|quarter| shortest * f64::from(quarter) / 4.0) {
            for run in &self.0 {
                let none =
                    || [minutes(time), run.name.clone()].into_iter().chain(["—"; 4].map(str::to_owned)).collect();
                let cells: Vec<String> = run.by(time).map_or_else(none, |found| found.cells(time, &run.name).into());
                table.row(cells);
            }
        }
        Ok([table].into())
    }

    /// The scores that any run has at its end, by split and metric, as they come first.
    fn scores(&self) -> Vec<(&str, &str)> {
        let mut scores = Vec::new();
        for score in self.0.iter().flat_map(|run| &run.bundle.record.scores) {
            let key = (score.split.as_str(), score.metric.as_str());
            if !scores.contains(&key) {
                scores.push(key);
            }
        }
        scores
    }
}

impl Validation {
    fn cells(&self, time: f64, run: &str) -> [String; 6] {
        let scores = self.scores.iter().filter_map(|(name, value)| Some(format!("{name} {:.2}", (*value)?)));
        [
            minutes(time),
            run.to_owned(),
            thousands(self.step),
            or_dash(self.nll_nats, |nats| format!("{nats:.3}")),
            or_dash(self.nll_nats, |nats| format!("{:.2}", nats.exp())),
            scores.collect::<Vec<_>>().join(", "),
        ]
    }
}

impl Run {
    fn read(folder: &Path) -> Result<Self> {
        let bundle = Bundle::read(resolve(folder))?;
        let mut validations = Vec::new();
        for entry in log_entries(bundle.path.join("metrics.jsonl")) {
            if let Entry::Validation(validation) = entry? {
                validations.push(validation);
            }
        }
        Ok(Self { name: folder.display().to_string(), bundle, validations })
    }

    fn model(&self) -> String {
        let model = &self.bundle.model;
        format!("{}: {}", model.family(), model.describe())
    }

    fn score(&self, split: &str, metric: &str) -> Option<&ScoreRecord> {
        self.bundle.record.scores.iter().find(|score| score.split == split && score.metric == metric)
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
