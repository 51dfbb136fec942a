//! Recipes of `task = "classification"`.

use std::path::PathBuf;

use attentive_bundle::Lengths;
use attentive_data::{Size, TsvLayout};
use attentive_model::{ModelConfig, Role};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Problem, TokenizerRecipe,
    data::{Files, is_false, is_true, refuse_beside_builtin, validate_columns, yes},
    masked_lm::validate_context,
    presets::require_role,
    validate_model,
};

/// The class of a text.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClassificationRecipe {
    /// Where the texts are; without it, built-in sentences and what their *it* stands for.
    #[serde(default)]
    pub data: LabeledRecipe,
    /// The folder of a model that was trained before: its sizes, parameters and tokenizer are taken, whatever the recipe
    /// says of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::path")]
    pub pretrained: Option<PathBuf>,
    /// How text becomes tokens.
    #[serde(default)]
    pub tokenizer: TokenizerRecipe,
    /// The model; the vocabulary's size is the tokenizer's, its labels are the data's.
    pub model: ModelConfig,
    /// How texts become batches.
    pub batch: LabeledBatchRecipe,
    /// Which checkpoints make the model.
    #[serde(default)]
    pub evaluation: super::masked_lm::EvaluationRecipe,
    /// How long texts may be by the files that an export writes, where the model's positions have no end.
    #[serde(default, skip_serializing_if = "Lengths::is_default")]
    pub lengths: Lengths,
}

/// The parts of labelled texts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LabeledRecipe {
    /// What the model learns from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train: Option<LabeledFiles>,
    /// Texts that the model learns from, drawn by the run's seed; all unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub examples: Option<usize>,
    /// What tells during training how good it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<LabeledFiles>,
    /// What the finished model is scored on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<LabeledFiles>,
    /// Whether the tokens of files are kept beside the runs' folders, in `.tokens`, where later runs find them.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub cache: bool,
}

impl Default for LabeledRecipe {
    fn default() -> Self {
        Self { train: None, examples: None, validation: None, test: None, cache: true }
    }
}

/// Files of a text, a tab and a label a line; plain or compressed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LabeledFiles {
    /// The files.
    tsv: Files,
    /// The columns of text and label, counted from 1, of lines that may have others; without it, the label comes after the
    /// last tab.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    columns: Option<[usize; 2]>,
    /// Whether the first line of each file names the columns, and is passed over.
    #[serde(default, skip_serializing_if = "is_false")]
    header: bool,
}

impl LabeledFiles {
    /// Their paths, one after another.
    pub fn paths(&self) -> &[PathBuf] {
        self.tsv.paths()
    }

    /// The columns of text and label, counted from 1, if lines may have others.
    pub(super) fn columns(&self) -> Option<[usize; 2]> {
        self.columns
    }

    /// Where their lines have text and label.
    pub fn layout(&self) -> TsvLayout {
        TsvLayout { columns: self.columns, header: self.header, ..TsvLayout::default() }
    }
}

impl LabeledRecipe {
    pub(super) fn has_validation(&self) -> bool {
        self.train.is_none() || self.validation.is_some()
    }

    fn validate(&self) -> Result<(), Problem> {
        if self.train.is_none() {
            refuse_beside_builtin([("validation", self.validation.is_some()), ("test", self.test.is_some())])?;
        }
        for (part, files) in [("train", &self.train), ("validation", &self.validation), ("test", &self.test)] {
            validate_columns(&format!("data.{part}"), files.as_ref().and_then(|files| files.columns))?;
        }
        Ok(())
    }
}

/// How texts become batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LabeledBatchRecipe {
    /// Tokens of a text, with its frame; longer ones are cut off.
    pub context: usize,
    /// Texts of a batch; "auto" with `train --memory`.
    pub rows: Size,
}

impl ClassificationRecipe {
    pub(crate) fn validate(&self) -> Result<(), Problem> {
        self.data.validate()?;
        self.tokenizer.validate_undrawn_beside(self.pretrained.as_deref())?;
        if self.pretrained.is_none() {
            self.check_model()?;
            validate_context(self.batch.context, &self.model)?;
        }
        match self.batch.context {
            0..3 => Err(Problem::at("batch.context", "a text with its frame has at least 3 tokens")),
            _ => Ok(()),
        }
    }

    /// Holds the model against the task.
    pub(super) fn check_model(&self) -> Result<(), Problem> {
        require_role(Role::Encoder, &self.model, "classification")?;
        validate_model(&self.model)
    }
}
