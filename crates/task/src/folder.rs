//! Folders of models, as they are named.

use std::{
    fs,
    path::{Path, PathBuf},
};

use attentive_bundle::{Bundle, SharedParams};
use attentive_interchange::{merge_adapter, model_and_adapter, with_adapter};

use crate::Result;

/// The folder that an argument means: itself, or the one that `latest` leads to, as a link or a file.
pub fn resolve(path: &Path) -> PathBuf {
    if path.file_name().is_none_or(|file| file != "latest") {
        return path.to_owned();
    }
    let path = path.with_file_name("latest"); // a slash at the end would ask for what the link leads to
    let name = fs::read_to_string(&path).map(|name| PathBuf::from(name.trim()));
    path.read_link().or(name).map_or_else(|_| path.clone(), |run| path.with_file_name(run))
}

/// Opens a model for use, as a user writes it: its folder, or its folder and that of an adapter over it, a run's or
/// PEFT's, `DIR+ADAPTER`. The adapter is added in use ([`Bundle::open_shared`]).
///
/// # Errors
/// A folder has no model or no adapter, a part is damaged, or the adapter is of another model.
pub fn open_model(written: &Path) -> Result<Bundle<SharedParams>> {
    let (folder, adapter) = model_and_adapter(written);
    open_with_adapter(folder, adapter)
}

/// As [`open_model`], of the two folders.
///
/// # Errors
/// As there.
pub fn open_with_adapter(folder: &Path, adapter: Option<&Path>) -> Result<Bundle<SharedParams>> {
    let bundle = Bundle::open_shared(resolve(folder))?;
    let Some(adapter) = adapter else { return Ok(bundle) };
    Ok(with_adapter(&bundle, &resolve(adapter))?)
}

/// As [`open_model`], in memory, the adapter merged into it.
///
/// # Errors
/// As there.
pub fn read_model(written: &Path) -> Result<Bundle> {
    let (folder, adapter) = model_and_adapter(written);
    let mut bundle = Bundle::read(resolve(folder))?;
    if let Some(adapter) = adapter {
        merge_adapter(&mut bundle, &resolve(adapter))?;
    }
    Ok(bundle)
}
