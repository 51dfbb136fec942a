//! Checks that configurations of all families share.

use attentive_attention::{MultiHeadAttentionConfig, PositionsConfig, RelativeBuckets, Rotary};

use crate::ConfigError;

/// The largest sizes, by the ends of their settings' names: larger than any model's, but so that a small file can't ask
/// for more layers than can be listed, or for positions of sound without end, whose encodings are made when it is read. A
/// segment is a byte.
const LIMITS: [(&str, usize); 5] = [
    ("vocab_size", 1 << 24),
    ("_layers", 1 << 10),
    ("_heads", 1 << 10),
    ("n_segments", 1 << 8),
    ("max_source_len", 1 << 16),
];

/// The largest width, of the settings that begin with `d_`: products of signed bytes are summed over the input of a linear
/// layer in 32 bits, which hold 133,144 of them.
const MAX_WIDTH: usize = 1 << 17;

/// The largest of all other sizes; a product of three, as in numbers of parameters, does not overflow.
const LARGEST: usize = 1 << 20;

/// Sizes that must be positive and at most their limit, by the names of their settings.
pub(crate) fn sizes(sizes: &[(&'static str, usize)]) -> Result<(), ConfigError> {
    for &(key, size) in sizes {
        let other = if key.starts_with("d_") { MAX_WIDTH } else { LARGEST };
        let limit = LIMITS.iter().find(|(end, _)| key.ends_with(end)).map_or(other, |&(_, limit)| limit);
        match size {
            0 => return Err(ConfigError::Zero { key }),
            _ if size > limit => return Err(ConfigError::TooLarge { key, size, limit }),
            _ => {}
        }
    }
    Ok(())
}

/// Probabilities of dropout, by the names of their settings.
pub(crate) fn probabilities(rates: &[(&'static str, f64)]) -> Result<(), ConfigError> {
    match rates.iter().find(|(_, rate)| !(0.0..1.0).contains(rate)) {
        Some(&(key, value)) => Err(ConfigError::Probability { key, value }),
        None => Ok(()),
    }
}

/// Numbers above 0, by the names of their settings.
pub(crate) fn positive(numbers: &[(&'static str, f64)]) -> Result<(), ConfigError> {
    match numbers.iter().find(|(_, value)| !(*value > 0.0 && value.is_finite())) {
        Some(&(key, value)) => Err(ConfigError::NotPositive { key, value }),
        None => Ok(()),
    }
}

/// Heads that need a pooler, and whether each is requested.
pub(crate) fn pooler(there: bool, heads: &[(&'static str, bool)]) -> Result<(), ConfigError> {
    match heads.iter().find(|(_, asked)| *asked && !there) {
        Some(&(head, _)) => Err(ConfigError::NoPooler { head }),
        None => Ok(()),
    }
}

/// A width that is shared out among the heads.
pub(crate) fn heads(d_model: usize, n_heads: usize) -> Result<(), ConfigError> {
    if d_model.is_multiple_of(n_heads) { Ok(()) } else { Err(ConfigError::Heads { d_model, n_heads }) }
}

/// Rotary positions of heads of width `d_k`.
fn rotary_positions(rotary: &Rotary, d_k: usize) -> Result<(), ConfigError> {
    let Rotary { theta, n_features, ref scaling } = *rotary;
    // A base of 1 turns all pairs alike, and YaRN divides by its logarithm.
    if !theta.is_finite() || theta <= 0.0 || (scaling.is_some() && theta == 1.0) {
        return Err(ConfigError::RotaryTheta { theta });
    }
    let width = rotary.width(d_k);
    if n_features.is_some() && (width == 0 || width > d_k) {
        return Err(ConfigError::RotaryFeatures { n_features: width, d_k });
    }
    if !width.is_multiple_of(2) {
        return Err(ConfigError::OddHeads { d_k: width });
    }
    let Some(scaling) = scaling else { return Ok(()) };
    match scaling.n_divisors().into_iter().flatten().find(|&n| n != width / 2) {
        Some(n_divisors) => Err(ConfigError::RotaryDivisors { n_divisors, n_pairs: width / 2 }),
        None => positive(&scaling.numbers()),
    }
}

/// Heads that share keys and values, and positions that fit them.
pub(crate) fn attention(attention: &MultiHeadAttentionConfig, positions: &PositionsConfig) -> Result<(), ConfigError> {
    let MultiHeadAttentionConfig { d_model, n_heads, n_kv_heads, d_k, d_v, .. } = *attention;
    if n_kv_heads == 0 {
        return Err(ConfigError::Zero { key: "n_kv_heads" });
    }
    if n_heads.saturating_mul(d_v) > MAX_WIDTH {
        return Err(ConfigError::WideHeads { n_heads, d_v, limit: MAX_WIDTH });
    }
    if !n_heads.is_multiple_of(n_kv_heads) {
        return Err(ConfigError::KvHeads { n_heads, n_kv_heads });
    }
    match *positions {
        PositionsConfig::Learned { max_len } => sizes(&[("positions.learned.max_len", max_len)]),
        PositionsConfig::FairseqSinusoidal { .. } if d_model < 4 || !d_model.is_multiple_of(2) => {
            Err(ConfigError::SinusoidWidth { d_model })
        }
        PositionsConfig::Rotary(ref rotary) => rotary_positions(rotary, d_k),
        PositionsConfig::RelativeBuckets(ref distances) => buckets("positions.relative-buckets", distances),
        _ => Ok(()),
    }
}

/// Buckets of distances, which the setting `key` says.
pub(crate) fn buckets(key: &'static str, buckets: &RelativeBuckets) -> Result<(), ConfigError> {
    let RelativeBuckets { n_buckets, max_distance } = *buckets;
    if n_buckets < 4 || max_distance <= n_buckets / 2 {
        return Err(ConfigError::Buckets { key, n_buckets, max_distance });
    }
    sizes(&[(key, n_buckets)])
}
