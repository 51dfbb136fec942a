//! Imported models that are kept.

use std::{
    env,
    ffi::OsStr,
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    time::SystemTime,
};

use crate::{ImportConfig, Imported, InterchangeError, files, gguf, import};

/// The ends of the names of other models, and of what a training says, beside a checkpoint.
const OF_OTHERS: [&str; 6] = ["npz", "pt", "safetensors", "gguf", "bin", "log"];

/// A folder of models that were imported, each under a name that changes with the files that it is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportCache {
    folder: PathBuf,
}

impl ImportCache {
    /// A cache in a folder, which is made when it is needed.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// The user's: `models` in `ATTENTIVE_CACHE`, or in `attentive` in the user's folder for caches, if there is one.
    pub fn of_user() -> Option<Self> {
        let folder = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let of_user = || folder("XDG_CACHE_HOME").or_else(|| Some(folder("HOME")?.join(".cache")));
        let windows = || folder("LOCALAPPDATA");
        let found = folder("ATTENTIVE_CACHE").or_else(|| Some(of_user().or_else(windows)?.join("attentive")));
        Some(Self::new(found?.join("models")))
    }

    /// The folder of the model of another system's file or folder; what was imported, if it was not there. `version` is that of
    /// the program: another version imports again.
    ///
    /// # Errors
    /// As [`import`]'s, or the cache can't be written.
    pub fn model(&self, source: &Path, version: &str) -> Result<(PathBuf, Option<Imported>), InterchangeError> {
        let path = source.canonicalize().map_err(|cause| InterchangeError::Io { path: source.to_owned(), cause })?;
        let name = path.file_stem().map_or_else(|| "model".into(), |name| name.to_string_lossy().into_owned());
        let model = self.folder.join(format!("{name}-{:016x}", fingerprint(&path, version)?));
        if model.is_dir() {
            return Ok((model, None));
        }
        let imported = import(&path, &ImportConfig::default())?;
        imported.bundle.replace(&model)?;
        Ok((model, Some(imported)))
    }
}

/// A number that changes with the version of the program and with a file, or with a file of a folder or of those in it: its
/// name, size and time of change. A checkpoint's settings and vocabularies are next to it, and count, as do pieces of its
/// weights; GGUF files have theirs inside.
fn fingerprint(path: &Path, version: &str) -> Result<u64, InterchangeError> {
    let mut hasher = DefaultHasher::new();
    (version, path).hash(&mut hasher);
    let is_whole = path.extension().is_some_and(|end| end.eq_ignore_ascii_case(gguf::EXTENSION));
    let mut left = match path.is_file() && !is_whole {
        true => files::list(files::folder_of(path), |file| file.is_file() && belongs(file, path))?,
        false => vec![path.to_owned()],
    };
    let mut found = Vec::new();
    while let Some(path) = left.pop() {
        let failed = |cause| InterchangeError::Io { path: path.clone(), cause };
        // A link to a folder may lead in circles.
        if path.is_dir() && !path.is_symlink() {
            for entry in fs::read_dir(&path).map_err(failed)? {
                left.push(entry.map_err(failed)?.path());
            }
        } else {
            found.push(path);
        }
    }
    found.sort();
    for file in found {
        let metadata = fs::metadata(&file).map_err(|cause| InterchangeError::Io { path: file.clone(), cause })?;
        let changed = metadata.modified().ok().and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
        (file, metadata.len(), changed).hash(&mut hasher);
    }
    Ok(hasher.finish())
}

/// Whether a file next to a checkpoint may be a part of it, and not another model, as a training that goes on writes them.
fn belongs(file: &Path, checkpoint: &Path) -> bool {
    let is_of_others = |end: &OsStr| OF_OTHERS.iter().any(|known| end.eq_ignore_ascii_case(known));
    let stem = |path: &Path| path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let is_piece =
        file.extension().is_some_and(|end| end == "safetensors") && stem(file).starts_with(&stem(checkpoint));
    file == checkpoint || is_piece || !file.extension().is_some_and(is_of_others)
}
