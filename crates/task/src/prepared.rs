//! A task, prepared: the one place that knows which roles of models each task trains.

use std::path::Path;

use attentive_data::TokenCache;
use attentive_model::{
    Data2VecConfig, EncoderDecoderSpec, EncoderSpec, FamilyVisitor, ImageEncoderSpec, LanguageModelSpec, ModelConfig,
    ModelSpec, PolicySpec, Role, ScoresTargets, SpeechSpec,
};

use crate::{
    CausalLm, Classification, Conversations, ImageClassification, Infilling, Log, MaskedLm, OfWords, Preferences,
    Pretraining, Resizable, Result, SpeechRecognition, Start, Taught, TaughtBatch, Trajectories, Translation,
    Unlabelled,
    config::{CausalLmRecipe, Input, ObjectiveRecipe, RunRecipe, TaskRecipe},
    distillation::Teacher,
};

/// What is done with a task, whichever it is.
pub trait TaskVisitor {
    /// What comes of it.
    type Output;

    /// Does it; the settings have their vocabulary sizes now.
    ///
    /// # Errors
    /// Any.
    fn visit<T: Resizable>(self, task: T, run: &mut RunRecipe, settings: &mut TaskRecipe) -> Result<Self::Output>;
}

/// Reads the data of a task, whose vocabulary sizes it fills in, and hands the task to `visitor`.
///
/// `tokenizer` is the file of a run that has begun: a model that it began from is not read again. Without it, a tokenizer is
/// read or learnt as the settings say. `cache` is where runs find the tokens of a text that others have encoded, with any
/// tokenizer.
///
/// # Errors
/// Those of the data, of the tokenizer, of the model's settings, and of `visitor`.
pub fn prepare<V: TaskVisitor>(
    run: &mut RunRecipe,
    settings: &mut TaskRecipe,
    tokenizer: Option<&Path>,
    cache: Option<&TokenCache>,
    log: &dyn Log,
    visitor: V,
) -> Result<V::Output> {
    let start = Start::of(run, settings, tokenizer, cache, log)?;
    let model = settings.model().clone();
    model.visit(Preparing { run, settings, start, log, visitor })
}

/// A task on its way to a model's family.
struct Preparing<'a, V> {
    run: &'a mut RunRecipe,
    settings: &'a mut TaskRecipe,
    start: Start<'a>,
    log: &'a dyn Log,
    visitor: V,
}

impl<V: TaskVisitor> FamilyVisitor for Preparing<'_, V> {
    type Output = Result<V::Output>;

    fn any<C: ModelSpec>(self, _spec: &C, role: Role) -> Self::Output {
        mismatch::<C, _>(self.settings, role)
    }

    fn encoder_decoder<C: EncoderDecoderSpec + Into<ModelConfig>>(self, spec: &C) -> Self::Output {
        let Self { run, settings, start, log, visitor } = self;
        match settings {
            TaskRecipe::Translation(of_task) => {
                let teacher = Teacher::of(&mut of_task.distillation, log)?;
                // A sentence that outruns the teacher's positions is treated as one that outruns the student's.
                if let Some(max_len) = teacher.as_ref().and_then(Teacher::max_len) {
                    of_task.rules.max_tokens = of_task.rules.max_tokens.min(max_len.saturating_sub(1));
                }
                let task = Translation::prepare(run, of_task, spec.clone(), start, log)?;
                visit_taught(visitor, task, teacher, run, settings)
            }
            TaskRecipe::SpanCorruption(of_task) => {
                let task = Infilling::prepare(run, of_task, spec.clone(), start, log)?;
                visitor.visit(task, run, settings)
            }
            other => mismatch::<C, _>(other, Role::EncoderDecoder),
        }
    }

    fn language_model<C: LanguageModelSpec + Into<ModelConfig>>(self, spec: &C) -> Self::Output {
        let Self { run, settings, start, log, visitor } = self;
        match settings {
            TaskRecipe::CausalLm(of_task) if of_task.objective.dpo().is_some() => {
                let task = Preferences::prepare(run, of_task, spec.clone(), start, log)?;
                visitor.visit(task, run, settings)
            }
            TaskRecipe::CausalLm(of_task) if of_task.conversations.is_some() => {
                let teacher = taught(of_task, log)?;
                let task = Conversations::prepare(run, of_task, spec.clone(), start, log)?;
                visit_taught(visitor, task, teacher, run, settings)
            }
            TaskRecipe::CausalLm(of_task) => {
                let teacher = taught(of_task, log)?;
                let task = CausalLm::prepare(run, of_task, spec.clone(), start, log)?;
                visit_taught(visitor, task, teacher, run, settings)
            }
            other => mismatch::<C, _>(other, Role::LanguageModel),
        }
    }

    fn encoder<C: EncoderSpec + Into<ModelConfig>>(self, spec: &C) -> Self::Output {
        let Self { run, settings, start, log, visitor } = self;
        match settings {
            TaskRecipe::MaskedLm(of_task) => {
                let pretrains = data2vec(&of_task.objective, Input::Text, spec);
                let task = MaskedLm::prepare(run, of_task, spec.clone(), start, log)?;
                visit(visitor, task, pretrains, (run, settings), log)
            }
            TaskRecipe::Classification(of_task) => {
                let task = Classification::prepare(run, of_task, spec.clone(), start, log)?;
                visitor.visit(task, run, settings)
            }
            other => mismatch::<C, _>(other, Role::Encoder),
        }
    }

    fn policy<C: PolicySpec + Into<ModelConfig>>(self, spec: &C) -> Self::Output {
        let Self { run, settings, start, log, visitor } = self;
        match settings {
            TaskRecipe::Trajectories(of_task) => {
                let task = Trajectories::prepare(run, of_task, spec.clone(), start, log)?;
                visitor.visit(task, run, settings)
            }
            other => mismatch::<C, _>(other, Role::Policy),
        }
    }

    fn speech_recognizer<C: SpeechSpec + Into<ModelConfig>>(self, spec: &C) -> Self::Output {
        let Self { run, settings, start, log, visitor } = self;
        match settings {
            TaskRecipe::Speech(of_task) => {
                let pretrains = data2vec(&of_task.objective, Input::Sound, spec);
                let task = SpeechRecognition::prepare(run, of_task, spec.clone(), start, log)?;
                visit(visitor, task, pretrains, (run, settings), log)
            }
            other => mismatch::<C, _>(other, Role::SpeechRecognizer),
        }
    }

    fn image_encoder<C: ImageEncoderSpec + Into<ModelConfig>>(self, spec: &C) -> Self::Output {
        let Self { run, settings, start, log, visitor } = self;
        match settings {
            TaskRecipe::ImageClassification(of_task) => {
                let pretrains = data2vec(&of_task.objective, Input::Pictures, spec);
                let task = ImageClassification::prepare(run, of_task, spec.clone(), start, log)?;
                visit(visitor, task, pretrains, (run, settings), log)
            }
            other => mismatch::<C, _>(other, Role::ImageEncoder),
        }
    }
}

/// How the encoder of a model is trained without labels, if a recipe asks for that.
fn data2vec<O: Copy + Default>(
    objective: &ObjectiveRecipe<O>,
    input: Input,
    spec: &impl ModelSpec,
) -> Option<Data2VecConfig> {
    Some(objective.data2vec()?.config(input, spec.layered_encoder()?))
}

/// Hands a task, or its inputs alone, to `visitor`.
fn visit<V: TaskVisitor, T: Unlabelled>(
    visitor: V,
    task: T,
    pretrains: Option<Data2VecConfig>,
    (run, settings): (&mut RunRecipe, &mut TaskRecipe),
    log: &dyn Log,
) -> Result<V::Output> {
    let Some(config) = pretrains else { return visitor.visit(task, run, settings) };
    let first = 100.0 * config.first_in_teacher(run.training.steps);
    say!(log, "teacher   {first:.0} % of it are still what it began as after the last update (objective.tau)");
    visitor.visit(Pretraining::new(task, config), run, settings)
}

/// The teacher of a language model, if a recipe names one that reads as long texts.
fn taught(recipe: &mut CausalLmRecipe, log: &dyn Log) -> Result<Option<Teacher>> {
    let teacher = Teacher::of(&mut recipe.distillation, log)?;
    if let Some(teacher) = &teacher {
        teacher.check_context(recipe.batch.context)?;
    }
    Ok(teacher)
}

/// Hands a task, or one with a teacher beside its data, to `visitor`.
fn visit_taught<V, T>(
    visitor: V,
    task: T,
    teacher: Option<Teacher>,
    run: &mut RunRecipe,
    settings: &mut TaskRecipe,
) -> Result<V::Output>
where
    V: TaskVisitor,
    T: Resizable<Objective: OfWords, Model: ScoresTargets<T::Batch>, Batch: TaughtBatch>,
{
    match teacher {
        Some(teacher) => visitor.visit(Taught::new(task, teacher)?, run, settings),
        None => visitor.visit(task, run, settings),
    }
}

/// The error of a task that does not train models of a role.
fn mismatch<C: ModelSpec, T>(settings: &TaskRecipe, role: Role) -> Result<T> {
    refuse!("model.family: {} does not train {role}, as {} is", settings.name(), C::FAMILY)
}
