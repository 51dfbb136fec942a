//! `attentive extend`.

use std::path::PathBuf;

use anyhow::{Result, bail};
use attentive_bundle::Bundle;
use attentive_run::resolve;
use attentive_tokenizer::OpenOptions;
use clap::Args;

use super::{check_new, save};
use crate::input;

/// Give a model more tokens, or another tokenizer: a new token begins as the mean of those that stood for it.
///
/// Train it on text that has them; with training.freeze = ["encoder.*", "decoder.*"], the embeddings alone learn.
#[derive(Debug, Args)]
pub(crate) struct Extend {
    /// The tokens.
    tokens: Vec<String>,
    /// The model's folder.
    #[arg(long, value_name = "DIR", default_value = "runs/latest")]
    model: PathBuf,
    /// A file with a token on each line, blank ones left out; may be given several times.
    #[arg(long, value_name = "FILE")]
    file: Vec<PathBuf>,
    /// Add special tokens, which a text has only where it is said so, and which are no part of what is written.
    #[arg(long)]
    special: bool,
    /// Give the model the tokenizer of this file or folder instead: tokens that both have keep what they learnt.
    #[arg(long, value_name = "PATH", conflicts_with_all = ["tokens", "file", "special"])]
    tokenizer: Option<PathBuf>,
    /// Folder of the new model.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Take the place of a model that is there.
    #[arg(long)]
    force: bool,
}

impl Extend {
    pub(super) fn run(self) -> Result<()> {
        check_new(&self.out, self.force)?;
        let mut bundle = Bundle::read(resolve(&self.model))?;
        let before = bundle.model.vocab_size();
        let new = if let Some(path) = &self.tokenizer {
            let opened = OpenOptions::default().open(path)?;
            opened.notes.iter().for_each(|note| warning!("note: {note}"));
            bundle.replace_vocabulary(opened.tokenizer.into())?
        } else {
            let mut tokens = self.tokens;
            if !self.file.is_empty() {
                for line in input::open(&self.file, "tokens") {
                    tokens.extend(Some(line?.text).filter(|token| !token.trim().is_empty()));
                }
            }
            if tokens.is_empty() {
                bail!("nothing to add: give tokens, --file, or another tokenizer with --tokenizer");
            }
            bundle.extend_vocabulary(&tokens, self.special)?
        };
        save(&bundle, &self.out, self.force)?;
        let after = bundle.model.vocab_size();
        report!("{} new tokens, {after} rows where there were {before}, in {}", new.len(), self.out.display());
        Ok(())
    }
}
