//! `attentive average`.

use std::path::PathBuf;

use anyhow::{Result, bail};
use attentive_bundle::Bundle;
use attentive_trainer::{Averaged, CheckpointDir, OnDamage};
use clap::Args;

use super::save;
use attentive_run::resolve;

/// Average the last checkpoints of a run into a model.
#[derive(Debug, Args)]
pub(crate) struct Average {
    /// The run's folder.
    #[arg(default_value = "runs/latest")]
    run: PathBuf,
    /// How many of the last checkpoints; the paper takes 5 for base and 20 for big models (§6.1).
    #[arg(long, value_name = "K", default_value_t = 5)]
    last: usize,
    /// Folder of the new model.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Take the place of a model that is there.
    #[arg(long)]
    force: bool,
}

impl Average {
    pub(super) fn run(self) -> Result<()> {
        let run = resolve(&self.run);
        let checkpoints = CheckpointDir::new(run.join("checkpoints"), usize::MAX).list()?;
        if checkpoints.is_empty() {
            bail!("{} has no checkpoints to average", run.display());
        }
        if self.last == 0 || self.last > checkpoints.len() {
            bail!(
                "--last {}: the run keeps {} checkpoints; training keeps evaluation.average_last of them",
                self.last,
                checkpoints.len()
            );
        }
        let chosen = &checkpoints[checkpoints.len() - self.last..];
        let Averaged { params, steps, .. } = attentive_trainer::average(chosen, OnDamage::Refuse)?;
        let mut bundle = Bundle::read(&run)?;
        bundle.params = params;
        bundle.record.averaged_steps = steps;
        bundle.record.scores.clear(); // they were another model's
        save(&bundle, &self.out, self.force)?;
        report!("averaged {} checkpoints into {}", chosen.len(), self.out.display());
        Ok(())
    }
}
