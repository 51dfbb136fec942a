//! `attentive attention`.

use std::path::PathBuf;

use anyhow::Result;
use attentive_paper as paper;
use clap::Args;

use super::{BackendArgs, check_writable};

/// Show what a translation model looks at: for a word of the source, layer by layer and head by head, which words it
/// attends to; for each word that is written, where it comes from.
#[derive(Debug, Args)]
pub(crate) struct Attention {
    /// The model's folder.
    #[arg(long, value_name = "DIR", default_value = "runs/latest")]
    model: PathBuf,
    /// The sentence.
    #[arg(default_value = paper::SENTENCE)]
    text: String,
    /// The word that is followed.
    #[arg(long, default_value = "it")]
    word: String,
    /// A translation to read instead of the model's own.
    #[arg(long, value_name = "TEXT")]
    target: Option<String>,
    /// The drawing, SVG: every attention, layer by layer and head by head.
    #[arg(long, value_name = "FILE", default_value = "attention.svg")]
    out: PathBuf,
    /// Draw what the decoder looks at in the source alone: one map, the mean of its last layer's heads.
    #[arg(long)]
    alignment: bool,
    #[command(flatten)]
    backend: BackendArgs,
}

impl Attention {
    pub(super) fn run(self) -> Result<()> {
        let Self { model, text, word, target, out, alignment, backend } = self;
        check_writable(&out)?;
        let attention = paper::Attention { model, text, word, target, is_alignment: alignment };
        let exhibit = attention.make(&backend.device()?)?;
        report!("{exhibit}");
        for figure in &exhibit.figures {
            attentive_weights::write_atomically(&out, figure.svg.as_bytes())?;
            report!("drawn in {}", out.display());
        }
        Ok(())
    }
}
