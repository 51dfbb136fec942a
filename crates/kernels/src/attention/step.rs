//! Attention of decoding steps: new queries against keys and values that stay in the slots where they were first
//! written.

use rayon::prelude::*;

use super::DistanceBias;
use super::few::weighted_sum;
use super::forward::MIN_PARALLEL;
use super::weights::{bound, dot};
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
/// let step = StepAttention { k_len: 2, ..StepAttention::new([1, 1], [1, 1], &keys_values, &[0, 1, 0, 2]) };
/// let mut out = [0.0; 2];
/// step.forward(&[1.0, 1.0], 1, &mut out);
/// assert_eq!(out, [3.0, 5.0]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct StepAttention<'a> {
    /// Heads of queries.
    pub heads: usize,
    /// Heads of keys and values, each of which serves `heads / kv_heads` neighbouring heads of queries.
    pub kv_heads: usize,
    /// Features of a query and of a key.
    pub d_k: usize,
    /// Features of a value.
    pub d_v: usize,
    /// `[slots, kv_heads · (d_k + d_v)]`: keys of all heads, then values.
    pub keys_values: &'a [f32],
    /// `[rows, k_len]`: the slot of each position of each row, the new ones last.
    pub slots: &'a [u32],
    /// Positions of a row.
    pub k_len: usize,
    /// Width of the window: keys `window` or more positions before the query are hidden.
    pub window: Option<usize>,
    /// Bias of scores by distance.
    pub distances: Option<DistanceBias<'a>>,
    /// Factor of the products of queries and keys: `1 / √d_k` in the paper, 1 in T5.
    pub scale: f32,
    /// Bound of scaled scores, as [`Attention::cap`](crate::Attention::cap).
    pub cap: Option<f32>,
}

impl<'a> StepAttention<'a> {
    /// The paper's, for one row: every key is seen, and scores are divided by √d_k.
    pub fn new(
        [heads, kv_heads]: [usize; 2],
        [d_k, d_v]: [usize; 2],
        keys_values: &'a [f32],
        slots: &'a [u32],
    ) -> Self {
        let (k_len, scale) = (slots.len(), 1.0 / (d_k as f32).sqrt());
        Self { heads, kv_heads, d_k, d_v, keys_values, slots, k_len, window: None, distances: None, scale, cap: None }
    }

    /// Attention of the new positions of each row, `[rows, new]`, to themselves and all before them.
    ///
    /// # Shapes
    /// - `q`: `[rows, new, q_width]`, queries of all heads first
    /// - `out`: `[rows, new, heads · d_v]`
    ///
    /// # Panics
    /// If lengths do not match, a slot does not exist, or a distance has no bias.
    pub fn forward(&self, q: &[f32], q_width: usize, out: &mut [f32]) {
        let Self { heads, kv_heads, d_k, d_v, .. } = *self;
        let (rows, width) = (self.slots.len() / self.k_len.max(1), elements([heads, d_v]));
        if out.is_empty() {
            return;
        }
        assert!(rows > 0 && width > 0, "outputs of {rows} rows of {width} features");
        assert!(kv_heads > 0 && heads.is_multiple_of(kv_heads), "{heads} heads can't share {kv_heads}");
        assert!(self.window != Some(0), "a window of no keys");
        let new = out.len() / width / rows;
        assert!(new <= self.k_len && out.len() == rows * new * width, "outputs of {rows} rows of {new} × {width}");
        assert!(q.len() == elements([rows, new, q_width]), "queries of {rows} rows of {new}");
        assert!(d_k > 0 && q_width >= elements([heads, d_k]), "queries of {q_width} features");
        let n_slots = self.keys_values.len() / self.width();
        assert!(self.slots.iter().all(|&slot| (slot as usize) < n_slots), "a slot is not among the {n_slots}");
        if let Some(distances) = self.distances {
            distances.check(heads, self.k_len, 1);
        }
        let level = Level::current();
        // A job is some heads of one query: those of one head of keys, where there are enough threads.
        let attend = |at: usize, first: usize, out: &mut [f32]| {
            let seen = self.k_len - new + 1 + at % new;
            let slots = &self.slots[at / new * self.k_len..][..seen];
            let slots = &slots[self.window.map_or(0, |window| seen.saturating_sub(window))..];
            attend(level, self, first, slots, &q[at * q_width..][..q_width], out);
        };
        if work([rows * new, self.k_len, self.width()]) < MIN_PARALLEL {
            out.chunks_exact_mut(width).enumerate().for_each(|(at, out)| attend(at, 0, out));
        } else if rows * new >= 4 * rayon::current_num_threads() {
            out.par_chunks_exact_mut(width).enumerate().with_min_len(4).for_each(|(at, out)| attend(at, 0, out));
        } else {
            let group = heads / kv_heads;
            let of_group = |(job, out): (usize, &mut [f32])| attend(job / kv_heads, job % kv_heads * group, out);
            out.par_chunks_exact_mut(group * d_v).enumerate().for_each(of_group);
        }
    }

    fn width(&self) -> usize {
        elements([self.kv_heads, self.d_k.saturating_add(self.d_v)])
    }
}

dispatch! {
    /// The heads from `first` on that `out` has room for.
    fn attend(step: &StepAttention<'_>, first: usize, slots: &[u32], q: &[f32], out: &mut [f32]) = attend_kernel
}

#[inline(always)]
fn attend_kernel<S: Simd>(s: S, step: &StepAttention<'_>, first: usize, slots: &[u32], q: &[f32], out: &mut [f32]) {
    let StepAttention { heads, kv_heads, d_k, d_v, keys_values, .. } = *step;
    let width = step.width();
    let scale = s.splat(step.scale);
    let lowest = s.splat(f32::NEG_INFINITY);
    let mut weights = Scratch::new(slots.len());
    for (h, out) in (first..).zip(out.chunks_exact_mut(d_v)) {
        let (q, kv) = (&q[h * d_k..][..d_k], h / (heads / kv_heads));
        for (weight, &slot) in weights.iter_mut().zip(slots) {
            let key = &keys_values[slot as usize * width + kv * d_k..][..d_k];
            *weight = s.sum(dot(s, q, key));
        }
        if let Some(cap) = step.cap {
            bound(s, &mut weights, step.scale, cap);
        }
        let bias = step.distances.map(|distances| {
            let values = distances.head(heads, h);
            &values[distances.zero + 1 - slots.len()..][..slots.len()]
        });
        let mut max = lowest;
        for i in (0..slots.len()).step_by(S::LANES) {
            let mut scores = s.mul(s.load_or(&weights, i, lowest), scale);
            if let Some(bias) = bias {
                scores = s.add(scores, s.load(bias, i));
                s.store(&mut weights, i, scores);
            }
            max = s.max(scores, max);
        }
        let shift = s.splat(s.max_lane(max));
        // Biased scores are scaled already.
        let scale = if bias.is_some() { s.splat(1.0) } else { scale };
        let mut sum = s.zero();
        for i in (0..slots.len()).step_by(S::LANES) {
            let weight = exp(s, s.sub(s.mul(s.load_or(&weights, i, lowest), scale), shift));
            sum = s.add(sum, weight);
            s.store(&mut weights, i, weight);
        }
        let value = |j: usize| &keys_values[slots[j] as usize * width + kv_heads * d_k + kv * d_v..][..d_v];
        weighted_sum(s, &weights, value, 1.0 / s.sum(sum), MatMut::new(out, 1, d_v).room(0));
    }
}
