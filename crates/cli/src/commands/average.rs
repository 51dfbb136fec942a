//! `attentive average`.

use std::path::PathBuf;

use anyhow::Result;
use attentive_run::ModelOf;
use clap::Args;

use super::{check_new, numbers::integer, save};

/// Make a model of a run's checkpoints: the mean of the last ones, or one of them.
#[derive(Debug, Args)]
pub(crate) struct Average {
    /// The run's folder; the run may be unfinished.
    #[arg(default_value = "runs/latest")]
    run: PathBuf,
    /// How many of the last checkpoints; without it, as many as the run's own model is the mean of (evaluation.average_last).
    /// The paper takes 5 for base and 20 for big models (§6.1).
    #[arg(long, value_name = "K", value_parser = integer(1..=usize::MAX))]
    last: Option<usize>,
    /// Take one checkpoint, in place of a mean: best, last, or its step; with training.ema_decay, its running mean.
    #[arg(long, value_name = "WHICH", conflicts_with = "last")]
    checkpoint: Option<ModelOf>,
    /// Folder of the new model.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Take the place of a model that is there.
    #[arg(long)]
    force: bool,
}

impl Average {
    pub(super) fn run(self) -> Result<()> {
        check_new(&self.out, self.force)?;
        let bundle = self.checkpoint.unwrap_or(self.last.map_or(ModelOf::Mean, ModelOf::MeanOfLast)).read(&self.run)?;
        save(&bundle, &self.out, self.force)?;
        let out = self.out.display();
        match (self.checkpoint, &bundle.record.averaged_steps[..]) {
            (Some(_), _) => report!("the checkpoint of step {} is a model now: {out}", bundle.record.steps),
            (None, steps) => report!("averaged {} checkpoints into {out}", steps.len()),
        }
        Ok(())
    }
}
