//! Soft-max and log-soft-max of rows.

use crate::Level;
use crate::math::exp;
use crate::parallel::{Chunks, for_each_chunk};
use crate::simd::{Simd, dispatch};

/// `softmax(x)` of each row of `x` `[rows, cols]`; a row of minus infinities gives zeros.
///
/// # Panics
/// If lengths do not match.
///
/// ```
/// let mut y = [0.0; 2];
/// attentive_kernels::softmax(&[3f32.ln(), 0.0], 2, &mut y);
/// assert!((y[0] - 0.75).abs() < 1e-6);
/// ```
pub fn softmax(x: &[f32], cols: usize, y: &mut [f32]) {
    let level = Level::current();
    for_each_chunk(chunks(x, cols), y, |rows, y| {
        softmax_rows(level, cols, &x[rows.start * cols..rows.end * cols], y);
    });
}

/// `log(softmax(x))` of each row of `x` `[rows, cols]`; a row of minus infinities stays one.
///
/// # Panics
/// If lengths do not match.
pub fn log_softmax(x: &[f32], cols: usize, y: &mut [f32]) {
    let level = Level::current();
    for_each_chunk(chunks(x, cols), y, |rows, y| {
        log_softmax_rows(level, cols, &x[rows.start * cols..rows.end * cols], y);
    });
}

/// The gradient of [`softmax`] from its output `y`: `dx = y (dy - Σ y dy)`.
///
/// # Panics
/// If lengths do not match.
pub fn softmax_backward(y: &[f32], dy: &[f32], cols: usize, dx: &mut [f32]) {
    assert_eq!(y.len(), dy.len(), "the output and its gradient differ in length");
    let level = Level::current();
    for_each_chunk(chunks(y, cols), dx, |rows, dx| {
        let range = rows.start * cols..rows.end * cols;
        softmax_gradient(level, cols, &y[range.clone()], &dy[range], dx);
    });
}

/// The gradient of [`log_softmax`] from its output `y`: `dx = dy - exp(y) Σ dy`.
///
/// # Panics
/// If lengths do not match.
pub fn log_softmax_backward(y: &[f32], dy: &[f32], cols: usize, dx: &mut [f32]) {
    assert_eq!(y.len(), dy.len(), "the output and its gradient differ in length");
    let level = Level::current();
    for_each_chunk(chunks(y, cols), dx, |rows, dx| {
        let range = rows.start * cols..rows.end * cols;
        log_softmax_gradient(level, cols, &y[range.clone()], &dy[range], dx);
    });
}

fn chunks(x: &[f32], cols: usize) -> Chunks {
    assert!(cols > 0 && x.len().is_multiple_of(cols), "{} elements in rows of {cols}", x.len());
    Chunks::rows(x.len() / cols, cols)
}

/// The largest element.
#[inline(always)]
fn row_max<S: Simd>(s: S, x: &[f32]) -> f32 {
    let lowest = s.splat(f32::NEG_INFINITY);
    let mut max = lowest;
    for i in (0..x.len()).step_by(S::LANES) {
        max = s.max(s.load_or(x, i, lowest), max);
    }
    s.max_lane(max)
}

/// Value to subtract from a row before exponentials: its maximum, or zero if that is minus infinity.
#[inline(always)]
fn shift<S: Simd>(s: S, x: &[f32]) -> f32 {
    let max = row_max(s, x);
    if max == f32::NEG_INFINITY { 0.0 } else { max }
}

dispatch! { fn softmax_rows(cols: usize, x: &[f32], y: &mut [f32]) = softmax_kernel }

#[inline(always)]
fn softmax_kernel<S: Simd>(s: S, cols: usize, x: &[f32], y: &mut [f32]) {
    let lowest = s.splat(f32::NEG_INFINITY);
    for (x, y) in x.chunks_exact(cols).zip(y.chunks_exact_mut(cols)) {
        let shift = s.splat(shift(s, x));
        let mut sum = s.zero();
        for i in (0..cols).step_by(S::LANES) {
            let e = exp(s, s.sub(s.load_or(x, i, lowest), shift));
            sum = s.add(sum, e);
            s.store(y, i, e);
        }
        let sum = s.sum(sum);
        let factor = s.splat(if sum == 0.0 { 0.0 } else { 1.0 / sum });
        for i in (0..cols).step_by(S::LANES) {
            s.store(y, i, s.mul(s.load(y, i), factor));
        }
    }
}

dispatch! { fn log_softmax_rows(cols: usize, x: &[f32], y: &mut [f32]) = log_softmax_kernel }

#[inline(always)]
fn log_softmax_kernel<S: Simd>(s: S, cols: usize, x: &[f32], y: &mut [f32]) {
    let lowest = s.splat(f32::NEG_INFINITY);
    for (x, y) in x.chunks_exact(cols).zip(y.chunks_exact_mut(cols)) {
        let shift = shift(s, x);
        let mut sum = s.zero();
        for i in (0..cols).step_by(S::LANES) {
            sum = s.add(sum, exp(s, s.sub(s.load_or(x, i, lowest), s.splat(shift))));
        }
        let sum = s.sum(sum);
        let log_sum = s.splat(if sum == 0.0 { 0.0 } else { sum.ln() });
        for i in (0..cols).step_by(S::LANES) {
            s.store(y, i, s.sub(s.sub(s.load(x, i), s.splat(shift)), log_sum));
        }
    }
}

dispatch! { fn softmax_gradient(cols: usize, y: &[f32], dy: &[f32], dx: &mut [f32]) = softmax_gradient_kernel }

#[inline(always)]
fn softmax_gradient_kernel<S: Simd>(s: S, cols: usize, y: &[f32], dy: &[f32], dx: &mut [f32]) {
    for ((y, dy), dx) in y.chunks_exact(cols).zip(dy.chunks_exact(cols)).zip(dx.chunks_exact_mut(cols)) {
        let mut dot = s.zero();
        for i in (0..cols).step_by(S::LANES) {
            dot = s.mul_add(s.load(y, i), s.load(dy, i), dot);
        }
        let dot = s.splat(s.sum(dot));
        for i in (0..cols).step_by(S::LANES) {
            s.store(dx, i, s.mul(s.load(y, i), s.sub(s.load(dy, i), dot)));
        }
    }
}

dispatch! { fn log_softmax_gradient(cols: usize, y: &[f32], dy: &[f32], dx: &mut [f32]) = log_softmax_gradient_kernel }

#[inline(always)]
fn log_softmax_gradient_kernel<S: Simd>(s: S, cols: usize, y: &[f32], dy: &[f32], dx: &mut [f32]) {
    for ((y, dy), dx) in y.chunks_exact(cols).zip(dy.chunks_exact(cols)).zip(dx.chunks_exact_mut(cols)) {
        let mut sum = s.zero();
        for i in (0..cols).step_by(S::LANES) {
            sum = s.add(sum, s.load(dy, i));
        }
        let sum = s.splat(s.sum(sum));
        for i in (0..cols).step_by(S::LANES) {
            s.store(dx, i, s.sub(s.load(dy, i), s.mul(exp(s, s.load(y, i)), sum)));
        }
    }
}
