//! The curves of a run, by its log.

use std::{collections::BTreeMap, fmt, path::Path};

use attentive_bundle::run_in;
use attentive_data::log_entries;
use attentive_task::Result;
use serde::Deserialize;

/// The points of a curve: updates, and a value, which is NaN where it was not finite.
pub type Points = Vec<(f64, f64)>;

/// What a curve is of, in the order in which curves are shown.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Curve {
    /// The loss of each update.
    TrainingLoss,
    /// The loss on the validation set.
    ValidationLoss,
    /// The loss of each update, where losses are distances that have no unit.
    TrainingDistance,
    /// The same on the validation set.
    ValidationDistance,
    /// A score of the validation set, by its name; of updates, its name after "training".
    Score(String),
    /// The learning rate of each update.
    LearningRate,
}

/// The quantity with its unit.
impl fmt::Display for Curve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TrainingLoss => "training loss, nats per target",
            Self::ValidationLoss => "validation loss, nats per target",
            Self::TrainingDistance => "training loss",
            Self::ValidationDistance => "validation loss",
            Self::Score(name) => name,
            Self::LearningRate => "learning rate",
        })
    }
}

/// A line of `metrics.jsonl`; what is not finite stands there as null.
#[derive(Deserialize)]
struct Line {
    event: String,
    step: u64,
    nll_nats: Option<f64>,
    #[serde(default)]
    is_distance: bool,
    lr: Option<f64>,
    #[serde(default)]
    scores: BTreeMap<String, Option<f64>>,
}

/// The curves of a run's folder. A line is read at a time; a point takes 16 bytes.
///
/// # Errors
/// The folder has no log, or a line of it can't be read and is not cut off at its end.
pub fn curves(run: &Path) -> Result<BTreeMap<Curve, Points>> {
    let path = run.join("metrics.jsonl");
    if let (false, Some(one)) = (path.exists(), run_in(run)) {
        refuse!("{} is a folder of runs; name one of them, {} for example", run.display(), one.display());
    }
    let mut points = BTreeMap::new();
    for line in log_entries(path) {
        add(&mut points, &line?);
    }
    Ok(points)
}

/// Adds what a line tells.
fn add(points: &mut BTreeMap<Curve, Points>, line: &Line) {
    let mut add = |curve: Curve, value: Option<f64>| {
        points.entry(curve).or_default().push((line.step as f64, value.unwrap_or(f64::NAN)));
    };
    match line.event.as_str() {
        "step" => {
            add(if line.is_distance { Curve::TrainingDistance } else { Curve::TrainingLoss }, line.nll_nats);
            add(Curve::LearningRate, line.lr);
            line.scores.iter().for_each(|(name, value)| add(Curve::Score(format!("training {name}")), *value));
        }
        "validation" => {
            add(if line.is_distance { Curve::ValidationDistance } else { Curve::ValidationLoss }, line.nll_nats);
            line.scores.iter().for_each(|(name, value)| add(Curve::Score(name.clone()), *value));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn log(text: &str) -> Result<BTreeMap<Curve, Points>> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("metrics.jsonl"), text).unwrap();
        curves(folder.path())
    }

    #[test]
    fn a_long_log_is_read_line_by_line() {
        let line = |step: u32| format!("{{\"event\":\"step\",\"step\":{step},\"nll_nats\":1.5,\"lr\":1e-3}}\n");
        // With work for each pair of lines, this would take hours.
        let n = 300_000;
        let points = log(&(0..n).map(line).collect::<String>()).unwrap();
        assert_eq!(points.len(), 2);
        assert!(points.values().all(|points| points.len() == n as usize));
        assert_eq!(points[&Curve::LearningRate][7], (7.0, 1e-3));
    }

    #[test]
    fn distances_have_no_unit() {
        let line = |of: &str| format!("{{\"event\":\"step\",\"step\":5,\"nll_nats\":0.5,\"lr\":1e-3{of}}}\n");
        let titles = |of: &str| log(&line(of)).unwrap().into_keys().map(|curve| curve.to_string()).collect::<Vec<_>>();
        assert!(titles("").contains(&"training loss, nats per target".to_owned()));
        assert!(titles(",\"is_distance\":true").contains(&"training loss".to_owned()));
    }

    #[test]
    fn the_last_line_alone_may_be_unfinished() {
        let line = "{\"event\":\"validation\",\"step\":5,\"nll_nats\":null,\"scores\":{\"BLEU\":2.5}}\n";
        let points = log(&format!("{line}{{\"event\":\"st")).unwrap();
        assert_eq!(points[&Curve::Score("BLEU".into())], [(5.0, 2.5)]);
        assert!(points[&Curve::ValidationLoss][0].1.is_nan());
        let of_update = line.replace("validation", "step");
        assert_eq!(log(&of_update).unwrap()[&Curve::Score("training BLEU".into())], [(5.0, 2.5)]);
        let error = log(&format!("{line}{{\"event\":\"st\n{line}")).unwrap_err().to_string();
        assert!(error.contains("metrics.jsonl:2: "), "{error}");
        // A line without an end is not read to its end.
        let error = log(&format!("[{}\n{line}", "1,".repeat(1 << 20))).unwrap_err().to_string();
        assert!(error.contains("metrics.jsonl:1 is longer than 1048576 bytes"), "{error}");
    }
}
