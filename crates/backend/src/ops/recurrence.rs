//! Recurrent layers over whole sequences.

#[cfg(feature = "flex")]
use std::sync::Arc;

use burn::tensor::{
    Bool, Tensor, TensorData,
    activation::{sigmoid, softmax},
};
use serde::{Deserialize, Serialize};

use super::linear;
use crate::Mask;

/// Kind of recurrent cell.
///
/// With `x` the affine map of the input, `u = h U + b` that of the last hidden state, both cut into gates, and `∘` the
/// product of elements:
///
/// - LSTM, gates i f o g: `c' = σ(f) ∘ c + σ(i) ∘ tanh(g)` and `h' = σ(o) ∘ tanh(c')`, each gate a sum `x + u`.
/// - GRU, gates r z n: `n = tanh(xₙ + σ(r) ∘ uₙ)` and `h' = n + σ(z) ∘ (h - n)`.
///
/// Source: the papers below; the GRU's reset gate acts after the product with `U`, not before it, as in cuDNN and
/// PyTorch, so that one product serves all gates. A high update gate keeps the state; that of Cho et al. replaces it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum CellKind {
    /// Long short-term memory (Hochreiter and Schmidhuber 1997) with forget gates (Gers et al. 2000).
    Lstm,
    /// Gated recurrent unit (Cho et al. 2014).
    Gru,
}

impl CellKind {
    /// Affine maps of the input in a cell, as many of the last hidden state.
    pub fn n_gates(self) -> usize {
        match self {
            Self::Lstm => 4,
            Self::Gru => 3,
        }
    }

    /// Vectors that a state consists of, the hidden one last: `c` and `h`, or `h` alone.
    pub fn n_states(self) -> usize {
        match self {
            Self::Lstm => 2,
            Self::Gru => 1,
        }
    }
}

/// Weights of the hidden state of a recurrent layer.
#[derive(Debug, Clone)]
pub struct RecurrentWeights {
    /// Kind of the cell.
    pub kind: CellKind,
    /// `U`: `[d_hidden, n_gates · d_hidden]`.
    pub weight: Tensor<2>,
    /// `b`: `[n_gates · d_hidden]`.
    pub bias: Option<Tensor<1>>,
}

/// Steps of a recurrent layer and their order.
#[derive(Debug, Clone, Copy, Default)]
pub struct Steps<'a> {
    /// Number of steps of each row, from the first on; at the others its state stays. Without it, all.
    pub lengths: Option<&'a [usize]>,
    /// Whether the last step is taken first.
    pub backwards: bool,
}

/// Additive attention: the mean of `values` under the soft-max of `vᵀ tanh(W s + key)`.
///
/// Source: Bahdanau et al. 2015, §3.1 and A.1.2.
#[derive(Debug, Clone)]
pub struct AdditiveAttention<'a> {
    /// `W`: `[d_hidden, d_attention]`.
    pub query: Tensor<2>,
    /// `v`: `[d_attention, 1]`.
    pub score: Tensor<2>,
    /// `[rows, src, d_attention]`.
    pub keys: Tensor<3>,
    /// `[rows, src, d_values]`.
    pub values: Tensor<3>,
    /// Number of source tokens of each row, from the first on.
    pub lengths: &'a [usize],
}

/// Takes states through all steps of a recurrent layer.
///
/// # Shapes
/// - `x`, the input's affine maps: `[rows, steps, n_gates · d_hidden]`; `start`: `[rows, n_states · d_hidden]`
/// - returns the state after each step, `[rows, steps, n_states · d_hidden]`
///
/// # Panics
/// If there are no steps.
pub fn recurrence(x: Tensor<3>, start: Tensor<2>, cell: RecurrentWeights, steps: Steps<'_>) -> Tensor<3> {
    #[cfg(feature = "flex")]
    if crate::fused::applies(&x) {
        let args = args(cell.kind, steps, &[]);
        let bias = cell.bias_or_zeros();
        return crate::fused::recurrence(x, [start, cell.weight], bias, args);
    }
    let [rows, n, _] = x.dims();
    let mut inputs: Vec<(usize, Tensor<2>)> = each_step(x).into_iter().enumerate().collect();
    if steps.backwards {
        inputs.reverse();
    }
    let mut state = start;
    let mut states = Vec::with_capacity(n);
    for (at, x) in inputs {
        let next = cell.step(x, state.clone());
        let ended: Vec<bool> = steps.lengths.unwrap_or_default().iter().map(|&length| at >= length).collect();
        state = if ended.contains(&true) {
            let ended = Tensor::<2, Bool>::from_data(TensorData::new(ended, [rows, 1]), &next.device());
            next.clone().mask_where(ended.expand(next.dims()), state)
        } else {
            next
        };
        states.push(state.clone());
    }
    if steps.backwards {
        states.reverse();
    }
    Tensor::stack(states, 1)
}

/// Takes states through all steps of a recurrent layer that attends, by its last hidden state, before each step.
///
/// # Shapes
/// - as in [`recurrence`]; `context`, from the attended values to the gates: `[d_values, n_gates · d_hidden]`
/// - returns state and attended values of each step, `[rows, steps, n_states · d_hidden + d_values]`
///
/// # Panics
/// If there are no steps.
pub fn attentive_recurrence(
    x: Tensor<3>,
    start: Tensor<2>,
    cell: RecurrentWeights,
    attention: AdditiveAttention<'_>,
    context: Tensor<2>,
) -> Tensor<3> {
    #[cfg(feature = "flex")]
    if crate::fused::applies(&x) {
        let args = args(cell.kind, Steps::default(), attention.lengths);
        let bias = cell.bias_or_zeros();
        let AdditiveAttention { query, score, keys, values, .. } = attention;
        return crate::fused::attentive_recurrence(
            [x, keys, values],
            [start, cell.weight, query, score, context],
            bias,
            args,
        );
    }
    let mut state = start;
    let mut steps = Vec::with_capacity(x.dims()[1]);
    for x in each_step(x) {
        let hidden = cell.hidden(state.clone());
        let weights = additive_attention_weights(hidden.unsqueeze_dim(1), &attention); // [rows, 1, src]
        let seen: Tensor<2> = weights.matmul(attention.values.clone()).squeeze_dim(1); // [rows, d_values]
        state = cell.step(x + linear(seen.clone(), context.clone(), None), state);
        steps.push(Tensor::cat(vec![state.clone(), seen], 1));
    }
    Tensor::stack(steps, 1)
}

/// Attention weight of each source token for each state; rows sum to 1.
///
/// # Shapes
/// - `hidden`: `[rows, n, d_hidden]`
/// - returns `[rows, n, src]`, zero at padding
pub fn additive_attention_weights(hidden: Tensor<3>, attention: &AdditiveAttention<'_>) -> Tensor<3> {
    let ([rows, n, _], [_, src, _]) = (hidden.dims(), attention.keys.dims());
    let query = linear(hidden, attention.query.clone(), None).unsqueeze_dim::<4>(2); // [rows, n, 1, d_attention]
    let energy = (attention.keys.clone().unsqueeze_dim::<4>(1) + query).tanh(); // [rows, n, src, d_attention]
    let scores = linear(energy, attention.score.clone(), None).reshape([rows, n, src]);
    match Mask::padding(attention.lengths, src, &scores.device()).hidden_keys {
        Some(hidden) => {
            let hidden = hidden.unsqueeze_dim::<3>(1).expand([rows, n, src]);
            // Finite, so that a row without a token has no NaN; then exactly zero.
            softmax(scores.mask_fill(hidden.clone(), -1e30), 2).mask_fill(hidden, 0.0)
        }
        None => softmax(scores, 2),
    }
}

#[cfg(feature = "flex")]
fn args(kind: CellKind, steps: Steps<'_>, source_lengths: &[usize]) -> crate::fused::RecurrenceArgs {
    use crate::fused::RecurrentCell;
    crate::fused::RecurrenceArgs {
        cell: match kind {
            CellKind::Lstm => RecurrentCell::Lstm,
            CellKind::Gru => RecurrentCell::Gru,
        },
        lengths: steps.lengths.map(Arc::from),
        backwards: steps.backwards,
        source_lengths: source_lengths.into(),
    }
}

impl RecurrentWeights {
    /// The hidden part of a state.
    pub fn hidden(&self, state: Tensor<2>) -> Tensor<2> {
        let [d, _] = self.weight.dims();
        state.narrow(1, (self.kind.n_states() - 1) * d, d)
    }

    #[cfg(feature = "flex")]
    fn bias_or_zeros(&self) -> Tensor<1> {
        self.bias.clone().unwrap_or_else(|| Tensor::zeros([self.weight.dims()[1]], &self.weight.device()))
    }

    fn step(&self, x: Tensor<2>, state: Tensor<2>) -> Tensor<2> {
        let [d, _] = self.weight.dims();
        let hidden = self.hidden(state.clone());
        let u = linear(hidden.clone(), self.weight.clone(), self.bias.clone());
        let gate = |gates: &Tensor<2>, n: usize| gates.clone().narrow(1, n * d, d);
        match self.kind {
            CellKind::Lstm => {
                let gates = x + u;
                let [input, forget, output] = [0, 1, 2].map(|n| sigmoid(gate(&gates, n)));
                let memory = forget * state.narrow(1, 0, d) + input * gate(&gates, 3).tanh();
                Tensor::cat(vec![memory.clone(), output * memory.tanh()], 1)
            }
            CellKind::Gru => {
                let [reset, update] = [0, 1].map(|n| sigmoid(gate(&x, n) + gate(&u, n)));
                let new = (gate(&x, 2) + reset * gate(&u, 2)).tanh();
                new.clone() + update * (hidden - new)
            }
        }
    }
}

/// Each step's rows: `[rows, steps, d]` to `steps` of `[rows, d]`.
///
/// Cut twice, into about √steps pieces each time, since the gradient of a piece is as large as the tensor that it was
/// cut from.
fn each_step(x: Tensor<3>) -> Vec<Tensor<2>> {
    let [_, steps, _] = x.dims();
    let parts = x.split(steps.isqrt().max(1), 1).into_iter();
    parts.flat_map(|part| part.split(1, 1)).map(|step| step.squeeze_dim(1)).collect()
}
