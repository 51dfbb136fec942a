//! `attentive train`.

mod interrupt;
mod sampled;
mod session;
mod task;
mod translation;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Result;
use clap::Args;

use super::BackendArgs;
use crate::{
    recipe::{Recipe, TaskKind},
    run_dir,
};
use session::Session;
use task::Task;
use translation::Translation;

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
    #[command(flatten)]
    backend: BackendArgs,
}

impl Train {
    pub(super) fn run(self) -> Result<ExitCode> {
        let device = self.backend.device()?;
        let (mut recipe, run) = match &self.resume {
            Some(run) => {
                let run = run_dir::resolve(run);
                (Recipe::load(Some(&run.join("config.toml")), &[])?, run)
            }
            None => {
                let recipe = Recipe::load(self.recipe.as_deref(), &self.set)?;
                let run = run_dir::create(&self.runs, &recipe.name)?;
                (recipe, run)
            }
        };
        println!("run {} on backend {}", run.display(), self.backend.backend);
        // A resumed run keeps the vocabulary that it began with.
        let tokenizer = self.resume.is_some().then(|| run.join("tokenizer.json"));
        match recipe.task {
            TaskKind::Translation => {
                let task = Translation::prepare(&mut recipe, tokenizer.as_deref())?;
                self.session(&recipe, &run, device).train(task)
            }
        }
    }

    fn session<'a>(&self, recipe: &'a Recipe, run: &'a Path, device: attentive_backend::Device) -> Session<'a> {
        Session { recipe, run, device, backend: self.backend.backend.name(), resumed: self.resume.is_some() }
    }
}

/// `1234567` as `1,234,567`.
pub(super) fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|g| std::str::from_utf8(g).expect("digits")).collect();
    groups.join(",")
}
