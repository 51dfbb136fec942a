//! Normalisation of rows, alone or after a residual connection with dropout.

use crate::dropout::residual_sum;
use crate::parallel::{Chunks, add_in_order};
use crate::scratch::Scratch;
use crate::simd::{Simd, dispatch};
use crate::{Dropout, Level};
use rayon::prelude::*;

/// Kind of normalisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NormKind {
    /// `γ (x - μ) / √(σ² + ε) + β` with σ² the mean squared deviation. Source: Ba, Kiros and Hinton 2016, equation 4.
    Layer,
    /// `γ x / √(mean(x²) + ε) + β`. Source: Zhang and Sennrich 2019, equation 4 (which has no β).
    Rms,
}

/// Normalisation of rows of `d_model` features.
///
/// The backward pass wants the input and `stats` `[rows, 2]`: each row's mean (zero for [`NormKind::Rms`]) and reciprocal
/// standard deviation.
///
/// ```
/// use attentive_kernels::{Norm, NormKind};
///
/// let norm = Norm { kind: NormKind::Layer, gamma: &[1.0, 1.0], beta: None, eps: 0.0 };
/// let (mut y, mut stats) = ([0.0; 2], [0.0; 2]);
/// norm.forward(&[1.0, 3.0], &mut y, &mut stats);
/// assert_eq!((y, stats), ([-1.0, 1.0], [2.0, 1.0]));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Norm<'a> {
    /// Kind of normalisation.
    pub kind: NormKind,
    /// Gain γ, `[d_model]`.
    pub gamma: &'a [f32],
    /// Bias β, `[d_model]`.
    pub beta: Option<&'a [f32]>,
    /// ε, added to the variance.
    pub eps: f32,
}

/// Gradients of a [`Norm`].
#[derive(Debug)]
pub struct NormGradients<'a> {
    /// Holds the gradient of the output, then that of the norm's input (the residual sum), `[rows, d_model]`.
    pub x: &'a mut [f32],
    /// For the gain, `[d_model]`; overwritten, as is the bias.
    pub gamma: &'a mut [f32],
    /// For the bias, `[d_model]`.
    pub beta: Option<&'a mut [f32]>,
}

impl Norm<'_> {
    /// `y = norm(x)` for rows `[rows, d_model]`.
    ///
    /// # Panics
    /// If lengths do not match.
    pub fn forward(&self, x: &[f32], y: &mut [f32], stats: &mut [f32]) {
        let (chunks, level) = (self.chunks(x, stats), Level::current());
        assert_eq!(y.len(), x.len(), "the output's length");
        let outputs = y.par_chunks_mut(chunks.chunk_rows * chunks.cols);
        outputs.zip(stats.par_chunks_mut(2 * chunks.chunk_rows)).enumerate().for_each(|(i, (y, stats))| {
            let rows = chunks.range(i);
            normalise(level, self, &x[rows.start * chunks.cols..rows.end * chunks.cols], y, stats);
        });
    }

    /// Turns `f` into the sum `x + dropout(f)`, and `y = norm(sum)`: the connection around a sublayer `f`.
    ///
    /// A post-norm layer continues with `y`, a pre-norm layer with both. Source: Vaswani et al. 2017, section 3.1 and
    /// 5.4.
    ///
    /// # Panics
    /// If lengths do not match.
    pub fn residual_forward(&self, x: &[f32], f: &mut [f32], dropout: Dropout, y: &mut [f32], stats: &mut [f32]) {
        let (chunks, level) = (self.chunks(x, stats), Level::current());
        assert!(f.len() == x.len() && y.len() == x.len(), "x, f and the output differ in length");
        let len = chunks.chunk_rows * chunks.cols;
        let outputs = y.par_chunks_mut(len).zip(f.par_chunks_mut(len));
        outputs.zip(stats.par_chunks_mut(2 * chunks.chunk_rows)).enumerate().for_each(|(i, ((y, f), stats))| {
            let rows = chunks.range(i);
            let x = &x[rows.start * chunks.cols..rows.end * chunks.cols];
            residual_sum(level, dropout, rows.start, chunks.cols, x, f);
            normalise(level, self, f, y, stats);
        });
    }

    /// The gradients of [`forward`](Self::forward), or of [`residual_forward`](Self::residual_forward) with `x` the sum.
    ///
    /// `dx = rstd (g - mean(g) - x̂ mean(g x̂))` with `g = γ dy`; RMS normalisation has no `mean(g)`. In a residual
    /// connection `dx` is the gradient of the residual input, and [`Dropout::apply`] to it that of the sublayer.
    /// With `d_sum`, the gradient that reaches the sum directly (as in a pre-norm layer), `dx` includes it.
    ///
    /// # Panics
    /// If lengths do not match.
    pub fn backward(&self, x: &[f32], stats: &[f32], d_sum: Option<&[f32]>, gradients: NormGradients<'_>) {
        let chunks = self.chunks(x, stats);
        let NormGradients { x: d, gamma, beta } = gradients;
        assert_eq!(d.len(), x.len(), "x and its gradient differ in length");
        assert!(d_sum.is_none_or(|d_sum| d_sum.len() == x.len()), "the sum's gradient's length");
        assert_eq!(gamma.len(), self.gamma.len(), "the gain's gradient's length");
        let (level, cols) = (Level::current(), chunks.cols);
        let mut partials = Scratch::zeroed(chunks.count() * 2 * cols);
        let outputs = d.par_chunks_mut(chunks.chunk_rows * cols).zip(partials.par_chunks_mut(2 * cols));
        outputs.enumerate().for_each(|(chunk, (d, partial))| {
            let rows = chunks.range(chunk);
            let range = rows.start * cols..rows.end * cols;
            let stats = &stats[2 * rows.start..2 * rows.end];
            let d_sum = d_sum.map(|d_sum| &d_sum[range.clone()]);
            gradient(level, self, &x[range], stats, d_sum, d, partial);
        });
        let mut totals = Scratch::zeroed(2 * cols);
        add_in_order(&partials, &mut totals);
        gamma.copy_from_slice(&totals[..cols]);
        if let Some(beta) = beta {
            beta.copy_from_slice(&totals[cols..]);
        }
    }

    fn chunks(&self, x: &[f32], stats: &[f32]) -> Chunks {
        let d_model = self.gamma.len();
        assert!(d_model > 0 && x.len().is_multiple_of(d_model), "{} elements in rows of {d_model}", x.len());
        assert!(self.beta.is_none_or(|beta| beta.len() == d_model), "gain and bias differ in length");
        let rows = x.len() / d_model;
        assert_eq!(stats.len(), 2 * rows, "stats are {rows} × 2");
        Chunks::rows(rows, d_model)
    }
}

dispatch! {
    fn normalise(norm: &Norm<'_>, x: &[f32], y: &mut [f32], stats: &mut [f32]) = normalise_kernel
}

#[inline(always)]
fn normalise_kernel<S: Simd>(s: S, norm: &Norm<'_>, x: &[f32], y: &mut [f32], stats: &mut [f32]) {
    let d = norm.gamma.len();
    for ((x, y), stats) in x.chunks_exact(d).zip(y.chunks_exact_mut(d)).zip(stats.chunks_exact_mut(2)) {
        let mean = match norm.kind {
            NormKind::Layer => sum_of(s, x) / d as f32,
            NormKind::Rms => 0.0,
        };
        let rstd = 1.0 / (sum_of_squares(s, x, mean) / d as f32 + norm.eps).sqrt();
        stats.copy_from_slice(&[mean, rstd]);
        // y = x̂ γ + β with x̂ = x rstd - mean rstd.
        let (scale, shift) = (s.splat(rstd), s.splat(-mean * rstd));
        for i in (0..d).step_by(S::LANES) {
            let x_hat = s.mul_add(s.load(x, i), scale, shift);
            let beta = match norm.beta {
                Some(beta) => s.load(beta, i),
                None => s.zero(),
            };
            s.store(y, i, s.mul_add(x_hat, s.load(norm.gamma, i), beta));
        }
    }
}

/// Number of independent sums, so that one does not wait for the other.
const ABREAST: usize = 4;

#[inline(always)]
fn sum_of<S: Simd>(s: S, x: &[f32]) -> f32 {
    let mut sums = [s.zero(); ABREAST];
    for i in (0..x.len()).step_by(ABREAST * S::LANES) {
        for u in 0..ABREAST {
            sums[u] = s.add(sums[u], s.load(x, i + u * S::LANES));
        }
    }
    s.sum(s.add(s.add(sums[0], sums[1]), s.add(sums[2], sums[3])))
}

/// `Σ (x - mean)²`.
#[inline(always)]
fn sum_of_squares<S: Simd>(s: S, x: &[f32], mean: f32) -> f32 {
    let mean = s.splat(mean);
    let mut sums = [s.zero(); ABREAST];
    for i in (0..x.len()).step_by(ABREAST * S::LANES) {
        for u in 0..ABREAST {
            let deviation = s.sub(s.load_or(x, i + u * S::LANES, mean), mean);
            sums[u] = s.mul_add(deviation, deviation, sums[u]);
        }
    }
    s.sum(s.add(s.add(sums[0], sums[1]), s.add(sums[2], sums[3])))
}

dispatch! {
    /// Gradients of the rows of a chunk, in place; adds those of gain and bias to `partial` `[2, d]`.
    fn gradient(
        norm: &Norm<'_>, x: &[f32], stats: &[f32], d_sum: Option<&[f32]>, gradients: &mut [f32], partial: &mut [f32],
    ) = gradient_kernel
}

#[inline(always)]
fn gradient_kernel<S: Simd>(
    s: S,
    norm: &Norm<'_>,
    x: &[f32],
    stats: &[f32],
    d_sum: Option<&[f32]>,
    gradients: &mut [f32],
    partial: &mut [f32],
) {
    let d = norm.gamma.len();
    let (d_gamma, d_beta) = partial.split_at_mut(d);
    for (r, stats) in stats.chunks_exact(2).enumerate() {
        let range = r * d..(r + 1) * d;
        let (x, d_x) = (&x[range.clone()], &mut gradients[range.clone()]);
        let (scale, shift) = (s.splat(stats[1]), s.splat(-stats[0] * stats[1]));
        let (mut sum_g, mut sum_gx) = (s.zero(), s.zero());
        for i in (0..d).step_by(S::LANES) {
            let x_hat = s.mul_add(s.load(x, i), scale, shift);
            let dy = s.load(d_x, i);
            s.store(d_gamma, i, s.mul_add(dy, x_hat, s.load(d_gamma, i)));
            s.store(d_beta, i, s.add(dy, s.load(d_beta, i)));
            let g = s.mul(dy, s.load(norm.gamma, i));
            sum_g = s.add(sum_g, g);
            sum_gx = s.mul_add(g, x_hat, sum_gx);
        }
        let mean_g = match norm.kind {
            NormKind::Layer => s.splat(s.sum(sum_g) / d as f32),
            NormKind::Rms => s.zero(),
        };
        let mean_gx = s.splat(s.sum(sum_gx) / d as f32);
        let d_sum = d_sum.map(|d_sum| &d_sum[range]);
        for i in (0..d).step_by(S::LANES) {
            let x_hat = s.mul_add(s.load(x, i), scale, shift);
            let g = s.mul(s.load(d_x, i), s.load(norm.gamma, i));
            let centred = s.sub(s.sub(g, mean_g), s.mul(x_hat, mean_gx));
            let direct = match d_sum {
                Some(d_sum) => s.load(d_sum, i),
                None => s.zero(),
            };
            s.store(d_x, i, s.mul_add(centred, scale, direct));
        }
    }
}
