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

    /// The fault, and the reason why it was not injected, if it was not: what was never injected has not passed.
    pub(super) fn skipped(&self) -> Option<(&str, &str)> {
        let never = (self.n == 0 && !self.has_failed()).then_some("there was no occasion for it");
        self.skipped.as_deref().or(never).map(|why| (self.fault.as_str(), why))
    }

    pub(super) fn has_failed(&self) -> bool {
        !self.differences.is_empty()
    }

    /// A row of the table: fault, times injected, lost work, whether the final state is equal, answer.
    pub(super) fn cells(&self) -> [String; 5] {
        let equal = match (self.skipped(), self.differences.is_empty()) {
            (Some((_, why)), _) => format!("not injected: {why}"),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_that_was_never_injected_has_not_passed() {
        let mut tally = Tally::new("a kill", "goes on");
        assert_eq!(tally.skipped(), Some(("a kill", "there was no occasion for it")));
        assert_eq!(tally.cells()[3], "not injected: there was no occasion for it");
        tally.add(1, Vec::new());
        assert_eq!((tally.skipped(), tally.cells()[3].as_str()), (None, "yes"));
        tally.add(0, vec!["a file differs".into()]);
        assert_eq!((tally.skipped(), tally.cells()[3].as_str()), (None, "no: a file differs"));
        let skipped = Tally::new("a full disk", "stops").skip("no rights");
        assert_eq!(skipped.skipped(), Some(("a full disk", "no rights")));
    }
}
