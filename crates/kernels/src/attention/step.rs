//! Attention of decoding steps: new queries against keys and values that stay in the slots where they were first
//! written.

use rayon::prelude::*;

use super::few::weighted_sum;
use super::forward::MIN_PARALLEL;
use super::weights::dot;
use crate::extent::{elements, work};
use crate::math::exp;
use crate::scratch::Scratch;
use crate::simd::{Simd, dispatch};
use crate::{Level, MatMut};

/// Causal attention over a cache of slots, one for each position ever decoded. Rows name the slots of their positions:
/// hypotheses with a common past share its slots, and reordering hypotheses moves no keys.
///
/// Source: Vaswani et al. 2017, section 3.2.1, equation 1.
///
/// ```
/// use attentive_kernels::StepAttention;
///
/// // Two rows share slot 0 and continue in slots 1 and 2; keys of zero get equal weights.
/// let keys_values = [0.0, 2.0, 0.0, 4.0, 0.0, 8.0];
/// let step = StepAttention { heads: 1, d_k: 1, d_v: 1, keys_values: &keys_values, slots: &[0, 1, 0, 2], k_len: 2 };
/// let mut out = [0.0; 2];
/// step.forward(&[1.0, 1.0], 1, &mut out);
/// assert_eq!(out, [3.0, 5.0]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct StepAttention<'a> {
    /// Heads.
    pub heads: usize,
    /// Features of a query and of a key.
    pub d_k: usize,
    /// Features of a value.
    pub d_v: usize,
    /// `[slots, heads · (d_k + d_v)]`: keys of all heads, then values.
    pub keys_values: &'a [f32],
    /// `[rows, k_len]`: the slot of each position of each row, the new ones last.
    pub slots: &'a [u32],
    /// Positions of a row.
    pub k_len: usize,
}

impl StepAttention<'_> {
    /// Attention of the new positions of each row, `[rows, new]`, to themselves and all before them.
    ///
    /// # Shapes
    /// - `q`: `[rows, new, q_width]`, queries of all heads first
    /// - `out`: `[rows, new, heads · d_v]`
    ///
    /// # Panics
    /// If lengths do not match or a slot does not exist.
    pub fn forward(&self, q: &[f32], q_width: usize, out: &mut [f32]) {
        let (rows, width) = (self.slots.len() / self.k_len.max(1), elements([self.heads, self.d_v]));
        if out.is_empty() {
            return;
        }
        assert!(rows > 0 && width > 0, "outputs of {rows} rows of {width} features");
        let new = out.len() / width / rows;
        assert!(new <= self.k_len && out.len() == rows * new * width, "outputs of {rows} rows of {new} × {width}");
        assert!(q.len() == elements([rows, new, q_width]), "queries of {rows} rows of {new}");
        assert!(self.d_k > 0 && q_width >= elements([self.heads, self.d_k]), "queries of {q_width} features");
        let n_slots = self.keys_values.len() / self.width();
        assert!(self.slots.iter().all(|&slot| (slot as usize) < n_slots), "a slot is not among the {n_slots}");
        let level = Level::current();
        let attend = |(at, out): (usize, &mut [f32])| {
            let slots = &self.slots[at / new * self.k_len..][..self.k_len - new + 1 + at % new];
            attend(level, self, slots, &q[at * q_width..][..q_width], out);
        };
        if work([rows * new, self.k_len, self.width()]) < MIN_PARALLEL {
            out.chunks_exact_mut(width).enumerate().for_each(attend);
        } else {
            out.par_chunks_exact_mut(width).enumerate().with_min_len(4).for_each(attend);
        }
    }

    fn width(&self) -> usize {
        elements([self.heads, self.d_k.saturating_add(self.d_v)])
    }
}

dispatch! {
    fn attend(step: &StepAttention<'_>, slots: &[u32], q: &[f32], out: &mut [f32]) = attend_kernel
}

#[inline(always)]
fn attend_kernel<S: Simd>(s: S, step: &StepAttention<'_>, slots: &[u32], q: &[f32], out: &mut [f32]) {
    let StepAttention { heads, d_k, d_v, keys_values, .. } = *step;
    let width = step.width();
    let scale = s.splat(1.0 / (d_k as f32).sqrt());
    let lowest = s.splat(f32::NEG_INFINITY);
    let mut weights = Scratch::new(slots.len());
    for (h, (q, out)) in q.chunks_exact(d_k).zip(out.chunks_exact_mut(d_v)).enumerate().take(heads) {
        let mut max = lowest;
        for (weight, &slot) in weights.iter_mut().zip(slots) {
            let key = &keys_values[slot as usize * width + h * d_k..][..d_k];
            *weight = s.sum(dot(s, q, key));
        }
        for i in (0..slots.len()).step_by(S::LANES) {
            max = s.max(s.mul(s.load_or(&weights, i, lowest), scale), max);
        }
        let shift = s.splat(s.max_lane(max));
        let mut sum = s.zero();
        for i in (0..slots.len()).step_by(S::LANES) {
            let weight = exp(s, s.sub(s.mul(s.load_or(&weights, i, lowest), scale), shift));
            sum = s.add(sum, weight);
            s.store(&mut weights, i, weight);
        }
        let value = |j: usize| &keys_values[slots[j] as usize * width + heads * d_k + h * d_v..][..d_v];
        weighted_sum(s, &weights, value, 1.0 / s.sum(sum), MatMut::new(out, 1, d_v).room(0));
    }
}
