//! Every call to the system made to fail, and made the last one before a kill: by `strace`'s injections.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::{
    lab::{Ended, Lab, Session, differences, files_of},
    outcome::Tally,
};
use crate::{Failure, Outcome, fail, say};

/// Updates of the run, two checkpoints and two validations among them.
const SETTINGS: [&str; 3] = ["training.steps=10", "training.validate_every=5", "evaluation.bleu_sentences=2"];

/// Calls that touch files, and what they can answer.
const CALLS: [(&str, &[&str]); 10] = [
    ("openat", &["EMFILE", "EIO"]),
    ("read", &["EIO", "EINTR"]),
    ("write", &["ENOSPC", "EIO", "EINTR"]),
    ("fsync", &["EIO"]),
    ("fdatasync", &["EIO"]),
    ("rename", &["EIO"]),
    ("renameat2", &["EIO", "EINVAL"]),
    ("mkdir", &["ENOSPC"]),
    ("unlink", &["EIO"]),
    ("unlinkat", &["EIO"]),
];

/// A command whose calls fail.
struct Work {
    name: &'static str,
    answer: &'static str,
    /// Everything before `--out OUT`; nothing for training.
    args: Vec<String>,
}

/// Whether calls can be made to fail here.
pub(super) fn can_inject() -> bool {
    Command::new("strace").arg("-V").stdout(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// Makes up to `n` calls of each command fail in each way, spread over its whole length.
pub(super) fn all(lab: &mut Lab, n: u64) -> Outcome<Vec<Tally>> {
    let works = works(lab)?;
    works.iter().map(|work| of_work(lab, work, n)).collect()
}

fn works(lab: &mut Lab) -> Outcome<Vec<Work>> {
    let (run, exported) = (lab.new_run(), lab.path("exported"));
    lab.train(&run, &SETTINGS)?.succeeded()?;
    let (run, exported) = (run.display().to_string(), exported.display().to_string());
    let export = ["export", "--model", &run, "--format", "ctranslate2"].map(String::from).to_vec();
    let marian = lab.program(&["export", "--model", &run, "--format", "pegasus", "--out", &exported]);
    Session::start(&mut { marian })?.wait()?.succeeded()?;
    let work = |name, args: &[&str]| Work {
        name,
        answer: "the old folder or the new one, whole; done again, the same bytes",
        args: args.iter().map(|&arg| arg.to_owned()).collect(),
    };
    Ok(vec![
        Work {
            name: "Calls of train",
            answer: "stops and says why, or goes on; resumed, the same bytes",
            args: Vec::new(),
        },
        work("Calls of average", &["average", &run, "--last", "2"]),
        work("Calls of quantize", &["quantize", "--model", &run]),
        work("Calls of import", &["import", &exported]),
        Work { args: export, ..work("Calls of export", &[]) },
    ])
}

/// A new place for what a command writes.
fn place(lab: &mut Lab) -> Outcome<PathBuf> {
    let run = lab.new_run();
    let folder = run.parent().expect("a run lies in a folder of runs");
    fs::create_dir_all(folder).map_err(|e| Failure::Message(format!("{}: {e}", folder.display())))?;
    Ok(run)
}

fn command(lab: &Lab, work: &Work, out: &Path) -> Command {
    if work.args.is_empty() {
        return lab.command(out, &SETTINGS);
    }
    let mut args: Vec<&str> = work.args.iter().map(String::as_str).collect();
    let out = out.display().to_string();
    args.extend(["--out", &out]);
    if Path::new(&out).exists() {
        args.push("--force");
    }
    lab.program(&args)
}

fn of_work(lab: &mut Lab, work: &Work, n: u64) -> Outcome<Tally> {
    let mut tally = Tally::new(work.name, work.answer);
    let whole = place(lab)?;
    let log = lab.path("calls");
    let trace = format!("trace={}", CALLS.map(|(call, _)| call).join(","));
    let counted = ["-o".to_owned(), log.display().to_string(), "-e".to_owned(), trace];
    Session::start(&mut under_strace(&command(lab, work, &whole), &counted))?.wait()?.succeeded()?;
    let (expected, counts) = (files_of(&whole)?, counts(&log)?);
    for (call, errors) in CALLS {
        let n_calls = counts.get(call).copied().unwrap_or(0);
        for when in spread(n_calls, n) {
            let ways = errors.iter().map(|error| format!("error={error}")).chain(["signal=KILL".to_owned()]);
            for way in ways {
                let amiss = one(lab, work, &expected, &format!("{call}:{way}:when={when}"))?;
                let is_well = amiss.is_empty();
                tally.add(0, amiss.into_iter().map(|amiss| format!("{call} {way} {when}: {amiss}")).collect());
                if !is_well {
                    say!("faults: {}: {call} {way} {when}", work.name);
                }
            }
        }
    }
    Ok(tally)
}

/// One injection, and what is amiss after it.
fn one(lab: &mut Lab, work: &Work, expected: &BTreeMap<String, Vec<u8>>, inject: &str) -> Outcome<Vec<String>> {
    let out = place(lab)?;
    let (call, _) = inject.split_once(':').unwrap_or((inject, ""));
    let options = ["-o", "/dev/null", "-e", &format!("trace={call}"), "-e", &format!("inject={inject}")];
    let mut faulty = under_strace(&command(lab, work, &out), &options.map(String::from));
    let ended = Session::start(&mut faulty)?.wait()?;
    let mut amiss = ended.crash();
    let found = if out.exists() { files_of(&out)? } else { BTreeMap::new() };
    let is_training = work.args.is_empty();
    if ended.status.success() {
        amiss.extend(differences(expected, &found).into_iter().map(|file| format!("done, but {file} differs")));
    } else if !is_training && !found.is_empty() {
        amiss.extend(differences(expected, &found).into_iter().map(|file| format!("{file} was left half done")));
    }
    // A run that did not come to its configuration begins anew.
    if !(is_training && ended.status.success()) {
        let again = Session::start(&mut command(lab, work, &out))?.wait()?;
        if !again.status.success() {
            amiss.push(format!("again: {}", again.stderr.trim()));
        } else {
            let found = files_of(&out)?;
            amiss.extend(differences(expected, &found).into_iter().map(|file| format!("again, {file} differs")));
        }
    }
    // What nobody needs any more makes room for the next.
    if let Some(folder) = out.parent() {
        fs::remove_dir_all(folder).map_err(|e| Failure::Message(format!("{}: {e}", folder.display())))?;
    }
    Ok(amiss)
}

impl Ended {
    /// What no error may lead to.
    fn crash(&self) -> Vec<String> {
        let mut amiss = Vec::new();
        if self.stderr.contains("panicked") || self.stderr.contains("RUST_BACKTRACE") {
            amiss.push(format!("a panic: {}", self.stderr.trim()));
        }
        #[cfg(unix)]
        if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&self.status).filter(|&signal| signal != 9)
        {
            amiss.push(format!("signal {signal}: {}", self.stderr.trim()));
        }
        amiss
    }
}

/// `command` with its calls watched, those of all its threads.
fn under_strace(command: &Command, options: &[String]) -> Command {
    let mut traced = Command::new("strace");
    traced.args(["-f", "-qq", "--seccomp-bpf"]).args(options).arg("--");
    traced.arg(command.get_program()).args(command.get_args());
    if let Some(folder) = command.get_current_dir() {
        traced.current_dir(folder);
    }
    // One thread makes the calls, in one order.
    traced.env("RAYON_NUM_THREADS", "1").env_remove("ATTENTIVE_BACKEND");
    traced
}

/// How often a thread made each call, at most: injections count by thread.
fn counts(log: &Path) -> Outcome<BTreeMap<String, u64>> {
    let text = fs::read_to_string(log).map_err(|e| Failure::Message(format!("{}: {e}", log.display())))?;
    let mut by_thread = BTreeMap::<(&str, &str), u64>::new();
    for line in text.lines() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        if let Some((call, _)) = rest.trim_start().split_once('(').filter(|(call, _)| !call.contains(' ')) {
            *by_thread.entry((thread, call)).or_default() += 1;
        }
    }
    if by_thread.is_empty() {
        return fail("strace shows no calls: it may not be allowed to trace here");
    }
    let mut counts = BTreeMap::new();
    for ((_, call), n) in by_thread {
        let most: &mut u64 = counts.entry(call.to_owned()).or_default();
        *most = (*most).max(n);
    }
    Ok(counts)
}

/// Up to `n` numbers from 1 to `last`, the last among them.
fn spread(last: u64, n: u64) -> Vec<u64> {
    let n = n.min(last);
    (1..=n).map(|at| last * at / n).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_spread_to_the_last() {
        assert_eq!(spread(10, 3), [3, 6, 10]);
        assert_eq!(spread(2, 5), [1, 2]);
        assert!(spread(0, 5).is_empty());
    }
}
