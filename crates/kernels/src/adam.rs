//! Adam over many tensors at once, and the global norm of their gradients.

use crate::Level;
use crate::simd::{Simd, dispatch};
use rayon::prelude::*;

/// Elements of a unit of work.
const CHUNK: usize = 1 << 14;

/// Values of a block, whose squares [`sum_of_squares`] adds in f32; it adds the sums of blocks in f64.
pub const NORM_BLOCK: usize = CHUNK;

/// Adam with decoupled weight decay.
///
/// `m ← β₁ m + (1 - β₁) g`, `v ← β₂ v + (1 - β₂) g²`, `w ← w - lr (m̂ / (√v̂ + ε) + λ w)` with `m̂ = m / (1 - β₁ᵗ)` and
/// `v̂ = v / (1 - β₂ᵗ)`. Source: Kingma and Ba 2015, algorithm 1; Loshchilov and Hutter 2019, algorithm 2.
///
/// ```
/// use attentive_kernels::{Adam, AdamTensor};
///
/// let adam = Adam { lr: 0.1, beta_1: 0.9, beta_2: 0.98, eps: 1e-9 };
/// let (mut weights, mut m, mut v) = ([1.0], [0.0], [0.0]);
/// let tensor = AdamTensor { weights: &mut weights, grads: &[0.003], m: &mut m, v: &mut v, weight_decay: 0.0 };
/// adam.update(1, 1.0, vec![tensor]);
/// assert!((weights[0] - 0.9).abs() < 1e-5); // the first step has the size of lr
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adam {
    /// Step size.
    pub lr: f64,
    /// Decay of the first moment.
    pub beta_1: f64,
    /// Decay of the second moment.
    pub beta_2: f64,
    /// ε, added to the root of the second moment.
    pub eps: f64,
}

/// One tensor's weights, gradients and moments, all of the same length.
#[derive(Debug)]
pub struct AdamTensor<'a> {
    /// Updated in place.
    pub weights: &'a mut [f32],
    /// Before scaling.
    pub grads: &'a [f32],
    /// First moments; zero before the first step.
    pub m: &'a mut [f32],
    /// Second moments; zero before the first step.
    pub v: &'a mut [f32],
    /// Decoupled weight decay λ; zero for Adam.
    pub weight_decay: f64,
}

/// Values of an update that each element needs.
#[derive(Clone, Copy)]
struct Factors {
    grad_scale: f32,
    beta_1: f32,
    beta_2: f32,
    /// `1 - β₁`: computed from β₁ in f32, it would have few correct digits.
    rest_1: f32,
    /// `1 - β₂`.
    rest_2: f32,
    /// `1 / √(1 - β₂ᵗ)`.
    root_correction: f32,
    eps: f32,
    /// `lr / (1 - β₁ᵗ)`.
    step_size: f32,
    /// `1 - lr λ`.
    shrink: f32,
}

impl Adam {
    /// The `step`-th update, counted from 1, of all tensors, each gradient multiplied by `grad_scale` first (one over
    /// the number of targets, or the factor that clips the global norm).
    ///
    /// # Panics
    /// If `step` is zero or the lengths of a tensor differ.
    pub fn update(&self, step: u64, grad_scale: f32, tensors: Vec<AdamTensor<'_>>) {
        assert!(step > 0, "steps are counted from 1");
        let level = Level::current();
        let power = |beta: f64| beta.powf(step as f64);
        let factors = |weight_decay: f64| Factors {
            grad_scale,
            beta_1: self.beta_1 as f32,
            beta_2: self.beta_2 as f32,
            rest_1: (1.0 - self.beta_1) as f32,
            rest_2: (1.0 - self.beta_2) as f32,
            root_correction: (1.0 / (1.0 - power(self.beta_2)).sqrt()) as f32,
            eps: self.eps as f32,
            step_size: (self.lr / (1.0 - power(self.beta_1))) as f32,
            shrink: (1.0 - self.lr * weight_decay) as f32,
        };
        tensors.into_par_iter().for_each(|tensor| {
            let AdamTensor { weights, grads, m, v, weight_decay } = tensor;
            let n = weights.len();
            assert!([grads.len(), m.len(), v.len()] == [n; 3], "a tensor's slices differ in length");
            let factors = factors(weight_decay);
            let chunks = weights.par_chunks_mut(CHUNK).zip(grads.par_chunks(CHUNK));
            let chunks = chunks.zip(m.par_chunks_mut(CHUNK)).zip(v.par_chunks_mut(CHUNK));
            chunks.for_each(|(((weights, grads), m), v)| {
                update(level, &factors, weights, grads, m, v);
            });
        });
    }
}

/// The sum of squares of all elements: the square of the global norm. The same for any number of threads.
pub fn sum_of_squares(tensors: &[&[f32]]) -> f64 {
    let blocks: Vec<&[f32]> = tensors.iter().flat_map(|tensor| tensor.chunks(NORM_BLOCK)).collect();
    squares_of_blocks(&blocks).into_iter().map(f64::from).sum()
}

/// The sum of squares of each block, of up to [`NORM_BLOCK`] values, as [`sum_of_squares`] adds them.
pub fn squares_of_blocks(blocks: &[&[f32]]) -> Vec<f32> {
    let level = Level::current();
    blocks.par_iter().map(|block| chunk_squares(level, block)).collect()
}

dispatch! { fn update(factors: &Factors, weights: &mut [f32], grads: &[f32], m: &mut [f32], v: &mut [f32]) = update_kernel }

#[inline(always)]
fn update_kernel<S: Simd>(s: S, factors: &Factors, weights: &mut [f32], grads: &[f32], m: &mut [f32], v: &mut [f32]) {
    let Factors { grad_scale, beta_1, beta_2, rest_1, rest_2, root_correction, eps, step_size, shrink } = *factors;
    for i in (0..weights.len()).step_by(S::LANES) {
        let g = s.mul(s.load(grads, i), s.splat(grad_scale));
        let new_m = s.mul_add(s.load(m, i), s.splat(beta_1), s.mul(g, s.splat(rest_1)));
        let new_v = s.mul_add(s.load(v, i), s.splat(beta_2), s.mul(s.mul(g, g), s.splat(rest_2)));
        s.store(m, i, new_m);
        s.store(v, i, new_v);
        let root = s.mul_add(s.sqrt(new_v), s.splat(root_correction), s.splat(eps));
        let shrunk = s.mul(s.load(weights, i), s.splat(shrink));
        s.store(weights, i, s.mul_add(s.div(new_m, root), s.splat(-step_size), shrunk));
    }
}

dispatch! { fn chunk_squares(x: &[f32]) -> f32 = chunk_squares_kernel }

#[inline(always)]
fn chunk_squares_kernel<S: Simd>(s: S, x: &[f32]) -> f32 {
    const ABREAST: usize = 4;
    let mut sums = [s.zero(); ABREAST];
    for i in (0..x.len()).step_by(ABREAST * S::LANES) {
        for u in 0..ABREAST {
            let x = s.load(x, i + u * S::LANES);
            sums[u] = s.mul_add(x, x, sums[u]);
        }
    }
    s.sum(s.add(s.add(sums[0], sums[1]), s.add(sums[2], sums[3])))
}
