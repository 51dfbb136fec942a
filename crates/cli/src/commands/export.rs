//! `attentive export`.

use std::path::PathBuf;

use anyhow::{Result, bail};
use attentive_bundle::{Adapter, Bundle};
use attentive_interchange::{ExportConfig, Format, Quantization, UnknownName};
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
    /// The system: ctranslate2, onnx, or an architecture of transformers, as marian, bart, t5, gpt2, llama, bert, whisper or vit;
    /// `import --list` has all of these names.
    #[arg(long, value_name = "NAME", value_parser = target)]
    format: Target,
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
    /// The longest text, in tokens, that the exported model takes: 1024, or what it was imported with.
    #[arg(long, value_name = "N", value_parser = integer(1..=MANY_TOKENS), conflicts_with = "adapter")]
    max_len: Option<usize>,
    /// How CTranslate2's matrices are stored: float32 or int8.
    #[arg(long, value_name = "NAME", default_value_t = ExportConfig::default().quantization, conflicts_with = "adapter")]
    quantization: Quantization,
}

/// What a model is written for.
#[derive(Debug, Clone, Copy)]
enum Target {
    Onnx,
    System(Format),
}

fn target(name: &str) -> Result<Target, String> {
    let system = || name.parse().map(Target::System).map_err(|error: UnknownName| format!("{error}, onnx"));
    if name == "onnx" { Ok(Target::Onnx) } else { system() }
}

impl Export {
    pub(super) fn run(self) -> Result<()> {
        check_new(&self.out, self.force)?;
        if self.out.join("training.json").exists() {
            bail!("{} holds a model of attentive, which needs its own files: name another folder", self.out.display());
        }
        let path = resolve(&self.model);
        let bundle = Bundle::read(&path)?;
        let Target::System(format) = self.format else {
            if self.adapter || self.quantization != Quantization::Float32 {
                bail!("a graph is of a whole model, as f32: leave --adapter and --quantization out");
            }
            let notes = attentive_interchange::export_onnx(&bundle, self.max_len, &self.out)?;
            self.wrote("ONNX Runtime", &notes);
            return Ok(());
        };
        if self.adapter {
            let Some(adapter) = Adapter::read(&path)? else {
                bail!("{} has no adapter: leave --adapter out to write the model", path.display());
            };
            attentive_interchange::export_adapter(&bundle, &adapter, format, &self.out)?;
            self.wrote(&format!("PEFT, over a model of {format}"), &[]);
            return Ok(());
        }
        let options = ExportConfig { max_len: self.max_len, quantization: self.quantization };
        let notes = attentive_interchange::export(&bundle, format, &options, &self.out)?;
        self.wrote(&format.to_string(), &notes);
        Ok(())
    }

    fn wrote(&self, system: &str, notes: &[String]) {
        report!("wrote {} for {system}", self.out.display());
        notes.iter().for_each(|note| report!("note: {note}"));
    }
}
