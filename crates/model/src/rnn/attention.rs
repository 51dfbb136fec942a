//! Additive attention.

use attentive_attention::{Initializer, Linear};
use attentive_backend::ops;
use burn::{
    module::{Module, Param},
    tensor::{Bool, Int, Tensor, activation::softmax},
};

/// The encoded source as the decoder sees it.
#[derive(Debug, Clone)]
pub struct Annotations {
    /// `h`, one for each source token: `[rows, src, d_annotation]`.
    pub values: Tensor<3>,
    /// `U h`, computed once: `[rows, src, d_attention]`.
    pub keys: Tensor<3>,
    /// Source padding, true = hidden: `[rows, src]`.
    pub hidden: Option<Tensor<2, Bool>>,
}

impl Annotations {
    /// Row `i` becomes a copy of the old row `rows[i]`.
    pub(super) fn select(self, rows: &Tensor<1, Int>) -> Self {
        Self {
            values: self.values.select(0, rows.clone()),
            keys: self.keys.select(0, rows.clone()),
            hidden: self.hidden.map(|hidden| hidden.select(0, rows.clone())),
        }
    }
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

    /// How much each row's state attends to each source token; rows sum to 1.
    ///
    /// # Shapes
    /// - `state`: `[rows, d_hidden]`
    /// - returns `[rows, src]`, zero where padding is
    pub fn weights(&self, state: Tensor<2>, source: &Annotations) -> Tensor<2> {
        let [rows, src, _] = source.keys.dims();
        let query = self.query.forward(state).unsqueeze_dim::<3>(1); // [rows, 1, d_attention]
        let energy = (source.keys.clone() + query).tanh(); // [rows, src, d_attention]
        let scores = ops::linear(energy, self.score.val(), None).reshape([rows, src]);
        match &source.hidden {
            // Finite, so that a row without a token has no NaN; then exactly zero.
            Some(hidden) => softmax(scores.mask_fill(hidden.clone(), -1e30), 1).mask_fill(hidden.clone(), 0.0),
            None => softmax(scores, 1),
        }
    }

    /// The mean of the annotations under `weights` (`[rows, src]`): `[rows, d_annotation]`.
    pub fn context(weights: Tensor<2>, source: &Annotations) -> Tensor<2> {
        weights.unsqueeze_dim::<3>(1).matmul(source.values.clone()).squeeze_dim(1)
    }
}
