//! The committed corpora of fuzz targets: in a file for each, its inputs one after another, each after its length.

use std::{fs, io, path::Path};

use crate::{Failure, Outcome, cargo::root};

/// Bytes of a target's inputs: together they are less than 2 MB.
const BYTES: usize = 80 * 1024;

/// Writes a target's corpus: the smallest of the files in `folder`, each of which takes a path of its own.
pub(crate) fn keep(name: &str, folder: &Path) -> Outcome<usize> {
    let mut inputs = Vec::new();
    for entry in fs::read_dir(folder).map_err(|e| failed(folder, &e))? {
        let path = entry.map_err(|e| failed(folder, &e))?.path();
        inputs.push(fs::read(&path).map_err(|e| failed(&path, &e))?);
    }
    inputs.sort_by(|a, b| a.len().cmp(&b.len()).then_with(|| a.cmp(b)));
    let kept = packed(&inputs);
    let path = root().join("fuzz/corpora").join(name);
    fs::create_dir_all(root().join("fuzz/corpora"))
        .and_then(|()| fs::write(&path, &kept))
        .map_err(|e| failed(&path, &e))?;
    Ok(kept.len())
}

/// Writes the inputs of a target's corpus, if it has one, as files of `folder`.
pub(crate) fn unpack(name: &str, folder: &Path) -> Outcome {
    fs::create_dir_all(folder).map_err(|e| failed(folder, &e))?;
    let Ok(kept) = fs::read(root().join("fuzz/corpora").join(name)) else { return Ok(()) };
    for (idx, input) in inputs(&kept).into_iter().enumerate() {
        fs::write(folder.join(format!("kept-{idx}")), input).map_err(|e| failed(folder, &e))?;
    }
    Ok(())
}

/// The first of the inputs, as many as there is room for.
fn packed(inputs: &[Vec<u8>]) -> Vec<u8> {
    let mut kept = Vec::new();
    for input in inputs {
        let Ok(len) = u32::try_from(input.len()) else { break };
        if kept.len() + size_of_val(&len) + input.len() > BYTES {
            break;
        }
        kept.extend(len.to_le_bytes());
        kept.extend(input);
    }
    kept
}

/// The inputs of a corpus; what is cut short at its end is left out.
fn inputs(mut kept: &[u8]) -> Vec<&[u8]> {
    let mut inputs = Vec::new();
    while let Some((len, rest)) = kept.split_first_chunk() {
        let Some((input, rest)) = rest.split_at_checked(u32::from_le_bytes(*len) as usize) else { break };
        inputs.push(input);
        kept = rest;
    }
    inputs
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure::Message(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_packed_comes_back_as_far_as_there_was_room() {
        let all = [vec![], vec![1], vec![2, 3], vec![7; BYTES]];
        let kept = packed(&all);
        assert_eq!(inputs(&kept), [&[][..], &[1], &[2, 3]]);
        assert_eq!(inputs(&kept[..kept.len() - 1]).len(), 2);
        assert!(inputs(&[]).is_empty());
    }
}
