//! Language modelling as a training objective.

use attentive_attention::Dropout;
use attentive_backend::{Loss, Objective, ops};
use attentive_core::{Batch, LanguageModel, SequenceBatch, TokenMatrix};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// A language model that is trained with the right tokens before each target.
pub trait CausalModel: LanguageModel<State: Clone + Send + 'static> {
    /// Hidden states that predict the token after each of `tokens`, given those up to it: `[rows, seq, d_model]`.
    ///
    /// # Panics
    /// If a row has more tokens than the model has positions.
    fn hidden(&self, tokens: &TokenMatrix, pass: Option<&Dropout>) -> Tensor<3>;

    /// The pre-soft-max projection, `[vocab, d_model]`, and its bias, `[vocab]`.
    fn output_projection(&self) -> (Tensor<2>, Option<Tensor<1>>);
}

/// Loss of each token given those before it (Radford et al. 2018, eq. 1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct CausalLmObjective {
    /// Mass ε that is spread over the vocabulary; none in any GPT.
    pub label_smoothing: f64,
}

impl<M: CausalModel> Objective<M> for CausalLmObjective {
    type Batch = SequenceBatch;

    fn loss(&self, model: &M, batch: &SequenceBatch, pass: Option<&Dropout>) -> Loss {
        let hidden = model.hidden(&batch.ids, pass); // [rows, seq, d_model]
        let [rows, seq, d_model] = hidden.dims();
        let hidden = hidden.reshape([rows * seq, d_model]);
        let (projection, bias) = model.output_projection();
        let (targets, ignored) = (&batch.targets, &batch.ignored);
        let loss = ops::projected_cross_entropy(hidden, projection, bias, targets, ignored, self.label_smoothing);
        Loss { sum: loss.divergence, nll_sum: loss.nll, n_targets: batch.n_targets() }
    }
}
