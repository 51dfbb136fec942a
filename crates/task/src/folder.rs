//! Folders of models, as they are named.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The folder that an argument means: itself, or the one that `latest` leads to, as a link or a file.
pub fn resolve(path: &Path) -> PathBuf {
    if path.file_name().is_none_or(|file| file != "latest") {
        return path.to_owned();
    }
    let path = path.with_file_name("latest"); // a slash at the end would ask for what the link leads to
    let name = fs::read_to_string(&path).map(|name| PathBuf::from(name.trim()));
    path.read_link().or(name).map_or_else(|_| path.clone(), |run| path.with_file_name(run))
}
