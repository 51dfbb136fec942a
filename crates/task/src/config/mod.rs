//! Settings of tasks, as recipes have them.

mod causal_lm;
mod classification;
mod data;
mod data2vec;
mod distillation;
mod image_classification;
mod masked_lm;
mod preferences;
mod presets;
mod problem;
mod span_corruption;
mod speech;
mod tokenizer;
mod trajectories;
mod translation;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use attentive_backend::Recompute;
use attentive_bundle::{Bundle, DecodingConfig, GenerationConfig, packs};
use attentive_data::Size;
use attentive_model::{AdapterConfig, ModelConfig};
use attentive_optim::{OptimizerConfig, ScheduleConfig};
use attentive_trainer::TrainerConfig;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

pub use causal_lm::{CausalLmRecipe, ContextRecipe, ContextSource, ConversationsRecipe, TextFilesRecipe, TextRecipe};
pub use classification::{ClassificationRecipe, LabeledBatchRecipe, LabeledFiles, LabeledRecipe};
pub use data::{DataOrder, DataRecipe, DirectedFiles, Direction, Directions, Files, Parallel, SplitFiles};
pub(crate) use data2vec::Input;
pub use data2vec::{Data2VecKind, Data2VecRecipe, ObjectiveRecipe};
pub use distillation::DistillationRecipe;
pub use image_classification::{
    ImageClassificationRecipe, ImageRecipe, PictureBatchRecipe, PictureFiles, PicturesRecipe,
};
pub use masked_lm::{MaskedLmObjectiveRecipe, MaskedLmRecipe, RowRecipe};
pub use preferences::{CausalObjectiveRecipe, DpoKind, DpoRecipe, PreferencesRecipe};
pub use presets::{find_preset, preset, presets_of_task};
pub use problem::{Problem, advice, nearest};
pub use span_corruption::SpanCorruptionRecipe;
pub use speech::{MorseRecipe, SpeechRecipe, SpokenBatchRecipe, SpokenEvaluationRecipe, SpokenRecipe};
pub use tokenizer::{TokenizerKind, TokenizerRecipe};
pub use trajectories::{EpisodesRecipe, TrajectoriesRecipe, TrajectoryBatchRecipe};
pub use translation::TranslationRecipe;

/// The format of strings that are paths, in the schema of recipes.
pub const PATH_FORMAT: &str = "path";

/// The schema of a path.
fn path(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "format": PATH_FORMAT })
}

/// What every run has, whatever the task.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunRecipe {
    /// Name of the run's folder, which gets a number after it.
    pub name: String,
    /// The optimizer; Adam if `kind` is not given.
    #[serde(default)]
    pub optimizer: OptimizerConfig,
    /// Learning rate of each update.
    pub schedule: ScheduleConfig,
    /// The loop.
    pub training: TrainerConfig,
    /// What is trained in the place of the parameters of a model that was trained before; all of them without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adapter: Option<AdapterConfig>,
    /// The rates of dropout that the recipe itself says, by their keys in `[model]`: a model that is fine-tuned takes them, and
    /// keeps its other ones.
    #[serde(skip)]
    pub dropout: BTreeMap<String, f64>,
}

impl RunRecipe {
    /// Holds the settings against each other.
    ///
    /// # Errors
    /// [`Problem`].
    pub fn validate(&self) -> Result<(), Problem> {
        let is_one_folder = !self.name.is_empty() && !self.name.contains(['/', '\\', '\0']);
        if !is_one_folder || [".", ".."].contains(&self.name.as_str()) {
            return Err(Problem::at("name", format!("{:?} must be the name of one folder", self.name)));
        }
        self.optimizer.validate().map_err(|error| Problem::within("optimizer", &error.keys(), &error))?;
        self.schedule.validate().map_err(|error| Problem::within("schedule", &error.keys(), &error))?;
        if let Some(adapter) = &self.adapter {
            adapter.validate().map_err(|error| Problem::within("adapter", &[error.key()], &error))?;
            if let Some(format) = self.training.quantize {
                let text = format!(
                    "\"{format}\": what will be rounded is the sum of weights and adapter, which an update does not make; leave \
                     [adapter] or this out"
                );
                return Err(Problem::at("training.quantize", text));
            }
        }
        self.training.validate().map_err(|error| Problem::within("training", &error.keys(), &error))
    }

    /// What is to be said of a schedule that ends before training does, does not begin, or does not fall as its name says.
    pub fn schedule_warning(&self) -> Option<String> {
        self.idle_updates().or_else(|| self.odd_cosine())
    }

    fn idle_updates(&self) -> Option<String> {
        let (end, steps) = (self.schedule.ends_at()?, self.training.steps);
        if end == 1 {
            let text = "the learning rate is 0 at every update, and training changes nothing";
            return Some(format!("schedule: {text}: raise it, or total_steps of a cosine"));
        }
        (end < steps).then(|| {
            format!(
                "schedule: the learning rate is 0 from update {end} on, and the rest of training.steps = {steps} change \
                 nothing: raise schedule.total_steps, or set schedule.floor"
            )
        })
    }

    fn odd_cosine(&self) -> Option<String> {
        let ScheduleConfig::Cosine { peak, warmup_steps, total_steps, floor } = self.schedule else { return None };
        if floor > peak {
            return Some(format!(
                "schedule: floor = {floor} is above peak = {peak}: the learning rate rises to the end"
            ));
        }
        (total_steps < warmup_steps).then(|| {
            format!(
                "schedule: total_steps = {total_steps} come before the end of warmup_steps = {warmup_steps}: the learning \
                 rate falls from its peak to floor = {floor} at once"
            )
        })
    }

    /// Holds the settings against the model that is trained.
    ///
    /// # Errors
    /// [`Problem`].
    pub fn check_model(&self, model: &ModelConfig) -> Result<(), Problem> {
        let family = model.family();
        if self.training.recompute != Recompute::None && !model.recomputes_layers() {
            let text =
                format!("\"layers\": models of the family {family} have no layers that are run again; leave it out");
            return Err(Problem::at("training.recompute", text));
        }
        match self.training.quantize {
            Some(format) if !packs(model) => {
                let text = format!("\"{format}\": weights of the family {family} are not packed; leave it out");
                Err(Problem::at("training.quantize", text))
            }
            _ => Ok(()),
        }
    }
}

/// The keys of a [`RunRecipe`]; all others are the task's.
pub const RUN_KEYS: [&str; 5] = ["name", "optimizer", "schedule", "training", "adapter"];

/// The names of tasks, that of a recipe without one first.
pub const TASKS: [&str; 8] = [
    "translation",
    "causal-lm",
    "masked-lm",
    "classification",
    "span-corruption",
    "trajectories",
    "speech-recognition",
    "image-classification",
];

/// What is learnt, from what, by which model: `task` names it.
#[derive(Debug, Clone)]
pub enum TaskRecipe {
    /// Sentences of one language into sentences of another.
    Translation(Box<TranslationRecipe>),
    /// The next token of a text.
    CausalLm(Box<CausalLmRecipe>),
    /// Tokens hidden in a text.
    MaskedLm(Box<MaskedLmRecipe>),
    /// The class of a text.
    Classification(Box<ClassificationRecipe>),
    /// Spans hidden in a text.
    SpanCorruption(Box<SpanCorruptionRecipe>),
    /// The actions of an agent.
    Trajectories(Box<TrajectoriesRecipe>),
    /// What is said in a recording.
    Speech(Box<SpeechRecipe>),
    /// The class of a picture.
    ImageClassification(Box<ImageClassificationRecipe>),
}

/// The same expression of the recipe of any task.
#[macro_export]
macro_rules! of_any_task {
    ($task:expr, $recipe:ident => $expression:expr) => {
        match $task {
            $crate::config::TaskRecipe::Translation($recipe) => $expression,
            $crate::config::TaskRecipe::CausalLm($recipe) => $expression,
            $crate::config::TaskRecipe::MaskedLm($recipe) => $expression,
            $crate::config::TaskRecipe::Classification($recipe) => $expression,
            $crate::config::TaskRecipe::SpanCorruption($recipe) => $expression,
            $crate::config::TaskRecipe::Trajectories($recipe) => $expression,
            $crate::config::TaskRecipe::Speech($recipe) => $expression,
            $crate::config::TaskRecipe::ImageClassification($recipe) => $expression,
        }
    };
}

impl TaskRecipe {
    /// Holds the settings against each other.
    ///
    /// # Errors
    /// [`Problem`].
    pub fn validate(&self) -> Result<(), Problem> {
        of_any_task!(self, recipe => recipe.validate())
    }

    /// Holds the model against the task and the other settings, which [`validate`](Self::validate) leaves to whoever reads a
    /// model that is fine-tuned.
    ///
    /// # Errors
    /// [`Problem`].
    pub(crate) fn check_model(&self) -> Result<(), Problem> {
        of_any_task!(self, recipe => recipe.check_model())
    }

    /// The folder of the model that is fine-tuned.
    pub fn pretrained(&self) -> Option<&Path> {
        of_any_task!(self, recipe => recipe.pretrained.as_deref())
    }

    /// Whether inputs alone are learnt from, by data2vec.
    pub fn pretrains(&self) -> bool {
        match self {
            Self::MaskedLm(recipe) => recipe.objective.data2vec().is_some(),
            Self::Speech(recipe) => recipe.objective.data2vec().is_some(),
            Self::ImageClassification(recipe) => recipe.objective.data2vec().is_some(),
            _ => false,
        }
    }

    /// Takes the sizes of a model that was trained before, which is at `path`, and how it is used where the recipe says nothing
    /// of that.
    pub(crate) fn begin_from(&mut self, path: PathBuf, model: ModelConfig, bundle: &Bundle) {
        of_any_task!(&mut *self, recipe => (recipe.pretrained, recipe.model) = (Some(path), model));
        match self {
            Self::CausalLm(recipe) => {
                follow_generation(&mut recipe.generation, &bundle.generation);
                recipe.lengths = recipe.lengths.or(bundle.lengths);
            }
            Self::MaskedLm(recipe) => recipe.lengths = recipe.lengths.or(bundle.lengths),
            Self::Classification(recipe) => recipe.lengths = recipe.lengths.or(bundle.lengths),
            Self::Translation(recipe) => follow_decoding(&mut recipe.decoding, &bundle.decoding),
            Self::SpanCorruption(recipe) => follow_decoding(&mut recipe.decoding, &bundle.decoding),
            _ => {}
        }
    }

    /// The task's name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Translation(_) => TASKS[0],
            Self::CausalLm(_) => TASKS[1],
            Self::MaskedLm(_) => TASKS[2],
            Self::Classification(_) => TASKS[3],
            Self::SpanCorruption(_) => TASKS[4],
            Self::Trajectories(_) => TASKS[5],
            Self::Speech(_) => TASKS[6],
            Self::ImageClassification(_) => TASKS[7],
        }
    }

    /// The model.
    pub fn model(&self) -> &ModelConfig {
        of_any_task!(self, recipe => &recipe.model)
    }

    /// Whether there is a text to validate on, of files or of the built-in corpus.
    pub fn has_validation(&self) -> bool {
        match self {
            Self::CausalLm(recipe) => recipe.has_validation(),
            other => of_any_task!(other, recipe => recipe.data.has_validation()),
        }
    }

    /// The name of the setting that says how large batches are.
    pub fn batch_setting(&self) -> &'static str {
        if matches!(self, Self::Translation(_)) { "batch.max_tokens" } else { "batch.rows" }
    }

    /// What says how large batches are.
    pub fn batch_size(&mut self) -> &mut Size {
        match self {
            Self::Translation(recipe) => &mut recipe.batch.max_tokens,
            Self::CausalLm(recipe) => &mut recipe.batch.rows,
            Self::MaskedLm(recipe) => &mut recipe.batch.rows,
            Self::Classification(recipe) => &mut recipe.batch.rows,
            Self::SpanCorruption(recipe) => &mut recipe.batch.rows,
            Self::Trajectories(recipe) => &mut recipe.batch.rows,
            Self::Speech(recipe) => &mut recipe.batch.rows,
            Self::ImageClassification(recipe) => &mut recipe.batch.rows,
        }
    }
}

/// Takes what a model knows of its texts, and all else that is set in neither place.
fn follow_generation(mine: &mut GenerationConfig, model: &GenerationConfig) {
    let GenerationConfig { begin, begin_id, ends, suppressed, bad_words, .. } = model.clone();
    *mine = match *mine == GenerationConfig::default() {
        true => model.clone(),
        false => GenerationConfig { begin, begin_id, ends, suppressed, bad_words, ..mine.clone() },
    };
}

/// As [`follow_generation`], but for the precision: trained weights are 32-bit numbers.
fn follow_decoding(mine: &mut DecodingConfig, model: &DecodingConfig) {
    let DecodingConfig { forced_first, suppressed, bad_words, .. } = model.clone();
    let precision = mine.precision;
    *mine = match *mine == DecodingConfig::default() {
        true => DecodingConfig { precision, ..model.clone() },
        false => DecodingConfig { forced_first, suppressed, bad_words, ..mine.clone() },
    };
}

/// What a model says of its settings.
fn validate_model(model: &ModelConfig) -> Result<(), Problem> {
    model.validate().map_err(|error| Problem::within("model", &error.keys(), &error))
}

/// What can be told of a search before there is a model.
fn validate_decoding(config: &DecodingConfig) -> Result<(), Problem> {
    config.validate().map_err(|error| Problem::within("decoding", &error.keys(), &error))
}
