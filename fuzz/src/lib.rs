//! What every target needs: bytes as a file.

use std::{fs, path::PathBuf, process};

/// A folder of this process alone.
pub fn folder() -> PathBuf {
    let folder = std::env::temp_dir().join(format!("attentive-fuzz-{}", process::id()));
    fs::create_dir_all(&folder).expect("a folder for temporary files");
    folder
}

/// The path of a file `name` that holds `bytes`.
pub fn file(name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder().join(name);
    fs::write(&path, bytes).expect("room for a temporary file");
    path
}
