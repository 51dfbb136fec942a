//! `cargo xtask test`: every test of the workspace, and one line with the totals.

use std::{
    ffi::OsString,
    io::{self, BufRead, BufReader, Write},
    ops::AddAssign,
    process::{Command, Stdio},
};

use crate::{
    Failure, Outcome, before_dashes,
    cargo::{ALL, PROFILE, cargo, not_started, success},
    fail, say,
};

/// Runs `cargo test` over the whole workspace, or over the packages named in `args`.
pub(crate) fn run(args: &[OsString]) -> Outcome {
    let mut command = cargo("test");
    command.args([PROFILE, "--no-fail-fast"]);
    if !names_package(args) {
        command.args(ALL);
    }
    run_summed("", command.args(args))
}

/// Runs tests, shows their output, and sums them up in a line that begins with `name`.
pub(crate) fn run_summed(name: &str, command: &mut Command) -> Outcome {
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(|e| not_started(command, &e))?;
    let tally = match child.stdout.take() {
        Some(output) => follow(BufReader::new(output), &mut io::stdout())
            .map_err(|e| Failure::Message(format!("cannot show the tests' output: {e}")))?,
        None => Tally::default(),
    };
    let outcome = success(child.wait().map_err(|e| not_started(command, &e))?);
    let separator = if name.is_empty() { "" } else { ": " };
    say!("{name}{separator}{}: {tally}", if outcome.is_ok() { "all tests passed" } else { "TESTS FAILED" });
    if outcome.is_ok() && tally.passed == 0 && !name.is_empty() {
        return fail(format!("{name}: no test was run"));
    }
    outcome
}

fn names_package(args: &[OsString]) -> bool {
    before_dashes(args)
        .iter()
        .filter_map(|arg| arg.to_str())
        .any(|arg| matches!(arg, "-p" | "--package") || arg.starts_with("--package=") || arg.starts_with("-p="))
}

/// The sum of the test programs' counts.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    suites: usize,
    passed: usize,
    failed: usize,
    ignored: usize,
}

impl Tally {
    /// Reads `test result: ok. 3 passed; 0 failed; 1 ignored; …`.
    fn parse(line: &str) -> Option<Self> {
        let counts = line.trim_start().strip_prefix("test result: ")?.split_once(". ")?.1;
        let count = |what: &str| {
            counts.split("; ").find_map(|part| part.strip_suffix(what)?.trim_end().parse().ok()).unwrap_or_default()
        };
        Some(Self { suites: 1, passed: count("passed"), failed: count("failed"), ignored: count("ignored") })
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.suites += other.suites;
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { suites, passed, failed, ignored } = self;
        let s = if *suites == 1 { "" } else { "s" };
        write!(f, "{passed} passed, {failed} failed, {ignored} ignored in {suites} suite{s}")
    }
}

/// Copies the output as it comes, and sums the result lines in it.
fn follow(mut output: impl BufRead, out: &mut impl Write) -> io::Result<Tally> {
    let mut tally = Tally::default();
    let mut line = Vec::new();
    while output.read_until(b'\n', &mut line)? > 0 {
        out.write_all(&line)?;
        if let Some(counts) = Tally::parse(&String::from_utf8_lossy(&line)) {
            tally += counts;
        }
        line.clear();
    }
    Ok(tally)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn result_lines_are_summed_and_everything_is_shown() {
        let output = "running 2 tests\n\
            test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s\n\
            test result: FAILED. 3 passed; 1 failed; 5 ignored; 0 measured; 0 filtered out; finished in 0.2s\n";
        let mut shown = Vec::new();
        let tally = follow(output.as_bytes(), &mut shown).unwrap();
        assert_eq!(tally, Tally { suites: 2, passed: 5, failed: 1, ignored: 5 });
        assert_eq!(shown, output.as_bytes());
    }

    #[test]
    #[cfg(unix)]
    fn a_named_suite_of_which_no_test_is_run_has_not_passed() {
        let run = |result: &str| run_summed("some", Command::new("echo").arg(format!("test result: {result}")));
        assert!(run("ok. 1 passed; 0 failed; 0 ignored").is_ok());
        let none = run("ok. 0 passed; 0 failed; 2 ignored");
        assert!(none.is_err_and(|failure| failure.to_string() == "some: no test was run"));
    }

    #[test]
    fn a_named_package_replaces_the_workspace() {
        let args = |line: &str| line.split(' ').map(OsString::from).collect::<Vec<_>>();
        assert!(names_package(&args("-p attentive-core")));
        assert!(!names_package(&args("law -- -p")));
    }
}
