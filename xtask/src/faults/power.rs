//! Loss of power at every call that changes files: what was not synced by then is lost.
//!
//! The calls of a command are replayed on a model of a disk. After each of them the power may be lost, in two ways:
//! names that were not synced with their folder are lost too, or are there before the bytes of their files.

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
};

use super::{
    disk_model::{self, Disk, Left, Names, Tree},
    lab::{Lab, Session, differences, without_times},
    outcome::Tally,
    trace,
    work::{self, Files, Work, found, log_of, spread, under_strace},
};
use crate::{Outcome, cannot, fail, say};

/// Loses the power at every call of each command; done again are up to `n` of the states that are left.
pub(super) fn all(lab: &mut Lab, n: u64) -> Outcome<Vec<Tally>> {
    let works = work::all(lab)?;
    works.iter().map(|work| of_work(lab, work, n)).collect()
}

fn of_work(lab: &mut Lab, work: &Work, n: u64) -> Outcome<Tally> {
    let answer = match work.is_training() {
        true => "resumed, the same bytes",
        false => "the old or the new, whole; done again, the same bytes",
    };
    let mut tally = Tally::new(format!("Loss of power in {}", work.name), answer);
    let (before, out) = (work.before(lab)?, work.place(lab)?);
    let folder = out.parent().expect("a run lies in a folder of runs").to_owned();
    let mut disk = Disk::of(&folder).map_err(|e| cannot("read", &folder, &e))?;
    let log = lab.path("power");
    let trace = format!("trace={}", trace::CALLS);
    let options = ["-o", &log.display().to_string(), "-y", "-xx", "-s", "1000000000", "-e", &trace];
    Session::start(&mut under_strace(&work.command(lab, &out), &options))?.wait()?.succeeded()?;
    let whole = found(&out)?;

    let mut states = States { seen: HashSet::new(), left: Vec::new() };
    let name = out.strip_prefix(&folder).unwrap_or(&out);
    states.add(&disk, 0);
    let calls = trace::parse(&log_of(&log)?, &lab.path(""));
    for (call, number) in calls.iter().zip(1..) {
        if disk.apply(call) {
            states.add(&disk, number);
        }
    }
    if disk.seen() != disk_model::tree(&folder).map_err(|e| cannot("read", &folder, &e))? {
        return fail(format!("{}: the log of its calls does not explain the files that it wrote", work.name));
    }
    if !work.is_training() {
        for (number, tree) in &states.left {
            let left = files_in(tree, name);
            tally.add(0, if left == before { Vec::new() } else { amiss(*number, "left", &whole, &left) });
        }
    }
    // What a command has finished stays.
    for names in [Names::Synced, Names::All] {
        tally.add(0, amiss(calls.len(), "after its end", &whole, &files_in(&disk.left(names), name)));
    }
    for at in spread(states.left.len() as u64, n) {
        let (number, tree) = &states.left[at as usize - 1];
        tally.add(
            0,
            again(lab, work, tree, &whole)?.into_iter().map(|amiss| format!("call {number}: {amiss}")).collect(),
        );
    }
    if tally.has_failed() {
        say!("faults: {tally}");
    }
    Ok(tally)
}

/// What is left, each state once, with the number of the call after which it was first left.
struct States {
    seen: HashSet<Tree>,
    left: Vec<(usize, Tree)>,
}

impl States {
    fn add(&mut self, disk: &Disk, number: usize) {
        for names in [Names::Synced, Names::All] {
            let tree = disk.left(names);
            if self.seen.insert(tree.clone()) {
                self.left.push((number, tree));
            }
        }
    }
}

fn amiss(number: usize, when: &str, whole: &Files, left: &Files) -> Vec<String> {
    differences(whole, left).into_iter().map(|file| format!("call {number}, {when}: {file} differs")).collect()
}

/// The files at the place `name` that do not depend on times, as [`files_of`](super::lab::files_of) has them.
fn files_in(tree: &Tree, name: &Path) -> Files {
    let file = |(path, left): (&PathBuf, &Left)| {
        let name = path.strip_prefix(name).ok()?.display().to_string();
        match left {
            Left::File(bytes) if !path.ends_with("clock.toml") && !path.ends_with("lock") => {
                Some((name, without_times(bytes.clone())))
            }
            _ => None,
        }
    };
    tree.iter().filter_map(file).collect()
}

/// Does the command again after a loss of power, and says what is amiss then.
fn again(lab: &mut Lab, work: &Work, tree: &Tree, whole: &Files) -> Outcome<Vec<String>> {
    let out = lab.new_run();
    let folder = out.parent().expect("a run lies in a folder of runs");
    disk_model::restore(tree, folder).map_err(|e| cannot("restore", folder, &e))?;
    // A run that did not come to its configuration begins again, and takes the next number.
    if work.is_training() && out.exists() && !out.join("config.toml").exists() {
        fs::remove_dir_all(&out).map_err(|e| cannot("remove", &out, &e))?;
    }
    let ended = work.run(lab, &out)?;
    let amiss = match ended.status.success() {
        true => differences(whole, &found(&out)?).into_iter().map(|file| format!("again, {file} differs")).collect(),
        false => vec![format!("again: {}", ended.stderr.trim())],
    };
    fs::remove_dir_all(folder).map_err(|e| cannot("remove", folder, &e))?;
    Ok(amiss)
}
