//! Recipes of `task = "span-corruption"`.

use anyhow::{Result, bail};
use attentive_bundle::DecodingConfig;
use attentive_data::SpanCorruptionConfig;
use attentive_model::{ModelConfig, Role, TranslationObjective};
use serde::{Deserialize, Serialize};

use super::{
    TextRecipe, TokenizerRecipe, causal_lm::ContextRecipe, masked_lm::EvaluationRecipe, require, validate_average_last,
    validate_decoding, validate_label_smoothing,
};

/// Spans hidden in a text.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SpanCorruptionRecipe {
    /// Where the text is; without it, the English of the built-in corpus.
    #[serde(default)]
    pub data: TextRecipe,
    /// How text becomes tokens.
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
    pub(super) fn validate(&self) -> Result<()> {
        validate_label_smoothing(self.objective.label_smoothing)?;
        validate_average_last(self.evaluation.average_last)?;
        self.tokenizer.validate(|setting| format!("tokenizer.{setting}"))?;
        self.data.validate()?;
        validate_decoding(&self.decoding)?;
        let SpanCorruptionConfig { rate, mean_span } = self.corruption;
        if !(rate > 0.0 && rate < 1.0) {
            bail!("corruption.rate = {rate} must be above 0 and below 1");
        }
        if !(mean_span >= 1.0 && mean_span.is_finite()) {
            bail!("corruption.mean_span = {mean_span} must be at least 1");
        }
        require(Role::EncoderDecoder, &self.model, "span-corruption")?;
        self.model.validate()?;
        let context = self.batch.context;
        if let Some(max_len) = self.model.max_len().filter(|&max_len| max_len < context + 1) {
            bail!("batch.context = {context} and its end take more than model.positions.learned.max_len = {max_len}");
        }
        Ok(())
    }
}
