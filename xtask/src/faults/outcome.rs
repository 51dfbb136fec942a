//! The outcome of runs that met a fault.

use std::fmt;

/// All injections of one kind of fault.
pub(super) struct Tally {
    fault: String,
    n: usize,
    /// The largest number of updates that were repeated.
    lost_steps: u64,
    /// Differences from an undisturbed run.
    differences: Vec<String>,
    /// The reason why it was not injected.
    skipped: Option<String>,
    /// The answer of the command.
    answer: &'static str,
}

impl Tally {
    pub(super) fn new(fault: impl Into<String>, answer: &'static str) -> Self {
        Self { fault: fault.into(), n: 0, lost_steps: 0, differences: Vec::new(), skipped: None, answer }
    }

    /// Counts one injection: the repeated updates, and the differences at the end of the run.
    pub(super) fn add(&mut self, lost_steps: u64, differences: Vec<String>) {
        self.n += 1;
        self.lost_steps = self.lost_steps.max(lost_steps);
        self.differences.extend(differences);
    }

    pub(super) fn skip(mut self, why: impl Into<String>) -> Self {
        self.skipped = Some(why.into());
        self
    }

    /// The fault, and the reason why it was not injected, if it was not.
    pub(super) fn skipped(&self) -> Option<(&str, &str)> {
        self.skipped.as_deref().map(|why| (self.fault.as_str(), why))
    }

    pub(super) fn has_failed(&self) -> bool {
        !self.differences.is_empty()
    }

    /// A row of the table: fault, times injected, lost work, whether the final state is equal, answer.
    pub(super) fn cells(&self) -> [String; 5] {
        let equal = match (&self.skipped, self.differences.is_empty()) {
            (Some(why), _) => format!("not injected: {why}"),
            (None, true) => "yes".into(),
            (None, false) => format!("no: {}", self.differences.join("; ")),
        };
        [self.fault.clone(), self.n.to_string(), self.lost_steps.to_string(), equal, self.answer.into()]
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [fault, n, lost, equal, _] = self.cells();
        write!(f, "{fault}: injected {n} times, at most {lost} steps repeated, final state equal: {equal}")
    }
}
