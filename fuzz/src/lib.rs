//! What every target needs: bytes as files, and a tokenizer in use.

use std::{env, fs, path::PathBuf, process};

use attentive_tokenizer::{Tokenizer, TokenizerError};

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
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/interchange/tests/golden")).join(name)
}

/// A tokenizer that can be read can be used: what it makes of a text is ids of its own, and any ids are text or an error.
pub fn exercise<T: Tokenizer + ?Sized>(tokenizer: Result<Box<T>, TokenizerError>) {
    let Ok(tokenizer) = tokenizer else { return };
    let ids = tokenizer.encode("Not \"to\" be,\tthat is  öffentlich ☃ \u{0301}e\u{0301} 12345 [MASK] <s>");
    assert!(ids.iter().all(|&id| (id as usize) < tokenizer.vocab_size()));
    tokenizer.decode(&ids).expect("ids of its own");
    let _ = tokenizer.decode(&[0, 7, u32::MAX]);
}
