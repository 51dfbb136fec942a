//! Which words of a translation stand for which of its source.

use std::{fmt, ops::Range, str::FromStr};

use crate::AttentionWeights;

/// Pairs of a source word and a target word, numbered from 0, in order.
///
/// It is written as Pharaoh's files have it, `0-0 1-2`.
///
/// ```
/// use attentive_inspect::Alignment;
///
/// let alignment: Alignment = "2-1 0-0".parse()?;
/// assert_eq!(alignment.to_string(), "0-0 2-1");
/// # Ok::<(), attentive_inspect::BadAlignment>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Alignment(Vec<(usize, usize)>);

/// What is no alignment in Pharaoh's form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no alignment: write pairs of a source word and a target word, counted from 0, as 0-0 1-2")]
pub struct BadAlignment(pub String);

impl Alignment {
    /// Of pairs in any order; what is there twice counts once.
    pub fn new(pairs: impl IntoIterator<Item = (usize, usize)>) -> Self {
        let mut pairs: Vec<_> = pairs.into_iter().collect();
        pairs.sort_unstable();
        pairs.dedup();
        Self(pairs)
    }

    /// Source word and target word of each pair.
    pub fn pairs(&self) -> &[(usize, usize)] {
        &self.0
    }

    /// Each target token with the one among some `keys`, source tokens, that it looks at most, in one head or, without one,
    /// in the mean of a layer's; `weights` are of target tokens that look at the source. Without keys there are no pairs.
    ///
    /// # Panics
    /// If there is no such layer, head or key.
    pub fn of_attention(weights: &AttentionWeights, layer: usize, head: Option<usize>, keys: Range<usize>) -> Self {
        let n = weights.n_keys();
        let seen = head.map_or_else(|| weights.mean(layer), |head| weights.head(layer, head).to_vec());
        let best = |row: &[f32]| keys.clone().reduce(|best, at| if row[at] > row[best] { at } else { best });
        let pairs = seen.chunks(n.max(1)).enumerate().filter_map(|(target, row)| Some((best(row)?, target)));
        Self::new(pairs)
    }

    /// Pairs of tokens whose similarity, `[source, target]`, has a share above `threshold` both of its row and of its column,
    /// by a soft-max over each.
    ///
    /// Source: Dou and Neubig 2021, "Word Alignment by Fine-tuning Embeddings on Parallel Corpora", §2.2; their threshold
    /// is 0.001.
    ///
    /// # Panics
    /// If there is not a similarity for each pair.
    pub fn of_similarity(similarity: &[f64], [n_source, n_target]: [usize; 2], threshold: f64) -> Self {
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
        Self::new((0..n_source).flat_map(|source| (0..n_target).map(move |target| (source, target))).filter(is_pair))
    }

    /// Words for tokens: `source` and `target` give the word of each token, and tokens without one are left out.
    ///
    /// # Panics
    /// If a token has no entry.
    #[must_use]
    pub fn of_words(&self, source: &[Option<usize>], target: &[Option<usize>]) -> Self {
        Self::new(self.0.iter().filter_map(|&(from, to)| Some((source[from]?, target[to]?))))
    }
}

/// `ln Σ exp x`, without overflow.
fn log_sum_exp(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let max = values.clone().fold(f64::NEG_INFINITY, f64::max);
    max + values.map(|value| (value - max).exp()).sum::<f64>().ln()
}

impl fmt::Display for Alignment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (idx, (source, target)) in self.0.iter().enumerate() {
            write!(f, "{}{source}-{target}", if idx > 0 { " " } else { "" })?;
        }
        Ok(())
    }
}

impl FromStr for Alignment {
    type Err = BadAlignment;

    fn from_str(text: &str) -> Result<Self, BadAlignment> {
        let pair = |pair: &str| {
            let (source, target) = pair.split_once('-')?;
            Some((source.parse().ok()?, target.parse().ok()?))
        };
        let pairs = text.split_whitespace().map(pair).collect::<Option<Vec<_>>>();
        pairs.map(Self::new).ok_or_else(|| BadAlignment(text.to_owned()))
    }
}

/// A sentence pair aligned by hand: what is certain, and what is possible, which all certain pairs are too.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reference {
    /// Pairs that must be found.
    pub sure: Alignment,
    /// Pairs that may be found besides.
    pub possible: Alignment,
}

/// Alignment error rate over sentence pairs, `1 − (|A ∩ S| + |A ∩ P|) / (|A| + |S|)`; 0 is perfect, and so is nothing where
/// nothing was to be found.
///
/// Source: Och and Ney 2003, "A Systematic Comparison of Various Statistical Alignment Models", §6.
///
/// # Panics
/// If there is not a reference for each alignment.
pub fn alignment_error_rate(found: &[Alignment], references: &[Reference]) -> f64 {
    assert_eq!(found.len(), references.len(), "a reference for each alignment");
    let (mut hits, mut all) = (0, 0);
    for (found, Reference { sure, possible }) in found.iter().zip(references) {
        let is_sure = |pair: &&(usize, usize)| sure.0.binary_search(pair).is_ok();
        let is_possible = |pair: &&(usize, usize)| possible.0.binary_search(pair).is_ok() || is_sure(pair);
        hits += found.0.iter().filter(is_sure).count() + found.0.iter().filter(is_possible).count();
        all += found.0.len() + sure.0.len();
    }
    if all == 0 { 0.0 } else { 1.0 - hits as f64 / all as f64 }
}
