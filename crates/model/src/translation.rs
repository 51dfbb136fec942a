//! Translation as a training objective.

use attentive_attention::Dropout;
use attentive_backend::ops;
use attentive_core::{Batch, EncoderDecoder, Loss, Objective, TokenId, TranslationBatch};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// An encoder–decoder that is trained with the right tokens before each target.
pub trait TeacherForced: EncoderDecoder {
    /// What predicts each target token but the first, given the source and the tokens before it: `[rows, tgt, d_model]`.
    fn teacher_forced(&self, batch: &TranslationBatch, pass: Option<&Dropout>) -> Tensor<3>;

    /// The pre-soft-max projection, `[vocab, d_model]`, and its bias, `[vocab]`.
    fn output_projection(&self) -> (Tensor<2>, Option<Tensor<1>>);
}

/// Label-smoothed loss of each target token given the source and the tokens before it (§5.4).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct TranslationObjective {
    /// Mass ε that is spread over the vocabulary; 0.1 in the paper.
    pub label_smoothing: f64,
}

impl Default for TranslationObjective {
    /// The paper's ε = 0.1.
    fn default() -> Self {
        Self { label_smoothing: 0.1 }
    }
}

impl<M: TeacherForced> Objective<M> for TranslationObjective {
    type Batch = TranslationBatch;

    fn loss(&self, model: &M, batch: &TranslationBatch, pass: Option<&Dropout>) -> Loss {
        let hidden = model.teacher_forced(batch, pass);
        let [rows, tgt, d_model] = hidden.dims();
        let lengths = batch.target.lengths().iter();
        let ignored: Vec<bool> = lengths.flat_map(|&length| (1..=tgt).map(move |idx| idx >= length)).collect();
        let targets: Vec<TokenId> =
            batch.target.ids().chunks_exact(tgt + 1).flat_map(|row| &row[1..]).copied().collect();
        let (projection, bias) = model.output_projection();
        let hidden = hidden.reshape([rows * tgt, d_model]);
        let loss = ops::projected_cross_entropy(hidden, projection, bias, &targets, &ignored, self.label_smoothing);
        Loss { sum: loss.divergence, nll_sum: loss.nll, n_targets: batch.n_targets() }
    }
}
