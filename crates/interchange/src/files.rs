//! Small files of a model's folder.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::{Serialize, de::DeserializeOwned};

use crate::InterchangeError;

/// Refuses what stands in a file's place when a download or a checkout went wrong; `head` is how the file begins.
///
/// # Errors
/// [`InterchangeError::StandIn`].
pub(crate) fn refuse_stand_in(path: &Path, head: &[u8]) -> Result<(), InterchangeError> {
    match attentive_tokenizer::stand_in(head) {
        Some((format, remedy)) => Err(InterchangeError::StandIn { path: path.to_owned(), format, remedy }),
        None => Ok(()),
    }
}

/// The files of a folder that are `wanted`, in order.
///
/// # Errors
/// [`InterchangeError::Io`].
pub(crate) fn list(folder: &Path, wanted: impl Fn(&Path) -> bool) -> Result<Vec<PathBuf>, InterchangeError> {
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let paths = entries.map_err(InterchangeError::io(folder))?.into_iter().map(|entry| entry.path());
    let mut paths: Vec<PathBuf> = paths.filter(|path| wanted(path)).collect();
    paths.sort_unstable();
    Ok(paths)
}

/// The note of what is in a folder and not in the `new` one that is put over it, and is read with a model.
///
/// # Errors
/// [`InterchangeError::Io`].
pub(crate) fn note_of_others(folder: &Path, new: &Path) -> Result<Option<String>, InterchangeError> {
    const ENDS: [&str; 7] = ["bin", "jinja", "json", "model", "safetensors", "spm", "txt"];
    if !folder.is_dir() {
        return Ok(None);
    }
    let is_read = |path: &Path| path.is_file() && path.extension().is_some_and(|end| ENDS.iter().any(|of| end == *of));
    let present = list(folder, is_read)?;
    let names = present.iter().filter_map(|path| path.file_name()?.to_str()).filter(|name| !new.join(name).is_file());
    let names = names.collect::<Vec<_>>().join(", ");
    let note = || format!("the folder keeps what other programs may read as parts of this model: {names}");
    Ok((!names.is_empty()).then(note))
}

/// The folder of a file.
pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Reads text.
///
/// # Errors
/// [`InterchangeError::Io`], [`InterchangeError::StandIn`], [`InterchangeError::Damaged`].
pub(crate) fn read_text(path: &Path) -> Result<String, InterchangeError> {
    let bytes = fs::read(path).map_err(InterchangeError::io(path))?;
    refuse_stand_in(path, &bytes)?;
    String::from_utf8(bytes).map_err(InterchangeError::damaged(path))
}

/// Reads JSON.
///
/// # Errors
/// [`InterchangeError::Io`], [`InterchangeError::StandIn`], [`InterchangeError::Damaged`].
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, InterchangeError> {
    let text = fs::read(path).map_err(InterchangeError::io(path))?;
    refuse_stand_in(path, &text)?;
    serde_json::from_slice(&text).map_err(InterchangeError::damaged(path))
}

/// Writes JSON for people to read.
///
/// # Errors
/// [`InterchangeError::Io`].
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), InterchangeError> {
    let mut text = serde_json::to_vec_pretty(value).expect("names and numbers");
    text.push(b'\n');
    write(path, &text)
}

/// Replaces a file in one step.
///
/// # Errors
/// [`InterchangeError::Io`].
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), InterchangeError> {
    attentive_weights::write_atomically(path, bytes).map_err(InterchangeError::io(path))
}

/// Makes a folder, and those that it lies in.
///
/// # Errors
/// [`InterchangeError::Io`].
pub(crate) fn make_folder(path: &Path) -> Result<(), InterchangeError> {
    fs::create_dir_all(path).map_err(InterchangeError::io(path))
}
