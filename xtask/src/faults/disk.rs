//! Full disks.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use super::{
    lab::{Lab, Session, checkpoints},
    outcome::Tally,
};
use crate::{Outcome, cannot, cargo::not_started};

/// Sizes with room for two checkpoints and a part of the third.
pub(super) const SIZES: [&str; 3] = ["size=640k", "size=720k", "size=800k"];

/// A file system in memory that is too small for the run, and is then enlarged.
pub(super) fn full(lab: &mut Lab) -> Outcome<Tally> {
    let mut tally = Tally::new("Full disk", "stops and says so, exit code 1; earlier checkpoints are whole");
    for size in SIZES {
        let run = lab.new_run();
        let runs = run.parent().expect("a run lies in a folder of runs").to_owned();
        fs::create_dir_all(&runs).map_err(|e| cannot("make", &runs, &e))?;
        let Some(mounted) = Mounted::new(&runs, size) else {
            return Ok(tally.skip("mounting a small file system needs rights"));
        };
        let mut amiss = lab.train(&run, &[])?.amiss(1, &["No space left", "train --resume"]);
        if checkpoints(&run).is_empty() {
            amiss.push("no checkpoint was left".into());
        }
        mounted.resize("size=64m")?;
        let (lost, differences) = lab.resume(&run)?;
        amiss.extend(differences);
        tally.add(lost, amiss);
    }
    Ok(tally)
}

/// A mounted file system, unmounted when dropped.
pub(super) struct Mounted<'a>(&'a Path);

impl<'a> Mounted<'a> {
    pub(super) fn new(path: &'a Path, size: &str) -> Option<Self> {
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", size, "tmpfs"]).arg(path).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success()).then_some(Self(path))
    }

    pub(super) fn resize(&self, size: &str) -> Outcome {
        let mut command = Command::new("mount");
        command.arg("-o").arg(format!("remount,{size}")).arg(self.0);
        command.status().map(drop).map_err(|e| not_started(&command, &e))
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        // If it can't be unmounted, it stays empty, in a folder of temporary files.
        let _ = Command::new("umount").arg(self.0).status();
    }
}

/// A limit on the size of files, as by a quota, from the middle of a run.
pub(super) fn file_too_large(lab: &mut Lab) -> Outcome<Tally> {
    let mut tally =
        Tally::new("File too large (quota)", "stops and says so, exit code 1; earlier checkpoints are whole");
    let run = lab.new_run();
    let mut session = lab.start(&run)?;
    session.wait_for_step(&run, 33);
    session.signal("TERM")?;
    session.wait()?;
    let unlimited = lab.command(&run, &[]);
    let mut limited = Command::new("sh");
    // If the signal of this limit is ignored, the write gives an error. 40 blocks of 512 bytes.
    limited.args(["-c", "trap '' XFSZ; ulimit -f 40; exec \"$@\"", "sh"]).arg(unlimited.get_program());
    limited.args(unlimited.get_args());
    if let Some(folder) = unlimited.get_current_dir() {
        limited.current_dir(folder);
    }
    let mut amiss = Session::start(&mut limited)?.wait()?.amiss(1, &["too large", "train --resume"]);
    let (lost, differences) = lab.resume(&run)?;
    amiss.extend(differences);
    tally.add(lost, amiss);
    Ok(tally)
}
