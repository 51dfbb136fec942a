//! A small corpus, a small recipe, and runs of the command on them.

use std::{
    collections::BTreeMap,
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use crate::{Failure, Outcome, cannot, cargo::not_started, fail, temp_dir::TempDir};

/// Updates between checkpoints, the largest loss by a kill.
pub(super) const CHECKPOINT_EVERY: u64 = 5;

const RECIPE: &str = r#"
name = "run"

[data.train]
tsv = "pairs.tsv"

[data.validation]
tsv = "held-out.tsv"

[tokenizer]
merges = 10

[model]
d_model = 32
d_ff = 64
n_heads = 2
n_encoder_layers = 1
n_decoder_layers = 1
dropout = 0.1
norm = "pre"

[batch]
max_tokens = 512

[schedule]
kind = "constant"
lr = 3e-3
warmup_steps = 20

[training]
steps = 120
accumulate = 2
clip_norm = 1.0
validate_every = 15
checkpoint_every = 5

[training.divergence]
max_bad = 4
lr_factor = 1.0

[evaluation]
bleu_sentences = 5
average_last = 3
"#;

/// The place where faults are injected.
pub(super) struct Lab {
    program: PathBuf,
    folder: TempDir,
    /// Settings of every new run.
    settings: &'static [&'static str],
    random: u64,
    n_runs: usize,
    whole: Option<Whole>,
}

/// An undisturbed run.
pub(super) struct Whole {
    pub(super) took: Duration,
    files: BTreeMap<String, Vec<u8>>,
}

/// The end of a session of the command.
pub(super) struct Ended {
    pub(super) status: ExitStatus,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Lab {
    /// Writes the corpus and trains without any fault.
    pub(super) fn new(program: PathBuf, seed: u64, settings: &'static [&'static str]) -> Outcome<Self> {
        let folder = TempDir::new("faults")?;
        let mut lab = Self { program, folder, settings, random: seed, n_runs: 0, whole: None };
        write(&lab.path("recipe.toml"), RECIPE)?;
        write(&lab.path("pairs.tsv"), &pairs(0..400))?;
        write(&lab.path("held-out.tsv"), &pairs(400..410))?;
        let started = Instant::now();
        let run = lab.new_run();
        lab.train(&run, &[])?.succeeded()?;
        let (took, files) = (started.elapsed(), files_of(&run)?);
        lab.whole = Some(Whole { took, files });
        Ok(lab)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn whole(&self) -> &Whole {
        self.whole.as_ref().expect("made with the lab")
    }

    /// A number below `n`, from SplitMix64.
    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n.max(1)
    }

    /// The folder of a run that has not begun.
    pub(super) fn new_run(&mut self) -> PathBuf {
        self.n_runs += 1;
        self.path(&format!("runs-{}", self.n_runs)).join("run-1")
    }

    /// `attentive` with arguments, in the lab's folder.
    pub(super) fn program(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.current_dir(self.folder.path()).args(args);
        command.env_remove("ATTENTIVE_BACKEND").env_remove("ATTENTIVE_INJECT_NAN");
        command
    }

    /// `attentive train`, of a new run or a resumed one.
    pub(super) fn command(&self, run: &Path, settings: &[&str]) -> Command {
        let mut command = self.program(&["train"]);
        if run.join("config.toml").exists() {
            command.arg("--resume").arg(run);
        } else {
            let runs = run.parent().expect("a run is in a folder of runs");
            command.arg("recipe.toml").arg("--runs").arg(runs);
            command.args(self.settings.iter().chain(settings).flat_map(|setting| ["--set", setting]));
        }
        command
    }

    /// Begins a session of a run.
    pub(super) fn start(&self, run: &Path) -> Outcome<Session> {
        Session::start(&mut self.command(run, &[]))
    }

    /// Runs a session of a run to its end.
    pub(super) fn train(&self, run: &Path, settings: &[&str]) -> Outcome<Ended> {
        Session::start(&mut self.command(run, settings))?.wait()
    }

    /// Resumes a run to its end and compares it with the undisturbed one.
    ///
    /// Returns the number of repeated updates, and the differences.
    pub(super) fn resume(&self, run: &Path) -> Outcome<(u64, Vec<String>)> {
        let lost = lost_steps(run, 0);
        self.train(run, &[])?.succeeded()?;
        Ok((lost, self.differences(run)?))
    }

    /// The files in which a finished run differs from the undisturbed one.
    pub(super) fn differences(&self, run: &Path) -> Outcome<Vec<String>> {
        Ok(differences(&self.whole().files, &files_of(run)?))
    }
}

/// The files in which two finished runs differ.
pub(super) fn differences(expected: &BTreeMap<String, Vec<u8>>, found: &BTreeMap<String, Vec<u8>>) -> Vec<String> {
    let differing = expected.iter().filter(|(name, bytes)| found.get(*name) != Some(bytes)).map(|(name, _)| name);
    let extra = found.keys().filter(|name| !expected.contains_key(*name));
    differing.chain(extra).cloned().collect()
}

/// A running session of the command.
pub(super) struct Session(Child);

impl Session {
    pub(super) fn start(command: &mut Command) -> Outcome<Self> {
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        Ok(Self(child.map_err(|e| not_started(command, &e))?))
    }

    /// Whether it has ended.
    pub(super) fn has_ended(&mut self) -> bool {
        self.0.try_wait().is_ok_and(|status| status.is_some())
    }

    pub(super) fn id(&self) -> u32 {
        self.0.id()
    }

    /// SIGKILL.
    pub(super) fn kill(mut self) -> Outcome {
        // It may have ended just before.
        let _ = self.0.kill();
        self.0.wait().map(drop).map_err(|e| Failure::Message(format!("a session that does not end: {e}")))
    }

    /// Any other signal, by its name.
    pub(super) fn signal(&self, name: &str) -> Outcome {
        signal(name, self.0.id())
    }

    pub(super) fn wait(mut self) -> Outcome<Ended> {
        let unreadable = |e: std::io::Error| Failure::Message(format!("a session's output: {e}"));
        let (mut stdout, mut stderr) = (String::new(), String::new());
        // The output of a session fits into its pipes.
        self.0.stdout.take().expect("piped").read_to_string(&mut stdout).map_err(unreadable)?;
        self.0.stderr.take().expect("piped").read_to_string(&mut stderr).map_err(unreadable)?;
        Ok(Ended { status: self.0.wait().map_err(unreadable)?, stdout, stderr })
    }

    /// Waits until the run has made `n` updates or has ended.
    pub(super) fn wait_for_step(&mut self, run: &Path, n: u64) {
        while !self.has_ended() && last_step(run) < n {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// Sends a signal to a process.
pub(super) fn signal(name: &str, pid: u32) -> Outcome {
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("kill -{name} {pid}")).stderr(Stdio::null());
    command.status().map(drop).map_err(|e| not_started(&command, &e))
}

impl Ended {
    pub(super) fn succeeded(self) -> Outcome<Self> {
        if self.status.success() { Ok(self) } else { fail(format!("a session failed: {}", self.stderr)) }
    }

    /// Errors of its end: its exit code, and words that its output lacks.
    pub(super) fn amiss(&self, code: i32, words: &[&str]) -> Vec<String> {
        let mut amiss = Vec::new();
        if self.status.code() != Some(code) {
            amiss.push(format!("{} instead of exit code {code}: {}", self.status, self.stderr.trim()));
        }
        let said = [self.stdout.as_str(), self.stderr.as_str()].concat();
        amiss.extend(words.iter().filter(|word| !said.contains(*word)).map(|word| format!("no word of {word:?}")));
        if said.contains("panicked") {
            amiss.push(format!("a panic: {}", self.stderr.trim()));
        }
        amiss
    }
}

/// The checkpoints of a run, newest first.
pub(super) fn checkpoints(run: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(run.join("checkpoints")).into_iter().flatten().flatten();
    let is_whole = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("step-"));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_whole).collect();
    paths.sort();
    paths.reverse();
    paths
}

/// The step of a checkpoint's folder.
fn step_of(path: &Path) -> u64 {
    path.file_name().and_then(|name| name.to_str()?.strip_prefix("step-")?.parse().ok()).unwrap_or(0)
}

/// The last update in a run's log.
pub(super) fn last_step(run: &Path) -> u64 {
    let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let step = whole.lines().next_back().and_then(|line| line.split("\"step\":").nth(1));
    step.and_then(|rest| rest.split([',', '}']).next()?.trim().parse().ok()).unwrap_or(0)
}

/// Updates in the log after the newest checkpoint that is left if `n_damaged` are damaged: they will be repeated.
pub(super) fn lost_steps(run: &Path, n_damaged: usize) -> u64 {
    last_step(run).saturating_sub(checkpoints(run).get(n_damaged).map_or(0, |path| step_of(path)))
}

/// Every file of a run or a model that must not depend on faults: all except times and process ids.
pub(super) fn files_of(run: &Path) -> Outcome<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    if run.is_file() {
        return Ok([(String::new(), fs::read(run).map_err(|e| cannot("read", run, &e))?)].into());
    }
    let mut folders = vec![run.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(|e| cannot("read", &folder, &e))?.flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.ends_with("clock.toml") && !path.ends_with("lock") {
                let bytes = fs::read(&path).map_err(|e| cannot("read", &path, &e))?;
                let name = path.strip_prefix(run).unwrap_or(&path).display().to_string();
                files.insert(name, without_times(bytes));
            }
        }
    }
    Ok(files)
}

/// Text without the values of `elapsed_seconds` and `seconds`; other bytes as they are.
pub(super) fn without_times(bytes: Vec<u8>) -> Vec<u8> {
    let Ok(text) = String::from_utf8(bytes.clone()) else { return bytes };
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(at) = rest.find("seconds\":") {
        let (before, after) = rest.split_at(at + "seconds\":".len());
        out += before;
        rest = after.trim_start_matches(|c: char| c.is_ascii_digit() || " .e-+".contains(c));
    }
    out += rest;
    out.into_bytes()
}

fn write(path: &Path, text: &str) -> Outcome {
    fs::write(path, text).map_err(|e| cannot("write", path, &e))
}

/// Rows of words, whose translation is the reversed row.
fn pairs(range: std::ops::Range<usize>) -> String {
    let words = ["ab", "cd", "ef", "gh", "ij", "kl"];
    let pair = |i: usize| {
        let row: Vec<&str> = (0..2 + i % 5).map(|at| words[(i * 7 + at * (i / 5 + 3)) % words.len()]).collect();
        let reversed: Vec<&str> = row.iter().rev().copied().collect();
        format!("{}\t{}\n", row.join(" "), reversed.join(" "))
    };
    range.map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_no_difference() {
        let line =
            |time: &str| format!("{{\"elapsed_seconds\":{time},\"step\":3}}\n{{\"seconds\": {time}}}").into_bytes();
        assert_eq!(without_times(line("1.25")), without_times(line("3e-2")));
        assert_ne!(without_times(line("1")), without_times(b"{\"elapsed_seconds\":1,\"step\":4}".to_vec()));
        assert_eq!(without_times(vec![0xff, 0]), [0xff, 0]);
    }
}
