//! Every call to the system made to fail, and made the last one before a kill: by `strace`'s injections.

use std::{collections::BTreeMap, fs};

use super::{
    lab::{Ended, Lab, Session, differences},
    outcome::Tally,
    work::{self, Files, Work, found, log_of, spread, under_strace},
};
use crate::{Outcome, cannot, say};

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

/// Makes up to `n` calls of each command fail in each way, spread over its whole length.
pub(super) fn all(lab: &mut Lab, n: u64) -> Outcome<Vec<Tally>> {
    let works = work::all(lab)?;
    works.iter().map(|work| of_work(lab, work, n)).collect()
}

fn of_work(lab: &mut Lab, work: &Work, n: u64) -> Outcome<Tally> {
    let answer = match work.is_training() {
        true => "stops and says why, or goes on; resumed, the same bytes",
        false => "the old or the new, whole; done again, the same bytes",
    };
    let mut tally = Tally::new(format!("Calls of {}", work.name), answer);
    let (before, whole) = (work.before(lab)?, work.place(lab)?);
    let log = lab.path("calls");
    let trace = format!("trace={}", CALLS.map(|(call, _)| call).join(","));
    let options = ["-o", &log.display().to_string(), "-e", &trace];
    Session::start(&mut under_strace(&work.command(lab, &whole), &options))?.wait()?.succeeded()?;
    let (whole, counts) = (found(&whole)?, counts(&log_of(&log)?));
    for (call, errors) in CALLS {
        let n_calls = counts.get(call).copied().unwrap_or(0);
        for when in spread(n_calls, n) {
            let ways = errors.iter().map(|error| format!("error={error}")).chain(["signal=KILL".to_owned()]);
            for way in ways {
                let amiss = one(lab, work, [&before, &whole], &format!("{call}:{way}:when={when}"))?;
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
fn one(lab: &mut Lab, work: &Work, [before, whole]: [&Files; 2], inject: &str) -> Outcome<Vec<String>> {
    let out = work.place(lab)?;
    let (call, _) = inject.split_once(':').unwrap_or((inject, ""));
    let options = ["-o", "/dev/null", "-e", &format!("trace={call}"), "-e", &format!("inject={inject}")];
    let mut faulty = under_strace(&work.command(lab, &out), &options);
    let ended = Session::start(&mut faulty)?.wait()?;
    let mut amiss = ended.crash();
    let left = found(&out)?;
    if ended.status.success() {
        amiss.extend(differences(whole, &left).into_iter().map(|file| format!("done, but {file} differs")));
    } else if !work.is_training() && left != *before {
        amiss.extend(differences(whole, &left).into_iter().map(|file| format!("{file} was left half done")));
    }
    // A run that did not come to its configuration begins again.
    if !(work.is_training() && ended.status.success()) {
        let again = work.run(lab, &out)?;
        if !again.status.success() {
            amiss.push(format!("again: {}", again.stderr.trim()));
        } else {
            amiss.extend(differences(whole, &found(&out)?).into_iter().map(|file| format!("again, {file} differs")));
        }
    }
    // What nobody needs any more makes room for the next.
    if let Some(folder) = out.parent() {
        fs::remove_dir_all(folder).map_err(|e| cannot("remove", folder, &e))?;
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

/// How often a thread made each call, at most: injections count by thread.
fn counts(log: &str) -> BTreeMap<String, u64> {
    let mut by_thread = BTreeMap::<(&str, &str), u64>::new();
    for line in log.lines() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        if let Some((call, _)) = rest.trim_start().split_once('(').filter(|(call, _)| !call.contains(' ')) {
            *by_thread.entry((thread, call)).or_default() += 1;
        }
    }
    let mut counts = BTreeMap::new();
    for ((_, call), n) in by_thread {
        let most: &mut u64 = counts.entry(call.to_owned()).or_default();
        *most = (*most).max(n);
    }
    counts
}
