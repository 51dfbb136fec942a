//! The middle of a gated feed-forward network.

use rayon::prelude::*;

use crate::activation::{derivative, value};
use crate::dropout::WORD;
use crate::parallel::{Chunks, for_each_chunk};
use crate::simd::{Simd, dispatch};
use crate::{ActivationKind, Dropout, Level};

/// `dropout(f(g) ∘ x)` for rows of `cols` features, `g` the gate: with GELU this is GEGLU, with SiLU SwiGLU.
///
/// Source: Shazeer 2020, "GLU Variants Improve Transformer", equation 6.
///
/// ```
/// use attentive_kernels::{ActivationKind, Dropout, Gate};
///
/// let gate = Gate { kind: ActivationKind::Relu, cols: 2, dropout: Dropout::NONE };
/// let mut y = [0.0; 2];
/// gate.forward(&[3.0, -3.0], &[5.0, 7.0], &mut y);
/// assert_eq!(y, [15.0, 0.0]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Gate {
    /// The function of the gate.
    pub kind: ActivationKind,
    /// Features of a row.
    pub cols: usize,
    /// Dropout of the result.
    pub dropout: Dropout,
}

impl Gate {
    /// `y = dropout(f(gate) ∘ x)`, all `[rows, cols]`.
    ///
    /// # Panics
    /// If lengths do not match.
    pub fn forward(&self, gate: &[f32], x: &[f32], y: &mut [f32]) {
        let (level, chunks) = (Level::current(), self.chunks(gate, x));
        for_each_chunk(chunks, y, |rows, y| {
            let range = rows.start * self.cols..rows.end * self.cols;
            open(level, self, rows.start, &gate[range.clone()], &x[range], y);
        });
    }

    /// Turns the gradient `d` of the output into that of `x`, and writes that of the gate to `d_gate`.
    ///
    /// # Panics
    /// If lengths do not match.
    pub fn backward(&self, gate: &[f32], x: &[f32], d: &mut [f32], d_gate: &mut [f32]) {
        let (level, chunks) = (Level::current(), self.chunks(gate, x));
        assert!(d.len() == x.len() && d_gate.len() == x.len(), "inputs and gradients differ in length");
        let len = chunks.chunk_rows * self.cols;
        d.par_chunks_mut(len).zip(d_gate.par_chunks_mut(len)).enumerate().for_each(|(chunk, (d, d_gate))| {
            let rows = chunks.range(chunk);
            let range = rows.start * self.cols..rows.end * self.cols;
            gradient(level, self, rows.start, &gate[range.clone()], &x[range], d, d_gate);
        });
    }

    fn chunks(&self, gate: &[f32], x: &[f32]) -> Chunks {
        assert!(self.cols > 0 && x.len().is_multiple_of(self.cols), "{} elements in rows of {}", x.len(), self.cols);
        assert_eq!(gate.len(), x.len(), "the gate and its input differ in length");
        Chunks::rows(x.len() / self.cols, self.cols)
    }
}

dispatch! {
    fn open(gate: &Gate, first_row: usize, g: &[f32], x: &[f32], y: &mut [f32]) = open_kernel
}

#[inline(always)]
fn open_kernel<S: Simd>(s: S, gate: &Gate, first_row: usize, g: &[f32], x: &[f32], y: &mut [f32]) {
    let Gate { kind, cols, dropout } = *gate;
    let scale = s.splat(dropout.scale());
    for (r, y) in y.chunks_exact_mut(cols).enumerate() {
        let (g, x) = (&g[r * cols..][..cols], &x[r * cols..][..cols]);
        let mask = dropout.row(first_row + r, cols);
        for word_col in (0..cols).step_by(WORD) {
            let word = mask.word(s, word_col);
            for i in (word_col..cols.min(word_col + WORD)).step_by(S::LANES) {
                let through = s.mul(value(s, kind, s.load(g, i)), s.load(x, i));
                s.store(y, i, s.keep((word >> (i - word_col)) as u32, s.mul(through, scale)));
            }
        }
    }
}

dispatch! {
    /// `d` from the gradient of the output to that of `x`, and that of the gate.
    fn gradient(
        gate: &Gate, first_row: usize, g: &[f32], x: &[f32], d: &mut [f32], d_gate: &mut [f32],
    ) = gradient_kernel
}

#[inline(always)]
fn gradient_kernel<S: Simd>(
    s: S,
    gate: &Gate,
    first_row: usize,
    g: &[f32],
    x: &[f32],
    d: &mut [f32],
    d_gate: &mut [f32],
) {
    let Gate { kind, cols, dropout } = *gate;
    let scale = s.splat(dropout.scale());
    for (r, (d, d_gate)) in d.chunks_exact_mut(cols).zip(d_gate.chunks_exact_mut(cols)).enumerate() {
        let (g, x) = (&g[r * cols..][..cols], &x[r * cols..][..cols]);
        let mask = dropout.row(first_row + r, cols);
        for word_col in (0..cols).step_by(WORD) {
            let word = mask.word(s, word_col);
            for i in (word_col..cols.min(word_col + WORD)).step_by(S::LANES) {
                let dy = s.keep((word >> (i - word_col)) as u32, s.mul(s.load(d, i), scale));
                let g = s.load(g, i);
                s.store(d_gate, i, s.mul(s.mul(dy, s.load(x, i)), derivative(s, kind, g)));
                s.store(d, i, s.mul(dy, value(s, kind, g)));
            }
        }
    }
}
