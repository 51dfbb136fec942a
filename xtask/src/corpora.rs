//! The corpora of fuzz targets in `fuzz/corpora`: written here, and read as the tests read them.

use std::{fs, path::Path};

use crate::{Outcome, cannot, cargo::root};

#[path = "../../fuzz/src/corpora.rs"]
#[allow(unreachable_pub, reason = "a module of another crate")]
mod reader;

/// Bytes of a target's inputs: together they are less than 2 MB.
const BYTES: usize = 80 * 1024;

/// Writes a target's corpus: the smallest of the files in `folder`, each of which takes a path of its own.
pub(crate) fn keep(name: &str, folder: &Path) -> Outcome<usize> {
    let mut inputs = Vec::new();
    for entry in fs::read_dir(folder).map_err(|e| cannot("read", folder, &e))? {
        let path = entry.map_err(|e| cannot("read", folder, &e))?.path();
        inputs.push(fs::read(&path).map_err(|e| cannot("read", &path, &e))?);
    }
    inputs.sort_by(|a, b| a.len().cmp(&b.len()).then_with(|| a.cmp(b)));
    let kept = packed(&inputs);
    let path = root().join("fuzz/corpora").join(name);
    fs::create_dir_all(root().join("fuzz/corpora"))
        .and_then(|()| fs::write(&path, &kept))
        .map_err(|e| cannot("write", &path, &e))?;
    Ok(kept.len())
}

/// Writes the inputs of a target's corpus, if it has one, as files of `folder`.
pub(crate) fn unpack(name: &str, folder: &Path) -> Outcome {
    fs::create_dir_all(folder).map_err(|e| cannot("make", folder, &e))?;
    let corpora = root().join("fuzz/corpora");
    let inputs = reader::kept(&corpora, name).map_err(|e| cannot("read", &corpora.join(name), &e))?;
    for (idx, input) in inputs.into_iter().enumerate() {
        fs::write(folder.join(format!("kept-{idx}")), input).map_err(|e| cannot("write in", folder, &e))?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::temp_dir::TempDir;

    #[test]
    fn what_was_packed_comes_back_as_far_as_there_was_room() {
        let folder = TempDir::new("corpora").unwrap();
        let all = [vec![], vec![1], vec![2, 3], vec![7; BYTES]];
        fs::write(folder.path().join("recipe"), packed(&all)).unwrap();
        assert_eq!(reader::kept(folder.path(), "recipe").unwrap(), all[..3]);
    }
}
