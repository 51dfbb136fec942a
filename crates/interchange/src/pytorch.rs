//! Checkpoints of programs that train translators: fairseq's and OpenNMT-py's `.pt`.

use std::path::{Path, PathBuf};

use attentive_weights::WeightsFile;

use crate::{ImportConfig, Imported, InterchangeError, checkpoint, fairseq, files, opennmt};

/// The end of the name of a checkpoint.
const EXTENSION: &str = "pt";
/// The names of a checkpoint that is meant, if there are several.
const PREFERRED: [&str; 2] = ["checkpoint_best.pt", "model.pt"];

/// The checkpoint that a path leads to, itself or in its folder; `None` if there is none.
///
/// # Errors
/// [`InterchangeError`]: the folder can't be read, or nothing says which checkpoint is meant.
pub(crate) fn find(path: &Path) -> Result<Option<PathBuf>, InterchangeError> {
    let is_checkpoint = |path: &Path| path.extension().is_some_and(|end| end == EXTENSION) && path.is_file();
    if is_checkpoint(path) {
        return Ok(Some(path.to_owned()));
    }
    if !path.is_dir() || path.join("config.json").is_file() {
        return Ok(None);
    }
    let found = files::list(path, is_checkpoint)?;
    let preferred = PREFERRED.map(|name| path.join(name)).into_iter().find(|path| path.is_file());
    match (&found[..], preferred) {
        ([], _) => Ok(None),
        (_, Some(preferred)) => Ok(Some(preferred)),
        ([one], None) => Ok(Some(one.clone())),
        (several, None) => {
            let names: Vec<_> = several.iter().map(|path| path.display().to_string()).collect();
            let problem = format!("several checkpoints: name one of them: {}", names.join(", "));
            Err(InterchangeError::Unsupported { path: path.to_owned(), problems: vec![problem] })
        }
    }
}

/// Reads a checkpoint.
///
/// # Errors
/// [`InterchangeError`]: another program's, settings or tensors that do not fit, no tokenizer, damaged files.
pub(crate) fn import(path: &Path, options: &ImportConfig) -> Result<Imported, InterchangeError> {
    let file = checkpoint::open_file(path)?;
    let has = |key: &str| {
        let root = file.checkpoint();
        root.and_then(|root| root.get(key)).is_some_and(|value| !value.is_none())
    };
    match () {
        () if has("opt") && has("vocab") => opennmt::import(path, file, options),
        () if has("args") || has("cfg") => fairseq::import(path, file, options),
        () => {
            let problem = "it is not a translator's checkpoint: fairseq's have args or cfg, and OpenNMT-py's opt and vocab; a \
                           state dictionary alone does not say what the model is";
            Err(InterchangeError::Unsupported { path: path.to_owned(), problems: vec![problem.to_owned()] })
        }
    }
}

/// The files of weights of a checkpoint: itself, and safetensors of its name, which OpenNMT-py may keep its weights in.
///
/// # Errors
/// [`InterchangeError`]: a file can't be read.
pub(crate) fn weights(path: &Path, file: WeightsFile) -> Result<Vec<WeightsFile>, InterchangeError> {
    if file.checkpoint().is_some_and(|root| root.get("model").is_some()) {
        return Ok(vec![file]);
    }
    let stem = path.with_extension("").into_os_string().into_string().unwrap_or_default();
    let is_shard = |path: &Path| {
        let rest = path.to_str().and_then(|path| path.strip_prefix(&stem)?.strip_suffix(".safetensors"));
        rest.is_some_and(|part| part.trim_start_matches('.').chars().all(|c| c.is_ascii_digit()))
    };
    let shards = files::list(files::folder_of(path), is_shard)?;
    if shards.is_empty() {
        return Err(InterchangeError::Missing { path: path.to_owned(), wanted: "model, nor safetensors beside it" });
    }
    shards.iter().map(|shard| checkpoint::open_file(shard)).collect()
}
