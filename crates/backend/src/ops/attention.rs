//! Scaled dot-product attention.

use burn::tensor::{Tensor, activation::softmax};

#[cfg(feature = "flex")]
use super::dropout::args as dropout_args;
use super::dropout::dropout;
use crate::{Dropout, Mask};

/// Scaled dot-product attention for all heads at once: `softmax(q kᵀ / √d_k + bias) v`.
///
/// Source: Vaswani et al. 2017, §3.2.1, eq. 1. Ours: weights are dropped after the soft-max with probability `rate`
/// where `pass` is given (docs/deviations.md#attention-dropout). Fewer heads of keys and values than of queries serve a
/// group of neighbouring ones each (Ainslie et al. 2023; with one alone, Shazeer 2019).
///
/// # Shapes
/// - `q`: `[batch, heads, q_len, d_k]`, `k`: `[batch, kv_heads, k_len, d_k]`, `v`: `[batch, kv_heads, k_len, d_v]`
/// - `bias`: `[batch or 1, heads or 1, q_len or 1, k_len]`, which positions add to scores
/// - returns `[batch, heads, q_len, d_v]`; zero where a query sees no key
///
/// # Panics
/// If `k` and `v` differ in `k_len`, or `heads` is no multiple of `kv_heads`.
pub fn attention(
    q: Tensor<4>,
    k: Tensor<4>,
    v: Tensor<4>,
    mask: &Mask,
    bias: Option<Tensor<4>>,
    rate: f64,
    pass: Option<&Dropout>,
) -> Tensor<4> {
    let ([_, heads, ..], [_, _, k_len, _]) = (q.dims(), k.dims());
    assert_eq!(k_len, v.dims()[2], "attention: keys and values differ in number");
    let (k, v) = (share_heads(k, heads), share_heads(v, heads));
    #[cfg(feature = "flex")]
    if bias.is_none()
        && mask.window.is_none_or(|window| window >= k_len)
        && mask.hidden.is_none()
        && crate::fused::applies(&q)
    {
        let hidden_keys = mask.hidden_keys.clone().map(|hidden| {
            hidden.into_data().convert::<bool>().try_into_vec::<bool>().expect("a mask is boolean").into()
        });
        let dropout = dropout_args(rate, pass);
        let args = crate::fused::AttentionArgs { hidden_keys, causal: mask.causal, dropout };
        return crate::fused::attention(q, k, v, args);
    }
    dropout(attention_weights(q, k, mask, bias), rate, pass).matmul(v)
}

/// What each query attends to: `softmax(q kᵀ / √d_k + bias)`, rows summing to 1, or to 0 where a query sees no key.
///
/// # Shapes
/// - `q`: `[batch, heads, q_len, d_k]`, `k`: `[batch, kv_heads, k_len, d_k]`
/// - `bias`: `[batch or 1, heads or 1, q_len or 1, k_len]`
/// - returns `[batch, heads, q_len, k_len]`
///
/// # Panics
/// If `heads` is no multiple of `kv_heads`.
pub fn attention_weights(q: Tensor<4>, k: Tensor<4>, mask: &Mask, bias: Option<Tensor<4>>) -> Tensor<4> {
    let [_, heads, _, d_k] = q.dims();
    let device = q.device();
    let k = share_heads(k, heads);
    let scores = (q / (d_k as f64).sqrt()).matmul(k.swap_dims(2, 3)); // [batch, heads, q_len, k_len]
    let scores = match bias {
        Some(bias) => scores + bias,
        None => scores,
    };
    let dims = scores.dims();
    match mask.to_tensor(dims, &device) {
        Some(hidden) => {
            let hidden = hidden.expand(dims);
            // Finite, so that a fully hidden row has no NaN; then exactly zero.
            softmax(scores.mask_fill(hidden.clone(), -1e30), 3).mask_fill(hidden, 0.0)
        }
        None => softmax(scores, 3),
    }
}

/// A copy of a head of keys or values for each head of queries in its group.
fn share_heads(x: Tensor<4>, heads: usize) -> Tensor<4> {
    let [batch, kv_heads, k_len, d] = x.dims();
    if kv_heads == heads {
        return x;
    }
    assert!(heads.is_multiple_of(kv_heads), "{heads} heads can't share {kv_heads} heads of keys and values");
    let shape = [batch, kv_heads, heads / kv_heads, k_len, d];
    x.unsqueeze_dim::<5>(2).expand(shape).reshape([batch, heads, k_len, d])
}
