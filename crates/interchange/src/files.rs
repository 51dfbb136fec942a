//! Small files of a model's folder.

use std::{fs, path::Path};

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
