//! A run for TensorBoard.

use std::{
    fs, io,
    ops::ControlFlow,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use attentive_plot::EventFile;
use attentive_trainer::{Callback, CallbackError, Event};

/// Writes each update and each validation to an event file.
pub(crate) struct EventLog(EventFile);

impl EventLog {
    /// A file of its own for each session, in the run's folder; `n_steps` were made before.
    pub(crate) fn create(run: &Path, n_steps: u64) -> io::Result<Self> {
        let folder = run.join("tensorboard");
        fs::create_dir_all(&folder)?;
        let now = now();
        let path = folder.join(format!("events.out.tfevents.{now:.0}.{n_steps}"));
        Ok(Self(EventFile::create(&path, n_steps + 1, now)?))
    }

    fn write(&mut self, step: u64, scalars: &[(&str, f64)]) -> io::Result<()> {
        let now = now();
        scalars.iter().try_for_each(|(name, value)| self.0.scalar(now, step, name, *value))
    }
}

/// Seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

impl Callback for EventLog {
    fn on_event(&mut self, event: &Event<'_>) -> Result<ControlFlow<()>, CallbackError> {
        let written = match event {
            Event::Step(report) => {
                let names: Vec<String> = report.scores.iter().map(|(name, _)| format!("train/{name}")).collect();
                let scores = names.iter().map(String::as_str).zip(report.scores.iter().map(|(_, value)| *value));
                let scalars = [
                    ("train/loss_nats", report.loss_nats),
                    ("train/nll_nats", report.nll_nats),
                    ("train/lr", report.lr),
                    ("train/grad_norm", report.grad_norm),
                ];
                self.write(report.step, &scalars.into_iter().chain(scores).collect::<Vec<_>>())
            }
            Event::Validated { step, validation, .. } => {
                let names: Vec<String> =
                    validation.scores.iter().map(|(name, _)| format!("validation/{name}")).collect();
                let scores = names.iter().map(String::as_str).zip(validation.scores.iter().map(|(_, value)| *value));
                let scalars: Vec<(&str, f64)> =
                    [("validation/nll_nats", validation.nll_nats)].into_iter().chain(scores).collect();
                self.write(*step, &scalars)
            }
            _ => Ok(()),
        };
        match written {
            Ok(()) => Ok(ControlFlow::Continue(())),
            Err(cause) => Err(CallbackError { what: "writing TensorBoard's events".into(), cause: cause.into() }),
        }
    }
}
