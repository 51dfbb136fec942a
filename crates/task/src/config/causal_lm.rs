//! Recipes of `task = "causal-lm"`.

use std::path::PathBuf;

use attentive_bundle::{GenerationConfig, Lengths};
use attentive_data::{DocumentUnit, Size, TextFiles};
use attentive_model::{ModelConfig, Role};
use attentive_trainer::FinishedModel;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    DistillationRecipe, Problem, TokenizerRecipe,
    data::{Files, is_false, is_true, refuse_beside_builtin, yes},
    preferences::{CausalObjectiveRecipe, PreferencesRecipe},
    presets::require_role,
    validate_model,
};

/// The next token of a text.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CausalLmRecipe {
    /// Where the text is; without it, the English of the built-in corpus.
    #[serde(default)]
    pub data: TextRecipe,
    /// The folder of a model that was trained before: its sizes, parameters and tokenizer are taken, whatever the recipe
    /// says of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::path")]
    pub pretrained: Option<PathBuf>,
    /// Conversations in the place of `[data]`, by whose answers a model for conversations is trained further.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversations: Option<ConversationsRecipe>,
    /// Pairs of answers in the place of `[data]`, for `objective.kind = "dpo"`; without it, that learns from pairs of the
    /// built-in corpus.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferences: Option<PreferencesRecipe>,
    /// How text becomes tokens.
    #[serde(default)]
    pub tokenizer: TokenizerRecipe,
    /// The model; the vocabulary's size is the tokenizer's.
    pub model: ModelConfig,
    /// How text becomes batches.
    pub batch: ContextRecipe,
    /// What is minimised.
    #[serde(default)]
    pub objective: CausalObjectiveRecipe,
    /// A teacher that is learnt from beside the data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distillation: Option<DistillationRecipe>,
    /// How the model is judged, and which checkpoints make it.
    #[serde(default)]
    pub evaluation: EvaluationRecipe,
    /// How the finished model writes.
    #[serde(default)]
    pub generation: GenerationConfig,
    /// How long texts may be by the files that an export writes, where the model's positions have no end.
    #[serde(default, skip_serializing_if = "Lengths::is_default")]
    pub lengths: Lengths,
}

/// Files of conversations, as JSON lines: `{"messages": [{"role": "user", "content": "…"}, …]}`, and variables of the chat
/// template beside `messages`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConversationsRecipe {
    /// What the model learns from.
    pub train: Files,
    /// What tells how good it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<Files>,
    /// Whether a batch has as many conversations as have `batch.rows` times `batch.context` tokens together, in the order of the
    /// epoch, and no padding; else a row is one conversation.
    #[serde(default, skip_serializing_if = "is_false")]
    pub pack: bool,
}

/// The parts of a text; without files, the English of the built-in corpus.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TextRecipe {
    /// What the model learns from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train: Option<TextFilesRecipe>,
    /// What tells how good it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<TextFilesRecipe>,
    /// The last part of the training text, as a fraction of its tokens, that is held out for validation instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_fraction: Option<f64>,
    /// Whether the tokens of files are kept beside the runs' folders, in `.tokens`, where later runs find them.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub cache: bool,
}

impl Default for TextRecipe {
    fn default() -> Self {
        Self { train: None, validation: None, validation_fraction: None, cache: true }
    }
}

impl TextRecipe {
    pub(super) fn has_validation(&self) -> bool {
        self.train.is_none() || self.validation.is_some() || self.validation_fraction.is_some()
    }

    pub(crate) fn validate(&self) -> Result<(), Problem> {
        let Self { train, validation, validation_fraction, .. } = self;
        if train.is_none() {
            let parts = [("validation", validation.is_some()), ("validation_fraction", validation_fraction.is_some())];
            return refuse_beside_builtin(parts);
        }
        if validation_fraction.is_some() && validation.is_some() {
            let text = "[data] has both validation and validation_fraction; give one";
            return Err(Problem::among(["data.validation_fraction", "data.validation"], text));
        }
        Ok(())
    }
}

/// Text files; plain or compressed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TextFilesRecipe {
    /// The files.
    text: Files,
    /// What of them is one document.
    #[serde(default)]
    pub(super) documents: DocumentUnit,
}

impl TextFilesRecipe {
    /// The files as the data crate takes them.
    pub fn files(&self) -> TextFiles {
        TextFiles::new(self.text.paths(), self.documents)
    }
}

/// How text becomes batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ContextRecipe {
    /// Tokens of a context.
    pub context: usize,
    /// Contexts of a batch; "auto" with `train --memory`.
    pub rows: Size,
    /// Where contexts begin.
    #[serde(default)]
    pub contexts: ContextSource,
}

/// Where contexts begin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ContextSource {
    /// Where another one ends, so that an epoch reads every token once.
    #[default]
    Packed,
    /// Anywhere, at random.
    Random,
}

/// How the model is judged, and which checkpoints make it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EvaluationRecipe {
    /// The model that the run ends with; the best one if training may stop early, or else the mean of the last
    /// checkpoints.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<FinishedModel>,
    /// Last checkpoints that are kept, and that the mean is taken of.
    pub average_last: usize,
    /// Texts that the finished model writes to be looked at.
    pub samples: usize,
}

impl Default for EvaluationRecipe {
    fn default() -> Self {
        Self { model: None, average_last: 1, samples: 3 }
    }
}

impl CausalLmRecipe {
    /// Whether there is anything to validate on.
    pub(super) fn has_validation(&self) -> bool {
        match (&self.conversations, &self.preferences) {
            (Some(conversations), _) => conversations.validation.is_some(),
            (None, Some(preferences)) => preferences.validation.is_some(),
            (None, None) => self.data.has_validation(),
        }
    }

    pub(crate) fn validate(&self) -> Result<(), Problem> {
        self.tokenizer.validate_undrawn_beside(self.pretrained.as_deref())?;
        if self.pretrained.is_none() {
            self.check_model()?;
        }
        let sampling = self.generation.sampling.validate();
        sampling.map_err(|error| Problem::within("generation.sampling", &error.keys(), &error))?;
        self.generation.validate().map_err(|error| Problem::within("generation", &error.keys(), &error))?;
        if self.conversations.is_some() && self.data.train.is_some() {
            let text = "[data] and [conversations] say each what is learnt; give one";
            return Err(Problem::among(["data.train", "conversations"], text));
        }
        if self.conversations.is_some() && self.pretrained.is_none() {
            let text =
                "they are learnt by a model that was trained before, in the words of its chat template: set pretrained";
            return Err(Problem::at("conversations", text));
        }
        let has_rows = self.conversations.is_some() || self.preferences.is_some();
        if has_rows && self.batch.contexts != ContextSource::default() {
            let text = "conversations and pairs of answers begin where they begin: leave it out";
            return Err(Problem::at("batch.contexts", text));
        }
        self.check_preferences()?;
        self.data.validate()
    }

    /// Holds DPO and its data against the other settings.
    fn check_preferences(&self) -> Result<(), Problem> {
        let Some(dpo) = self.objective.dpo() else {
            let text = "pairs of answers are learnt by one objective: set objective.kind = \"dpo\"";
            return self.preferences.as_ref().map_or(Ok(()), |_| Err(Problem::at("preferences", text)));
        };
        for (key, is_given) in
            [("data.train", self.data.train.is_some()), ("conversations", self.conversations.is_some())]
        {
            if is_given {
                let text = "objective.kind = \"dpo\" learns from pairs of answers: give them in [preferences], and leave this out";
                return Err(Problem::at(key, text));
            }
        }
        if self.distillation.is_some() {
            let text = "objective.kind = \"dpo\" compares with the model that it begins from, and has no teacher: leave this out";
            return Err(Problem::at("distillation", text));
        }
        dpo.validate()
    }

    /// Holds the model against the task and the other settings.
    pub(super) fn check_model(&self) -> Result<(), Problem> {
        require_role(Role::LanguageModel, &self.model, "causal-lm")?;
        validate_model(&self.model)?;
        let context = self.batch.context;
        if let Some(max_len) = self.model.max_len().filter(|&max_len| max_len < context) {
            let limit = "model.positions.learned.max_len";
            let text = format!("batch.context = {context} is longer than {limit} = {max_len}");
            return Err(Problem::among(["batch.context", limit], text));
        }
        Ok(())
    }
}
