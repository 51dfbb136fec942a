//! A recipe's task, prepared: the one place that knows which roles of models each task trains.

use std::path::Path;

use anyhow::{Result, bail};
use attentive_bundle::Bundle;
use attentive_model::{
    EncoderDecoderSpec, EncoderSpec, FamilyVisitor, LanguageModelSpec, ModelConfig, ModelSpec, Role,
};

use super::{
    CausalLm, Classification, Infilling, MaskedLm, Translation, classification::pretrained, memory::Resizable,
};
use crate::recipe::{Recipe, TaskRecipe};

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
    let pretrained = match &mut recipe.task {
        TaskRecipe::Classification(of_task) => pretrained(of_task)?,
        _ => None,
    };
    let model = recipe.task.model().clone();
    model.visit(Preparing { recipe, tokenizer, pretrained, what })
}

/// A recipe's task on its way to a model's family.
struct Preparing<'a, W> {
    recipe: &'a mut Recipe,
    tokenizer: Option<&'a Path>,
    /// The model that is fine-tuned.
    pretrained: Option<Bundle>,
    what: W,
}

impl<W: WithTask> FamilyVisitor for Preparing<'_, W> {
    type Output = Result<W::Output>;

    fn any<C: ModelSpec>(self, _spec: &C, role: Role) -> Self::Output {
        bail!("model.family: {} does not train {role}, as {} is", self.recipe.task.name(), C::FAMILY)
    }

    fn encoder_decoder<C: EncoderDecoderSpec + Into<ModelConfig>>(self, spec: &C) -> Self::Output {
        let Recipe { run, task, .. } = &mut *self.recipe;
        match task {
            TaskRecipe::Translation(of_task) => {
                let task = Translation::prepare(run, of_task, spec.clone(), self.tokenizer)?;
                self.what.with(task, self.recipe)
            }
            TaskRecipe::SpanCorruption(of_task) => {
                let task = Infilling::prepare(run, of_task, spec.clone(), self.tokenizer)?;
                self.what.with(task, self.recipe)
            }
            _ => self.any(spec, Role::EncoderDecoder),
        }
    }

    fn language_model<C: LanguageModelSpec + Into<ModelConfig>>(self, spec: &C) -> Self::Output {
        let Recipe { run, task, .. } = &mut *self.recipe;
        match task {
            TaskRecipe::CausalLm(of_task) => {
                let task = CausalLm::prepare(run, of_task, spec.clone(), self.tokenizer)?;
                self.what.with(task, self.recipe)
            }
            _ => self.any(spec, Role::LanguageModel),
        }
    }

    fn encoder<C: EncoderSpec + Into<ModelConfig>>(self, spec: &C) -> Self::Output {
        let Recipe { run, task, .. } = &mut *self.recipe;
        match task {
            TaskRecipe::MaskedLm(of_task) => {
                let task = MaskedLm::prepare(run, of_task, spec.clone(), self.tokenizer)?;
                self.what.with(task, self.recipe)
            }
            TaskRecipe::Classification(of_task) => {
                let task = Classification::prepare(run, of_task, spec.clone(), self.pretrained, self.tokenizer)?;
                self.what.with(task, self.recipe)
            }
            _ => self.any(spec, Role::Encoder),
        }
    }
}
