//! `attentive doctor`: what a run would meet, before it begins.

mod cost;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Result;
use attentive_data::Size;
use attentive_model::ModelSpec;
use attentive_run::{Cost, Recipe};
use attentive_task::{
    LabeledTexts, Resizable, TaskVisitor,
    config::{RunRecipe, TaskRecipe},
    examine, examine_labels, of_any_task, prepare, thousands,
};
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
        let examined = self.examine(&mut recipe, &mut warnings);
        match (&examined, warnings.len()) {
            (Ok(()), 0) => report!("\nnothing stands against this run"),
            (Err(_), 0) => {}
            (_, n) => report!("\n{} to think about:", if n == 1 { "one thing".into() } else { format!("{n} things") }),
        }
        warnings.iter().for_each(|warning| report!("- {warning}"));
        examined.map(|()| ExitCode::SUCCESS)
    }

    /// Looks at everything as far as it goes; notes what is odd.
    fn examine(&self, recipe: &mut Recipe, warnings: &mut Vec<String>) -> Result<()> {
        // Labels need no tokens, and may be what training is refused for.
        if let TaskRecipe::Classification(of_task) = &recipe.task {
            warnings.extend(examine_labels(&LabeledTexts::open(&of_task.data)?, &Terminal::default()));
        }
        let Recipe { run, task, origins, .. } = recipe;
        let examined = prepare(run, task, None, None, &Terminal::default(), Examination { doctor: self, warnings });
        Ok(examined.map_err(|error| origins.locate(error))?)
    }
}

/// What is done with a task that can be trained.
struct Examination<'a> {
    doctor: &'a Doctor,
    warnings: &'a mut Vec<String>,
}

impl TaskVisitor for Examination<'_> {
    type Output = ();

    fn visit<T: Resizable>(
        self,
        task: T,
        run: &mut RunRecipe,
        settings: &mut TaskRecipe,
    ) -> attentive_task::Result<()> {
        let Self { doctor, warnings } = self;
        if let Some(tokenizer) = task.processor().tokenizer() {
            warnings.extend(examine(settings, &**tokenizer, &Terminal::default())?);
        }
        let cost = Cost::measure(&task, run, &doctor.backend.backend.device()?, &Terminal::default())?;
        report!("model     {} parameters: {}", thousands(cost.n_params), task.spec().describe());
        report!("backend   {} works", doctor.backend.backend);
        let average_last = of_any_task!(&*settings, recipe => recipe.evaluation.average_last);
        warnings.extend(cost::report(&cost, run, average_last, &doctor.runs));
        if *settings.batch_size() == Size::Auto {
            let setting = settings.batch_setting();
            warnings.push(format!("{setting} = \"auto\": time and memory are those of small batches"));
        }
        Ok(())
    }
}
