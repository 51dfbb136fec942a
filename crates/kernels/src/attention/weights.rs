//! The soft-max between the products: from scores to weights, and from weights to gradients of scores.

use super::RowBias;
use crate::dropout::WORD;
use crate::math::{exp, tanh};
use crate::matmul::A_STRIDE;
use crate::simd::{Simd, dispatch};
use crate::{Dropout, MatMut, MatRef};

/// Some queries against a block of keys; row `r` of the scores begins at `r · A_STRIDE`.
#[derive(Clone, Copy)]
pub(super) struct Block<'a> {
    pub(super) rows: usize,
    /// Keys that any of the queries sees.
    pub(super) cols: usize,
    /// The first key within the first query's window; each later query's window begins one key later.
    pub(super) first: isize,
    /// The first key after those that the first query sees; for each later query one key later.
    pub(super) first_unseen: isize,
    /// Factor of scores.
    pub(super) scale: f32,
    /// Bound of scaled scores.
    pub(super) cap: Option<f32>,
    /// Added to the scores of each key: minus infinity hides it.
    pub(super) hidden: Option<&'a [f32]>,
    /// Added to scores.
    pub(super) bias: Option<RowBias<'a>>,
    pub(super) dropout: Dropout,
    /// Row of the dropout mask of the first query.
    pub(super) first_row: usize,
    /// Column of the dropout mask of the first key, a multiple of 64.
    pub(super) first_key: usize,
    /// Columns of the dropout mask, and of a bias with a gradient.
    pub(super) k_len: usize,
}

impl Block<'_> {
    /// Number of the block's keys that the query of row `row` sees.
    #[inline(always)]
    pub(super) fn seen(&self, row: usize) -> usize {
        self.first_unseen.saturating_add(row as isize).clamp(0, self.cols as isize) as usize
    }

    /// Bounds the products of a row.
    #[inline(always)]
    pub(super) fn bound<S: Simd>(&self, s: S, products: &mut [f32]) {
        if let Some(cap) = self.cap {
            bound(s, products, self.scale, cap);
        }
    }

    /// Makes the scores of a row that are before its window vanish.
    #[inline(always)]
    pub(super) fn hide_far(&self, row: usize, scores: &mut [f32]) {
        let far = self.first.saturating_add(row as isize).clamp(0, scores.len() as isize) as usize;
        scores[..far].fill(f32::NEG_INFINITY);
    }

    /// The bias of a row.
    #[inline(always)]
    pub(super) fn bias(&self, row: usize, seen: usize) -> Option<&[f32]> {
        self.bias.as_ref().map(|bias| bias.row(row, seen))
    }

    /// Scores of a row from column `i` on, scaled, biased and masked.
    #[inline(always)]
    pub(super) fn scores<S: Simd>(&self, s: S, row: &[f32], bias: Option<&[f32]>, i: usize) -> S::F32 {
        let mut scores = s.mul(s.load(row, i), s.splat(self.scale));
        if let Some(bias) = bias {
            scores = s.add(scores, s.load(bias, i));
        }
        match self.hidden {
            Some(hidden) => s.add(scores, s.load(hidden, i)),
            None => scores,
        }
    }

    /// Factor for weighted sums, and the log-sum-exp, from a row's largest score and its sum of exponentials.
    pub(super) fn normaliser(&self, max: f32, sum: f32) -> (f32, f32) {
        match sum {
            // No key is seen. An infinite log-sum-exp makes every weight of the backward pass zero.
            0.0 => (0.0, f32::INFINITY),
            _ => (self.dropout.scale() / sum, max + sum.ln()),
        }
    }
}

/// Products of queries and keys to those whose scaled scores are `cap · tanh(score / cap)`.
#[inline(always)]
pub(super) fn bound<S: Simd>(s: S, products: &mut [f32], scale: f32, cap: f32) {
    let (inner, outer) = (s.splat(scale / cap), s.splat(cap / scale));
    for i in (0..products.len()).step_by(S::LANES) {
        let bounded = tanh(s, s.mul(s.load(products, i), inner));
        s.store(products, i, s.mul(bounded, outer));
    }
}

/// A query's running soft-max.
#[derive(Clone, Copy)]
pub(super) struct Running {
    /// The largest score so far.
    pub(super) max: f32,
    /// The sum of exponentials relative to it.
    pub(super) sum: f32,
    /// Factor for sums over earlier blocks.
    pub(super) rescale: f32,
}

impl Running {
    /// Before any key.
    pub(super) const START: Self = Self { max: f32::NEG_INFINITY, sum: 0.0, rescale: 1.0 };
}

dispatch! {
    /// Scores to `exp(score - max)`, dropped ones to zero (survivors are not scaled yet); updates the running soft-max.
    pub(super) fn weights(block: &Block<'_>, scores: &mut [f32], running: &mut [Running]) = weights_kernel
}

#[inline(always)]
fn weights_kernel<S: Simd>(s: S, block: &Block<'_>, scores: &mut [f32], running: &mut [Running]) {
    for (r, (row, running)) in scores.chunks_mut(A_STRIDE).zip(running).take(block.rows).enumerate() {
        let (row, unseen) = row[..block.cols].split_at_mut(block.seen(r));
        unseen.fill(0.0);
        block.bound(s, row);
        block.hide_far(r, row);
        let bias = block.bias(r, row.len());
        let lowest = s.splat(f32::NEG_INFINITY);
        let mut max = lowest;
        for i in (0..row.len()).step_by(S::LANES) {
            let x = block.scores(s, row, bias, i);
            s.store(row, i, x);
            max = s.max(if i + S::LANES <= row.len() { x } else { s.load_or(row, i, lowest) }, max);
        }
        let max = s.max_lane(max).max(running.max);
        // Nothing seen so far: any finite maximum turns minus infinities into zeros.
        let shift = if max == f32::NEG_INFINITY { 0.0 } else { max };
        let mask = block.dropout.row(block.first_row + r, block.k_len);
        let mut sum = s.zero();
        for word_col in (0..row.len()).step_by(WORD) {
            let word = mask.word(s, block.first_key + word_col);
            for i in (word_col..row.len().min(word_col + WORD)).step_by(S::LANES) {
                let weight = exp(s, s.sub(s.load_or(row, i, lowest), s.splat(shift)));
                sum = s.add(sum, weight);
                s.store(row, i, s.keep((word >> (i - word_col)) as u32, weight));
            }
        }
        running.rescale = if running.max == max { 1.0 } else { (running.max - shift).exp() };
        running.sum = running.sum * running.rescale + s.sum(sum);
        running.max = max;
    }
}

dispatch! {
    /// `y[r] = factors[r] · x[r]` for the rows of `y`.
    pub(super) fn scale_rows(factors: &[f32], x: &[f32], y: MatMut<'_>) = scale_rows_kernel
}

#[inline(always)]
fn scale_rows_kernel<S: Simd>(s: S, factors: &[f32], x: &[f32], mut y: MatMut<'_>) {
    let cols = y.cols;
    for (r, (&factor, x)) in factors.iter().zip(x.chunks_exact(cols)).enumerate() {
        let y = y.room(r);
        for i in (0..cols).step_by(S::LANES) {
            s.store_new(y, i, s.mul(s.load(x, i), s.splat(factor)));
        }
    }
}

dispatch! {
    /// `y[r] *= factors[r]` for rows of `cols`.
    pub(super) fn rescale_rows(factors: &[f32], cols: usize, y: &mut [f32]) = rescale_rows_kernel
}

#[inline(always)]
fn rescale_rows_kernel<S: Simd>(s: S, factors: &[f32], cols: usize, y: &mut [f32]) {
    for (&factor, y) in factors.iter().zip(y.chunks_exact_mut(cols)).filter(|(factor, _)| **factor != 1.0) {
        for i in (0..cols).step_by(S::LANES) {
            s.store(y, i, s.mul(s.load(y, i), s.splat(factor)));
        }
    }
}

dispatch! {
    /// Scores to weights after dropout, and gradients of weights after dropout to gradients of `q kᵀ`.
    ///
    /// `lse` is the log-sum-exp of each query's scores, `dot` the product of its output with the output's gradient.
    /// Gradients of biased scores are added to `d_bias`, laid out as the bias, or empty.
    pub(super) fn weight_gradients(
        block: &Block<'_>, lse: &[f32], dot: &[f32], scores: &mut [f32], gradients: &mut [f32], d_bias: &mut [f32],
    ) = weight_gradients_kernel
}

#[inline(always)]
fn weight_gradients_kernel<S: Simd>(
    s: S,
    block: &Block<'_>,
    lse: &[f32],
    dot: &[f32],
    scores: &mut [f32],
    gradients: &mut [f32],
    d_bias: &mut [f32],
) {
    let kept = s.splat(block.dropout.scale());
    let rows = scores.chunks_mut(A_STRIDE).zip(gradients.chunks_mut(A_STRIDE));
    for (r, (row, gradient)) in rows.take(block.rows).enumerate() {
        let seen = block.seen(r);
        let (row, unseen) = row[..block.cols].split_at_mut(seen);
        let (gradient, unseen_gradient) = gradient[..block.cols].split_at_mut(seen);
        unseen.fill(0.0);
        unseen_gradient.fill(0.0);
        block.hide_far(r, row);
        let bias = block.bias(r, seen);
        let d_bias = if d_bias.is_empty() { &mut [][..] } else { &mut d_bias[r * block.k_len..][..seen] };
        let (lse, dot) = (s.splat(lse[r]), s.splat(dot[r]));
        let mask = block.dropout.row(block.first_row + r, block.k_len);
        for word_col in (0..seen).step_by(WORD) {
            let word = mask.word(s, block.first_key + word_col);
            for i in (word_col..seen.min(word_col + WORD)).step_by(S::LANES) {
                let bits = (word >> (i - word_col)) as u32;
                let weight = exp(s, s.sub(block.scores(s, row, bias, i), lse));
                let d_weight = s.keep(bits, s.mul(s.load(gradient, i), kept));
                let d_score = s.mul(weight, s.sub(d_weight, dot));
                s.store(gradient, i, s.mul(d_score, s.splat(block.scale)));
                if !d_bias.is_empty() {
                    s.store(d_bias, i, s.add(d_score, s.load(d_bias, i)));
                }
                s.store(row, i, s.keep(bits, s.mul(weight, kept)));
            }
        }
    }
}

dispatch! {
    /// The dot product of each row of `x` with that of `y`.
    pub(super) fn dot_rows(x: MatRef<'_>, y: MatRef<'_>, dots: &mut [f32]) = dot_rows_kernel
}

#[inline(always)]
fn dot_rows_kernel<S: Simd>(s: S, x: MatRef<'_>, y: MatRef<'_>, dots: &mut [f32]) {
    for (r, to) in dots.iter_mut().take(x.rows).enumerate() {
        *to = s.sum(dot(s, x.row(r), y.row(r)));
    }
}

/// Partial sums of the dot product of two rows, a lane each.
#[inline(always)]
pub(super) fn dot<S: Simd>(s: S, x: &[f32], y: &[f32]) -> S::F32 {
    let mut sums = [s.zero(); 2];
    for i in (0..x.len()).step_by(2 * S::LANES) {
        for u in 0..2 {
            let i = i + u * S::LANES;
            sums[u] = s.mul_add(s.load(x, i), s.load(y, i), sums[u]);
        }
    }
    s.add(sums[0], sums[1])
}
