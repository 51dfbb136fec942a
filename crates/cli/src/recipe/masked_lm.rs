//! Recipes of `task = "masked-lm"`.

use anyhow::{Result, bail};
use attentive_data::{DocumentUnit, MaskingConfig, RowKind};
use attentive_model::{EncoderSpec, FamilyVisitor, MaskedLmObjective, ModelConfig, ModelSpec, Role};
use serde::{Deserialize, Serialize};

use super::{TextRecipe, TokenizerRecipe, require, validate_average_last, validate_label_smoothing};

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
        require(Role::Encoder, &self.model, "masked-lm")?;
        let encoder = Encoder::of(&self.model);
        let Encoder { n_segments, masked_lm, next_sentence } = encoder.expect("a model of this role");
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
    match model.max_len().filter(|&max_len| max_len < context) {
        Some(max_len) => bail!("batch.context = {context} is longer than the model has positions for, {max_len}"),
        None => Ok(()),
    }
}

/// What a recipe wants to know of an encoder.
struct Encoder {
    n_segments: usize,
    masked_lm: bool,
    next_sentence: bool,
}

impl Encoder {
    /// None of a model that is no encoder.
    fn of(model: &ModelConfig) -> Option<Self> {
        struct Of;
        impl FamilyVisitor for Of {
            type Output = Option<Encoder>;

            fn any<C: ModelSpec>(self, _spec: &C, _role: Role) -> Self::Output {
                None
            }

            fn encoder<C: EncoderSpec>(self, spec: &C) -> Self::Output {
                let (masked_lm, next_sentence) = (spec.has_masked_lm(), spec.has_next_sentence());
                Some(Encoder { n_segments: spec.n_segments(), masked_lm, next_sentence })
            }
        }
        model.visit(Of)
    }
}
