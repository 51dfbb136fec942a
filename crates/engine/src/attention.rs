//! Attention over rows without padding: whole texts, and steps over a cache.

use attentive_attention::HeadsLeft;
use attentive_kernels::{
    Attention, AttentionShape, DistanceBias, HeadStrides, Heads, HeadsMut, PackedKeysValues, StepAttention,
};
use rayon::prelude::*;

use crate::{
    cache::Slots,
    layer::{Linear, Norm, NormScratch},
};

/// Attention with fewer multiply–adds is not worth another thread.
const MIN_PARALLEL: usize = 1 << 17;

/// Queries, keys and values from one product, and the output's projection.
#[derive(Debug)]
pub(crate) struct SelfAttention {
    pub(crate) qkv: Linear,
    pub(crate) norms: Option<HeadNorms>,
    pub(crate) output: Linear,
    pub(crate) dims: HeadDims,
    /// The heads that are left after others were pruned.
    pub(crate) left: Option<HeadsLeft>,
}

/// Norms of each head's queries and keys.
#[derive(Debug)]
pub(crate) struct HeadNorms {
    pub(crate) query: Norm,
    pub(crate) key: Norm,
}

impl HeadNorms {
    /// Normalises the queries and keys at the beginning of rows of `row` features.
    pub(crate) fn apply(&self, x: &mut [f32], row: usize, dims: HeadDims, scratch: &mut NormScratch) {
        for row in x.chunks_exact_mut(row) {
            let (queries, rest) = row.split_at_mut(dims.queries());
            for (norm, x) in [(&self.query, queries), (&self.key, &mut rest[..dims.keys()])] {
                norm.forward(x, scratch);
                x.copy_from_slice(&scratch.y);
            }
        }
    }
}

/// Attention to the source, whose keys and values are projected once.
#[derive(Debug)]
pub(crate) struct CrossAttention {
    pub(crate) query: Linear,
    pub(crate) keys_values: Linear,
    pub(crate) output: Linear,
    pub(crate) dims: HeadDims,
}

/// The widths of attention, and the factor of its scores.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HeadDims {
    pub(crate) heads: usize,
    pub(crate) kv_heads: usize,
    pub(crate) d_k: usize,
    pub(crate) d_v: usize,
    pub(crate) scale: f32,
    /// Bound of scaled scores.
    pub(crate) cap: Option<f32>,
}

impl HeadDims {
    /// Those of the heads that are left.
    pub(crate) fn of_left(self, left: Option<&HeadsLeft>) -> Self {
        match left {
            Some(left) => Self { heads: left.heads.len(), kv_heads: left.kv_heads.len(), ..self },
            None => self,
        }
    }

    /// Width of all queries of a position.
    pub(crate) fn queries(self) -> usize {
        self.heads * self.d_k
    }

    /// Width of all keys of a position.
    pub(crate) fn keys(self) -> usize {
        self.kv_heads * self.d_k
    }

    /// Width of all values of a position.
    pub(crate) fn values(self) -> usize {
        self.kv_heads * self.d_v
    }

    /// Width of all keys and values of a position together.
    pub(crate) fn keys_values(self) -> usize {
        self.keys() + self.values()
    }

    /// Width of attention's output at a position.
    pub(crate) fn outputs(self) -> usize {
        self.heads * self.d_v
    }
}

/// What a query sees.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sight<'a> {
    pub(crate) causal: bool,
    pub(crate) window: Option<usize>,
    pub(crate) distances: Option<DistanceBias<'a>>,
}

impl Sight<'_> {
    /// All keys alike.
    pub(crate) const ALL: Self = Self { causal: false, window: None, distances: None };
}

/// The biases of heads that are left, of those of all of them, in `to`.
pub(crate) fn of_left<'a>(all: DistanceBias<'_>, left: &HeadsLeft, to: &'a mut Vec<f32>) -> DistanceBias<'a> {
    let n = all.values.len() / left.of;
    to.clear();
    to.extend(left.heads.iter().flat_map(|head| &all.values[head * n..][..n]));
    DistanceBias { values: to, ..all }
}

/// A run of rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub(crate) first: usize,
    pub(crate) len: usize,
}

/// Spans of these lengths, one after another.
pub(crate) fn spans(lengths: impl IntoIterator<Item = usize>) -> Vec<Span> {
    let mut first = 0;
    let span = |len| {
        let span = Span { first, len };
        first += len;
        span
    };
    lengths.into_iter().map(span).collect()
}

/// A run of queries, and the keys and values that it reads.
pub(crate) type Run<'a> = (Span, KeysValues<'a>);

/// Keys and values of a run of positions.
#[derive(Debug, Clone, Copy)]
pub(crate) enum KeysValues<'a> {
    /// The last features of rows.
    Rows(&'a [f32]),
    /// All heads, packed.
    Packed(&'a PackedKeysValues),
}

/// Keys and values that are the last features of rows of `row` features, packed.
pub(crate) fn pack_keys_values(dims: HeadDims, rows: &[f32], row: usize) -> PackedKeysValues {
    let HeadDims { heads, kv_heads, d_k, d_v, .. } = dims;
    let k_len = rows.len() / row;
    let shape = AttentionShape { batch: 1, heads, kv_heads, q_len: 0, k_len, d_k, d_v };
    let strides = |d| HeadStrides { batch: k_len * row, seq: row, head: d };
    let keys = &rows[row - dims.keys_values()..];
    PackedKeysValues::new(shape, Heads::new(keys, strides(d_k)), Heads::new(&keys[dims.keys()..], strides(d_v)))
}

/// Attention of runs of queries, one after another, each to its own keys and values.
///
/// Queries are the first features of the rows of `q`, keys and values the last of rows of `kv_row`; `out` is
/// `[queries, heads · d_v]`, `lse` `[queries, heads]`.
pub(crate) fn attend_spans(
    dims: HeadDims,
    sight: Sight<'_>,
    (q, q_row): (&[f32], usize),
    kv_row: usize,
    runs: &[Run<'_>],
    out: &mut [f32],
    lse: &mut [f32],
) {
    let HeadDims { heads, kv_heads, d_k, d_v, scale, cap } = dims;
    // Outputs of the runs, in the order of the queries.
    let (mut rest, mut rest_lse) = (out, lse);
    let mut jobs = Vec::with_capacity(runs.len());
    for &(queries, keys) in runs {
        let (out, after) = rest.split_at_mut(queries.len * dims.outputs());
        let (lse, after_lse) = rest_lse.split_at_mut(queries.len * heads);
        (rest, rest_lse) = (after, after_lse);
        jobs.push((queries, keys, out, lse));
    }
    let n_keys = |keys: KeysValues<'_>| match keys {
        KeysValues::Rows(rows) => rows.len() / kv_row,
        KeysValues::Packed(packed) => packed.k_len(),
    };
    let attend = |(queries, keys, out, lse): (Span, KeysValues<'_>, &mut [f32], &mut [f32])| {
        let k_len = n_keys(keys);
        let shape = AttentionShape { batch: 1, heads, kv_heads, q_len: queries.len, k_len, d_k, d_v };
        let Sight { causal, window, distances } = sight;
        let attention = Attention { causal, window, distances, scale, cap, ..Attention::new(shape) };
        let strides = |row, seq, d| HeadStrides { batch: seq * row, seq: row, head: d };
        let q = Heads::new(&q[queries.first * q_row..], strides(q_row, queries.len, d_k));
        let out = HeadsMut::new(out, strides(dims.outputs(), queries.len, d_v));
        let kv = match keys {
            KeysValues::Rows(rows) => &rows[kv_row - dims.keys_values()..],
            KeysValues::Packed(packed) => return attention.forward_packed(q, packed, out, lse),
        };
        let (k, v) =
            (Heads::new(kv, strides(kv_row, k_len, d_k)), Heads::new(&kv[dims.keys()..], strides(kv_row, k_len, d_v)));
        attention.forward(q, k, v, out, lse);
    };
    let pairs = |&(queries, keys): &Run<'_>| queries.len * n_keys(keys);
    let work = runs.iter().map(pairs).sum::<usize>() * heads * (d_k + d_v);
    if work >= MIN_PARALLEL && jobs.len() > 1 {
        jobs.into_par_iter().for_each(attend);
    } else {
        jobs.into_iter().for_each(attend);
    }
}

/// The weights of attention of the queries of runs, the mean over heads: for each query `[keys]`. A query sees all keys of its
/// run; keys and values that are packed have none.
///
/// Queries and keys as in [`attend_spans`].
pub(crate) fn mean_weights(
    dims: HeadDims,
    (q, q_row): (&[f32], usize),
    kv_row: usize,
    runs: &[Run<'_>],
) -> Vec<Vec<f32>> {
    let HeadDims { heads, kv_heads, d_k, scale, cap, .. } = dims;
    let mut means = Vec::new();
    for &(queries, keys) in runs {
        let KeysValues::Rows(rows) = keys else { continue };
        for q in q.chunks_exact(q_row).skip(queries.first).take(queries.len) {
            let mut mean = vec![0.0; rows.len() / kv_row];
            for (h, q) in q[..dims.queries()].chunks_exact(d_k).enumerate() {
                let first = kv_row - dims.keys_values() + h / (heads / kv_heads) * d_k;
                let score = |row: &[f32]| {
                    let product: f32 = row[first..first + d_k].iter().zip(q).map(|(k, q)| k * q).sum();
                    let score = product * scale;
                    cap.map_or(score, |cap| cap * (score / cap).tanh())
                };
                let scores: Vec<f32> = rows.chunks_exact(kv_row).map(score).collect();
                let max = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let sum: f32 = scores.iter().map(|score| (score - max).exp()).sum();
                let factor = 1.0 / (sum * heads as f32);
                mean.iter_mut().zip(&scores).for_each(|(mean, score)| *mean += factor * (score - max).exp());
            }
            means.push(mean);
        }
    }
    means
}

/// The new positions of rows in slots, and where their keys and values are.
pub(crate) struct CachedRows<'a> {
    /// `[queries, q_row]`, queries first.
    pub(crate) q: &'a [f32],
    /// `[slots, keys and values]`.
    pub(crate) keys_values: &'a [f32],
    pub(crate) slots: &'a Slots,
    /// `[queries, heads · d_v]`.
    pub(crate) out: &'a mut [f32],
}

/// Attention of the last positions of each row in `slots` to themselves and to all before them, for several caches.
pub(crate) fn attend_caches(dims: HeadDims, sight: Sight<'_>, q_row: usize, caches: Vec<CachedRows<'_>>) {
    let HeadDims { heads, kv_heads, d_k, d_v, scale, cap } = dims;
    let Sight { window, distances, .. } = sight;
    let work: usize = caches.iter().map(|rows| rows.q.len() / q_row * rows.slots.len()).sum::<usize>() * heads * d_k;
    let attend = |CachedRows { q, keys_values, slots, out }: CachedRows<'_>| {
        let (slots, k_len) = (slots.as_slice(), slots.len());
        let step =
            StepAttention { heads, kv_heads, d_k, d_v, keys_values, slots, k_len, window, distances, scale, cap };
        step.forward(q, q_row, out);
    };
    if work >= MIN_PARALLEL && caches.len() > 1 {
        caches.into_par_iter().for_each(attend);
    } else {
        caches.into_iter().for_each(attend);
    }
}
