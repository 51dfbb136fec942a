//! A recipe's task, prepared: the one place that knows which family of models each task trains.

use std::path::Path;

use anyhow::Result;
use attentive_bundle::ModelConfig;

use super::{
    CausalLm, Classification, Infilling, MaskedLm, Translation, classification::pretrained, memory::Resizable,
    translation_family::no_translator,
};
use crate::recipe::{Recipe, TaskRecipe, no_encoder};

/// What is done with a task, whichever it is.
pub(crate) trait WithTask {
    /// What comes of it.
    type Output;

    /// Does it; the recipe has its vocabulary sizes now.
    fn with<T: Resizable>(self, task: T, recipe: &mut Recipe) -> Result<Self::Output>;
}

/// Reads the data of a recipe, whose vocabulary sizes it fills in, and does `what` with its task; without the file of a
/// tokenizer, one is read or learnt as the recipe says.
pub(crate) fn prepare<W: WithTask>(recipe: &mut Recipe, tokenizer: Option<&Path>, what: W) -> Result<W::Output> {
    let origins = recipe.origins.clone();
    prepare_here(recipe, tokenizer, what).map_err(|error| origins.locate(error))
}

fn prepare_here<W: WithTask>(recipe: &mut Recipe, tokenizer: Option<&Path>, what: W) -> Result<W::Output> {
    let Recipe { run, task, .. } = recipe;
    match task {
        TaskRecipe::Translation(of_task) => match of_task.model.clone() {
            ModelConfig::Transformer(model) => what.with(Translation::prepare(run, of_task, model, tokenizer)?, recipe),
            ModelConfig::Rnn(model) => what.with(Translation::prepare(run, of_task, model, tokenizer)?, recipe),
            other => Err(no_translator(&other)),
        },
        TaskRecipe::CausalLm(of_task) => what.with(CausalLm::prepare(run, of_task, tokenizer)?, recipe),
        TaskRecipe::MaskedLm(of_task) => match of_task.model.clone() {
            ModelConfig::Bert(model) => what.with(MaskedLm::prepare(run, of_task, model, tokenizer)?, recipe),
            ModelConfig::Canine(model) => what.with(MaskedLm::prepare(run, of_task, model, tokenizer)?, recipe),
            other => Err(no_encoder(&other)),
        },
        TaskRecipe::Classification(of_task) => {
            let before = pretrained(of_task)?;
            match of_task.model.clone() {
                ModelConfig::Bert(model) => {
                    what.with(Classification::prepare(run, of_task, model, before, tokenizer)?, recipe)
                }
                ModelConfig::Canine(model) => {
                    what.with(Classification::prepare(run, of_task, model, before, tokenizer)?, recipe)
                }
                other => Err(no_encoder(&other)),
            }
        }
        TaskRecipe::SpanCorruption(of_task) => what.with(Infilling::prepare(run, of_task, tokenizer)?, recipe),
    }
}
