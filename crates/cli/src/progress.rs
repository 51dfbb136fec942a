//! What a run shows.

use std::{
    io::IsTerminal,
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use attentive_task::clock;
use attentive_trainer::{Callback, CallbackError, Event, StepReport};
use indicatif::{ProgressBar, ProgressStyle};

/// Time between two lines where the output is not a terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// The live line on a terminal, or plain lines at intervals.
pub(crate) struct Progress {
    n_steps: u64,
    bar: Option<ProgressBar>,
    last_line: Instant,
    /// Targets and time since the last line.
    recent: (usize, Duration),
    /// Where this session began, for the time left.
    first: Option<(u64, Duration)>,
}

impl Progress {
    pub(crate) fn new(n_steps: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{bar:20} {msg}").expect("a valid template");
            ProgressBar::new(n_steps).with_style(style)
        });
        Self { n_steps, bar, last_line: Instant::now(), recent: (0, Duration::ZERO), first: None }
    }

    fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| report!("{line}")),
            None => report!("{line}"),
        }
    }

    fn step(&mut self, report: &StepReport) {
        let (first_step, first_elapsed) =
            *self.first.get_or_insert((report.step - 1, report.elapsed.saturating_sub(report.step_time)));
        self.recent.0 += report.n_targets;
        self.recent.1 += report.step_time;
        let is_due = match &self.bar {
            Some(_) => self.last_line.elapsed() >= Duration::from_millis(200),
            None => self.last_line.elapsed() >= LINE_INTERVAL || report.step == first_step + 1,
        };
        if report.skipped {
            self.say(&format!("step {}: the loss or its gradient is not finite; update skipped", report.step));
        }
        if !is_due && report.step != self.n_steps {
            return;
        }
        let rate = self.recent.0 as f64 / self.recent.1.as_secs_f64().max(1e-9);
        let per_step = (report.elapsed - first_elapsed).as_secs_f64() / (report.step - first_step) as f64;
        let left = Duration::from_secs_f64(per_step * (self.n_steps - report.step) as f64);
        let line = format!(
            "step {:>5}/{}  epoch {}  {}{}  lr {:.2e}  {:.0} {}/s  {} left",
            report.step,
            self.n_steps,
            report.position.epoch + 1,
            losses(report.is_in_nats, report.loss_nats, report.nll_nats),
            shown(report.scores.iter().map(|(name, value)| (*name, *value))),
            report.lr,
            rate,
            if report.is_in_nats { "tokens" } else { "targets" },
            clock(left),
        );
        match &self.bar {
            Some(bar) => {
                bar.set_position(report.step);
                bar.set_message(line);
            }
            None => report!("{line}"),
        }
        self.last_line = Instant::now();
        self.recent = (0, Duration::ZERO);
    }
}

impl Callback for Progress {
    fn on_event(&mut self, event: &Event<'_>) -> Result<ControlFlow<()>, CallbackError> {
        match event {
            Event::Step(report) => {
                self.step(report);
                if report.step == self.n_steps
                    && let Some(bar) = &self.bar
                {
                    bar.finish_and_clear();
                }
            }
            Event::Validated { step, validation, is_in_nats, is_best, elapsed } => {
                let scores = shown(validation.scores.iter().map(|(name, value)| (name.as_str(), *value)));
                self.say(&format!(
                    "step {step:>5}  validation: {}{scores}{}  [{}]",
                    losses(*is_in_nats, validation.nll_nats, validation.nll_nats),
                    if *is_best { "  best so far" } else { "" },
                    clock(*elapsed),
                ));
            }
            Event::RolledBack { step, lr_scale, diagnosis, .. } => {
                self.say(&format!("training diverged: {diagnosis}"));
                self.say(&format!("back to step {step}, on with {lr_scale} times the schedule's learning rate"));
                (self.recent, self.first) = ((0, Duration::ZERO), None);
            }
            _ => event.notes().iter().for_each(|note| self.say(note)),
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// Numbers with their names.
fn shown<'a>(scores: impl Iterator<Item = (&'a str, f64)>) -> String {
    scores.map(|(name, value)| format!("  {name} {value:.2}")).collect()
}

/// A loss, with its perplexity where it is a cross-entropy.
fn losses(is_in_nats: bool, loss: f64, nll_nats: f64) -> String {
    if is_in_nats { format!("loss {loss:.3} nats/token  ppl {:.2}", nll_nats.exp()) } else { format!("loss {loss:.4}") }
}

/// Ends training when the flag is raised.
pub(crate) struct StopFlag(pub(crate) Arc<AtomicBool>);

impl Callback for StopFlag {
    fn on_event(&mut self, _: &Event<'_>) -> Result<ControlFlow<()>, CallbackError> {
        Ok(if self.0.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }
}
