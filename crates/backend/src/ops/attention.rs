//! Scaled dot-product attention.

use burn::tensor::{Tensor, activation::softmax};

use super::blocks;
#[cfg(feature = "flex")]
use super::dropout::args as dropout_args;
use crate::{Dropout, Mask};

/// Operations on the products of queries and keys before the soft-max; made from a mask alone, those of the paper.
#[derive(Debug, Clone, Copy)]
pub struct Scoring<'a> {
    /// The hidden keys.
    pub mask: &'a Mask,
    /// Bias of scores by position: `[batch or 1, heads or 1, q_len or 1, k_len]`.
    pub bias: Option<&'a Tensor<4>>,
    /// Whether scores are divided by √d_k (§3.2.1); T5's are not.
    pub scaled: bool,
    /// Bound `c` of scaled scores, which become `c · tanh(score / c)` before a bias (Gemma Team 2024, "Gemma 2", §2).
    pub cap: Option<f64>,
}

impl<'a> From<&'a Mask> for Scoring<'a> {
    fn from(mask: &'a Mask) -> Self {
        Self { mask, bias: None, scaled: true, cap: None }
    }
}

impl Scoring<'_> {
    /// Factor of the products of queries and keys of `d_k` features.
    pub(super) fn scale(&self, d_k: usize) -> f64 {
        if self.scaled { 1.0 / (d_k as f64).sqrt() } else { 1.0 }
    }
}

/// Scaled dot-product attention for all heads at once: `softmax(q kᵀ / √d_k + bias) v`.
///
/// Source: Vaswani et al. 2017, §3.2.1, eq. 1. Ours: weights are dropped after the soft-max with probability `rate` if
/// `pass` is given (docs/deviations.md#attention-dropout). If there are fewer heads of keys and values than of queries,
/// each serves a group of neighbouring ones (Ainslie et al. 2023; with one alone, Shazeer 2019).
///
/// # Shapes
/// - `q`: `[batch, heads, q_len, d_k]`, `k`: `[batch, kv_heads, k_len, d_k]`, `v`: `[batch, kv_heads, k_len, d_v]`
/// - returns `[batch, heads, q_len, d_v]`; zero where a query sees no key
///
/// # Panics
/// If `k` and `v` differ in `k_len`, `heads` is not a multiple of `kv_heads`, or other sizes do not agree.
pub fn attention<'a>(
    q: Tensor<4>,
    k: Tensor<4>,
    v: Tensor<4>,
    scoring: impl Into<Scoring<'a>>,
    rate: f64,
    pass: Option<&Dropout>,
) -> Tensor<4> {
    let scoring = scoring.into();
    #[cfg(feature = "flex")]
    if scoring.mask.hidden.is_none()
        && scoring.mask.window != Some(0)
        && scoring.cap.is_none()
        && crate::fused::applies(&q)
    {
        return fused_attention([q, k, v], scoring, None, rate, pass);
    }
    blocks::attention([q, k, v], scoring, rate, pass)
}

/// [`attention`] of texts that follow one another in one row, each to itself alone: the same as in rows of their own, without
/// padding. Lengths are those of the texts; each has at least one token.
///
/// # Shapes
/// - `q`: `[1, heads, seq, d_k]`, `k`: `[1, kv_heads, seq, d_k]`, `v`: `[1, kv_heads, seq, d_v]`
/// - a bias: `[1, heads or 1, longest, longest]`, of which each text has the first queries and keys
/// - returns `[1, heads, seq, d_v]`
///
/// # Panics
/// If lengths do not add up to `seq`, or the mask hides more than the future and what is out of a window.
pub fn attention_of_texts<'a>(
    q: Tensor<4>,
    k: Tensor<4>,
    v: Tensor<4>,
    lengths: &[usize],
    scoring: impl Into<Scoring<'a>>,
    rate: f64,
    pass: Option<&Dropout>,
) -> Tensor<4> {
    let (scoring, [batch, _, seq, _]) = (scoring.into(), q.dims());
    let n_tokens: usize = lengths.iter().sum();
    assert_eq!([batch, seq], [1, n_tokens], "texts of {lengths:?} tokens in rows of another length");
    assert!(!lengths.contains(&0), "a text of no tokens");
    let is_hidden = scoring.mask.hidden_keys.is_some() || scoring.mask.hidden.is_some();
    assert!(!is_hidden, "keys of texts are hidden one by one");
    #[cfg(feature = "flex")]
    if scoring.mask.window != Some(0) && scoring.cap.is_none() && crate::fused::applies(&q) {
        return fused_attention([q, k, v], scoring, Some(lengths), rate, pass);
    }
    let [q, k, v] = [q, k, v].map(|x| x.split_with_sizes(lengths.to_vec(), 2));
    let texts = q.into_iter().zip(k).zip(v).zip(lengths);
    let outputs = texts.map(|(((q, k), v), &n)| {
        let bias = scoring.bias.map(|bias| bias.clone().narrow(2, 0, n).narrow(3, 0, n));
        attention(q, k, v, Scoring { bias: bias.as_ref(), ..scoring }, rate, pass)
    });
    Tensor::cat(outputs.collect(), 2)
}

#[cfg(feature = "flex")]
fn fused_attention(
    [q, k, v]: [Tensor<4>; 3],
    scoring: Scoring<'_>,
    texts: Option<&[usize]>,
    rate: f64,
    pass: Option<&Dropout>,
) -> Tensor<4> {
    let ([batch, _, q_len, d_k], [_, kv_heads, k_len, _], of_values) = (q.dims(), k.dims(), v.dims());
    // The kernel would read parts of larger keys.
    assert_eq!(k.dims(), [batch, kv_heads, k_len, d_k], "attention: keys are not as the queries");
    assert_eq!(of_values[..2], [batch, kv_heads], "attention: values are not as the keys");
    let mask = scoring.mask;
    let hidden_keys = mask
        .hidden_keys
        .clone()
        .map(|hidden| hidden.into_data().convert::<bool>().try_into_vec::<bool>().expect("a mask is boolean").into());
    let args = crate::fused::AttentionArgs {
        hidden_keys,
        causal: mask.causal,
        window: mask.window,
        texts: texts.map(Into::into),
        scale: scoring.scale(d_k) as f32,
        dropout: dropout_args(rate, pass),
    };
    let bias = scoring.bias.map(|bias| {
        let [batch, heads, ..] = bias.dims();
        match texts {
            Some(_) => bias.clone(),
            None => bias.clone().expand([batch, heads, q_len, k_len]),
        }
    });
    crate::fused::attention([q, k, v], bias, args)
}

/// Attention weights of each query: `softmax(q kᵀ / √d_k + bias)`, rows summing to 1, or to 0 where a query sees no
/// key.
///
/// # Shapes
/// - `q`: `[batch, heads, q_len, d_k]`, `k`: `[batch, kv_heads, k_len, d_k]`
/// - returns `[batch, heads, q_len, k_len]`
///
/// # Panics
/// If `heads` is not a multiple of `kv_heads`.
pub fn attention_weights<'a>(q: Tensor<4>, k: Tensor<4>, scoring: impl Into<Scoring<'a>>) -> Tensor<4> {
    let (scoring, [_, heads, _, d_k]) = (scoring.into(), q.dims());
    let device = q.device();
    let k = share_heads(k, heads);
    let scores = (q * scoring.scale(d_k)).matmul(k.swap_dims(2, 3)); // [batch, heads, q_len, k_len]
    let scores = bounded(scores, scoring.cap);
    let scores = match scoring.bias {
        Some(bias) => scores + bias.clone(),
        None => scores,
    };
    let dims = scores.dims();
    match scoring.mask.to_tensor(dims, &device) {
        Some(hidden) => {
            let hidden = hidden.expand(dims);
            // Finite, so that a fully hidden row has no NaN; then exactly zero.
            softmax(scores.mask_fill(hidden.clone(), -1e30), 3).mask_fill(hidden, 0.0)
        }
        None => softmax(scores, 3),
    }
}

/// `cap · tanh(x / cap)`, element by element; without a cap, `x`.
pub fn bounded<const D: usize>(x: Tensor<D>, cap: Option<f64>) -> Tensor<D> {
    match cap {
        Some(cap) => (x / cap).tanh() * cap,
        None => x,
    }
}

/// A copy of a head of keys or values for each head of queries in its group.
pub(super) fn share_heads(x: Tensor<4>, heads: usize) -> Tensor<4> {
    let [batch, kv_heads, k_len, d] = x.dims();
    if kv_heads == heads {
        return x;
    }
    assert!(heads.is_multiple_of(kv_heads), "{heads} heads can't share {kv_heads} heads of keys and values");
    let shape = [batch, kv_heads, heads / kv_heads, k_len, d];
    x.unsqueeze_dim::<5>(2).expand(shape).reshape([batch, heads, k_len, d])
}
