//! The encoded source as the decoder's layers see it.

use attentive_kernels::{Attention, AttentionShape, Heads, HeadsMut};
use rayon::prelude::*;

use crate::layer::HeadDims;

/// Attention with fewer multiply–adds is not worth another thread.
const MIN_PARALLEL: usize = 1 << 17;

/// Keys and values of every source, without padding, for each decoder layer.
#[derive(Debug, Clone)]
pub(crate) struct Memory {
    /// `[source tokens, keys and values]`.
    pub(crate) layers: Vec<Vec<f32>>,
    /// First token and number of tokens of each sentence.
    pub(crate) sentences: Vec<Span>,
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

/// Attention of runs of queries, each to its own run of keys and values, without a mask.
///
/// Queries are the first features of the rows of `q`, keys and values the last of those of `kv`; `out` is
/// `[queries, values]`.
pub(crate) fn attend_spans(
    dims: HeadDims,
    (q, q_row): (&[f32], usize),
    (kv, kv_row): (&[f32], usize),
    pairs: &[(Span, Span)],
    out: &mut [f32],
    lse: &mut Vec<f32>,
) {
    let HeadDims { heads, d_k, d_v } = dims;
    lse.resize(out.len() / dims.values() * heads, 0.0);
    // Outputs of the runs, in the order of the queries.
    let (mut rest, mut rest_lse) = (out, &mut lse[..]);
    let mut jobs = Vec::with_capacity(pairs.len());
    for &(queries, keys) in pairs {
        let (out, after) = rest.split_at_mut(queries.len * dims.values());
        let (lse, after_lse) = rest_lse.split_at_mut(queries.len * heads);
        (rest, rest_lse) = (after, after_lse);
        jobs.push((queries, keys, out, lse));
    }
    let attend = |(queries, keys, out, lse): (Span, Span, &mut [f32], &mut [f32])| {
        let shape = AttentionShape { batch: 1, heads, kv_heads: heads, q_len: queries.len, k_len: keys.len, d_k, d_v };
        let attention = Attention::new(shape);
        let kv = &kv[keys.first * kv_row + kv_row - dims.keys_values()..];
        attention.forward(
            Heads::new(&q[queries.first * q_row..], HeadDims::strides(q_row, queries.len, d_k)),
            Heads::new(kv, HeadDims::strides(kv_row, keys.len, d_k)),
            Heads::new(&kv[dims.keys()..], HeadDims::strides(kv_row, keys.len, d_v)),
            HeadsMut::new(out, HeadDims::strides(dims.values(), queries.len, d_v)),
            lse,
        );
    };
    let work: usize = pairs.iter().map(|(queries, keys)| queries.len * keys.len * dims.keys_values()).sum();
    if work >= MIN_PARALLEL && jobs.len() > 1 {
        jobs.into_par_iter().for_each(attend);
    } else {
        jobs.into_iter().for_each(attend);
    }
}
