//! Recipes of `task = "translation"`.

use std::path::PathBuf;

use attentive_bundle::DecodingConfig;
use attentive_data::{BatchConfig, CorpusRules};
use attentive_model::{ModelConfig, Role, TranslationObjective};
use attentive_trainer::FinishedModel;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    DataRecipe, DistillationRecipe, Problem, TokenizerRecipe, presets::require_role, validate_decoding, validate_model,
};

/// Sentences of one language into sentences of another.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TranslationRecipe {
    /// Where the text is; without it, the built-in corpus.
    #[serde(default)]
    pub data: DataRecipe,
    /// What lines may hold.
    #[serde(default)]
    pub rules: CorpusRules,
    /// The folder of a model that was trained before: its sizes, parameters and tokenizer are taken, whatever the recipe
    /// says of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::path")]
    pub pretrained: Option<PathBuf>,
    /// How text becomes tokens.
    #[serde(default)]
    pub tokenizer: TokenizerRecipe,
    /// The model; vocabulary sizes are the tokenizer's.
    pub model: ModelConfig,
    /// How pairs become batches.
    #[serde(default)]
    pub batch: BatchConfig,
    /// What is minimised.
    #[serde(default)]
    pub objective: TranslationObjective,
    /// A teacher that is learnt from beside the data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distillation: Option<DistillationRecipe>,
    /// How the model is judged, and which checkpoints make it.
    #[serde(default)]
    pub evaluation: EvaluationRecipe,
    /// How the finished model decodes.
    #[serde(default)]
    pub decoding: DecodingConfig,
}

/// How the model is judged, and which checkpoints make it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EvaluationRecipe {
    /// Validation sentences that are translated for BLEU at each validation; 0 for none.
    pub bleu_sentences: usize,
    /// The model that the run ends with; the best one if training may stop early, or else the mean of the last
    /// checkpoints.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<FinishedModel>,
    /// Last checkpoints that are kept, and that the mean is taken of.
    pub average_last: usize,
    /// BLEU's tokenizer: `13a` for raw text, `none` for text that is tokenised already.
    pub bleu_tokenizer: String,
}

impl Default for EvaluationRecipe {
    fn default() -> Self {
        Self { model: None, bleu_sentences: 200, average_last: 5, bleu_tokenizer: "13a".into() }
    }
}

impl TranslationRecipe {
    pub(crate) fn validate(&self) -> Result<(), Problem> {
        self.tokenizer.validate_beside(self.pretrained.as_deref())?;
        if self.pretrained.is_none() {
            self.check_model()?;
        }
        validate_decoding(&self.decoding)?;
        self.data.validate()?;
        self.batch.validate().map_err(|error| Problem::within("batch", &error.keys(), &error))
    }

    /// Holds the model against the task.
    pub(super) fn check_model(&self) -> Result<(), Problem> {
        require_role(Role::EncoderDecoder, &self.model, "translation")?;
        validate_model(&self.model)
    }
}
