//! `attentive train`.

mod interrupt;

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use attentive_run::{Ended, Recipe, Run, TrainOptions};
use attentive_trainer::OnDamage;
use clap::Args;

use super::{BackendArgs, command_name};
use crate::{
    progress::{Progress, StopFlag},
    terminal::Terminal,
};

/// Train a model by a recipe; without one, on the built-in English–German corpus.
#[derive(Debug, Args)]
pub(crate) struct Train {
    /// A recipe: a TOML file, or the name of one that is built in (`attentive recipes` lists them).
    recipe: Option<PathBuf>,
    /// Change a setting of the recipe; may be given several times. With --resume, only what may change.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Folder that runs are kept in.
    #[arg(long, value_name = "DIR", default_value = "runs")]
    runs: PathBuf,
    /// Go on with an interrupted run: its folder.
    #[arg(long, value_name = "DIR", conflicts_with = "recipe")]
    resume: Option<PathBuf>,
    /// Memory that training may take, 4GiB for one; `batch.tokens = "auto"` becomes the most that fits.
    #[arg(long, value_name = "SIZE", value_parser = attentive_run::parse_size)]
    memory: Option<u64>,
    /// Leave checkpoints that are damaged out of the mean of the last ones, which is refused otherwise.
    #[arg(long)]
    leave_out_damaged: bool,
    /// Also write event files for TensorBoard, in the run's folder.
    #[arg(long)]
    tensorboard: bool,
    #[command(flatten)]
    backend: BackendArgs,
}

impl Train {
    pub(super) fn run(self) -> Result<ExitCode> {
        let device = self.backend.device()?;
        let run = match &self.resume {
            Some(run) => {
                for name in Recipe::variables() {
                    warning!("warning: {name} is not followed when a run goes on: give --set");
                }
                Run::resume(run, &self.set)?
            }
            None => Run::create(&self.runs, Recipe::of_command(self.recipe.as_deref(), &self.set)?)?,
        };
        report!("run {} on backend {}", run.folder().display(), self.backend.backend);
        let mut progress = Progress::new(run.recipe().run.training.steps);
        let mut stop = StopFlag(interrupt::flag()?);
        let ended = run.train(
            &device,
            TrainOptions {
                log: &Terminal::default(),
                callbacks: vec![&mut progress, &mut stop],
                memory: self.memory,
                tensorboard: self.tensorboard,
                on_damage: if self.leave_out_damaged { OnDamage::LeaveOut } else { OnDamage::Refuse },
            },
        )?;
        match ended {
            Ended::Stopped { .. } => Ok(ExitCode::from(interrupt::INTERRUPTED)),
            Ended::Finished { folder, example } => {
                report!("model in {}; use it with:", folder.display());
                report!("  {} {example}", command_name());
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}
