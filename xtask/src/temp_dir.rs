//! A folder that is removed with its owner.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process,
};

use crate::{Outcome, cannot};

/// An empty folder among the system's temporary files, removed when dropped.
pub(crate) struct TempDir(PathBuf);

impl TempDir {
    /// Makes the folder; `purpose` and the process's number are its name.
    pub(crate) fn new(purpose: &str) -> Outcome<Self> {
        let path = env::temp_dir().join(format!("attentive-{purpose}-{}", process::id()));
        fs::create_dir_all(&path).map_err(|e| cannot("make", &path, &e))?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        // A folder that stays among temporary files does no harm.
        let _ = fs::remove_dir_all(&self.0);
    }
}
