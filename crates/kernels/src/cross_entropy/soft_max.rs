//! The soft-max down the vocabulary, a block of words at a time.

use super::BLOCK;
use crate::math::exp;
use crate::matmul::A_STRIDE;
use crate::simd::{Simd, dispatch};

/// Statistics of each row over a block of the vocabulary.
#[derive(Clone, Copy)]
pub(super) enum Stat {
    /// The largest logit; after normalising, the factor that turns the block's exponentials into probabilities.
    Max,
    /// The sum of exponentials, relative to the maximum.
    SumExp,
    /// The sum of logits.
    Sum,
    /// The logit of the target, if the block holds it.
    Target,
}

/// Values that a block keeps.
pub(super) const STATS: usize = 4 * BLOCK;

impl Stat {
    /// Index of a row's value in its block's statistics.
    pub(super) fn of(self, row: usize) -> usize {
        self as usize * BLOCK + row
    }
}

dispatch! {
    /// `exp(logit - max)` in place for a block `[words, rows]`, with each row's maximum and sums.
    pub(super) fn exponentials(dims: [usize; 2], logits: &mut [f32], stats: &mut [f32]) = exponentials_kernel
}

/// Vectors that one step down a block takes: a few cache lines.
const ABREAST: usize = 4;

#[inline(always)]
fn exponentials_kernel<S: Simd>(s: S, [words, rows]: [usize; 2], logits: &mut [f32], stats: &mut [f32]) {
    let lowest = s.splat(f32::NEG_INFINITY);
    // Lanes beyond `rows` keep arbitrary values; no lane reads another.
    for i in (0..rows).step_by(ABREAST * S::LANES) {
        let mut max = [lowest; ABREAST];
        let mut sum = [s.zero(); ABREAST];
        for logits in logits.chunks_exact(A_STRIDE).take(words) {
            for u in 0..ABREAST {
                let logit = s.load(logits, i + u * S::LANES);
                max[u] = s.max(logit, max[u]);
                sum[u] = s.add(sum[u], logit);
            }
        }
        // All words are forbidden: any finite maximum turns minus infinities into zeros.
        let mut shift = max;
        for u in 0..ABREAST {
            shift[u] = s.select(s.lt(lowest, max[u]), max[u], s.zero());
        }
        let mut sum_exp = [s.zero(); ABREAST];
        for logits in logits.chunks_exact_mut(A_STRIDE).take(words) {
            for u in 0..ABREAST {
                let e = exp(s, s.sub(s.load(logits, i + u * S::LANES), shift[u]));
                sum_exp[u] = s.add(sum_exp[u], e);
                s.store(logits, i + u * S::LANES, e);
            }
        }
        for u in 0..ABREAST {
            let i = i + u * S::LANES;
            s.store(stats, Stat::Max.of(i), max[u]);
            s.store(stats, Stat::SumExp.of(i), sum_exp[u]);
            s.store(stats, Stat::Sum.of(i), sum[u]);
        }
    }
}

dispatch! {
    /// Merges the blocks' statistics, and turns each block's maximum into `exp(max - overall max) / overall sum`.
    pub(super) fn normalise(rows: usize, stats: &mut [f32], merged: &mut [f32]) = normalise_kernel
}

#[inline(always)]
fn normalise_kernel<S: Simd>(s: S, rows: usize, stats: &mut [f32], merged: &mut [f32]) {
    for i in (0..rows).step_by(S::LANES) {
        let mut max = s.splat(f32::NEG_INFINITY);
        for stats in stats.chunks_exact(STATS) {
            max = s.max(s.load(stats, Stat::Max.of(i)), max);
        }
        let (mut sum_exp, mut sum) = (s.zero(), s.zero());
        for stats in stats.chunks_exact_mut(STATS) {
            let share = exp(s, s.sub(s.load(stats, Stat::Max.of(i)), max));
            sum_exp = s.mul_add(s.load(stats, Stat::SumExp.of(i)), share, sum_exp);
            sum = s.add(sum, s.load(stats, Stat::Sum.of(i)));
            s.store(stats, Stat::Max.of(i), share);
        }
        for stats in stats.chunks_exact_mut(STATS) {
            s.store(stats, Stat::Max.of(i), s.div(s.load(stats, Stat::Max.of(i)), sum_exp));
        }
        s.store(merged, Stat::Max.of(i), max);
        s.store(merged, Stat::SumExp.of(i), sum_exp);
        s.store(merged, Stat::Sum.of(i), sum);
    }
}

dispatch! {
    /// `p - uniform` in place of a block's exponentials `[words, rows]`; adds its sum over rows to `d_bias`.
    pub(super) fn logit_gradient(rows: usize, share: &[f32], uniform: f32, logits: &mut [f32], d_bias: &mut [f32]) =
        logit_gradient_kernel
}

#[inline(always)]
fn logit_gradient_kernel<S: Simd>(
    s: S,
    rows: usize,
    share: &[f32],
    uniform: f32,
    logits: &mut [f32],
    d_bias: &mut [f32],
) {
    let share = &share[..rows];
    for (logits, d_bias) in logits.chunks_exact_mut(A_STRIDE).zip(d_bias) {
        let logits = &mut logits[..rows];
        let mut sum = s.zero();
        for i in (0..rows).step_by(S::LANES) {
            let p = s.mul(s.load(logits, i), s.load(share, i));
            sum = s.add(sum, p);
            s.store(logits, i, s.sub(p, s.splat(uniform)));
        }
        *d_bias += s.sum(sum) - uniform * rows as f32;
    }
}
