//! The weights in a Hugging Face folder.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use attentive_weights::Tensors;
use serde::Deserialize;

use crate::{InterchangeError, files};

const SAFETENSORS: &str = "model.safetensors";
const PICKLE: &str = "pytorch_model.bin";

/// The list of files that a large model is cut into.
#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// Reads all tensors of a folder, cast to f32: safetensors where there are some, else PyTorch's pickles.
///
/// # Errors
/// [`InterchangeError`]: there are no weights, or they can't be read.
pub(crate) fn read(folder: &Path) -> Result<Tensors, InterchangeError> {
    for name in [SAFETENSORS, PICKLE] {
        let path = folder.join(name);
        if path.is_file() {
            return Ok(attentive_weights::read(&path)?);
        }
        let index = folder.join(format!("{name}.index.json"));
        if index.is_file() {
            let Index { weight_map } = files::read_json(&index)?;
            let mut tensors = Tensors::new();
            for file in weight_map.values().collect::<BTreeSet<_>>() {
                // A file name, not a path: an index must not lead out of its folder.
                let name = Path::new(file).file_name().unwrap_or_default();
                tensors.extend(attentive_weights::read(&folder.join(name))?);
            }
            return Ok(tensors);
        }
    }
    Err(InterchangeError::Missing { path: folder.to_owned(), wanted: "model.safetensors or pytorch_model.bin" })
}
