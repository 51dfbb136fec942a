//! `metrics.jsonl`: a line for each update and each validation.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    ops::ControlFlow,
    path::Path,
};

use attentive_trainer::{Callback, CallbackError, Event, TrainState};
use serde::Deserialize;
use serde_json::{Value, json};

/// The log of a run, open at its end. Each line is handed to the system at once: a killed run has lost none.
pub(crate) struct MetricsLog(File);

/// The part of a line that says when it was written.
#[derive(Deserialize)]
struct Dated {
    event: String,
    step: u64,
}

impl MetricsLog {
    /// Opens the log of a run that goes on from `state`; what came after it, and will come again, is dropped.
    pub(crate) fn open(path: &Path, state: &TrainState) -> io::Result<Self> {
        if path.exists() {
            let text = String::from_utf8_lossy(&std::fs::read(path)?).into_owned();
            let kept = kept(&text, state);
            if kept != text {
                attentive_weights::write_atomically(path, kept.as_bytes())?;
            }
        }
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        attentive_weights::sync_parent(path)?;
        Ok(Self(file))
    }

    fn write(&mut self, line: &Value) -> io::Result<()> {
        self.0.write_all(format!("{line}\n").as_bytes())
    }
}

impl Callback for MetricsLog {
    fn on_event(&mut self, event: &Event<'_>) -> Result<ControlFlow<()>, CallbackError> {
        if matches!(event, Event::Saving) {
            return told(self.0.sync_data());
        }
        event_json(event).map_or(Ok(ControlFlow::Continue(())), |line| told(self.write(&line)))
    }
}

/// What a run's `metrics.jsonl` says of an event, if anything: an update, a validation, or a way back after divergence.
///
/// A number that is not finite is `null`.
pub fn event_json(event: &Event<'_>) -> Option<Value> {
    match event {
        Event::Step(report) => {
            let mut line = json!({
                "event": "step",
                "step": report.step,
                "epoch": report.position.epoch,
                "loss_nats": report.loss_nats,
                "nll_nats": report.nll_nats,
                "lr": report.lr,
                "grad_norm": report.grad_norm,
                "n_targets": report.n_targets,
                "skipped": report.skipped,
                "elapsed_seconds": report.elapsed.as_secs_f64(),
            });
            if !report.is_in_nats {
                line["is_distance"] = json!(true);
            }
            if !report.scores.is_empty() {
                let scores = report.scores.iter().map(|(name, value)| ((*name).to_owned(), json!(value)));
                line["scores"] = Value::Object(scores.collect());
            }
            Some(line)
        }
        Event::Validated { step, validation, is_in_nats, is_best, elapsed } => {
            let scores: serde_json::Map<_, _> =
                validation.scores.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
            let mut line = json!({
                "event": "validation",
                "step": step,
                "nll_nats": validation.nll_nats,
                "scores": scores,
                "is_best": is_best,
                "elapsed_seconds": elapsed.as_secs_f64(),
            });
            if !is_in_nats {
                line["is_distance"] = json!(true);
            }
            Some(line)
        }
        Event::RolledBack { step, lr_scale, diagnosis, .. } => Some(json!({
            "event": "rollback",
            "step": step,
            "from_step": diagnosis.step,
            "lr_scale": lr_scale,
        })),
        _ => None,
    }
}

fn told(written: io::Result<()>) -> Result<ControlFlow<()>, CallbackError> {
    match written {
        Ok(()) => Ok(ControlFlow::Continue(())),
        Err(cause) => Err(CallbackError { what: "writing metrics.jsonl".into(), cause: cause.into() }),
    }
}

/// The lines up to the last one of `state`'s step, with that step's validation if it has been validated.
///
/// Steps need not ascend: a run that went back has some of them twice, and of those the later ones stand.
fn kept(text: &str, state: &TrainState) -> String {
    let lines: Vec<(&str, Dated)> =
        text.lines().filter_map(|line| Some((line, serde_json::from_str(line).ok()?))).collect();
    let is_last = |(_, dated): &(&str, Dated)| dated.event == "step" && dated.step == state.step;
    let n = lines.iter().rposition(is_last).map_or(0, |last| last + 1);
    let is_validated = state.validated_step == state.step;
    let validation = lines[n..].first().filter(|(_, dated)| is_validated && dated.event == "validation");
    lines[..n].iter().chain(validation).map(|(line, _)| format!("{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `s2` is step 2, `v2` its validation, `r2` the way back to it.
    fn log(words: &str) -> String {
        let line = |word: &str| {
            let event = match &word[..1] {
                "s" => "step",
                "v" => "validation",
                _ => "rollback",
            };
            format!("{{\"event\":\"{event}\",\"step\":{}}}\n", &word[1..])
        };
        words.split_whitespace().map(line).collect()
    }

    #[test]
    fn a_resumed_run_drops_what_it_will_do_again() {
        let cases = [
            ("s1 s2 s3", 2, 0, "s1 s2"),
            ("s1 s2 v2 s3", 2, 2, "s1 s2 v2"),
            // Saved before it was validated.
            ("s1 s2 v2 s3", 2, 0, "s1 s2"),
            ("s1 s2", 0, 0, ""),
            // Back from 3 to 1; the checkpoint is of the second time, of the first, of before.
            ("s1 s2 s3 r1 s2 s3 s4", 2, 0, "s1 s2 s3 r1 s2"),
            ("s1 s2 s3 r1 s2", 3, 0, "s1 s2 s3"),
            ("s1 s2 s3 r1 s2", 1, 0, "s1"),
        ];
        for (before, step, validated_step, after) in cases {
            let state = TrainState { step, validated_step, ..TrainState::default() };
            assert_eq!(kept(&log(before), &state), log(after), "{before} from {step}");
        }
    }

    #[test]
    fn half_a_line_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        std::fs::write(&path, log("s1 s2") + "{\"event\":\"st").unwrap();
        let state = TrainState { step: 2, ..TrainState::default() };
        MetricsLog::open(&path, &state).unwrap().write(&json!({"event": "step", "step": 3})).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), log("s1 s2 s3"));
    }
}
