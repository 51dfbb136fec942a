//! Multi-head attention.

use attentive_backend::{
    Dropout, Initializer, Mask,
    ops::{self, Scoring},
};
use burn::{module::Module, tensor::Tensor};

use crate::{AttentionContext, HeadsLeft, KeyValues, KvCache, Linear, Norm, NormConfig, Rotation};

/// Configuration of a [`MultiHeadAttention`].
#[derive(Debug, Clone, PartialEq)]
pub struct MultiHeadAttentionConfig {
    /// Width of queries, keys, values and output.
    pub d_model: usize,
    /// Number of heads, `h`.
    pub n_heads: usize,
    /// Number of heads of keys and values, each of which serves `n_heads / n_kv_heads` heads of queries.
    pub n_kv_heads: usize,
    /// Width of a head's queries and keys.
    pub d_k: usize,
    /// Width of a head's values.
    pub d_v: usize,
    /// Whether the projections of queries, keys and values have biases.
    pub qkv_bias: bool,
    /// Whether the projection of the output has a bias.
    pub bias: bool,
    /// Norm of each head's queries and keys, of width `d_k`, before they are rotated (Henry et al. 2020, "Query-Key
    /// Normalization for Transformers"; with a learned gain, as in Qwen 3 and Gemma 3).
    pub qk_norm: Option<NormConfig>,
    /// Whether scores are divided by √d_k (§3.2.1); T5's are not.
    pub scaled: bool,
    /// Bound of scaled scores, as [`Scoring::cap`].
    pub cap: Option<f64>,
    /// Probability with which attention weights are dropped; 0 in the paper's text.
    pub dropout: f64,
    /// Which heads these are of those that positions have biases for, where others were pruned; without it, all in order.
    pub left: Option<HeadsLeft>,
}

/// `Concat(head₁, …, head_h) W^O` with `headᵢ = Attention(Q Wᵢ^Q, K Wᵢ^K, V Wᵢ^V)` (§3.2.2).
///
/// The `h` matrices of a kind are concatenated to one. With fewer heads of keys and values than of queries it is
/// grouped-query attention (Ainslie et al. 2023), with one head of them multi-query attention (Shazeer 2019).
#[derive(Module, Debug)]
pub struct MultiHeadAttention {
    /// `W^Q`: `d_model` to `heads · d_k`.
    pub query: Linear,
    /// `W^K`: `d_model` to `kv_heads · d_k`.
    pub key: Linear,
    /// `W^V`: `d_model` to `kv_heads · d_v`.
    pub value: Linear,
    /// `W^O`: `heads · d_v` to `d_model`.
    pub output: Linear,
    /// Norm of each head's queries.
    pub query_norm: Option<Norm>,
    /// Norm of each head's keys.
    pub key_norm: Option<Norm>,
    /// Number of heads.
    pub n_heads: usize,
    /// Number of heads of keys and values.
    pub n_kv_heads: usize,
    /// Whether scores are divided by √d_k.
    pub scaled: bool,
    /// Bound of scaled scores.
    pub cap: Option<f64>,
    /// Probability with which attention weights are dropped.
    pub dropout: f64,
    #[module(skip)]
    left: Option<HeadsLeft>,
}

impl MultiHeadAttentionConfig {
    /// The paper's `d_k = d_v = d_model / h`, with biases and without dropout.
    pub fn new(d_model: usize, n_heads: usize) -> Self {
        let d_k = d_model / n_heads;
        Self {
            d_model,
            n_heads,
            n_kv_heads: n_heads,
            d_k,
            d_v: d_k,
            qkv_bias: true,
            bias: true,
            qk_norm: None,
            scaled: true,
            cap: None,
            dropout: 0.0,
            left: None,
        }
    }

    /// The attention that is left when some of its heads are pruned.
    #[must_use]
    pub fn without(&self, is_pruned: impl Fn(usize) -> bool) -> Self {
        let left = HeadsLeft::without([self.n_heads, self.n_kv_heads], is_pruned);
        Self { n_heads: left.heads.len(), n_kv_heads: left.kv_heads.len(), left: Some(left), ..self.clone() }
    }

    /// Initial parameters. If scores are not divided by √d_k, the initial weights of queries are: they are normal with
    /// variance `1 / (d_model · d_k)`, as T5's (Raffel et al. 2020, in the authors' code).
    pub fn init(&self, init: &Initializer) -> MultiHeadAttention {
        let Self { d_model, n_heads, n_kv_heads, d_k, d_v, qkv_bias, bias, qk_norm, scaled, cap, dropout, ref left } =
            *self;
        let query = match scaled {
            true => Linear::new(d_model, n_heads * d_k, qkv_bias, init),
            false => Linear {
                weight: init.normal([d_model, n_heads * d_k], ((d_model * d_k) as f64).powf(-0.5)),
                bias: qkv_bias.then(|| init.zeros([n_heads * d_k])),
            },
        };
        MultiHeadAttention {
            query,
            key: Linear::new(d_model, n_kv_heads * d_k, qkv_bias, init),
            value: Linear::new(d_model, n_kv_heads * d_v, qkv_bias, init),
            output: Linear::residual(n_heads * d_v, d_model, bias, init),
            query_norm: qk_norm.map(|norm| norm.init(init)),
            key_norm: qk_norm.map(|norm| norm.init(init)),
            n_heads,
            n_kv_heads,
            scaled,
            cap,
            dropout,
            left: left.clone(),
        }
    }

    /// Number of parameters.
    pub fn n_params(&self) -> usize {
        let Self { d_model, n_heads, n_kv_heads, d_k, d_v, qkv_bias, bias, qk_norm, .. } = *self;
        let projections = [
            (d_model, n_heads * d_k, qkv_bias),
            (d_model, n_kv_heads * d_k, qkv_bias),
            (d_model, n_kv_heads * d_v, qkv_bias),
            (n_heads * d_v, d_model, bias),
        ];
        let n_norms = 2 * qk_norm.map_or(0, |norm| norm.n_params());
        projections.map(|(d_in, d_out, bias)| Linear::n_params(d_in, d_out, bias)).iter().sum::<usize>() + n_norms
    }
}

impl MultiHeadAttention {
    /// Attention of `x` to `memory`.
    ///
    /// # Shapes
    /// - `x`: `[batch, q_len, d_model]`, `memory`: `[batch, k_len, d_model]`
    /// - returns `[batch, q_len, d_model]`
    pub fn forward(&self, x: Tensor<3>, memory: Tensor<3>, mask: &Mask, pass: Option<&Dropout>) -> Tensor<3> {
        let keys_values = self.keys_values_in(memory, pass);
        self.attend(x, keys_values, mask, pass)
    }

    /// Attention of `x` (`[batch, seq, d_model]`) to itself, as `context` says.
    pub fn forward_self(&self, x: Tensor<3>, context: &AttentionContext, pass: Option<&Dropout>) -> Tensor<3> {
        let keys_values = self.keys_values_in(x.clone(), pass).rotated(context.rotation.as_ref());
        self.attend_in(x, keys_values, context, pass)
    }

    /// Self-attention of new positions to themselves and to all cached ones.
    ///
    /// `[rows, new, d_model]` to the same shape; `context` is that of the new positions.
    pub fn forward_cached(&self, x: Tensor<3>, context: &AttentionContext, cache: &mut KvCache) -> Tensor<3> {
        let keys_values = cache.append(self.keys_values(x.clone()).rotated(context.rotation.as_ref()));
        self.attend_in(x, keys_values, context, None)
    }

    /// Attention of `x` (`[batch, q_len, d_model]`) to keys and values that are projected already.
    pub fn attend(&self, x: Tensor<3>, kv: KeyValues, mask: &Mask, pass: Option<&Dropout>) -> Tensor<3> {
        let q = self.queries(x, pass);
        self.join(ops::attention(q, kv.k, kv.v, self.scoring(mask, None), self.dropout, pass), pass)
    }

    /// Attention weights of each position of `x` over `memory`, for each head: `[batch, heads, q_len, k_len]`. Of heads that were
    /// pruned, they are 0.
    pub fn weights(&self, x: Tensor<3>, memory: Tensor<3>, mask: &Mask) -> Tensor<4> {
        let k = self.keys(memory, None);
        self.of_all(ops::attention_weights(self.queries(x, None), k, self.scoring(mask, None)))
    }

    /// Attention weights of each position of `x` over `x`, for each head: `[batch, heads, seq, seq]`. Of heads that were pruned,
    /// they are 0.
    ///
    /// # Panics
    /// If the context is that of several texts in a row.
    pub fn self_weights(&self, x: Tensor<3>, context: &AttentionContext) -> Tensor<4> {
        assert!(context.texts.is_none(), "weights are those of one text in each row");
        let k = self.keys(x.clone(), None);
        let [q, k] = [self.queries(x, None), k].map(|x| rotated(x, context.rotation.as_ref()));
        let bias = self.biases(context);
        self.of_all(ops::attention_weights(q, k, self.scoring(&context.mask, bias.as_ref())))
    }

    /// Projects `memory` (`[batch, k_len, d_model]`) to the keys and values of all heads.
    pub fn keys_values(&self, memory: Tensor<3>) -> KeyValues {
        self.keys_values_in(memory, None)
    }

    fn keys_values_in(&self, memory: Tensor<3>, pass: Option<&Dropout>) -> KeyValues {
        let k = self.keys(memory.clone(), pass);
        KeyValues { k, v: split_heads(self.value.forward_in(memory, pass), self.n_kv_heads) }
    }

    fn attend_in(&self, x: Tensor<3>, kv: KeyValues, context: &AttentionContext, pass: Option<&Dropout>) -> Tensor<3> {
        let q = rotated(self.queries(x, pass), context.rotation.as_ref());
        let bias = self.biases(context);
        let scoring = self.scoring(&context.mask, bias.as_ref());
        let heads = match &context.texts {
            Some(lengths) => ops::attention_of_texts(q, kv.k, kv.v, lengths, scoring, self.dropout, pass),
            None => ops::attention(q, kv.k, kv.v, scoring, self.dropout, pass),
        };
        self.join(heads, pass)
    }

    /// The biases of these heads: `[1, heads or 1, new, k_len]`.
    fn biases(&self, context: &AttentionContext) -> Option<Tensor<4>> {
        let all = context.bias.clone()?;
        Some(match &self.left {
            Some(left) => left.biases(all),
            None => all,
        })
    }

    /// Weights of all heads, pruned ones too.
    fn of_all(&self, weights: Tensor<4>) -> Tensor<4> {
        match &self.left {
            Some(left) => left.spread(weights),
            None => weights,
        }
    }

    fn scoring<'a>(&self, mask: &'a Mask, bias: Option<&'a Tensor<4>>) -> Scoring<'a> {
        Scoring { mask, bias, scaled: self.scaled, cap: self.cap }
    }

    /// `[batch, q_len, d_model]` to `[batch, heads, q_len, d_k]`.
    fn queries(&self, x: Tensor<3>, pass: Option<&Dropout>) -> Tensor<4> {
        normed(split_heads(self.query.forward_in(x, pass), self.n_heads), self.query_norm.as_ref())
    }

    /// `[batch, k_len, d_model]` to `[batch, kv_heads, k_len, d_k]`.
    fn keys(&self, memory: Tensor<3>, pass: Option<&Dropout>) -> Tensor<4> {
        normed(split_heads(self.key.forward_in(memory, pass), self.n_kv_heads), self.key_norm.as_ref())
    }

    /// `[batch, heads, q_len, d_v]` to `[batch, q_len, d_model]`.
    fn join(&self, heads: Tensor<4>, pass: Option<&Dropout>) -> Tensor<3> {
        let [batch, n_heads, q_len, d_v] = heads.dims();
        self.output.forward_in(heads.swap_dims(1, 2).reshape([batch, q_len, n_heads * d_v]), pass)
    }
}

impl KeyValues {
    /// The same, with the keys rotated by their positions.
    fn rotated(self, rotation: Option<&Rotation>) -> Self {
        Self { k: rotated(self.k, rotation), ..self }
    }
}

fn normed(x: Tensor<4>, norm: Option<&Norm>) -> Tensor<4> {
    match norm {
        Some(norm) => norm.forward(x),
        None => x,
    }
}

fn rotated(x: Tensor<4>, rotation: Option<&Rotation>) -> Tensor<4> {
    match rotation {
        Some(rotation) => rotation.apply(x),
        None => x,
    }
}

/// `[batch, seq, heads · d]` to `[batch, heads, seq, d]`.
fn split_heads(x: Tensor<3>, n_heads: usize) -> Tensor<4> {
    let [batch, seq, width] = x.dims();
    x.reshape([batch, seq, n_heads, width / n_heads]).swap_dims(1, 2)
}
