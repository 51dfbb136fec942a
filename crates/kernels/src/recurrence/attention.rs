//! Additive attention of one state to one source, forward and backward.

use crate::math::{exp, tanh};
use crate::simd::{Simd, dispatch};

/// A source as the states of its row see it.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    /// `v`: `[d_attention]`.
    pub score: &'a [f32],
    /// `U h` of the tokens without padding: `[len, d_attention]`.
    pub keys: &'a [f32],
    /// Values that are averaged: `[len, d_values]`.
    pub values: &'a [f32],
}

dispatch! {
    /// Weights `softmax(vᵀ tanh(query + key))`, zero after the source's end, and the mean of the values under them.
    pub(super) fn attend(source: Source<'_>, query: &[f32], weights: &mut [f32], context: &mut [f32]) = attend_kernel
}

#[inline(always)]
fn attend_kernel<S: Simd>(s: S, source: Source<'_>, query: &[f32], weights: &mut [f32], context: &mut [f32]) {
    let (d, width) = (query.len(), context.len());
    let n = source.keys.len() / d;
    let mut highest = f32::NEG_INFINITY;
    for (weight, key) in weights.iter_mut().zip(source.keys.chunks_exact(d)) {
        let mut sum = s.zero();
        for at in (0..d).step_by(S::LANES) {
            let energy = tanh(s, s.add(s.load(key, at), s.load(query, at)));
            sum = s.mul_add(s.load(source.score, at), energy, sum);
        }
        *weight = s.sum(sum);
        highest = highest.max(*weight);
    }
    let (seen, hidden) = weights.split_at_mut(n);
    hidden.fill(0.0);
    let mut total = s.zero();
    for at in (0..n).step_by(S::LANES) {
        let lowest = s.splat(f32::NEG_INFINITY);
        let weight = exp(s, s.sub(s.load_or(seen, at, lowest), s.splat(highest)));
        total = s.add(total, weight);
        s.store(seen, at, weight);
    }
    let factor = 1.0 / s.sum(total);
    context.fill(0.0);
    for (weight, value) in seen.iter_mut().zip(source.values.chunks_exact(width)) {
        *weight *= factor;
        add_times(s, *weight, value, context);
    }
}

/// `y += a x`.
#[inline(always)]
fn add_times<S: Simd>(s: S, a: f32, x: &[f32], y: &mut [f32]) {
    let a = s.splat(a);
    for at in (0..y.len()).step_by(S::LANES) {
        s.store(y, at, s.mul_add(a, s.load(x, at), s.load(y, at)));
    }
}

/// Gradients of [`attend`], added to; those of the values are one product over all steps.
pub(super) struct SourceGradients<'a> {
    /// `[d_attention]`.
    pub score: &'a mut [f32],
    /// `[len, d_attention]`.
    pub keys: &'a mut [f32],
    /// Overwritten: `[d_attention]`.
    pub query: &'a mut [f32],
}

dispatch! {
    /// Gradients for the gradient of the context; `room` is working memory for `len` values.
    pub(super) fn attend_backward(
        source: Source<'_>, query: &[f32], weights: &[f32], d_context: &[f32], room: &mut [f32], grads: SourceGradients<'_>,
    ) = attend_backward_kernel
}

#[inline(always)]
fn attend_backward_kernel<S: Simd>(
    s: S,
    source: Source<'_>,
    query: &[f32],
    weights: &[f32],
    d_context: &[f32],
    room: &mut [f32],
    grads: SourceGradients<'_>,
) {
    let (d, width) = (query.len(), d_context.len());
    let mut mean = 0.0;
    for ((d_weight, value), weight) in room.iter_mut().zip(source.values.chunks_exact(width)).zip(weights) {
        let mut dot = s.zero();
        for at in (0..width).step_by(S::LANES) {
            dot = s.mul_add(s.load(d_context, at), s.load(value, at), dot);
        }
        *d_weight = s.sum(dot);
        mean += weight * *d_weight;
    }
    let one = s.splat(1.0);
    grads.query.fill(0.0);
    let keys = source.keys.chunks_exact(d).zip(grads.keys.chunks_exact_mut(d));
    for ((key, d_key), (d_weight, weight)) in keys.zip(room.iter().zip(weights)) {
        let d_score = s.splat(weight * (d_weight - mean));
        for at in (0..d).step_by(S::LANES) {
            let energy = tanh(s, s.add(s.load(key, at), s.load(query, at)));
            s.store(grads.score, at, s.mul_add(d_score, energy, s.load(grads.score, at)));
            let slope = s.mul(s.load(source.score, at), s.sub(one, s.mul(energy, energy)));
            let g = s.mul(d_score, slope);
            s.store(d_key, at, s.add(g, s.load(d_key, at)));
            s.store(grads.query, at, s.add(g, s.load(grads.query, at)));
        }
    }
}
