//! A few queries against a cache of keys: a decoding step. Nothing is packed, as nothing would be read twice.

use super::weights::{Block, dot};
use crate::dropout::WORD;
use crate::math::exp;
use crate::scratch::Scratch;
use crate::simd::{Simd, dispatch};
use crate::{MatMut, MatRef};
use std::mem::MaybeUninit;

/// From this many queries on, packing keys and values pays.
pub(super) const MANY: usize = 5;

dispatch! {
    /// Attention of each row of `q` over the keys that it sees, as [`forward`](super::Attention::forward).
    ///
    /// `block` describes all queries against all keys.
    pub(super) fn attend(
        block: &Block<'_>, q: MatRef<'_>, k: MatRef<'_>, v: MatRef<'_>, out: &mut MatMut<'_>, lse: &mut [f32],
    ) = attend_kernel
}

#[inline(always)]
fn attend_kernel<S: Simd>(
    s: S,
    block: &Block<'_>,
    q: MatRef<'_>,
    k: MatRef<'_>,
    v: MatRef<'_>,
    out: &mut MatMut<'_>,
    lse: &mut [f32],
) {
    let mut weights = Scratch::new(block.cols);
    for (r, lse) in lse.iter_mut().enumerate() {
        let weights = &mut weights[..block.seen(r)];
        for (j, score) in weights.iter_mut().enumerate() {
            *score = s.sum(dot(s, q.row(r), k.row(j)));
        }
        block.bound(s, weights);
        block.hide_far(r, weights);
        let bias = block.bias(r, weights.len());
        let lowest = s.splat(f32::NEG_INFINITY);
        let mut max = lowest;
        for i in (0..weights.len()).step_by(S::LANES) {
            let scores = block.scores(s, weights, bias, i);
            s.store(weights, i, scores);
            max = s.max(s.load_or(weights, i, lowest), max);
        }
        let max = s.max_lane(max);
        // No key is seen: any finite maximum turns minus infinities into zeros.
        let shift = if max == f32::NEG_INFINITY { 0.0 } else { max };
        let mask = block.dropout.row(block.first_row + r, block.k_len);
        let mut sum = s.zero();
        for word_col in (0..weights.len()).step_by(WORD) {
            let word = mask.word(s, word_col);
            for i in (word_col..weights.len().min(word_col + WORD)).step_by(S::LANES) {
                let weight = exp(s, s.sub(s.load_or(weights, i, lowest), s.splat(shift)));
                sum = s.add(sum, weight);
                s.store(weights, i, s.keep((word >> (i - word_col)) as u32, weight));
            }
        }
        let (factor, log_sum_exp) = block.normaliser(shift, s.sum(sum));
        *lse = log_sum_exp;
        weighted_sum(s, weights, |j| v.row(j), factor, out.room(r));
    }
}

/// `y = factor · Σ weights[j] · v(j)`, some vectors of `y` at a time.
#[inline(always)]
pub(super) fn weighted_sum<'v, S: Simd>(
    s: S,
    weights: &[f32],
    v: impl Fn(usize) -> &'v [f32],
    factor: f32,
    y: &mut [MaybeUninit<f32>],
) {
    const ABREAST: usize = 4;
    for i in (0..y.len()).step_by(ABREAST * S::LANES) {
        let mut sums = [s.zero(); ABREAST];
        for (j, &weight) in weights.iter().enumerate() {
            let row = v(j);
            for u in 0..ABREAST {
                sums[u] = s.mul_add(s.load(row, i + u * S::LANES), s.splat(weight), sums[u]);
            }
        }
        for u in 0..ABREAST {
            s.store_new(y, i + u * S::LANES, s.mul(sums[u], s.splat(factor)));
        }
    }
}
