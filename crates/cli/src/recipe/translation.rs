//! Recipes of `task = "translation"`.

use attentive_bundle::{DecodingConfig, ModelConfig};
use attentive_data::{BatchConfig, CorpusRules};
use attentive_model::{RnnConfig, TranslationObjective, t5, table3::table3};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DataRecipe, TokenizerRecipe, problems::Problem, validate_decoding, validate_model};

/// About the paper's joint English–German vocabulary (§5.1).
const PAPER_VOCAB_SIZE: usize = 37_000;

/// Words of each language in Bahdanau et al. 2015, §4.1.
const RNN_VOCAB_SIZE: usize = 30_000;

/// Sentences of one language into sentences of another.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TranslationRecipe {
    /// Where the text is; without it, the built-in corpus.
    #[serde(default)]
    pub data: DataRecipe,
    /// What lines may hold.
    #[serde(default)]
    pub rules: CorpusRules,
    /// How text becomes tokens.
    pub tokenizer: TokenizerRecipe,
    /// The model; vocabulary sizes are the tokenizer's.
    pub model: ModelConfig,
    /// How pairs become batches.
    #[serde(default)]
    pub batch: BatchConfig,
    /// What is minimised.
    #[serde(default)]
    pub objective: TranslationObjective,
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
pub(crate) struct EvaluationRecipe {
    /// Validation sentences that are translated for BLEU at each validation; 0 for none.
    pub bleu_sentences: usize,
    /// Last checkpoints that are averaged into the finished model.
    pub average_last: usize,
    /// BLEU's tokenizer: `13a` for raw text, `none` for text that is tokenised already.
    pub bleu_tokenizer: String,
}

impl Default for EvaluationRecipe {
    fn default() -> Self {
        Self { bleu_sentences: 200, average_last: 5, bleu_tokenizer: "13a".into() }
    }
}

impl TranslationRecipe {
    pub(super) fn validate(&self) -> Result<(), Problem> {
        self.tokenizer.validate(|setting| format!("tokenizer.{setting}"))?;
        validate_model(&self.model)?;
        validate_decoding(&self.decoding)?;
        // What is still to be measured will be in range.
        let max_tokens = self.batch.max_tokens.max(1);
        let batch = BatchConfig { max_tokens, ..self.batch.clone() };
        batch.validate().map_err(|error| Problem::within("batch", &error.keys(), &error))
    }
}

/// Base, which is that without a name, big, the other rows of Table 3, T5's and ByT5's sizes, and RNNsearch, over their
/// papers' vocabularies.
pub(super) fn presets() -> Vec<(&'static str, ModelConfig)> {
    let transformers = table3(PAPER_VOCAB_SIZE).into_iter().map(|row| (row.name, ModelConfig::Transformer(row.config)));
    let t5s = t5::presets().into_iter().map(|preset| (preset.name, ModelConfig::Transformer(preset.config)));
    transformers.chain(t5s).chain([("rnnsearch", ModelConfig::Rnn(RnnConfig::rnn_search(RNN_VOCAB_SIZE)))]).collect()
}
