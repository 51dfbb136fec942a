//! Which tokens or words of a translation stand for which of its source.

use std::ops::Range;

use attentive_metrics::Alignment;

use crate::AttentionWeights;

/// Each target token with the one among some `keys`, source tokens, that it looks at most, in one head or, without one, in the
/// mean of a layer's; `weights` are of target tokens that look at the source. Without keys there are no pairs.
///
/// # Panics
/// If there is no such layer, head or key.
pub fn align_by_attention(
    weights: &AttentionWeights,
    layer: usize,
    head: Option<usize>,
    keys: Range<usize>,
) -> Alignment {
    let n = weights.n_keys();
    let seen = head.map_or_else(|| weights.mean(layer), |head| weights.head(layer, head).to_vec());
    let best = |row: &[f32]| keys.clone().reduce(|best, at| if row[at] > row[best] { at } else { best });
    let pairs = seen.chunks(n.max(1)).enumerate().filter_map(|(target, row)| Some((best(row)?, target)));
    Alignment::new(pairs)
}

/// Pairs whose similarity, `[source, target]`, has a share above `threshold` both of its row and of its column, by a soft-max
/// over each.
///
/// Source: Dou and Neubig 2021, "Word Alignment by Fine-tuning Embeddings on Parallel Corpora", §2.2; their threshold, for
/// products of vectors, is 0.001.
///
/// # Panics
/// If there is not a similarity for each pair.
///
/// ```
/// use attentive_inspect::align_by_similarity;
///
/// let similarity = [5.0, 0.0, 0.0, 5.0, 0.0, 0.0]; // of three source words to two target words
/// assert_eq!(align_by_similarity(&similarity, [3, 2], 0.2).to_string(), "0-0 1-1");
/// ```
pub fn align_by_similarity(similarity: &[f64], [n_source, n_target]: [usize; 2], threshold: f64) -> Alignment {
    assert_eq!(similarity.len(), n_source * n_target, "a similarity for each pair");
    let rows =
        (0..n_source).map(|source| log_sum_exp((0..n_target).map(|target| similarity[source * n_target + target])));
    let columns =
        (0..n_target).map(|target| log_sum_exp((0..n_source).map(|source| similarity[source * n_target + target])));
    let (rows, columns): (Vec<f64>, Vec<f64>) = (rows.collect(), columns.collect());
    let is_pair = |&(source, target): &(usize, usize)| {
        let score = similarity[source * n_target + target];
        [rows[source], columns[target]].iter().all(|sum| (score - sum).exp() > threshold)
    };
    Alignment::new((0..n_source).flat_map(|source| (0..n_target).map(move |target| (source, target))).filter(is_pair))
}

/// `ln Σ exp x`, without overflow.
fn log_sum_exp(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let max = values.clone().fold(f64::NEG_INFINITY, f64::max);
    max + values.map(|value| (value - max).exp()).sum::<f64>().ln()
}
