//! Scaled dot-product attention.

use burn::tensor::{Tensor, activation::softmax};

#[cfg(feature = "flex")]
use super::dropout::args as dropout_args;
use super::dropout::dropout;
use crate::{Dropout, Mask};

/// Scaled dot-product attention for all heads at once: `softmax(q kᵀ / √d_k) v`.
///
/// Source: Vaswani et al. 2017, §3.2.1, eq. 1. Ours: weights are dropped after the soft-max with probability `rate`
/// where `pass` is given (docs/deviations.md#attention-dropout).
///
/// # Shapes
/// - `q`: `[batch, heads, q_len, d_k]`, `k`: `[batch, heads, k_len, d_k]`, `v`: `[batch, heads, k_len, d_v]`
/// - returns `[batch, heads, q_len, d_v]`; zero where a query sees no key
///
/// # Panics
/// If `k` and `v` differ in `k_len`.
pub fn attention(
    q: Tensor<4>,
    k: Tensor<4>,
    v: Tensor<4>,
    mask: &Mask,
    rate: f64,
    pass: Option<&Dropout>,
) -> Tensor<4> {
    assert_eq!(k.dims()[2], v.dims()[2], "attention: keys and values differ in number");
    #[cfg(feature = "flex")]
    if mask.hidden.is_none() && crate::fused::applies(&q) {
        let hidden_keys = mask.hidden_keys.clone().map(|hidden| {
            hidden.into_data().convert::<bool>().try_into_vec::<bool>().expect("a mask is boolean").into()
        });
        let dropout = dropout_args(rate, pass);
        let args = crate::fused::AttentionArgs { hidden_keys, causal: mask.causal, dropout };
        return crate::fused::attention(q, k, v, args);
    }
    dropout(attention_weights(q, k, mask), rate, pass).matmul(v)
}

/// What each query attends to: `softmax(q kᵀ / √d_k)`, rows summing to 1, or to 0 where a query sees no key.
///
/// # Shapes
/// - `q`: `[batch, heads, q_len, d_k]`, `k`: `[batch, heads, k_len, d_k]`
/// - returns `[batch, heads, q_len, k_len]`
pub fn attention_weights(q: Tensor<4>, k: Tensor<4>, mask: &Mask) -> Tensor<4> {
    let d_k = q.dims()[3];
    let device = q.device();
    let scores = (q / (d_k as f64).sqrt()).matmul(k.swap_dims(2, 3)); // [batch, heads, q_len, k_len]
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
