//! What fuzzing found to take paths of its own, as it is kept: in a file for each target, its inputs one after another,
//! each after its length in four bytes. `cargo xtask fuzz`, which needs none of our crates, compiles this file too.

use std::{fs, io, path::Path};

/// The inputs of a target that `folder` keeps; none if it has no file of that name.
///
/// # Errors
/// A file that can't be read, or that is cut short.
pub fn kept(folder: &Path, name: &str) -> io::Result<Vec<Vec<u8>>> {
    match fs::read(folder.join(name)) {
        Ok(corpus) => inputs(&corpus),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn inputs(mut corpus: &[u8]) -> io::Result<Vec<Vec<u8>>> {
    let cut_short = || io::Error::new(io::ErrorKind::InvalidData, "its last input is cut short");
    let mut inputs = Vec::new();
    while !corpus.is_empty() {
        let (len, rest) = corpus.split_first_chunk().ok_or_else(cut_short)?;
        let (input, rest) = rest.split_at_checked(u32::from_le_bytes(*len) as usize).ok_or_else(cut_short)?;
        inputs.push(input.to_vec());
        corpus = rest;
    }
    Ok(inputs)
}
