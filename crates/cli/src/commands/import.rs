//! `attentive import`.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

/// Bring in a model of transformers.
#[derive(Debug, Args)]
pub(crate) struct Import {
    /// Its folder: config.json, model.safetensors or pytorch_model.bin, the tokenizer's files.
    folder: PathBuf,
    /// Folder of the new model.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

impl Import {
    pub(super) fn run(self) -> Result<()> {
        let bundle = attentive_interchange::import(&self.folder)?;
        bundle.save(&self.out)?;
        println!("imported {} into {}", self.folder.display(), self.out.display());
        Ok(())
    }
}
