//! `attentive doctor`: what a run would meet, before it begins.

mod cost;
mod examination;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Result;
use attentive_bundle::ModelConfig;
use clap::Args;

use super::{
    BackendArgs,
    train::{CausalLm, Classification, Infilling, MaskedLm, Task, Translation, no_translator, pretrained, thousands},
};
use crate::{
    corpus::Corpus,
    recipe::{Recipe, TaskRecipe, TranslationRecipe, no_encoder},
};
use examination::{Examination, TrainingText};

/// Examine a recipe before it is trained: its settings, its data, the backend, memory, time and disk space.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// A recipe, TOML; without one, that of the built-in corpus.
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
        let mut recipe = Recipe::load(self.recipe.as_deref(), &self.set)?;
        let path = self.recipe.as_deref().unwrap_or(Path::new("the built-in recipe"));
        println!("config    {}: every setting is known and in range", path.display());
        let origins = recipe.origins.clone();
        let locate = |error| origins.locate(error);
        let Recipe { run, task, .. } = &mut recipe;
        let warnings = match task {
            TaskRecipe::Translation(of_task) => match of_task.model.clone() {
                ModelConfig::Transformer(model) => {
                    let task = Translation::prepare(run, of_task, model, None).map_err(locate)?;
                    let warnings = examine(of_task, &task)?;
                    [warnings, self.weigh(&recipe, &task).map_err(locate)?].concat()
                }
                ModelConfig::Rnn(model) => {
                    let task = Translation::prepare(run, of_task, model, None).map_err(locate)?;
                    let warnings = examine(of_task, &task)?;
                    [warnings, self.weigh(&recipe, &task).map_err(locate)?].concat()
                }
                other => return Err(locate(no_translator(&other))),
            },
            TaskRecipe::CausalLm(of_task) => {
                let task = CausalLm::prepare(run, of_task, None).map_err(locate)?;
                self.weigh(&recipe, &task).map_err(locate)?
            }
            TaskRecipe::MaskedLm(of_task) => match of_task.model.clone() {
                ModelConfig::Bert(model) => {
                    let task = MaskedLm::prepare(run, of_task, model, None).map_err(locate)?;
                    self.weigh(&recipe, &task).map_err(locate)?
                }
                ModelConfig::Canine(model) => {
                    let task = MaskedLm::prepare(run, of_task, model, None).map_err(locate)?;
                    self.weigh(&recipe, &task).map_err(locate)?
                }
                other => return Err(locate(no_encoder(&other))),
            },
            TaskRecipe::Classification(of_task) => {
                let before = pretrained(of_task).map_err(locate)?;
                match of_task.model.clone() {
                    ModelConfig::Bert(model) => {
                        let task = Classification::prepare(run, of_task, model, before, None).map_err(locate)?;
                        self.weigh(&recipe, &task).map_err(locate)?
                    }
                    ModelConfig::Canine(model) => {
                        let task = Classification::prepare(run, of_task, model, before, None).map_err(locate)?;
                        self.weigh(&recipe, &task).map_err(locate)?
                    }
                    other => return Err(locate(no_encoder(&other))),
                }
            }
            TaskRecipe::SpanCorruption(of_task) => {
                let task = Infilling::prepare(run, of_task, None).map_err(locate)?;
                self.weigh(&recipe, &task).map_err(locate)?
            }
        };
        match warnings.len() {
            0 => println!("\nnothing stands against this run"),
            n => println!("\n{} to think about:", if n == 1 { "one thing".into() } else { format!("{n} things") }),
        }
        warnings.iter().for_each(|warning| println!("- {warning}"));
        Ok(ExitCode::SUCCESS)
    }

    /// Measures what the run costs; returns what is odd.
    fn weigh(&self, recipe: &Recipe, task: &impl Task) -> Result<Vec<String>> {
        let cost = cost::measure(task, &recipe.run, &self.backend.device()?)?;
        println!("backend   {} works", self.backend.backend);
        Ok(cost.report(recipe, &self.runs))
    }
}

/// Reads all parts of the corpus and shows what is in them; returns what is odd.
fn examine(recipe: &TranslationRecipe, task: &impl Task) -> Result<Vec<String>> {
    let corpus = Corpus::open(&recipe.data);
    let mut training = TrainingText::default();
    let mut warnings = Vec::new();
    let parts =
        [("train", Some(&corpus.train)), ("validation", corpus.validation.as_ref()), ("test", corpus.test.as_ref())];
    for (name, split) in parts {
        let Some(split) = split else {
            warnings.push(format!("no [data.{name}]: nothing will tell how good the model is"));
            continue;
        };
        let mut found = Examination::default();
        split.visit(&recipe.rules, |line, source, target| {
            found.add(line, [source, target], task.tokenizer());
            if name == "train" { training.add(source, target) } else { found.compare(&training, source, target) }
        })?;
        found.show(name);
        warnings.extend(found.warnings(name));
    }
    Ok(warnings)
}

/// `12 of 1,000 (1.2 %)`.
fn share(n: u64, of: u64) -> String {
    format!("{} of {} ({:.1} %)", thousands(n), thousands(of), 100.0 * n as f64 / of.max(1) as f64)
}
