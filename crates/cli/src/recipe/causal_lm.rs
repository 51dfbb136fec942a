//! Recipes of `task = "causal-lm"`.

use anyhow::{Result, anyhow, bail};
use attentive_bundle::GenerationConfig;
use attentive_data::{DocumentUnit, TextFiles};
use attentive_model::{CausalLmObjective, ModelConfig, Role};
use serde::{Deserialize, Serialize};

use super::{TokenizerRecipe, data::Files, require, validate_average_last, validate_label_smoothing};

/// The next token of a text.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CausalLmRecipe {
    /// Where the text is; without it, the English of the built-in corpus.
    #[serde(default)]
    pub data: TextRecipe,
    /// How text becomes tokens.
    pub tokenizer: TokenizerRecipe,
    /// The model; the vocabulary's size is the tokenizer's.
    pub model: ModelConfig,
    /// How text becomes batches.
    pub batch: ContextRecipe,
    /// What is minimised.
    #[serde(default)]
    pub objective: CausalLmObjective,
    /// How the model is judged, and which checkpoints make it.
    #[serde(default)]
    pub evaluation: EvaluationRecipe,
    /// How the finished model writes.
    #[serde(default)]
    pub generation: GenerationConfig,
}

/// The parts of a text; without files, the English of the built-in corpus.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TextRecipe {
    /// What the model learns from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train: Option<TextFilesRecipe>,
    /// What tells how good it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<TextFilesRecipe>,
    /// The last part of the training text, as a fraction of its tokens, that is held out for validation instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_fraction: Option<f64>,
}

impl TextRecipe {
    pub(super) fn validate(&self) -> Result<()> {
        let Self { train, validation, validation_fraction } = self;
        match validation_fraction {
            Some(fraction) if !(0.0..1.0).contains(fraction) => {
                bail!("data.validation_fraction = {fraction} must be at least 0 and below 1")
            }
            Some(_) if validation.is_some() => bail!("[data] has both validation and validation_fraction; give one"),
            Some(_) if train.is_none() => bail!("data.validation_fraction: the built-in text has a validation set"),
            _ => Ok(()),
        }
    }
}

/// Text files; plain, `.gz` or `.zst`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TextFilesRecipe {
    /// The files.
    text: Files,
    /// What of them is one document.
    #[serde(default)]
    pub(super) documents: DocumentUnit,
}

impl TextFilesRecipe {
    /// The files as the data crate takes them.
    pub(crate) fn files(&self) -> TextFiles {
        TextFiles::new(self.text.paths(), self.documents)
    }
}

/// How text becomes batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ContextRecipe {
    /// Tokens of a context.
    pub context: usize,
    /// Contexts of a batch; "auto" with `train --memory`.
    #[serde(with = "attentive_data::auto_size")]
    pub rows: usize,
    /// Where contexts begin.
    #[serde(default)]
    pub contexts: ContextSource,
}

/// Where contexts begin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ContextSource {
    /// Where another one ends, so that an epoch reads every token once.
    #[default]
    Packed,
    /// Anywhere, by chance.
    Random,
}

/// How the model is judged, and which checkpoints make it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct EvaluationRecipe {
    /// Last checkpoints that are averaged into the finished model.
    pub average_last: usize,
    /// Texts that the finished model writes to be looked at.
    pub samples: usize,
}

impl Default for EvaluationRecipe {
    fn default() -> Self {
        Self { average_last: 1, samples: 3 }
    }
}

impl CausalLmRecipe {
    pub(super) fn validate(&self) -> Result<()> {
        validate_label_smoothing(self.objective.label_smoothing)?;
        validate_average_last(self.evaluation.average_last)?;
        self.tokenizer.validate(|setting| format!("tokenizer.{setting}"))?;
        require(Role::LanguageModel, &self.model, "causal-lm")?;
        self.model.validate()?;
        self.generation.validate().map_err(|error| anyhow!("generation.{error}"))?;
        self.generation.sampling.validate().map_err(|error| anyhow!("generation.sampling.{error}"))?;
        self.generation.validate().map_err(|error| anyhow!("generation.{error}"))?;
        let context = self.batch.context;
        if let Some(max_len) = self.model.max_len().filter(|&max_len| max_len < context) {
            bail!("batch.context = {context} is longer than model.positions.learned.max_len = {max_len}");
        }
        self.data.validate()
    }
}
