//! What a run shows, as lines.

use std::{
    cell::RefCell,
    io::Write,
    ops::ControlFlow,
    rc::Rc,
    time::{Duration, Instant},
};

use attentive_run::TrainOptions;
use attentive_task::Log;
use attentive_trainer::{Callback, CallbackError, Event};

/// Time between two lines about updates.
const INTERVAL: Duration = Duration::from_secs(10);

/// Writes what a run says and does, a line each: its data and model, an update every ten seconds, each validation.
///
/// A writer that fails is passed over: training goes on.
///
/// ```
/// use attentive::{Progress, prelude::*};
///
/// let mut text = Vec::new();
/// let mut progress = Progress::to(&mut text);
/// let options = progress.options();
/// options.log.line("model     1,626,624 parameters");
/// options.log.warning("another one trains here");
/// # drop(options);
/// # drop(progress);
/// assert_eq!(text, b"model     1,626,624 parameters\nwarning: another one trains here\n");
/// ```
#[derive(Debug)]
pub struct Progress<W> {
    lines: Lines<W>,
    updates: Updates<W>,
}

impl<W: Write> Progress<W> {
    /// Writes to `writer`: `std::io::stderr()`, a file, a vector of bytes.
    pub fn to(writer: W) -> Self {
        let lines = Lines(Rc::new(RefCell::new(writer)));
        Self { updates: Updates { lines: Lines(Rc::clone(&lines.0)), shown: None }, lines }
    }

    /// How a run is trained that writes its progress here; else the defaults.
    pub fn options(&mut self) -> TrainOptions<'_> {
        TrainOptions { log: &self.lines, callbacks: vec![&mut self.updates], ..TrainOptions::default() }
    }
}

/// A writer that the log and the callback of a run share.
#[derive(Debug)]
struct Lines<W>(Rc<RefCell<W>>);

impl<W: Write> Log for Lines<W> {
    fn line(&self, line: &str) {
        // Nothing can be said of it where nothing can be written.
        let _ = writeln!(self.0.borrow_mut(), "{line}");
    }

    fn warning(&self, line: &str) {
        self.line(&format!("warning: {line}"));
    }
}

#[derive(Debug)]
struct Updates<W> {
    lines: Lines<W>,
    /// When an update was shown last.
    shown: Option<Instant>,
}

impl<W: Write> Callback for Updates<W> {
    fn on_event(&mut self, event: &Event<'_>) -> Result<ControlFlow<()>, CallbackError> {
        match event {
            Event::Step(report) if report.skipped => {
                self.lines.line(&format!("step {:>5}  skipped: its loss or gradient is not finite", report.step));
            }
            Event::Step(report) if self.shown.is_none_or(|shown| shown.elapsed() >= INTERVAL) => {
                let (step, epoch, loss) = (report.step, report.position.epoch + 1, report.loss_nats);
                let unit = unit(report.is_in_nats);
                self.lines.line(&format!("step {step:>5}  epoch {epoch}  loss {loss:.3}{unit}  lr {:.2e}", report.lr));
                self.shown = Some(Instant::now());
            }
            Event::Validated { step, validation, is_in_nats, is_best, .. } => {
                let scores = validation.scores.iter().map(|(name, value)| format!("  {name} {value:.2}"));
                let (scores, best) = (scores.collect::<String>(), if *is_best { "  best so far" } else { "" });
                let (loss, unit) = (validation.nll_nats, unit(*is_in_nats));
                self.lines.line(&format!("step {step:>5}  validation: loss {loss:.3}{unit}{scores}{best}"));
            }
            Event::RolledBack { step, lr_scale, diagnosis, .. } => {
                self.lines.line(&format!("diverged: {diagnosis}; back to step {step}, learning rate × {lr_scale}"));
            }
            _ => event.notes().iter().for_each(|note| self.lines.line(note)),
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// What losses are measured in, if it is a unit.
fn unit(is_in_nats: bool) -> &'static str {
    if is_in_nats { " nats" } else { "" }
}
