//! Translation as a training objective.

use attentive_attention::Dropout;
use attentive_backend::{Device, Loss, Objective, ops};
use attentive_core::{EncoderDecoder, TokenId, TokenMatrix, TranslationBatch};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::PairedStacks;

/// An encoder–decoder that is trained with the right tokens before each target.
pub trait TeacherForced: EncoderDecoder<State: Clone + Send + 'static> {
    /// Hidden states that predict each target token except the first, given the source and the tokens before it:
    /// `[rows, tgt, d_model]`.
    fn teacher_forced(&self, batch: &TranslationBatch, pass: Option<&Dropout>) -> Tensor<3>;

    /// The pre-soft-max projection, `[vocab, d_model]`, and its bias, `[vocab]`.
    fn output_projection(&self) -> (Tensor<2>, Option<Tensor<1>>);

    /// The device of the model.
    fn device(&self) -> Device;

    /// Attention weights of each source and target token; empty for a model without attention.
    ///
    /// # Shapes
    /// - `target`: `[rows, tgt]`, each row beginning in `<s>`
    fn attention_maps(&self, source: &TokenMatrix, target: &TokenMatrix) -> AttentionMaps {
        let _ = (source, target);
        AttentionMaps::default()
    }

    /// The model taken apart, if it is two stacks.
    fn paired_stacks(&self) -> Option<&dyn PairedStacks> {
        None
    }
}

/// The weights of every attention of an encoder–decoder, a tensor for each layer, from the input up; rows sum to 1.
///
/// Source: Vaswani et al. 2017, figures 3 to 5, which show such weights.
#[derive(Debug, Clone, Default)]
pub struct AttentionMaps {
    /// Source to source: `[rows, heads, src, src]`.
    pub encoder: Vec<Tensor<4>>,
    /// Target to target: `[rows, heads, tgt, tgt]`.
    pub decoder: Vec<Tensor<4>>,
    /// Target to source: `[rows, heads, tgt, src]`.
    pub cross: Vec<Tensor<4>>,
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
        target_loss(hidden, model.output_projection(), &batch.target, 1, self.label_smoothing)
    }
}

/// Label-smoothed loss of the tokens of `target` but for the `n_prompt` that each row begins with, by the hidden states that
/// predict all but the first column, `[rows, tgt, d_model]`.
pub(crate) fn target_loss(
    hidden: Tensor<3>,
    (projection, bias): (Tensor<2>, Option<Tensor<1>>),
    target: &TokenMatrix,
    n_prompt: usize,
    label_smoothing: f64,
) -> Loss {
    let [rows, tgt, d_model] = hidden.dims();
    let lengths = target.lengths().iter();
    let ignored: Vec<bool> =
        lengths.flat_map(|&length| (1..=tgt).map(move |idx| !(n_prompt..length).contains(&idx))).collect();
    let targets: Vec<TokenId> = target.ids().chunks_exact(tgt + 1).flat_map(|row| &row[1..]).copied().collect();
    let n_targets = ignored.iter().filter(|&&ignored| !ignored).count();
    let hidden = hidden.reshape([rows * tgt, d_model]);
    let loss = ops::projected_cross_entropy(hidden, projection, bias, &targets, &ignored, label_smoothing);
    Loss { sum: loss.divergence, nll_sum: loss.nll, n_targets }
}
