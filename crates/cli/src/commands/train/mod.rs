//! `attentive train`.

mod interrupt;

pub(super) use interrupt::{INTERRUPTED, flag};

use std::{path::PathBuf, process::ExitCode, rc::Rc};

use anyhow::Result;
use attentive_collective::Collective;
use attentive_run::{Ended, Log, Recipe, Run, TrainOptions};
use attentive_trainer::{Callback, OnDamage};
use clap::Args;

use super::{BackendArgs, command_name, processes};
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
    /// Memory that training may take, for example 4GiB; a size of batches that is "auto" becomes the most that fits.
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
        let peers = processes::start()?;
        self.train(&peers).inspect_err(|error| processes::end(&*peers, error))
    }

    /// Trains together with other processes, of which the first one speaks.
    fn train(self, peers: &Rc<dyn Collective>) -> Result<ExitCode> {
        let is_first = peers.rank() == 0;
        let device = self.backend.device()?;
        let run = match &self.resume {
            Some(run) => {
                for name in Recipe::variables().filter(|_| is_first) {
                    warning!("warning: {name} is not followed when a run goes on: give --set");
                }
                Run::resume_among(Rc::clone(peers), run, &self.set)?
            }
            None => {
                let recipe = Recipe::of_command(self.recipe.as_deref(), &self.set)?;
                Run::create_among(Rc::clone(peers), &self.runs, recipe)?
            }
        };
        if is_first {
            report!("run {} on backend {}", run.folder().display(), self.backend.backend);
        }
        let terminal = Terminal::default();
        let mut stop = StopFlag(flag(peers.size() == 1)?);
        let mut progress = is_first.then(|| Progress::new(run.recipe().run.training.steps));
        let mut callbacks: Vec<&mut dyn Callback> = vec![&mut stop];
        callbacks.extend(progress.iter_mut().map(|progress| progress as _));
        let ended = run.train(
            &device,
            TrainOptions {
                log: if is_first { &terminal as &dyn Log } else { &() },
                callbacks,
                memory: self.memory,
                tensorboard: self.tensorboard,
                on_damage: if self.leave_out_damaged { OnDamage::LeaveOut } else { OnDamage::Refuse },
            },
        )?;
        match ended {
            Ended::Stopped { .. } => Ok(ExitCode::from(INTERRUPTED)),
            Ended::Finished { folder, example } if is_first => {
                report!("model in {}; use it with:\n  {} {example}", folder.display(), command_name());
                Ok(ExitCode::SUCCESS)
            }
            Ended::Finished { .. } => Ok(ExitCode::SUCCESS),
        }
    }
}
