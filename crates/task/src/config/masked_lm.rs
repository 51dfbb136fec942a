//! Recipes of `task = "masked-lm"`.

use std::path::PathBuf;

use attentive_bundle::Lengths;
use attentive_data::{DocumentUnit, MaskingConfig, RowKind, Size};
use attentive_model::{EncoderSpec, FamilyVisitor, Guessing, ModelConfig, ModelSpec, Role};
use attentive_trainer::FinishedModel;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Input, ObjectiveRecipe, Problem, TextRecipe, TokenizerRecipe, presets::require_role, validate_model};

/// Tokens hidden in a text.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MaskedLmRecipe {
    /// Where the text is, a sentence a line; without it, the English of the built-in corpus.
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
    /// The model; the vocabulary's size is the tokenizer's.
    pub model: ModelConfig,
    /// How text becomes batches.
    pub batch: RowRecipe,
    /// Which tokens are hidden.
    #[serde(default)]
    pub masking: MaskingConfig,
    /// What is minimised.
    #[serde(default)]
    pub objective: ObjectiveRecipe<MaskedLmObjectiveRecipe>,
    /// Which checkpoints make the model.
    #[serde(default)]
    pub evaluation: EvaluationRecipe,
    /// How long texts may be by the files that an export writes, where the model's positions have no end.
    #[serde(default, skip_serializing_if = "Lengths::is_default")]
    pub lengths: Lengths,
}

/// What is minimised.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MaskedLmObjectiveRecipe {
    /// How hidden characters are guessed, of CANINE: each by itself, one after another, or by subwords; as `model.guessing`
    /// says unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<Guessing>,
    /// Size of the vocabulary of subwords that is learned, of the kind `subwords`; 1,000 unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n_subwords: Option<usize>,
    /// Mass ε that is spread over the vocabulary; none in BERT and RoBERTa.
    pub label_smoothing: f64,
}

/// How text becomes batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RowRecipe {
    /// Tokens of a row, with its frame.
    pub context: usize,
    /// Rows of a batch; "auto" with `train --memory`.
    pub rows: Size,
    /// What a row holds.
    #[serde(default)]
    pub examples: RowKind,
}

/// Which checkpoints make the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EvaluationRecipe {
    /// The model that the run ends with; the best one if training may stop early, or else the mean of the last
    /// checkpoints.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<FinishedModel>,
    /// Last checkpoints that are kept, and that the mean is taken of.
    pub average_last: usize,
}

impl Default for EvaluationRecipe {
    fn default() -> Self {
        Self { model: None, average_last: 1 }
    }
}

impl MaskedLmRecipe {
    pub(crate) fn validate(&self) -> Result<(), Problem> {
        self.tokenizer.validate_undrawn_beside(self.pretrained.as_deref())?;
        if self.pretrained.is_none() {
            self.check_model()?;
        }
        self.data.validate()
    }

    /// Holds the model against the task and the other settings.
    pub(super) fn check_model(&self) -> Result<(), Problem> {
        require_role(Role::Encoder, &self.model, "masked-lm")?;
        let encoder = Encoder::of(&self.model);
        let Encoder { n_segments, masked_lm, next_sentence, guessing } = encoder.expect("a model of this role");
        validate_model(&self.model)?;
        if let Some(data2vec) = self.objective.data2vec() {
            for (key, has_head) in [("masked_lm", masked_lm), ("next_sentence", next_sentence)] {
                if has_head {
                    let text = "data2vec does not train this head: set it to false";
                    return Err(Problem::at(format!("model.{key}"), text));
                }
            }
            data2vec.validate(Input::Text, &self.model)?;
        } else if !masked_lm {
            return Err(Problem::at("model.masked_lm", "false: masked-lm trains this head"));
        }
        self.validate_kind(guessing)?;
        validate_context(self.batch.context, &self.model)?;
        if self.batch.examples == RowKind::SentencePairs {
            self.validate_pairs(n_segments)
        } else if next_sentence {
            let text = "full sentences have no next one; set model.next_sentence = false, or batch.examples = \
                        \"sentence-pairs\"";
            Err(Problem::among(["model.next_sentence", "batch.examples"], text))
        } else {
            Ok(())
        }
    }

    /// Whether the model, which guesses hidden tokens as `guessing` says, if it has a choice, can guess them as asked.
    fn validate_kind(&self, guessing: Option<Guessing>) -> Result<(), Problem> {
        let objective = self.objective.own();
        let in_use = objective.kind.or(guessing).unwrap_or_default();
        if objective.n_subwords.is_some() && in_use != Guessing::Subwords {
            let text = "is for objective.kind = \"subwords\" alone; leave it out";
            return Err(Problem::at("objective.n_subwords", text));
        }
        let Some(kind) = objective.kind else { return Ok(()) };
        let Some(guessing) = guessing else {
            let family = self.model.family();
            let text = format!("is for encoders of characters (canine), and the model is a {family}; leave it out");
            return Err(Problem::at("objective.kind", text));
        };
        // A model that was trained before may go on in the other way.
        if self.pretrained.is_none() && guessing != Guessing::default() && guessing != kind {
            let text = "objective.kind and model.guessing say different things; give one";
            return Err(Problem::among(["objective.kind", "model.guessing"], text));
        }
        Ok(())
    }

    /// Whether there can be pairs of sentences.
    fn validate_pairs(&self, n_segments: usize) -> Result<(), Problem> {
        if n_segments < 2 {
            return Err(Problem::at("model.n_segments", format!("{n_segments}: sentence pairs have two segments")));
        }
        let files = [("train", &self.data.train), ("validation", &self.data.validation)];
        let of_lines = files.into_iter().find_map(|(part, files)| {
            files.as_ref().filter(|files| files.documents == DocumentUnit::Line).map(|_| part)
        });
        match of_lines {
            Some(part) => {
                let key = format!("data.{part}.documents");
                let text = "sentence pairs need documents of several lines: set \"paragraph\" or \"file\", or \
                            batch.examples = \"full-sentences\"";
                Err(Problem::at(key, text))
            }
            None => Ok(()),
        }
    }
}

/// Rows must not be longer than there are positions.
pub(super) fn validate_context(context: usize, model: &ModelConfig) -> Result<(), Problem> {
    match model.max_len().filter(|&max_len| max_len < context) {
        Some(max_len) => {
            let text = format!("batch.context = {context} is longer than the model has positions for, {max_len}");
            Err(Problem::among(["batch.context", "model"], text))
        }
        None => Ok(()),
    }
}

/// What a recipe wants to know of an encoder.
struct Encoder {
    n_segments: usize,
    masked_lm: bool,
    next_sentence: bool,
    guessing: Option<Guessing>,
}

impl Encoder {
    /// None of a model that is not an encoder.
    fn of(model: &ModelConfig) -> Option<Self> {
        struct Of;
        impl FamilyVisitor for Of {
            type Output = Option<Encoder>;

            fn any<C: ModelSpec>(self, _spec: &C, _role: Role) -> Self::Output {
                None
            }

            fn encoder<C: EncoderSpec>(self, spec: &C) -> Self::Output {
                let (masked_lm, next_sentence) = (spec.has_masked_lm(), spec.has_next_sentence());
                let guessing = spec.clone().guessing_mut().copied();
                Some(Encoder { n_segments: spec.n_segments(), masked_lm, next_sentence, guessing })
            }
        }
        model.visit(Of)
    }
}
