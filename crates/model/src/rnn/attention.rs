//! Additive attention.

use attentive_attention::{Initializer, Linear};
use attentive_backend::ops;
use burn::{
    module::{Module, Param},
    tensor::{Int, Tensor, TensorData},
};

/// The encoded source as the decoder sees it.
#[derive(Debug, Clone)]
pub struct Annotations {
    /// `h`, one for each source token: `[rows, src, d_annotation]`.
    pub values: Tensor<3>,
    /// `U h`, computed once: `[rows, src, d_attention]`.
    pub keys: Tensor<3>,
    /// Source tokens of each row, from the first on.
    pub lengths: Vec<usize>,
}

impl Annotations {
    /// Row `i` becomes a copy of the old row `rows[i]`.
    pub(super) fn select(self, rows: &[usize]) -> Self {
        let indices = row_indices(rows, &self.keys.device());
        Self {
            values: self.values.select(0, indices.clone()),
            keys: self.keys.select(0, indices),
            lengths: rows.iter().map(|&row| self.lengths[row]).collect(),
        }
    }
}

/// `rows` as a tensor.
pub(super) fn row_indices(rows: &[usize], device: &burn::tensor::Device) -> Tensor<1, Int> {
    let indices: Vec<i64> = rows.iter().map(|&row| row as i64).collect();
    Tensor::from_data(TensorData::new(indices, [rows.len()]), device)
}

/// Additive attention: the soft-max over source tokens of `vᵀ tanh(W s + U h)`.
///
/// Source: Bahdanau et al. 2015, §3.1 and A.1.2.
#[derive(Module, Debug)]
pub struct AdditiveAttention {
    /// `W`: `[d_hidden, d_attention]`.
    pub query: Linear,
    /// `U`: `[d_annotation, d_attention]`.
    pub key: Linear,
    /// `v`: `[d_attention, 1]`.
    pub score: Param<Tensor<2>>,
}

impl AdditiveAttention {
    /// Drawn weights; there are no biases.
    pub fn new(d_hidden: usize, d_annotation: usize, d_attention: usize, init: &Initializer) -> Self {
        Self {
            query: Linear::new(d_hidden, d_attention, false, init),
            key: Linear::new(d_annotation, d_attention, false, init),
            score: init.matrix([d_attention, 1]),
        }
    }

    /// Number of parameters of such an attention.
    pub fn n_params(d_hidden: usize, d_annotation: usize, d_attention: usize) -> usize {
        (d_hidden + d_annotation + 1) * d_attention
    }

    /// Attention weights of each state (`[rows, n, d_hidden]`) over the source tokens: `[rows, n, src]`; rows sum to 1.
    pub fn weights(&self, states: Tensor<3>, source: &Annotations) -> Tensor<3> {
        ops::additive_attention_weights(states, &self.over(source))
    }

    /// This attention over a source.
    pub(super) fn over<'a>(&self, source: &'a Annotations) -> ops::AdditiveAttention<'a> {
        ops::AdditiveAttention {
            query: self.query.weight.val(),
            score: self.score.val(),
            keys: source.keys.clone(),
            values: source.values.clone(),
            lengths: &source.lengths,
        }
    }
}
