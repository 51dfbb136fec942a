//! `attentive doctor`: what a run would meet, before it begins.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Result;
use attentive_run::Recipe;
use clap::Args;

use super::BackendArgs;
use crate::terminal::Terminal;

/// Examine a recipe before it is trained: its settings, its data, the backend, memory, time and disk space.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// A recipe: a TOML file, or the name of one that is built in; without one, that of the built-in corpus.
    recipe: Option<PathBuf>,
    /// Change a setting of the recipe; may be given several times.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Folder that runs are kept in.
    #[arg(long, value_name = "DIR", default_value = "runs")]
    runs: PathBuf,
    #[command(flatten)]
    backend: BackendArgs,
}

impl Doctor {
    pub(super) fn run(self) -> Result<ExitCode> {
        let mut recipe = Recipe::of_command(self.recipe.as_deref(), &self.set)?;
        let path = self.recipe.as_deref().unwrap_or(Path::new("the built-in recipe"));
        report!("config    {}: every setting is known and in range", path.display());
        let mut warnings = Vec::new();
        let device = self.backend.device()?;
        report!("backend   {} works", self.backend.backend);
        let examined = recipe.examine(&device, &self.runs, &Terminal::default(), &mut warnings);
        match (&examined, warnings.len()) {
            (Ok(()), 0) => report!("\nnothing stands against this run"),
            (Err(_), 0) => {}
            (_, n) => report!("\n{} to think about:", if n == 1 { "one thing".into() } else { format!("{n} things") }),
        }
        warnings.iter().for_each(|warning| report!("- {warning}"));
        Ok(examined.map(|()| ExitCode::SUCCESS)?)
    }
}
