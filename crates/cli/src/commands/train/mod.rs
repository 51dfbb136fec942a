//! `attentive train`.

mod causal_lm;
mod classification;
mod encoder_family;
mod example_stream;
mod injected;
mod interrupt;
mod masked_lm;
mod memory;
mod sampled;
mod session;
mod span_corruption;
mod task;
mod translation;
mod translation_family;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Result, bail};
use attentive_backend::{BackendKind, Device, Precision, has_kernels};
use attentive_bundle::ModelConfig;
use attentive_data::auto_size::AUTO;
use clap::Args;

use super::BackendArgs;
use crate::{
    recipe::{Recipe, RunRecipe, TaskRecipe, no_encoder},
    run_dir,
};
pub(super) use causal_lm::CausalLm;
pub(super) use classification::{Classification, pretrained};
pub(super) use encoder_family::EncoderFamily;
pub(super) use masked_lm::MaskedLm;
use memory::Fitting;
use session::Session;
pub(super) use span_corruption::Infilling;

pub(super) use task::Task;
pub(super) use translation::Translation;
use translation_family::TranslationFamily;
pub(super) use translation_family::no_translator;

/// Train a model by a recipe; without one, on the built-in English–German corpus.
#[derive(Debug, Args)]
pub(crate) struct Train {
    /// A recipe, TOML.
    recipe: Option<PathBuf>,
    /// Change a setting of the recipe; may be given several times.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Folder that runs are kept in.
    #[arg(long, value_name = "DIR", default_value = "runs")]
    runs: PathBuf,
    /// Go on with an interrupted run: its folder.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["recipe", "set"])]
    resume: Option<PathBuf>,
    /// Memory that training may take, 4GiB for one; `batch.tokens = "auto"` becomes the most that fits.
    #[arg(long, value_name = "SIZE", value_parser = memory::parse_size)]
    memory: Option<u64>,
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
                let recipe = Recipe::of_run(&run.join("config.toml"))?;
                let lock = run_dir::lock(&run)?;
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
        let origins = recipe.origins.clone();
        let locate = |error| origins.locate(error);
        let tokenizer = tokenizer.as_deref();
        let Recipe { run: settings, task, .. } = &mut recipe;
        match task {
            TaskRecipe::Translation(of_task) => match of_task.model.clone() {
                ModelConfig::Transformer(model) => {
                    let mut task = Translation::prepare(settings, of_task, model, tokenizer).map_err(locate)?;
                    self.fit(&mut task, settings, &mut of_task.batch.max_tokens, &device)?;
                    self.session(&recipe, &run, device).train(&task).map_err(locate)
                }
                ModelConfig::Rnn(model) => {
                    let mut task = Translation::prepare(settings, of_task, model, tokenizer).map_err(locate)?;
                    self.fit(&mut task, settings, &mut of_task.batch.max_tokens, &device)?;
                    self.session(&recipe, &run, device).train(&task).map_err(locate)
                }
                other => Err(locate(no_translator(&other))),
            },
            TaskRecipe::CausalLm(of_task) => {
                let mut task = CausalLm::prepare(settings, of_task, tokenizer).map_err(locate)?;
                self.fit(&mut task, settings, &mut of_task.batch.rows, &device)?;
                self.session(&recipe, &run, device).train(&task).map_err(locate)
            }
            TaskRecipe::MaskedLm(of_task) => match of_task.model.clone() {
                ModelConfig::Bert(model) => {
                    let mut task = MaskedLm::prepare(settings, of_task, model, tokenizer).map_err(locate)?;
                    self.fit(&mut task, settings, &mut of_task.batch.rows, &device)?;
                    self.session(&recipe, &run, device).train(&task).map_err(locate)
                }
                ModelConfig::Canine(model) => {
                    let mut task = MaskedLm::prepare(settings, of_task, model, tokenizer).map_err(locate)?;
                    self.fit(&mut task, settings, &mut of_task.batch.rows, &device)?;
                    self.session(&recipe, &run, device).train(&task).map_err(locate)
                }
                other => Err(locate(no_encoder(&other))),
            },
            TaskRecipe::Classification(of_task) => {
                let before = pretrained(of_task).map_err(locate)?;
                match of_task.model.clone() {
                    ModelConfig::Bert(model) => {
                        let task = Classification::prepare(settings, of_task, model, before, tokenizer);
                        let mut task = task.map_err(locate)?;
                        self.fit(&mut task, settings, &mut of_task.batch.rows, &device)?;
                        self.session(&recipe, &run, device).train(&task).map_err(locate)
                    }
                    ModelConfig::Canine(model) => {
                        let task = Classification::prepare(settings, of_task, model, before, tokenizer);
                        let mut task = task.map_err(locate)?;
                        self.fit(&mut task, settings, &mut of_task.batch.rows, &device)?;
                        self.session(&recipe, &run, device).train(&task).map_err(locate)
                    }
                    other => Err(locate(no_encoder(&other))),
                }
            }
            TaskRecipe::SpanCorruption(of_task) => {
                let mut task = Infilling::prepare(settings, of_task, tokenizer).map_err(locate)?;
                self.fit(&mut task, settings, &mut of_task.batch.rows, &device)?;
                self.session(&recipe, &run, device).train(&task).map_err(locate)
            }
        }
    }

    /// Measures how large batches may be where the recipe leaves it open.
    fn fit<T: Fitting>(&self, task: &mut T, settings: &RunRecipe, size: &mut usize, device: &Device) -> Result<()> {
        if *size != AUTO {
            return Ok(());
        }
        let setting = T::SETTING;
        let Some(limit) = self.memory else {
            bail!("{setting} = \"auto\" needs --memory, for example --memory 4GiB");
        };
        if !matches!(self.backend.backend, BackendKind::Flex | BackendKind::NdArray) {
            bail!("{setting} = \"auto\" is measured on the CPU: choose --backend flex, or give a number");
        }
        *size = memory::fit(task, settings, limit, device)?;
        Ok(())
    }

    fn session<'a>(&self, recipe: &'a Recipe, run: &'a Path, device: Device) -> Session<'a> {
        Session { recipe, run, device, backend: self.backend.backend.name(), tensorboard: self.tensorboard }
    }
}

/// `1234567` as `1,234,567`.
pub(super) fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|g| std::str::from_utf8(g).expect("digits")).collect();
    groups.join(",")
}
