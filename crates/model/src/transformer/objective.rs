//! Translation as a training objective.

use attentive_attention::{Dropout, Mask};
use attentive_backend::ops;
use attentive_core::{Batch, EncoderDecoder, Loss, Objective, TokenId, TranslationBatch};
use burn::{module::Param, tensor::Tensor};
use serde::{Deserialize, Serialize};

use super::Transformer;
use crate::tokens::token_tensor;

/// Label-smoothed loss of each target token given the source and the tokens before it (§5.4).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
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

impl TranslationObjective {
    /// The loss of what a decoder gives at all target tokens but the last, however it came to that.
    ///
    /// # Shapes
    /// - `hidden`: `[rows, tgt, d_model]`, `projection` to the vocabulary: `[vocab, d_model]`, `bias`: `[vocab]`
    pub(crate) fn of_hidden(
        &self,
        hidden: Tensor<3>,
        projection: Tensor<2>,
        bias: Option<Tensor<1>>,
        batch: &TranslationBatch,
    ) -> Loss {
        let [rows, tgt, d_model] = hidden.dims();
        let lengths = batch.target.lengths().iter();
        let ignored: Vec<bool> = lengths.flat_map(|&length| (1..=tgt).map(move |idx| idx >= length)).collect();
        let targets: Vec<TokenId> =
            batch.target.ids().chunks_exact(tgt + 1).flat_map(|row| &row[1..]).copied().collect();
        let hidden = hidden.reshape([rows * tgt, d_model]);
        let loss = ops::projected_cross_entropy(hidden, projection, bias, &targets, &ignored, self.label_smoothing);
        Loss { sum: loss.divergence, nll_sum: loss.nll, n_targets: batch.n_targets() }
    }
}

impl Objective<Transformer> for TranslationObjective {
    type Batch = TranslationBatch;

    fn loss(&self, model: &Transformer, batch: &TranslationBatch, pass: Option<&Dropout>) -> Loss {
        let device = model.device();
        let mask = Mask::padding(batch.source.lengths(), batch.source.n_cols(), &device);
        let memory = model.encode(token_tensor(&batch.source, &device), &mask, pass);

        let target = token_tensor(&batch.target, &device);
        let tgt = batch.target.n_cols() - 1;
        let hidden = model.decode(target.narrow(1, 0, tgt), &memory, &mask, pass);
        let projection = model.projection().weight.val();
        let bias = model.projection_bias.as_ref().map(Param::val);
        self.of_hidden(hidden, projection, bias, batch)
    }
}
