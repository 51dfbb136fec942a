//! Multi-head attention.

use attentive_backend::{Dropout, Initializer, Mask, ops};
use burn::{module::Module, tensor::Tensor};

use crate::{KeyValues, KvCache, Linear};

/// Configuration of a [`MultiHeadAttention`].
#[derive(Debug, Clone, PartialEq)]
pub struct MultiHeadAttentionConfig {
    /// Width of queries, keys, values and output.
    pub d_model: usize,
    /// Number of heads, `h`.
    pub n_heads: usize,
    /// Width of a head's queries and keys.
    pub d_k: usize,
    /// Width of a head's values.
    pub d_v: usize,
    /// Probability with which attention weights are dropped; 0 in the paper's text.
    pub dropout: f64,
}

/// `Concat(head₁, …, head_h) W^O` with `headᵢ = Attention(Q Wᵢ^Q, K Wᵢ^K, V Wᵢ^V)` (§3.2.2).
///
/// The `h` matrices of a kind stand side by side in one.
#[derive(Module, Debug)]
pub struct MultiHeadAttention {
    /// `W^Q`: `d_model` to `heads · d_k`.
    pub query: Linear,
    /// `W^K`: `d_model` to `heads · d_k`.
    pub key: Linear,
    /// `W^V`: `d_model` to `heads · d_v`.
    pub value: Linear,
    /// `W^O`: `heads · d_v` to `d_model`.
    pub output: Linear,
    /// Number of heads.
    pub n_heads: usize,
    /// Probability with which attention weights are dropped.
    pub dropout: f64,
}

impl MultiHeadAttentionConfig {
    /// The paper's `d_k = d_v = d_model / h`, without dropout.
    pub fn new(d_model: usize, n_heads: usize) -> Self {
        let d_k = d_model / n_heads;
        Self { d_model, n_heads, d_k, d_v: d_k, dropout: 0.0 }
    }

    /// Initial parameters.
    pub fn init(&self, init: &Initializer) -> MultiHeadAttention {
        let Self { d_model, n_heads, d_k, d_v, dropout } = *self;
        MultiHeadAttention {
            query: Linear::new(d_model, n_heads * d_k, init),
            key: Linear::new(d_model, n_heads * d_k, init),
            value: Linear::new(d_model, n_heads * d_v, init),
            output: Linear::new(n_heads * d_v, d_model, init),
            n_heads,
            dropout,
        }
    }
}

impl MultiHeadAttention {
    /// Attention of `x` to `memory`; self-attention where they are the same.
    ///
    /// # Shapes
    /// - `x`: `[batch, q_len, d_model]`, `memory`: `[batch, k_len, d_model]`
    /// - returns `[batch, q_len, d_model]`
    pub fn forward(&self, x: Tensor<3>, memory: Tensor<3>, mask: &Mask, pass: Option<&Dropout>) -> Tensor<3> {
        let keys_values = self.keys_values(memory);
        self.attend(x, keys_values, mask, pass)
    }

    /// Causal self-attention of new positions to themselves and to all that the cache has read.
    ///
    /// `[rows, new, d_model]` to the same shape.
    pub fn forward_cached(&self, x: Tensor<3>, cache: &mut KvCache) -> Tensor<3> {
        let keys_values = cache.append(self.keys_values(x.clone()));
        self.attend(x, keys_values, &Mask::causal(), None)
    }

    /// Attention of `x` (`[batch, q_len, d_model]`) to keys and values that are projected already.
    pub fn attend(&self, x: Tensor<3>, kv: KeyValues, mask: &Mask, pass: Option<&Dropout>) -> Tensor<3> {
        let q = self.split_heads(self.query.forward(x)); // [batch, heads, q_len, d_k]
        let heads = ops::attention(q, kv.k, kv.v, mask, self.dropout, pass); // [batch, heads, q_len, d_v]
        let [batch, n_heads, q_len, d_v] = heads.dims();
        self.output.forward(heads.swap_dims(1, 2).reshape([batch, q_len, n_heads * d_v]))
    }

    /// What each position of `x` attends to in `memory`, head by head: `[batch, heads, q_len, k_len]`.
    pub fn weights(&self, x: Tensor<3>, memory: Tensor<3>, mask: &Mask) -> Tensor<4> {
        let q = self.split_heads(self.query.forward(x));
        ops::attention_weights(q, self.split_heads(self.key.forward(memory)), mask)
    }

    /// Projects `memory` (`[batch, k_len, d_model]`) to the keys and values of all heads.
    pub fn keys_values(&self, memory: Tensor<3>) -> KeyValues {
        KeyValues {
            k: self.split_heads(self.key.forward(memory.clone())),
            v: self.split_heads(self.value.forward(memory)),
        }
    }

    /// `[batch, seq, heads · d]` to `[batch, heads, seq, d]`.
    fn split_heads(&self, x: Tensor<3>) -> Tensor<4> {
        let [batch, seq, width] = x.dims();
        x.reshape([batch, seq, self.n_heads, width / self.n_heads]).swap_dims(1, 2)
    }
}
