//! `attentive export`.

use std::path::PathBuf;

use anyhow::{Result, bail};
use attentive_bundle::{Adapter, Bundle};
use attentive_interchange::{ExportConfig, Format, Quantization};
use clap::Args;

use super::{
    check_new,
    numbers::{MANY_TOKENS, integer},
};
use attentive_run::resolve;

/// Write a model for another system.
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The model's folder.
    #[arg(long, value_name = "DIR", default_value = "runs/latest")]
    model: PathBuf,
    /// marian, pegasus, bart, mbart, m2m_100, gpt2, bert, roberta, xlm-roberta, distilbert, mpnet, electra, albert, canine, t5 or decision_transformer (transformers;
    /// post-norm, pre-norm, language models, encoders, T5 and ByT5), or ctranslate2.
    #[arg(long, value_name = "NAME")]
    format: Format,
    /// Folder of the exported model.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Write the adapter that the run has trained, alone, as PEFT reads it over the model that it was trained on; `--format`
    /// is that of the model.
    #[arg(long)]
    adapter: bool,
    /// Write over the files that are in the folder.
    #[arg(long)]
    force: bool,
    /// The longest text, in tokens, that the exported model takes.
    #[arg(long, value_name = "N", default_value_t = ExportConfig::default().max_len)]
    #[arg(value_parser = integer(1..=MANY_TOKENS))]
    max_len: usize,
    /// How CTranslate2's matrices are stored: float32 or int8.
    #[arg(long, value_name = "NAME", default_value_t = ExportConfig::default().quantization)]
    quantization: Quantization,
}

impl Export {
    pub(super) fn run(self) -> Result<()> {
        check_new(&self.out, self.force)?;
        if self.out.join("training.json").exists() {
            bail!("{} holds a model of attentive, which needs its own files: name another folder", self.out.display());
        }
        let path = resolve(&self.model);
        let bundle = Bundle::read(&path)?;
        if self.adapter {
            let Some(adapter) = Adapter::read(&path)? else {
                bail!("{} has no adapter: leave --adapter out to write the model", path.display());
            };
            attentive_interchange::export_adapter(&bundle, &adapter, self.format, &self.out)?;
            report!("wrote {} for PEFT, over a model of {}", self.out.display(), self.format);
            return Ok(());
        }
        let options = ExportConfig { max_len: self.max_len, quantization: self.quantization };
        let notes = attentive_interchange::export(&bundle, self.format, &options, &self.out)?;
        report!("wrote {} for {}", self.out.display(), self.format);
        for note in notes {
            report!("note: {note}");
        }
        Ok(())
    }
}
