//! The weights in a Hugging Face folder.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::Read as _,
    path::Path,
};

use attentive_weights::WeightsFile;
use serde::Deserialize;

use crate::{InterchangeError, elsewhere, files};

pub(crate) const SAFETENSORS: &str = "model.safetensors";
pub(crate) const PICKLE: &str = "pytorch_model.bin";

/// The list of files that a large model is cut into.
#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// Opens the files of weights in a folder: safetensors if there are any, else PyTorch's pickles.
///
/// # Errors
/// [`InterchangeError`]: there are no weights, or they can't be read.
pub(crate) fn open(folder: &Path) -> Result<Vec<WeightsFile>, InterchangeError> {
    for name in [SAFETENSORS, PICKLE] {
        let path = folder.join(name);
        if path.is_file() {
            return Ok(vec![open_file(&path)?]);
        }
        let index = folder.join(index(name));
        if index.is_file() {
            let shards = shards(&index)?;
            if let Some(absent) = shards.iter().find(|shard| !folder.join(shard).is_file()) {
                let problem = format!("it lists {absent}, which is not beside it: get all {} files", shards.len());
                return Err(InterchangeError::NotAModel { path: index, problem });
            }
            return shards.into_iter().map(|shard| open_file(&folder.join(shard))).collect();
        }
    }
    Err(elsewhere::without_weights(folder))
}

/// Opens a file of weights, if it is one.
///
/// # Errors
/// [`InterchangeError`]: it can't be read, is another thing, or is damaged.
pub(crate) fn open_file(path: &Path) -> Result<WeightsFile, InterchangeError> {
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| file.take(256).read_to_end(&mut head));
    read.map_err(InterchangeError::io(path))?;
    files::refuse_stand_in(path, &head)?;
    Ok(WeightsFile::open(path)?)
}

/// The name of the list of the files that `weights` is cut into.
pub(crate) fn index(weights: &str) -> String {
    format!("{weights}.index.json")
}

/// The files that an index lists, without the folders before their names: an index must not lead out of its own.
///
/// # Errors
/// [`InterchangeError::Io`], [`InterchangeError::Damaged`].
pub(crate) fn shards(index: &Path) -> Result<BTreeSet<String>, InterchangeError> {
    let Index { weight_map } = files::read_json(index)?;
    let name = |file: &String| Some(Path::new(file).file_name()?.to_str()?.to_owned());
    Ok(weight_map.values().filter_map(name).collect())
}
