//! Recipes of `task = "span-corruption"`.

use std::path::PathBuf;

use attentive_bundle::DecodingConfig;
use attentive_data::SpanCorruptionConfig;
use attentive_model::{ModelConfig, Role, TranslationObjective};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Problem, TextRecipe, TokenizerRecipe, causal_lm::ContextRecipe, masked_lm::EvaluationRecipe, presets::require_role,
    validate_decoding, validate_model,
};

/// Spans hidden in a text.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SpanCorruptionRecipe {
    /// Where the text is; without it, the English of the built-in corpus.
    #[serde(default)]
    pub data: TextRecipe,
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
    /// How text becomes batches.
    pub batch: ContextRecipe,
    /// What is hidden.
    #[serde(default)]
    pub corruption: SpanCorruptionConfig,
    /// What is minimised.
    #[serde(default = "unsmoothed")]
    pub objective: TranslationObjective,
    /// Which checkpoints make the model.
    #[serde(default)]
    pub evaluation: EvaluationRecipe,
    /// How the finished model decodes.
    #[serde(default)]
    pub decoding: DecodingConfig,
}

fn unsmoothed() -> TranslationObjective {
    TranslationObjective { label_smoothing: 0.0 }
}

impl SpanCorruptionRecipe {
    pub(crate) fn validate(&self) -> Result<(), Problem> {
        self.tokenizer.validate_undrawn_beside(self.pretrained.as_deref())?;
        if self.pretrained.is_none() {
            self.check_model()?;
        }
        self.data.validate()?;
        validate_decoding(&self.decoding)
    }

    /// Holds the model against the task and the other settings.
    pub(super) fn check_model(&self) -> Result<(), Problem> {
        require_role(Role::EncoderDecoder, &self.model, "span-corruption")?;
        validate_model(&self.model)?;
        let context = self.batch.context;
        if let Some(max_len) = self.model.max_len().filter(|&max_len| max_len < context + 1) {
            let limit = "model.positions.learned.max_len";
            let text = format!("batch.context = {context} and its end take more than {limit} = {max_len}");
            return Err(Problem::among(["batch.context", limit], text));
        }
        Ok(())
    }
}
