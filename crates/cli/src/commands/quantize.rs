//! `attentive quantize`.

use std::path::PathBuf;

use anyhow::{Result, bail};
use attentive_bundle::{Bundle, WeightFormat};
use clap::Args;

use super::{check_new, save};
use attentive_run::resolve;

/// Round a model's weights to bytes: a quarter of the size, and faster on a CPU.
///
/// Each output of a linear layer and each word of an embedding gets a scale of its own. `attentive eval` on both folders
/// tells what it costs in quality.
#[derive(Debug, Args)]
pub(crate) struct Quantize {
    /// The model's folder.
    #[arg(long, value_name = "DIR", default_value = "runs/latest")]
    model: PathBuf,
    /// Folder of the new model.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Take the place of a model that is there.
    #[arg(long)]
    force: bool,
}

impl Quantize {
    pub(super) fn run(self) -> Result<()> {
        check_new(&self.out, self.force)?;
        let mut bundle = Bundle::read(resolve(&self.model))?;
        if !attentive_bundle::packs(&bundle.model) {
            let (path, family) = (bundle.path.display(), bundle.model.family());
            bail!("{path} is a {family}; weights of 8 bits are supported for transformer, gpt, bert and whisper");
        }
        bundle.decoding.precision = WeightFormat::Int8;
        bundle.record.scores.clear(); // they were another model's
        save(&bundle, &self.out, self.force)?;
        report!("rounded the weights of {} into {}", bundle.path.display(), self.out.display());
        Ok(())
    }
}
