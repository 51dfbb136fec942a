//! Language modelling as a training objective.

use attentive_attention::Dropout;
use attentive_backend::{
    Loss, Objective,
    ops::{self, CrossEntropy},
};
use attentive_core::{Batch, DeviceError, LanguageModel, SequenceBatch, TokenId, TokenMatrix};
use burn::tensor::{Int, Tensor, TensorData, activation::log_softmax};
use serde::{Deserialize, Serialize};

use crate::{TextStack, tokens::vectors_at};

/// Positions whose logits are held at a time when a text is scored.
const SCORED_AT_ONCE: usize = 64;

/// A language model that is trained with the right tokens before each target.
pub trait CausalModel: LanguageModel<State: Clone + Send + 'static> {
    /// Hidden states that predict the token after each of `tokens`, given those up to it: `[rows, seq, d_model]`.
    ///
    /// # Panics
    /// If a row has more tokens than the model has positions.
    fn hidden(&self, tokens: &TokenMatrix, pass: Option<&Dropout>) -> Tensor<3>;

    /// [`hidden`](Self::hidden) at the tokens of each row, one row after another, without the padding: `[tokens, d_model]`.
    ///
    /// A model may read the rows without computing anything for padding; here they are read as they are.
    ///
    /// # Panics
    /// As [`hidden`](Self::hidden).
    fn packed_hidden(&self, tokens: &TokenMatrix, pass: Option<&Dropout>) -> Tensor<2> {
        let n_cols = tokens.n_cols();
        let rows = tokens.lengths().iter().enumerate();
        let places = rows.flat_map(|(row, &length)| (row * n_cols..row * n_cols + length).map(|at| at as u32));
        vectors_at(self.hidden(tokens, pass), &places.collect::<Vec<_>>())
    }

    /// The pre-soft-max projection, `[vocab, d_model]`, and its bias, `[vocab]`.
    fn output_projection(&self) -> (Tensor<2>, Option<Tensor<1>>);

    /// The model taken apart, if its layers are one stack.
    fn text_stack(&self) -> Option<&dyn TextStack> {
        None
    }

    /// Bound `c` of what is projected, which becomes `c · tanh(logit / c)`.
    fn logit_cap(&self) -> Option<f64> {
        None
    }
}

/// [`LanguageModel::log_probs_of`] of a model that reads a text at once.
///
/// # Errors
/// [`DeviceError`] if the device does not hand over its results.
///
/// # Panics
/// As [`LanguageModel::log_probs_of`].
pub fn log_probs_of(model: &impl CausalModel, text: &[TokenId]) -> Result<Vec<f32>, DeviceError> {
    let Some(targets) = text.get(1..).filter(|targets| !targets.is_empty()) else { return Ok(Vec::new()) };
    let hidden = model.hidden(&TokenMatrix::from_rows(&[&text[..targets.len()]], 0, 0), None); // [1, seq, d_model]
    let (projection, bias) = model.output_projection();
    let mut log_probs = Vec::with_capacity(targets.len());
    // Some rows at a time, so that logits of a whole text are never held.
    for (hidden, targets) in
        hidden.squeeze_dim::<2>(0).split(SCORED_AT_ONCE, 0).into_iter().zip(targets.chunks(SCORED_AT_ONCE))
    {
        let logits = ops::linear(hidden, projection.clone().transpose(), bias.clone());
        let logits = ops::bounded(logits, model.logit_cap());
        let places: Vec<i64> = targets.iter().map(|&target| i64::from(target)).collect();
        let places = Tensor::<2, Int>::from_data(TensorData::new(places, [targets.len(), 1]), &logits.device());
        let chosen = log_softmax(logits, 1).gather(1, places);
        log_probs.extend(chosen.try_into_vec_as::<f32>().map_err(DeviceError::new)?);
    }
    Ok(log_probs)
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
        let hidden = hidden_at_targets(model, batch, pass);
        let loss = cross_entropy_of(model, hidden, &batch.targets, &batch.ignored, self.label_smoothing);
        Loss { sum: loss.divergence, nll_sum: loss.nll, n_targets: batch.n_targets() }
    }
}

/// Hidden states that predict the targets of a batch, those that are ignored too: `[targets, d_model]`.
pub(crate) fn hidden_at_targets(model: &impl CausalModel, batch: &SequenceBatch, pass: Option<&Dropout>) -> Tensor<2> {
    if batch.is_packed {
        return model.packed_hidden(&batch.ids, pass);
    }
    let hidden = model.hidden(&batch.ids, pass);
    let [rows, seq, d_model] = hidden.dims();
    hidden.reshape([rows * seq, d_model])
}

/// The loss of target tokens by the hidden states that predict them, `[n, d_model]`.
///
/// # Panics
/// If there is not one target for each hidden state.
pub(crate) fn cross_entropy_of(
    model: &impl CausalModel,
    hidden: Tensor<2>,
    targets: &[TokenId],
    ignored: &[bool],
    smoothing: f64,
) -> CrossEntropy {
    let (projection, bias) = model.output_projection();
    match model.logit_cap() {
        None => ops::projected_cross_entropy(hidden, projection, bias, targets, ignored, smoothing),
        cap => {
            let logits = ops::bounded(ops::linear(hidden, projection.transpose(), bias), cap);
            ops::cross_entropy(logits, targets, ignored, smoothing)
        }
    }
}
