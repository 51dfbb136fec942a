//! Bias, activation and dropout in one pass: the middle of a feed-forward layer.

use crate::dropout::WORD;
use crate::math::{normal, sigmoid};
use crate::parallel::{Chunks, add_in_order, for_each_chunk};
use crate::scratch::Scratch;
use crate::simd::{Simd, dispatch};
use crate::{Dropout, Level};
use rayon::prelude::*;

/// An element-wise non-linearity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActivationKind {
    /// `x`: bias and dropout alone.
    Identity,
    /// `max(0, x)`.
    Relu,
    /// `x Φ(x)`, with the error function. Source: Hendrycks and Gimpel 2016, section 2.
    Gelu,
    /// `x/2 (1 + tanh(√(2/π) (x + 0.044715 x³)))`. Source: Hendrycks and Gimpel 2016, section 2.
    GeluTanh,
    /// `x σ(x)`. Source: Ramachandran, Zoph and Le 2017 (Swish with β = 1).
    Silu,
}

/// `dropout(activation(x + bias))` for rows of `cols` features.
///
/// Source: Vaswani et al. 2017, section 3.3, equation 2 (ReLU, no dropout there).
///
/// ```
/// use attentive_kernels::{Activation, ActivationKind, Dropout};
///
/// let relu = Activation { kind: ActivationKind::Relu, bias: Some(&[1.0, -1.0]), cols: 2, dropout: Dropout::NONE };
/// let mut y = [0.0; 4];
/// relu.forward(&[0.5, 0.5, -3.0, 4.0], &mut y);
/// assert_eq!(y, [1.5, 0.0, 0.0, 3.0]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Activation<'a> {
    /// The function.
    pub kind: ActivationKind,
    /// `[cols]`.
    pub bias: Option<&'a [f32]>,
    /// Features of a row.
    pub cols: usize,
    /// Dropout of the result.
    pub dropout: Dropout,
}

impl Activation<'_> {
    /// `y = dropout(activation(x + bias))`, both `[rows, cols]`.
    ///
    /// # Panics
    /// If lengths do not match.
    pub fn forward(&self, x: &[f32], y: &mut [f32]) {
        let (level, chunks) = (Level::current(), self.chunks(x));
        for_each_chunk(chunks, y, |rows, y| {
            activate(level, self, rows.start, Some(&x[rows.start * self.cols..rows.end * self.cols]), y);
        });
    }

    /// [`forward`](Self::forward) in place.
    ///
    /// # Panics
    /// If lengths do not match.
    pub fn apply(&self, x: &mut [f32]) {
        let (level, chunks) = (Level::current(), self.chunks(x));
        for_each_chunk(chunks, x, |rows, x| activate(level, self, rows.start, None, x));
    }

    /// Turns the gradient `d` of the output into that of the input; `x` is the input that `forward` was given.
    ///
    /// `d_bias`, the sum of the latter over rows, is overwritten. For ReLU without a bias, `x` may be the output: a
    /// dropped element passes no gradient either way.
    ///
    /// # Panics
    /// If lengths do not match.
    pub fn backward(&self, x: &[f32], d: &mut [f32], d_bias: Option<&mut [f32]>) {
        let (level, chunks) = (Level::current(), self.chunks(x));
        assert_eq!(d.len(), x.len(), "x and its gradient differ in length");
        let mut partials = Scratch::zeroed(chunks.count() * self.cols);
        let parts = d.par_chunks_mut(chunks.chunk_rows * self.cols).zip(partials.par_chunks_mut(self.cols));
        parts.enumerate().for_each(|(chunk, (d, partial))| {
            let rows = chunks.range(chunk);
            gradient(level, self, rows.start, &x[rows.start * self.cols..rows.end * self.cols], d, partial);
        });
        if let Some(d_bias) = d_bias {
            assert_eq!(d_bias.len(), self.cols, "the bias gradient's length");
            d_bias.fill(0.0);
            add_in_order(&partials, d_bias);
        }
    }

    fn chunks(&self, x: &[f32]) -> Chunks {
        assert!(self.cols > 0 && x.len().is_multiple_of(self.cols), "{} elements in rows of {}", x.len(), self.cols);
        assert!(self.bias.is_none_or(|bias| bias.len() == self.cols), "the bias's length");
        Chunks::rows(x.len() / self.cols, self.cols)
    }
}

/// `√(2/π)`, and the cubic's factor, of the tanh approximation.
const GELU_TANH: (f32, f32) = (0.797_884_6, 0.044_715);

#[inline(always)]
pub(crate) fn value<S: Simd>(s: S, kind: ActivationKind, x: S::F32) -> S::F32 {
    match kind {
        ActivationKind::Identity => x,
        // This order keeps a NaN.
        ActivationKind::Relu => s.max(s.zero(), x),
        ActivationKind::Gelu => s.mul(x, normal(s, x).0),
        ActivationKind::GeluTanh => s.mul(x, sigmoid(s, gelu_tanh_argument(s, x))),
        ActivationKind::Silu => s.mul(x, sigmoid(s, x)),
    }
}

#[inline(always)]
pub(crate) fn derivative<S: Simd>(s: S, kind: ActivationKind, x: S::F32) -> S::F32 {
    let one = s.splat(1.0);
    match kind {
        ActivationKind::Identity => one,
        ActivationKind::Relu => s.select(s.lt(s.zero(), x), one, s.zero()),
        ActivationKind::Gelu => {
            let (cdf, density) = normal(s, x);
            s.mul_add(x, density, cdf)
        }
        ActivationKind::GeluTanh => {
            // (x σ(u))' = σ + x σ (1 - σ) u'
            let sigma = sigmoid(s, gelu_tanh_argument(s, x));
            let (a, b) = GELU_TANH;
            let slope = s.mul_add(s.mul(x, x), s.splat(6.0 * a * b), s.splat(2.0 * a));
            s.mul_add(s.mul(s.mul(x, sigma), s.sub(one, sigma)), slope, sigma)
        }
        ActivationKind::Silu => {
            let sigma = sigmoid(s, x);
            s.mul_add(s.mul(x, sigma), s.sub(one, sigma), sigma)
        }
    }
}

/// `u` with `(1 + tanh(√(2/π) (x + 0.044715 x³))) / 2 = σ(u)`: twice the argument of the tanh.
#[inline(always)]
fn gelu_tanh_argument<S: Simd>(s: S, x: S::F32) -> S::F32 {
    let (a, b) = GELU_TANH;
    s.mul(x, s.mul_add(s.mul(x, x), s.splat(2.0 * a * b), s.splat(2.0 * a)))
}

#[inline(always)]
fn biased<S: Simd>(s: S, bias: Option<&[f32]>, x: &[f32], i: usize) -> S::F32 {
    match bias {
        Some(bias) => s.add(s.load(x, i), s.load(bias, i)),
        None => s.load(x, i),
    }
}

dispatch! {
    /// Rows of `y` from those of `x`, or in place.
    pub(crate) fn activate(activation: &Activation<'_>, first_row: usize, x: Option<&[f32]>, y: &mut [f32]) =
        activate_kernel
}

#[inline(always)]
fn activate_kernel<S: Simd>(s: S, activation: &Activation<'_>, first_row: usize, x: Option<&[f32]>, y: &mut [f32]) {
    let Activation { kind, bias, cols, dropout } = *activation;
    let scale = s.splat(dropout.scale());
    for (r, y) in y.chunks_exact_mut(cols).enumerate() {
        let x = x.map(|x| &x[r * cols..][..cols]);
        let mask = dropout.row(first_row + r, cols);
        for word_col in (0..cols).step_by(WORD) {
            let word = mask.word(s, word_col);
            for i in (word_col..cols.min(word_col + WORD)).step_by(S::LANES) {
                let input = biased(s, bias, x.unwrap_or(y), i);
                let kept = s.keep((word >> (i - word_col)) as u32, s.mul(value(s, kind, input), scale));
                s.store(y, i, kept);
            }
        }
    }
}

dispatch! {
    /// Gradients of the rows of a chunk, in place; adds them up in `d_bias`.
    fn gradient(activation: &Activation<'_>, first_row: usize, x: &[f32], d: &mut [f32], d_bias: &mut [f32]) =
        gradient_kernel
}

#[inline(always)]
fn gradient_kernel<S: Simd>(
    s: S,
    activation: &Activation<'_>,
    first_row: usize,
    x: &[f32],
    d: &mut [f32],
    d_bias: &mut [f32],
) {
    let Activation { kind, bias, cols, dropout } = *activation;
    let scale = s.splat(dropout.scale());
    for (r, (x, d)) in x.chunks_exact(cols).zip(d.chunks_exact_mut(cols)).enumerate() {
        let mask = dropout.row(first_row + r, cols);
        for word_col in (0..cols).step_by(WORD) {
            let word = mask.word(s, word_col);
            for i in (word_col..cols.min(word_col + WORD)).step_by(S::LANES) {
                let dy = s.keep((word >> (i - word_col)) as u32, s.mul(s.load(d, i), scale));
                let g = s.mul(dy, derivative(s, kind, biased(s, bias, x, i)));
                s.store(d, i, g);
                s.store(d_bias, i, s.add(g, s.load(d_bias, i)));
            }
        }
    }
}
