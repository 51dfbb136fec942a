//! Language modelling as a training objective.

use attentive_attention::Dropout;
use attentive_backend::ops;
use attentive_core::{Batch, LanguageModel, Loss, Objective, SequenceBatch};
use serde::{Deserialize, Serialize};

use super::Gpt;
use crate::tokens::token_tensor;

/// Loss of each token given those before it (Radford et al. 2018, eq. 1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct CausalLmObjective {
    /// Mass ε that is spread over the vocabulary; none in any GPT.
    pub label_smoothing: f64,
}

impl Objective<Gpt> for CausalLmObjective {
    type Batch = SequenceBatch;

    fn loss(&self, model: &Gpt, batch: &SequenceBatch, pass: Option<&Dropout>) -> Loss {
        let hidden = model.forward(token_tensor(&batch.ids, &model.device()), pass);
        let [rows, seq, d_model] = hidden.dims();
        let loss = ops::projected_cross_entropy(
            hidden.reshape([rows * seq, d_model]),
            model.projection().weight.val(),
            None,
            &batch.targets,
            &batch.ignored,
            self.label_smoothing,
        );
        Loss { sum: loss.divergence, nll_sum: loss.nll, n_targets: batch.n_targets() }
    }
}
