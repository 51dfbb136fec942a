//! Recipes of `task = "masked-lm"`.

use anyhow::{Error, Result, anyhow, bail};
use attentive_bundle::ModelConfig;
use attentive_data::{DocumentUnit, MaskingConfig, RowKind};
use attentive_model::{MaskedLmObjective, bert, canine};
use serde::{Deserialize, Serialize};

use super::{TextRecipe, TokenizerRecipe, validate_average_last, validate_label_smoothing};

/// Tokens hidden in a text.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MaskedLmRecipe {
    /// Where the text is, a sentence a line; without it, the English of the built-in corpus.
    #[serde(default)]
    pub data: TextRecipe,
    /// How text becomes tokens.
    pub tokenizer: TokenizerRecipe,
    /// The model; the vocabulary's size is the tokenizer's.
    pub model: ModelConfig,
    /// How text becomes batches.
    pub batch: RowRecipe,
    /// Which tokens are hidden.
    #[serde(default)]
    pub masking: MaskingConfig,
    /// What is minimised.
    #[serde(default)]
    pub objective: MaskedLmObjective,
    /// Which checkpoints make the model.
    #[serde(default)]
    pub evaluation: EvaluationRecipe,
}

/// How text becomes batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RowRecipe {
    /// Tokens of a row, with its frame.
    pub context: usize,
    /// Rows of a batch; "auto" with `train --memory`.
    #[serde(with = "attentive_data::auto_size")]
    pub rows: usize,
    /// What a row holds.
    #[serde(default)]
    pub examples: RowKind,
}

/// Which checkpoints make the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct EvaluationRecipe {
    /// Last checkpoints that are averaged into the finished model.
    pub average_last: usize,
}

impl Default for EvaluationRecipe {
    fn default() -> Self {
        Self { average_last: 1 }
    }
}

impl MaskedLmRecipe {
    pub(super) fn validate(&self) -> Result<()> {
        validate_label_smoothing(self.objective.label_smoothing)?;
        validate_average_last(self.evaluation.average_last)?;
        self.tokenizer.validate(|setting| format!("tokenizer.{setting}"))?;
        self.data.validate()?;
        let rate = self.masking.rate;
        if !(rate > 0.0 && rate < 1.0) {
            bail!("masking.rate = {rate} must be above 0 and below 1");
        }
        let (n_segments, masked_lm, next_sentence) = match &self.model {
            ModelConfig::Bert(model) => (model.n_segments, model.masked_lm, model.next_sentence),
            ModelConfig::Canine(model) => (model.n_segments, model.masked_lm, model.next_sentence),
            other => return Err(no_encoder(other)),
        };
        self.model.validate()?;
        if !masked_lm {
            bail!("model.masked_lm = false: masked-lm trains this head");
        }
        validate_context(self.batch.context, &self.model)?;
        if self.batch.examples == RowKind::SentencePairs {
            if n_segments < 2 {
                bail!("model.n_segments = {n_segments}: sentence pairs have two segments");
            }
            let files = [&self.data.train, &self.data.validation];
            if files.into_iter().flatten().any(|files| files.documents == DocumentUnit::Line) {
                bail!(
                    "data.train.documents: sentence pairs need documents of several lines: set \"paragraph\" or \"file\", \
                     or batch.examples = \"full-sentences\""
                );
            }
        } else if next_sentence {
            bail!(
                "model.next_sentence: full sentences have no next one; set it to false, or examples to \"sentence-pairs\""
            );
        }
        Ok(())
    }
}

/// Rows must not be longer than there are positions.
pub(super) fn validate_context(context: usize, model: &ModelConfig) -> Result<()> {
    let max_len = match model {
        ModelConfig::Bert(model) => model.max_len(),
        ModelConfig::Canine(model) => Some(model.max_len),
        other => return Err(no_encoder(other)),
    };
    match max_len.filter(|&max_len| max_len < context) {
        Some(max_len) => bail!("batch.context = {context} is longer than the model has positions for, {max_len}"),
        None => Ok(()),
    }
}

/// Every encoder that has a name.
pub(super) fn presets() -> Vec<(&'static str, ModelConfig)> {
    let berts = bert::presets().into_iter().map(|preset| (preset.name, ModelConfig::Bert(preset.config)));
    let canines = canine::presets().into_iter().map(|preset| (preset.name, ModelConfig::Canine(preset.config)));
    berts.chain(canines).collect()
}

/// The model of a preset's name; BERT base without one.
pub(super) fn preset(name: Option<&str>) -> Result<ModelConfig> {
    let name = name.unwrap_or("bert-base");
    let presets = presets();
    let Some((_, model)) = presets.iter().find(|(known, _)| *known == name) else {
        let names: Vec<&str> = presets.iter().map(|(name, _)| *name).collect();
        bail!("model.preset = {name:?} is no preset; there are: {}", names.join(", "));
    };
    Ok(model.clone())
}

/// What is wrong with a model that is no encoder alone.
pub(crate) fn no_encoder(model: &ModelConfig) -> Error {
    anyhow!("model.family: this task trains a bert or a canine, not a {}", model.family())
}
