//! Commands that write, at a place where nothing is, or something older.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::{
    disk_model::{self, Tree},
    lab::{Ended, Lab, Session, files_of},
};
use crate::{Outcome, cannot, cargo::root, fail};

/// Updates of the run, two checkpoints and two validations among them.
const SETTINGS: [&str; 3] = ["training.steps=10", "training.validate_every=5", "evaluation.bleu_sentences=2"];

/// A command that writes a folder or a file.
pub(super) struct Work {
    pub(super) name: &'static str,
    /// Everything before its place; nothing for training.
    args: Vec<String>,
    /// What is at its place before, in a folder.
    old: Option<Tree>,
}

/// The content of files, by name.
pub(super) type Files = BTreeMap<String, Vec<u8>>;

impl Work {
    pub(super) fn is_training(&self) -> bool {
        self.args.is_empty()
    }

    /// A new place, with what is there before.
    pub(super) fn place(&self, lab: &mut Lab) -> Outcome<PathBuf> {
        let out = lab.new_run();
        let folder = out.parent().expect("a run lies in a folder of runs");
        fs::create_dir_all(folder).map_err(|e| cannot("make", folder, &e))?;
        if let Some(old) = &self.old {
            disk_model::restore(old, &out).map_err(|e| cannot("restore", &out, &e))?;
        }
        Ok(out)
    }

    /// The files that there are at the place before.
    pub(super) fn before(&self, lab: &mut Lab) -> Outcome<Files> {
        let out = self.place(lab)?;
        found(&out)
    }

    /// The command, with this place; it continues or replaces what is there.
    pub(super) fn command(&self, lab: &Lab, out: &Path) -> Command {
        if self.is_training() {
            return lab.command(out, &SETTINGS);
        }
        let place = out.display().to_string();
        let mut args: Vec<&str> = self.args.iter().map(String::as_str).collect();
        args.push(&place);
        if out.exists() || self.old.is_some() {
            args.push("--force");
        }
        lab.program(&args)
    }

    /// Runs the command to its end.
    pub(super) fn run(&self, lab: &Lab, out: &Path) -> Outcome<Ended> {
        Session::start(&mut self.command(lab, out))?.wait()
    }
}

/// The files at a place; none where nothing is.
pub(super) fn found(out: &Path) -> Outcome<Files> {
    if out.exists() { files_of(out) } else { Ok(Files::new()) }
}

/// Training, and every command that writes a model, an export or vectors.
pub(super) fn all(lab: &mut Lab) -> Outcome<Vec<Work>> {
    let new = Sources::make(lab, &[])?;
    let old = Sources::make(lab, &["training.seed=2"])?;
    let mut works = vec![Work { name: "train", args: Vec::new(), old: None }];
    for (name, name_of_forced, args) in new.commands() {
        works.push(Work { name, args, old: None });
        let Some(name) = name_of_forced else { continue };
        let (_, _, older) =
            old.commands().into_iter().find(|(other, ..)| name.starts_with(other)).expect("the same names");
        let older = Work { name, args: older, old: None };
        let out = older.place(lab)?;
        older.run(lab, &out)?.succeeded()?;
        let tree = disk_model::tree(&out).map_err(|e| cannot("read", &out, &e))?;
        let args = works[works.len() - 1].args.clone();
        works.push(Work { name, args, old: Some(tree) });
    }
    Ok(works)
}

/// What the commands read.
struct Sources {
    run: String,
    exported: String,
    encoder: String,
}

impl Sources {
    /// A run by these settings, its model as a folder of transformers, and an encoder.
    fn make(lab: &mut Lab, settings: &[&str]) -> Outcome<Self> {
        let run = lab.new_run();
        lab.train(&run, &[&SETTINGS, settings].concat())?.succeeded()?;
        let parent = run.parent().expect("a run lies in a folder of runs");
        let [exported, encoder] = ["exported", "encoder"].map(|name| parent.join(name).display().to_string());
        let sources = Self { run: run.display().to_string(), exported, encoder };
        let golden = root().join("crates/interchange/tests/golden/bert-masked-lm").display().to_string();
        let export = ["export", "--model", &sources.run, "--format", "pegasus", "--out", &sources.exported];
        for args in [&export[..], &["import", &golden, "--out", &sources.encoder]] {
            Session::start(&mut lab.program(args))?.wait()?.succeeded()?;
        }
        Ok(sources)
    }

    /// Names, also of the command that replaces a folder, and arguments before the place.
    fn commands(&self) -> Vec<(&'static str, Option<&'static str>, Vec<String>)> {
        let Self { run, exported, encoder } = self;
        let words = |args: &[&str]| args.iter().map(|&arg| arg.to_owned()).collect();
        vec![
            ("average", Some("average --force"), words(&["average", run, "--last", "2", "--out"])),
            ("quantize", Some("quantize --force"), words(&["quantize", "--model", run, "--out"])),
            ("import", Some("import --force"), words(&["import", exported, "--out"])),
            ("export", Some("export --force"), words(&["export", "--model", run, "--format", "ctranslate2", "--out"])),
            ("embed --npy", None, words(&["embed", "--model", encoder, "the animal", "the end", "--npy"])),
        ]
    }
}

/// Whether calls can be watched here.
pub(super) fn can_trace() -> bool {
    Command::new("strace").arg("-V").stdout(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// `command` with its calls watched, those of all its threads.
pub(super) fn under_strace(command: &Command, options: &[&str]) -> Command {
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

/// The text of a log of `strace`.
pub(super) fn log_of(path: &Path) -> Outcome<String> {
    let text = fs::read_to_string(path).map_err(|e| cannot("read", path, &e))?;
    if !text.contains('(') {
        return fail("strace shows no calls: it may not be allowed to trace here");
    }
    Ok(text)
}

/// Up to `n` numbers from 1 to `last`, the last among them.
pub(super) fn spread(last: u64, n: u64) -> Vec<u64> {
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
