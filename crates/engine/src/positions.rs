//! Positions of tokens, as far as they are needed at a time.

use attentive_attention::{PositionsConfig, RelativeBuckets, Rotary, Sinusoids, alibi_slopes};
use attentive_kernels::{DistanceBias, Rotation};

use crate::attention::HeadDims;

/// The positions of a stack.
#[derive(Debug)]
pub(crate) enum Positions {
    /// Sinusoids (§3.5), or fairseq's.
    Sinusoidal(Sinusoids),
    /// A learned row for each position, `[max_len, d_model]`.
    Learned { table: Vec<f32>, d_model: usize },
    /// Rotations of queries and keys.
    Rotary { rotary: Rotary, d_k: usize },
    /// Scores fall with the distance, by a slope for each head.
    Alibi { slopes: Vec<f32> },
    /// A bias for each bucket of distances and each head, `[buckets, heads]`.
    Buckets { buckets: RelativeBuckets, biases: Vec<f32>, heads: usize, causal: bool },
}

/// Angles or biases up to some length, which grow as they are needed.
#[derive(Debug, Default, Clone)]
pub(crate) struct Reach {
    len: usize,
    cos: Vec<f32>,
    sin: Vec<f32>,
    biases: Vec<f32>,
}

impl Positions {
    /// Positions for heads of `dims`; `weight` are the parameters of those that have any.
    pub(crate) fn new(
        config: &PositionsConfig,
        d_model: usize,
        dims: HeadDims,
        causal: bool,
        weight: Vec<f32>,
    ) -> Self {
        let HeadDims { heads, d_k, .. } = dims;
        match config {
            PositionsConfig::Sinusoidal => Self::Sinusoidal(Sinusoids::new(d_model)),
            PositionsConfig::FairseqSinusoidal { first } => Self::Sinusoidal(Sinusoids::fairseq(d_model, *first)),
            PositionsConfig::Learned { .. } => Self::Learned { table: weight, d_model },
            PositionsConfig::Rotary(rotary) => Self::Rotary { rotary: rotary.clone(), d_k },
            PositionsConfig::Alibi => {
                Self::Alibi { slopes: alibi_slopes(heads).into_iter().map(|slope| slope as f32).collect() }
            }
            PositionsConfig::RelativeBuckets(buckets) => {
                Self::Buckets { buckets: *buckets, biases: weight, heads, causal }
            }
        }
    }

    /// The longest sequence that has positions, if there is one.
    pub(crate) fn max_len(&self) -> Option<usize> {
        match self {
            Self::Learned { table, d_model } => Some(table.len() / d_model),
            Self::Rotary { rotary, .. } => rotary.max_len(),
            _ => None,
        }
    }

    /// Writes the encodings of the positions `first .. first + n` to `to`, `[n, d_model]`; nothing if positions do not
    /// act on embeddings.
    ///
    /// # Panics
    /// If learned encodings end before that.
    pub(crate) fn fill(&self, first: usize, n: usize, to: &mut Vec<f32>) {
        to.clear();
        match self {
            Self::Sinusoidal(sinusoids) => sinusoids.append(first, n, to),
            Self::Learned { table, d_model } => to.extend_from_slice(&table[first * d_model..(first + n) * d_model]),
            Self::Rotary { .. } | Self::Alibi { .. } | Self::Buckets { .. } => {}
        }
    }

    /// Makes `reach` hold the angles or biases of texts of `len` tokens.
    pub(crate) fn reach(&self, len: usize, reach: &mut Reach) {
        if len <= reach.len {
            return;
        }
        let n = len.next_power_of_two();
        reach.len = n;
        match self {
            Self::Sinusoidal(_) | Self::Learned { .. } => {}
            Self::Rotary { rotary, d_k } => [reach.cos, reach.sin] = rotary.angles(0, n, *d_k),
            Self::Alibi { slopes } => {
                let of_head = |&slope: &f32| distances(n).map(move |offset| -slope * offset.unsigned_abs() as f32);
                reach.biases = slopes.iter().flat_map(of_head).collect();
            }
            Self::Buckets { buckets, biases, heads, causal } => {
                let of_head = |head: usize| {
                    distances(n).map(move |offset| biases[buckets.bucket(offset, *causal) * heads + head])
                };
                reach.biases = (0..*heads).flat_map(of_head).collect();
            }
        }
    }

    /// The rotation of queries and keys up to a length that was reached.
    pub(crate) fn rotation<'a>(&self, reach: &'a Reach) -> Option<Rotation<'a>> {
        match self {
            Self::Rotary { rotary, d_k } => Some(Rotation { cos: &reach.cos, sin: &reach.sin, d: rotary.width(*d_k) }),
            _ => None,
        }
    }

    /// The biases of scores up to a length that was reached.
    pub(crate) fn distances<'a>(&self, reach: &'a Reach) -> Option<DistanceBias<'a>> {
        match self {
            Self::Alibi { .. } | Self::Buckets { .. } => {
                Some(DistanceBias { values: &reach.biases, zero: reach.len - 1 })
            }
            _ => None,
        }
    }
}

/// The key's position minus the query's, for texts of at most `n` tokens.
fn distances(n: usize) -> impl Iterator<Item = isize> {
    1 - n as isize..n as isize
}
