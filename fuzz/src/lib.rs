//! What every target needs: bytes as files.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process,
};

pub mod corpora;
pub mod readers;

/// A folder of this process alone, in memory where the system has such a place.
pub fn folder() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    let parent = if memory.is_dir() { memory } else { env::temp_dir() };
    let folder = parent.join(format!("attentive-fuzz-{}", process::id()));
    fs::create_dir_all(&folder).expect("a folder for temporary files");
    folder
}

/// The path of a file `name` that holds `bytes`.
pub fn file(name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder().join(name);
    fs::write(&path, bytes).expect("room for a temporary file");
    path
}

/// The path of a file of a golden folder of `attentive-interchange`.
pub fn golden(name: &str) -> PathBuf {
    const GOLDEN: &str = "crates/interchange/tests/golden";
    // The targets and the tests of a crate have manifests at other depths.
    let folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let golden = folders.map(|folder| folder.join(GOLDEN)).find(|golden| golden.is_dir());
    golden.expect("the golden files of the repository").join(name)
}
