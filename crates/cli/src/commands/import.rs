//! `attentive import`.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Result, ensure};
use attentive_interchange::{ImportConfig, Imported};
use attentive_task::thousands;
use clap::Args;

use super::{CaseArgs, LanguageArgs, check_new, save};
use crate::output;

/// Bring in a model of another system: a folder of transformers, CTranslate2, Marian, fairseq or OpenNMT-py, or a GGUF file.
#[derive(Debug, Args)]
pub(crate) struct Import {
    /// Its folder (config.json, model.safetensors or pytorch_model.bin, the tokenizer's files), a file that ends in .gguf, or
    /// hf://owner/name, with @revision where wanted, of the hub (feature `hub`; HF_TOKEN, HF_HOME and HF_HUB_OFFLINE=1 as
    /// everywhere).
    #[arg(value_name = "FOLDER|FILE|hf://OWNER/NAME", required_unless_present = "list")]
    source: Option<PathBuf>,
    /// Folder of the new model.
    #[arg(long, value_name = "DIR", required_unless_present = "list")]
    out: Option<PathBuf>,
    /// Print every architecture that comes in or goes out, as tables in Markdown.
    #[arg(long, exclusive = true)]
    list: bool,
    /// Take the place of a model that is there.
    #[arg(long)]
    force: bool,
    /// Leave out tensors that the model has no place for, as heads of other tasks, and list them.
    #[arg(long)]
    drop_unknown: bool,
    /// Read texts that are longer than those of pre-training, where the model's positions differ for these (longrope).
    #[arg(long)]
    long_context: bool,
    #[command(flatten)]
    languages: LanguageArgs,
    #[command(flatten)]
    case: CaseArgs,
}

impl Import {
    pub(super) fn run(self) -> Result<()> {
        let (Some(source), Some(out)) = (&self.source, &self.out) else {
            return Ok(write!(output::stdout(), "{}", attentive_interchange::architectures())?);
        };
        check_new(out, self.force)?;
        let Self { drop_unknown, long_context, .. } = self;
        let options = ImportConfig { drop_unknown, lowercase: self.case.lowercase(), long_context };
        let folder = local(source)?;
        ensure!(!is_ours(&folder), "{} is a model of attentive already; it needs no import", folder.display());
        let mut imported = attentive_interchange::import(&folder, &options)?;
        imported.bundle = self.languages.over(imported.bundle)?;
        save(&imported.bundle, out, self.force)?;
        report!("imported {} into {}", source.display(), out.display());
        described(&imported).iter().for_each(|line| report!("{line}"));
        Ok(())
    }
}

/// What was found, what was left out, and what runs it; a line each.
pub(super) fn described(Imported { bundle, architecture, stored, notes }: &Imported) -> Vec<String> {
    let model = &bundle.model;
    let n_params = thousands(model.n_params() as u64);
    let found =
        format!("found: {architecture}, {}, {n_params} parameters kept as {}", model.describe(), stored.join(", "));
    let vocabulary = bundle
        .processor
        .tokenizer()
        .map(|tokenizer| format!("found: a vocabulary of {} tokens", thousands(tokenizer.vocab_size() as u64)));
    let checked = "checked: every tensor has its place, and every number is finite".to_owned();
    let notes = notes.iter().map(|note| format!("note: {note}"));
    let uses = format!("use: {}", bundle.uses().join(", "));
    [found].into_iter().chain(vocabulary).chain([checked]).chain(notes).chain([uses]).collect()
}

/// Where a source lies on this machine, once it was fetched.
pub(super) fn local(source: &Path) -> Result<PathBuf> {
    match source.to_str().filter(|source| source.starts_with("hf://")) {
        Some(address) => fetch(address),
        None => Ok(source.to_owned()),
    }
}

/// Whether a folder is a model of attentive.
pub(super) fn is_ours(folder: &Path) -> bool {
    folder.join("training.json").exists() && !folder.join("config.json").exists()
}

/// The folder of a model of the hub in the cache, with a progress bar on a terminal.
#[cfg(feature = "hub")]
fn fetch(address: &str) -> Result<PathBuf> {
    use indicatif::{ProgressBar, ProgressStyle};

    let bar = ProgressBar::no_length();
    bar.set_style(ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes}, {eta} left")?);
    let folder = attentive_interchange::Hub::from_env()?.fetch(&address.parse()?, &mut |download| {
        if download.done == 0 {
            bar.reset();
            bar.set_message(download.file.to_owned());
        }
        if let Some(total) = download.total {
            bar.set_length(total);
        }
        bar.set_position(download.done);
    })?;
    bar.finish_and_clear();
    Ok(folder)
}

#[cfg(not(feature = "hub"))]
fn fetch(address: &str) -> Result<PathBuf> {
    anyhow::bail!(
        "{address}: this build downloads nothing; `cargo xtask import --features hub {address} …` and \
         `cargo install --path crates/cli --features hub` build one that does"
    )
}
