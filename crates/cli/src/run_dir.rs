//! Folders of runs.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

/// Makes a new folder `runs/NAME-N`.
pub(crate) fn create(root: &Path, name: &str) -> Result<PathBuf> {
    fs::create_dir_all(root).with_context(|| format!("can't make {}", root.display()))?;
    for n in 1_u32.. {
        let path = root.join(format!("{name}-{n}"));
        match fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {}
            Err(cause) => return Err(cause).with_context(|| format!("can't make {}", path.display())),
        }
    }
    unreachable!("some number is free")
}

/// Writes one of a run's files in one step.
pub(crate) fn write(path: &Path, text: &str) -> Result<()> {
    let written = attentive_weights::write_atomically(path, text.as_bytes());
    written.with_context(|| format!("can't write {}", path.display()))
}

/// Makes `latest`, beside `run`, lead to it.
pub(crate) fn point_latest(run: &Path) -> Result<()> {
    let (Some(root), Some(name)) = (run.parent(), run.file_name()) else { return Ok(()) };
    let latest = root.join("latest");
    if latest.symlink_metadata().is_ok_and(|metadata| !metadata.is_dir()) {
        fs::remove_file(&latest).with_context(|| format!("can't replace {}", latest.display()))?;
    }
    #[cfg(unix)]
    let made = std::os::unix::fs::symlink(name, &latest);
    // Symbolic links need rights elsewhere: the file names the folder instead.
    #[cfg(not(unix))]
    let made = fs::write(&latest, name.to_string_lossy().as_bytes());
    made.with_context(|| format!("can't make {}", latest.display()))
}

/// The folder that a `--model` argument means: itself, or the one that a file `latest` names.
pub(crate) fn resolve(path: &Path) -> PathBuf {
    match fs::read_to_string(path) {
        Ok(name) if path.file_name().is_some_and(|file| file == "latest") => path.with_file_name(name.trim()),
        _ => path.to_owned(),
    }
}
