//! What a path leads to that is not a model's folder, or is a part of one.

use std::{
    io::{Error, ErrorKind},
    path::{Component, Path},
};

use crate::{InterchangeError, checkpoint, files, gguf, is_adapter, reader::CONFIG};

/// Weights that are not read, and what to do.
const OTHER_WEIGHTS: [(&str, &str); 3] = [
    ("tf_model.h5", "of TensorFlow: save the folder again with transformers 4, which reads them by from_tf"),
    ("flax_model.msgpack", "of Flax: save the folder again with transformers 4, which reads them by from_flax"),
    ("model.onnx", "in a graph of ONNX, which is not read: get the model.safetensors that it was made from"),
];

const ADAPTER: &str = "it has an adapter of PEFT, and no model: import the model that it changes, and merge the two";

/// Why a path without `config.json` is not a model's folder.
pub(crate) fn without_config(path: &Path) -> InterchangeError {
    if !path.exists() {
        let is_address =
            path.components().count() == 2 && path.components().all(|part| matches!(part, Component::Normal(_)));
        let hub = if is_address { format!("; a model of the hub is hf://{}", path.display()) } else { String::new() };
        let cause = Error::new(ErrorKind::NotFound, format!("there is no such folder or file{hub}"));
        return InterchangeError::Io { path: path.to_owned(), cause };
    }
    let of_gguf = names(path, |name| Path::new(name).extension().is_some_and(|end| end == gguf::EXTENSION));
    let problem = match () {
        () if path.is_file() => "it is a file: name its folder, which has config.json too".to_owned(),
        () if is_adapter(path) => ADAPTER.to_owned(),
        () if !of_gguf.is_empty() => format!("name one of its files: {}", of_gguf.join(", ")),
        () => return InterchangeError::Missing { path: path.to_owned(), wanted: CONFIG },
    };
    InterchangeError::NotAModel { path: path.to_owned(), problem }
}

/// Why a folder has no weights, as far as its other files say it.
pub(crate) fn without_weights(folder: &Path) -> InterchangeError {
    let is_weights = |name: &str| name.ends_with(".safetensors") || name.ends_with(".bin");
    let shards = names(folder, |name| name.contains("-of-") && is_weights(name));
    let others = names(folder, |name| name.ends_with(".safetensors"));
    let known = OTHER_WEIGHTS.iter().find(|(name, _)| folder.join(name).is_file());
    let problem = match (known, &shards[..], &others[..]) {
        _ if is_adapter(folder) => ADAPTER.to_owned(),
        (_, [shard, ..], _) => {
            let whole = if shard.ends_with(".bin") { checkpoint::PICKLE } else { checkpoint::SAFETENSORS };
            format!("{shard} is one of several files, and {} is missing, which lists them", checkpoint::index(whole))
        }
        (_, _, [other, ..]) => {
            format!("{other} is not read: if it has all of the model's weights, call it {}", checkpoint::SAFETENSORS)
        }
        (Some((name, what)), ..) => format!("{name} has weights {what}"),
        _ => {
            let wanted = "model.safetensors or pytorch_model.bin";
            return InterchangeError::Missing { path: folder.to_owned(), wanted };
        }
    };
    InterchangeError::NotAModel { path: folder.to_owned(), problem }
}

/// The names of a folder's files that are `wanted`.
fn names(folder: &Path, wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let name = |path: &Path| Some(path.file_name()?.to_str()?.to_owned());
    let found = files::list(folder, |path| name(path).is_some_and(|name| wanted(&name))).unwrap_or_default();
    found.iter().filter_map(|path| name(path)).collect()
}
