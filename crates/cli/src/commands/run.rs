//! `attentive run`.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, bail};
use attentive_bundle::Bundle;
use attentive_interchange::ImportCache;
use clap::Args;

use super::{
    Cli,
    import::{described, is_ours, local},
};

/// Import a model into a cache, unless it is there, and use it at once.
///
/// The command is the first that the model is for, as `attentive import` names them: `chat` before `generate`, `answer`
/// before `embed`. The cache is ATTENTIVE_CACHE, or `attentive` in the user's folder for caches.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// A folder of transformers, a GGUF file, hf://owner/name, or attentive's own; +ADAPTER for an adapter over it.
    #[arg(value_name = "FOLDER|FILE|hf://OWNER/NAME[+ADAPTER]")]
    source: PathBuf,
    /// The command.
    #[arg(long = "as", value_name = "COMMAND")]
    command: Option<String>,
    /// The command's arguments.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
    arguments: Vec<OsString>,
}

impl Run {
    pub(super) fn run(self) -> Result<ExitCode> {
        let (named, adapter) = attentive_interchange::model_and_adapter(&self.source);
        let source = local(named)?;
        let model = if is_ours(&source) { source } else { cached(named, &source)? };
        let uses = Bundle::open(&model)?.uses();
        let command = match &self.command {
            Some(command) if !uses.contains(&command.as_str()) => {
                bail!("{command} does not run this model; use {}", uses.join(", "))
            }
            Some(command) => command.as_str(),
            None => uses.first().copied().context("no command runs this model")?,
        };
        let mut model = model.into_os_string();
        if let Some(adapter) = adapter {
            model.push("+");
            model.push(adapter);
        }
        let own: [OsString; 4] = ["attentive".into(), command.into(), "--model".into(), model];
        Cli::of(own.into_iter().chain(self.arguments)).unwrap_or_else(|error| error.exit()).run()
    }
}

/// The model in the cache, which is imported from its place on this machine if it is not there.
fn cached(named: &Path, source: &Path) -> Result<PathBuf> {
    let cache = ImportCache::of_user().context("there is no folder for caches: set ATTENTIVE_CACHE to one")?;
    let (model, imported) = cache.model(source, env!("CARGO_PKG_VERSION"))?;
    if let Some(imported) = imported {
        // Standard output is the command's.
        warning!("imported {} into {}", named.display(), model.display());
        described(&imported).iter().for_each(|line| warning!("{line}"));
    }
    Ok(model)
}
