//! `attentive train`.

mod causal_lm;
mod classification;
mod encoder_text;
mod injected;
mod interrupt;
mod masked_lm;
mod memory;
mod prepared;
mod rehearsal;
mod session;
mod span_corruption;
mod task;
mod translation;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Result, bail};
use attentive_backend::{BackendKind, Device, Precision, has_kernels};
use attentive_data::auto_size::AUTO;
use attentive_trainer::OnDamage;
use clap::Args;

use super::BackendArgs;
use crate::{recipe::Recipe, run_dir};
pub(super) use causal_lm::CausalLm;
use classification::Classification;
use masked_lm::MaskedLm;
pub(super) use memory::Resizable;
pub(super) use prepared::{WithTask, prepare};
pub(super) use rehearsal::Rehearsal;
use session::Session;
use span_corruption::Infilling;
pub(super) use task::Task;
use translation::Translation;

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
    #[arg(long, value_name = "SIZE", value_parser = memory::parse_size)]
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
        let (mut recipe, run, _lock) = match &self.resume {
            Some(run) => {
                let run = run_dir::resolve(run);
                let config = run.join("config.toml");
                let recipe = Recipe::of_run(&config, &self.set)?;
                let lock = run_dir::lock(&run)?;
                run_dir::sweep(&run)?;
                if !self.set.is_empty() {
                    run_dir::write(&config, &recipe.to_toml())?;
                }
                (recipe, run, lock)
            }
            None => {
                let recipe = Recipe::load(self.recipe.as_deref(), &self.set)?;
                let run = run_dir::create(&self.runs, &recipe.run.name)?;
                let lock = run_dir::lock(&run)?;
                // From here on, whatever happens, the run can be resumed.
                run_dir::write(&run.join("config.toml"), &recipe.to_toml())?;
                (recipe, run, lock)
            }
        };
        println!("run {} on backend {}", run.display(), self.backend.backend);
        match recipe.run.training.precision {
            Precision::Bf16 if !has_kernels(&device) => println!("note: only flex multiplies bf16; products are f32"),
            precision if !precision.is_fast() => {
                println!(
                    "note: this CPU has no instructions for training.precision = \"bf16\", which is slower than \"f32\" here"
                );
            }
            _ => {}
        }
        // A resumed run keeps the vocabulary that it began with.
        let tokenizer = Some(run.join("tokenizer.json")).filter(|path| self.resume.is_some() && path.exists());
        prepare(&mut recipe, tokenizer.as_deref(), Training { args: &self, run: &run, device })
    }

    /// Measures how large batches may be where the recipe leaves it open.
    fn fit<T: Resizable>(&self, task: &mut T, recipe: &mut Recipe, device: &Device) -> Result<()> {
        if *recipe.task.batch_size() != AUTO {
            return Ok(());
        }
        let setting = T::SETTING;
        let Some(limit) = self.memory else {
            bail!("{setting} = \"auto\" needs --memory, for example --memory 4GiB");
        };
        if !matches!(self.backend.backend, BackendKind::Flex | BackendKind::NdArray) {
            bail!("{setting} = \"auto\" is measured on the CPU: choose --backend flex, or give a number");
        }
        *recipe.task.batch_size() = memory::fit(task, &recipe.run, limit, device)?;
        Ok(())
    }
}

/// A run that is about to begin, or to go on.
struct Training<'a> {
    args: &'a Train,
    run: &'a Path,
    device: Device,
}

impl WithTask for Training<'_> {
    type Output = ExitCode;

    fn with<T: Resizable>(self, mut task: T, recipe: &mut Recipe) -> Result<ExitCode> {
        let Self { args, run, device } = self;
        let has_validation = task.evaluator().is_some();
        recipe.run.training.validate_for(has_validation)?;
        args.fit(&mut task, recipe, &device)?;
        let backend = args.backend.backend.name();
        let on_damage = if args.leave_out_damaged { OnDamage::LeaveOut } else { OnDamage::Refuse };
        Session { recipe, run, device, backend, tensorboard: args.tensorboard, on_damage }.train(&task)
    }
}

/// `1234567` as `1,234,567`.
pub(super) fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|g| std::str::from_utf8(g).expect("digits")).collect();
    groups.join(",")
}
