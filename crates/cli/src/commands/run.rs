//! `attentive run`.

use std::{
    env,
    ffi::OsString,
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    process::ExitCode,
    time::SystemTime,
};

use anyhow::{Context, Result, bail};
use attentive_bundle::Bundle;
use attentive_interchange::ImportConfig;
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
    /// A folder of transformers, a GGUF file, hf://owner/name, or a model's folder of attentive.
    #[arg(value_name = "FOLDER|FILE|hf://OWNER/NAME")]
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
        let source = local(&self.source)?;
        let model = if is_ours(&source) { source } else { cached(&source)? };
        let uses = Bundle::open(&model)?.uses();
        let command = match &self.command {
            Some(command) if !uses.contains(&command.as_str()) => {
                bail!("{command} does not run this model; use {}", uses.join(", "))
            }
            Some(command) => command.as_str(),
            None => uses.first().copied().context("no command runs this model")?,
        };
        let own: [OsString; 4] = ["attentive".into(), command.into(), "--model".into(), model.into()];
        Cli::of(own.into_iter().chain(self.arguments)).unwrap_or_else(|error| error.exit()).run()
    }
}

/// The model in the cache, which is imported if it is not there.
fn cached(source: &Path) -> Result<PathBuf> {
    let path = source.canonicalize().with_context(|| source.display().to_string())?;
    let name = path.file_stem().map_or_else(|| "model".into(), |name| name.to_string_lossy().into_owned());
    let model = cache()?.join(format!("{name}-{:016x}", fingerprint(&path)?));
    if !model.is_dir() {
        let imported = attentive_interchange::import(&path, &ImportConfig::default())?;
        imported.bundle.replace(&model)?;
        // Standard output is the command's.
        warning!("imported {} into {}", source.display(), model.display());
        described(&imported).iter().for_each(|line| warning!("{line}"));
    }
    Ok(model)
}

/// The folder of imported models.
fn cache() -> Result<PathBuf> {
    let folder = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let of_user = || folder("XDG_CACHE_HOME").or_else(|| Some(folder("HOME")?.join(".cache")));
    let windows = || folder("LOCALAPPDATA");
    let found = folder("ATTENTIVE_CACHE").or_else(|| Some(of_user().or_else(windows)?.join("attentive")));
    Ok(found.context("there is no folder for caches: set ATTENTIVE_CACHE to one")?.join("models"))
}

/// A number that changes with the version of this program and with a file, or with a file of a folder or of those in it: its
/// name, size and time of change.
fn fingerprint(path: &Path) -> Result<u64> {
    let mut hasher = DefaultHasher::new();
    env!("CARGO_PKG_VERSION").hash(&mut hasher);
    let (mut files, mut left) = (Vec::new(), vec![path.to_owned()]);
    while let Some(path) = left.pop() {
        // A link to a folder may lead in circles.
        if path.is_dir() && !path.is_symlink() {
            let entries = fs::read_dir(&path).with_context(|| path.display().to_string())?;
            left.extend(entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?);
        } else {
            files.push(path);
        }
    }
    files.sort();
    for file in files {
        let metadata = fs::metadata(&file).with_context(|| file.display().to_string())?;
        let changed = metadata.modified().ok().and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
        (file, metadata.len(), changed).hash(&mut hasher);
    }
    Ok(hasher.finish())
}
