//! `attentive selftest`: laws that hold for every model, tried on one.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use attentive_run::{Law, Recipe, laws, small};
use attentive_task::{config::TaskRecipe, read_model};
use clap::Args;

use super::BackendArgs;

/// Try on a model what must hold for every one: what its tokens see, padding, caches, gradients.
///
/// The model is a trained one's folder, or that of a recipe with initial parameters.
#[derive(Debug, Args)]
pub(crate) struct Selftest {
    /// A recipe, TOML, or the name of one that is built in: its model is tried as it would begin; no data is read.
    #[arg(conflicts_with = "model")]
    recipe: Option<PathBuf>,
    /// Change a setting of the recipe; may be given several times.
    #[arg(long, value_name = "KEY=VALUE", requires = "recipe", conflicts_with = "model")]
    set: Vec<String>,
    /// The model's folder; DIR+ADAPTER for one with an adapter over it.
    #[arg(long, value_name = "DIR", default_value = "runs/latest")]
    model: PathBuf,
    #[command(flatten)]
    backend: BackendArgs,
}

impl Selftest {
    pub(super) fn run(self) -> Result<ExitCode> {
        let device = self.backend.device()?;
        let laws = match &self.recipe {
            Some(recipe) => {
                let Recipe { task, .. } = Recipe::of_command(Some(recipe), &self.set)?;
                let is_classifier = matches!(task, TaskRecipe::Classification(_));
                laws(&small(task.model(), is_classifier)?, None, &device)?
            }
            None => {
                let mut bundle = read_model(&self.model)?;
                bundle.unpack();
                laws(&bundle.model, Some(&bundle.params), &device)?
            }
        };
        laws.iter().for_each(|law| report!("{law}"));
        Ok(if laws.iter().all(Law::holds) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
