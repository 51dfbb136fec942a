//! A worker process, ours or a peer's.

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// One side of a comparison: a worker that is set up and waits.
pub(crate) struct Side {
    pub name: String,
    /// The worker's description of itself.
    pub about: Value,
    /// Its rounds, without the first one, a warm-up.
    pub rounds: Vec<Round>,
    child: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    warm: bool,
}

/// The result of a worker's round.
#[derive(Debug, Clone)]
pub(crate) struct Round {
    pub seconds: f64,
    pub units: f64,
    pub peak_mib: Option<f64>,
    pub more: Value,
}

impl Side {
    /// This program as a worker.
    pub(crate) fn ours(name: &str, args: &[&str]) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(args);
        Self::start(name, command)
    }

    /// A script of `bench/peers` as a worker.
    pub(crate) fn peer(name: &str, script: &str, args: &[&str]) -> Result<Self> {
        let mut command = peer_script(script)?;
        command.args(args);
        Self::start(name, command)
    }

    fn start(name: &str, mut command: Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("can't start {}", command.get_program().display()))?;
        let orders = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().context("no output")?);
        let mut side =
            Self { name: name.into(), about: Value::Null, rounds: Vec::new(), child, orders, answers, warm: false };
        side.about = side.answer()?["ready"].take();
        Ok(side)
    }

    /// Runs a round.
    pub(crate) fn round(&mut self) -> Result<()> {
        writeln!(self.orders.as_mut().context("the worker was stopped")?, "go")?;
        let mut answer = self.answer()?;
        let number = |key: &str| answer[key].as_f64().with_context(|| format!("{}: no `{key}`", self.name));
        let round = Round {
            seconds: number("seconds")?,
            units: number("units")?,
            peak_mib: answer["peak_mib"].as_f64(),
            more: answer["more"].take(),
        };
        if self.warm {
            self.rounds.push(round);
        }
        self.warm = true;
        Ok(())
    }

    /// Units of work per second in the median round.
    pub(crate) fn rate(&self) -> f64 {
        median(self.rounds.iter().map(|round| round.units / round.seconds))
    }

    /// Peak memory over all rounds.
    pub(crate) fn peak_mib(&self) -> f64 {
        self.rounds.iter().filter_map(|round| round.peak_mib).fold(0.0, f64::max)
    }

    fn answer(&mut self) -> Result<Value> {
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            bail!("{} ended early: {}", self.name, self.child.wait()?);
        }
        serde_json::from_str(&line).with_context(|| format!("{} answered {line:?}", self.name))
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        drop(self.orders.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The middle one, or the mean of the two in the middle.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let n = values.len();
    if n == 0 { f64::NAN } else { (values[(n - 1) / 2] + values[n / 2]) / 2.0 }
}

/// A script of `bench/peers`.
pub(crate) fn peer_script(name: &str) -> Result<Command> {
    let mut command = Command::new(python()?);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join(name));
    Ok(command)
}

/// What a command prints.
///
/// # Errors
/// What it says on standard error, if it fails.
pub(crate) fn output(command: &mut Command) -> Result<Vec<u8>> {
    let program = command.get_program().display().to_string();
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("can't start {program}"))?;
    if !output.status.success() {
        bail!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(output.stdout)
}

/// The Python that has the peers installed.
pub(crate) fn python() -> Result<PathBuf> {
    let path = match std::env::var_os("ATTENTIVE_BENCH_PYTHON") {
        Some(path) => path.into(),
        None => folder().join("venv/bin/python"),
    };
    if !path.exists() {
        bail!("{} is missing: run `cargo xtask bench install` first (Python 3 with venv)", path.display());
    }
    Ok(path)
}

/// Folder of the installed peers and of results.
pub(crate) fn folder() -> PathBuf {
    // target/release/attentive-bench
    let own = std::env::current_exe().unwrap_or_default();
    own.ancestors().nth(2).unwrap_or(Path::new("target")).join("bench")
}
