//! The cache of Hugging Face's `huggingface_hub`: files downloaded by one are found by the other.
//!
//! `models--owner--name/` holds `blobs/<etag>`, `snapshots/<commit>/<file>` as links to them, `refs/<revision>` with
//! the commit that a branch or tag stood at, and `.no_exist/<commit>/<file>` for what a commit does not have.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use crate::{InterchangeError, files};

/// A model's part of the cache.
pub(super) struct Repo {
    folder: PathBuf,
    locks: PathBuf,
}

impl Repo {
    pub(super) fn new(cache: &Path, name: &str) -> Self {
        let name = format!("models--{}", name.replace('/', "--"));
        Self { locks: cache.join(".locks").join(&name), folder: cache.join(name) }
    }

    pub(super) fn snapshot(&self, commit: &str) -> PathBuf {
        self.folder.join("snapshots").join(commit)
    }

    /// The commit that a branch or tag stood at when it was last asked for.
    pub(super) fn commit(&self, revision: &str) -> Option<String> {
        let commit = fs::read_to_string(self.folder.join("refs").join(revision)).ok()?;
        let commit = commit.trim();
        super::is_name(commit).then(|| commit.to_owned())
    }

    pub(super) fn set_commit(&self, revision: &str, commit: &str) -> Result<(), InterchangeError> {
        self.write(&self.folder.join("refs").join(revision), commit)
    }

    /// Whether the commit is known to be without the file.
    pub(super) fn lacks(&self, commit: &str, file: &str) -> bool {
        self.no_exist(commit, file).is_file()
    }

    pub(super) fn set_lacking(&self, commit: &str, file: &str) -> Result<(), InterchangeError> {
        self.write(&self.no_exist(commit, file), "")
    }

    fn no_exist(&self, commit: &str, file: &str) -> PathBuf {
        self.folder.join(".no_exist").join(commit).join(file)
    }

    fn write(&self, path: &Path, text: &str) -> Result<(), InterchangeError> {
        files::make_folder(path.parent().unwrap_or(&self.folder))?;
        files::write(path, text.as_bytes())
    }

    /// Puts a file into a snapshot; `fill` writes it if the cache lacks it. After a failure nothing is left.
    pub(super) fn store(
        &self,
        commit: &str,
        name: &str,
        etag: &str,
        fill: impl FnOnce(&mut File) -> Result<(), InterchangeError>,
    ) -> Result<(), InterchangeError> {
        let blobs = self.folder.join("blobs");
        let blob = blobs.join(etag);
        if !blob.is_file() {
            for folder in [&blobs, &self.locks] {
                files::make_folder(folder)?;
            }
            // One program at a time downloads it; the lock ends with the file that holds it.
            let lock_path = self.locks.join(format!("{etag}.lock"));
            let lock = File::create(&lock_path).and_then(|lock| lock.lock().map(|()| lock));
            let _lock = lock.map_err(InterchangeError::io(&lock_path))?;
            if !blob.is_file() {
                let incomplete = blobs.join(format!("{etag}.incomplete"));
                let file = File::options().read(true).write(true).create(true).truncate(true).open(&incomplete);
                let mut file = file.map_err(InterchangeError::io(&incomplete))?;
                let filled = fill(&mut file).and_then(|()| {
                    file.sync_all().and_then(|()| fs::rename(&incomplete, &blob)).map_err(InterchangeError::io(&blob))
                });
                filled.inspect_err(|_| {
                    // The failure is reported; what is left only takes room.
                    let _ = fs::remove_file(&incomplete);
                })?;
            }
        }
        let pointer = self.snapshot(commit).join(name);
        files::make_folder(pointer.parent().unwrap_or(&self.folder))?;
        // From a folder in `snapshots/<commit>`, as from any file there, up to the model's.
        let up = "../".repeat(1 + Path::new(name).components().count());
        link(&blob, &pointer, &up).map_err(InterchangeError::io(&pointer))
    }
}

/// Links `pointer`, in a snapshot, to a blob; `up` leads from it to the model's folder.
fn link(blob: &Path, pointer: &Path, up: &str) -> io::Result<()> {
    let made = make_link(blob, pointer, up);
    match made {
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => match pointer.is_file() {
            true => Ok(()), // another program was first
            false => fs::remove_file(pointer).and_then(|()| make_link(blob, pointer, up)), // its blob is gone
        },
        _ => made,
    }
}

/// A relative link, so that a cache can be moved.
#[cfg(unix)]
fn make_link(blob: &Path, pointer: &Path, up: &str) -> io::Result<()> {
    let name = blob.file_name().unwrap_or_default();
    std::os::unix::fs::symlink(Path::new(up).join("blobs").join(name), pointer)
}

#[cfg(not(unix))]
fn make_link(blob: &Path, pointer: &Path, _up: &str) -> io::Result<()> {
    fs::hard_link(blob, pointer)
}
