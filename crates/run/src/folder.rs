//! Folders of runs.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
    process,
};

use attentive_bundle::run_in;
use attentive_task::{Context, Result};
use attentive_weights::{make_folder, sync_parent};

/// What the process that trains holds locked, and writes its id into.
const LOCK: &str = "lock";

/// Where checkpoints are.
pub(crate) const CHECKPOINTS: &str = "checkpoints";

/// What the data was that training began with.
pub(crate) const DATA: &str = "data.json";

/// Makes a new folder `runs/NAME-N`.
pub(crate) fn create(root: &Path, name: &str) -> Result<PathBuf> {
    make_folder(root).with_context(|| format!("can't make {}", root.display()))?;
    for n in 1_u32.. {
        let path = root.join(format!("{name}-{n}"));
        match fs::create_dir(&path) {
            Ok(()) => {
                sync_parent(&path).with_context(|| format!("can't write {}", root.display()))?;
                return Ok(path);
            }
            Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {}
            Err(cause) => return Err(cause).with_context(|| format!("can't make {}", path.display())),
        }
    }
    unreachable!("some number is free")
}

/// Whether a run has come to its end, with a model.
pub fn is_finished(run: &Path) -> bool {
    ["training.json", "model.safetensors"].into_iter().all(|part| run.join(part).exists())
}

/// Refuses a folder that is not a run's: a model's, one of runs, one that is not there.
pub(crate) fn check_is_run(path: &Path) -> Result<()> {
    let (has, path_shown) = (|part: &str| path.join(part).exists(), path.display());
    // A run that was killed at its beginning has its recipe alone.
    if has("config.toml") && (!has("training.json") || [LOCK, DATA, CHECKPOINTS].into_iter().any(has)) {
        return Ok(());
    }
    let there = fs::metadata(path).with_context(|| match path.try_exists() {
        Ok(false) => format!("there is no run at {path_shown}"),
        _ => format!("can't read {path_shown}"),
    })?;
    if !there.is_dir() {
        refuse!("there is no run at {path_shown}, which is a file");
    }
    if has("config.toml") {
        refuse!(
            "{path_shown} is a model, and not a run, which has checkpoints to go on from; a new run may \
             begin from it: --set pretrained={path_shown}"
        );
    }
    if let Some(run) = run_in(path) {
        refuse!("{path_shown} is a folder of runs; name one of them, {} for example", run.display());
    }
    match path.parent().filter(|parent| parent.file_name().is_some_and(|name| name == CHECKPOINTS)) {
        Some(checkpoints) => {
            let run = checkpoints.parent().unwrap_or(Path::new("."));
            refuse!("{path_shown} is a checkpoint; name its run, {}", run.display())
        }
        None => refuse!("{path_shown} is not a run's folder: it has no config.toml"),
    }
}

/// Removes files that a process that was killed had not finished; whoever calls it holds the run's lock.
pub(crate) fn sweep(run: &Path) -> Result<()> {
    let unreadable = || format!("can't clean up {}", run.display());
    for entry in fs::read_dir(run).with_context(unreadable)? {
        let entry = entry.with_context(unreadable)?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let is_left = name.starts_with(".tmp") || [".tmp", ".part"].iter().any(|end| name.ends_with(end));
        if is_left && entry.file_type().is_ok_and(|kind| kind.is_file()) {
            fs::remove_file(entry.path()).with_context(unreadable)?;
        }
    }
    Ok(())
}

/// Keeps other processes from training in a run's folder while the file is open; the system lets go of it when the process
/// ends, however it does.
/// The second value is a warning: the file system may know no locks.
pub(crate) fn lock(run: &Path) -> Result<(File, Option<String>)> {
    let path = run.join(LOCK);
    let open = File::options().write(true).create(true).truncate(false).open(&path);
    let unwritable = || format!("can't write {}", path.display());
    let mut file = open.with_context(unwritable)?;
    let mut warning = None;
    match file.try_lock() {
        Ok(()) => {
            file.set_len(0).and_then(|()| write!(file, "{}", process::id())).with_context(unwritable)?;
        }
        Err(TryLockError::WouldBlock) => {
            let id = fs::read_to_string(&path).unwrap_or_default();
            refuse!("another process ({id}) is training in {}: wait for it, or stop it with Ctrl-C", run.display());
        }
        Err(TryLockError::Error(cause)) => {
            let (run, what) = (run.display(), "this file system has no locks");
            warning = Some(format!("{run}: {what} ({cause}): let one process at a time train here"));
        }
    }
    Ok((file, warning))
}

/// Removes the folder of a new run, unless its training has begun: data, model and settings were found right.
pub(crate) fn discard_unbegun(run: &Path, lock: File) {
    if !run.join(DATA).exists() {
        drop(lock);
        // The failure is reported; what is left of the folder only takes a number.
        let _ = fs::remove_dir_all(run);
    }
}

/// Writes one of a run's files in one step.
pub(crate) fn write(path: &Path, text: &str) -> Result<()> {
    let written = attentive_weights::write_atomically(path, text.as_bytes());
    written.with_context(|| format!("can't write {}", path.display()))
}

/// Makes `latest`, beside `run`, lead to it; until then it leads where it led before.
pub(crate) fn point_latest(run: &Path) -> Result<()> {
    let (Some(root), Some(name)) = (run.parent(), run.file_name()) else { return Ok(()) };
    let latest = root.join("latest");
    // A name of the run's own: other runs may begin at the same time.
    let new = root.join(format!(".{}.latest", name.to_string_lossy()));
    // What a kill has left of it.
    let _ = fs::remove_file(&new);
    #[cfg(unix)]
    let made = std::os::unix::fs::symlink(name, &new);
    // Symbolic links need rights elsewhere: the file names the folder instead.
    #[cfg(not(unix))]
    let made = fs::write(&new, name.to_string_lossy().as_bytes());
    let renamed = made.and_then(|()| fs::rename(&new, &latest)).inspect_err(|_| {
        // The failure is reported; what is left is a link.
        let _ = fs::remove_file(&new);
    });
    renamed.with_context(|| format!("can't make {}", latest.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latest_leads_to_the_run_that_began_last() {
        let root = tempfile::tempdir().unwrap();
        let names = || {
            let entries = fs::read_dir(root.path()).unwrap();
            let mut names: Vec<String> =
                entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        };
        let runs = ["a-1", "b-1"].map(|name| root.path().join(name));
        for run in &runs {
            fs::create_dir(run).unwrap();
            // As a kill leaves it.
            fs::write(run.with_file_name(".b-1.latest"), "half").unwrap();
            point_latest(run).unwrap();
            assert_eq!(attentive_task::resolve(&root.path().join("latest")).file_name(), run.file_name());
        }
        assert_eq!(names(), ["a-1", "b-1", "latest"]);
        fs::remove_file(root.path().join("latest")).unwrap();
        fs::create_dir_all(root.path().join("latest/mine")).unwrap();
        assert!(point_latest(&runs[0]).is_err());
        assert!(root.path().join("latest/mine").exists());
        assert_eq!(names(), ["a-1", "b-1", "latest"]);
    }
}
