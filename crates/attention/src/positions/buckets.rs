use burn::tensor::{Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};

/// Buckets of distances: one for each small distance, then ever wider ones, the last without end.
///
/// Source: Raffel et al. 2020, "Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer", §2.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct RelativeBuckets {
    /// Number of buckets, for both directions together where there are two.
    pub n_buckets: usize,
    /// Distance from which on all share the last bucket.
    pub max_distance: usize,
}

impl Default for RelativeBuckets {
    /// T5's 32 buckets up to 128 positions.
    fn default() -> Self {
        Self { n_buckets: 32, max_distance: 128 }
    }
}

impl RelativeBuckets {
    /// The bucket of a key `offset` positions after its query; a negative offset is before it.
    ///
    /// Half of the buckets are of one distance each; the others widen logarithmically up to `max_distance`. If `causal`,
    /// all buckets are for keys before the query; else half of them, the second, are for keys after it.
    pub fn bucket(&self, offset: isize, causal: bool) -> usize {
        let (n, first) = match (causal, offset > 0) {
            (true, _) => (self.n_buckets, 0),
            (false, false) => (self.n_buckets / 2, 0),
            (false, true) => (self.n_buckets / 2, self.n_buckets / 2),
        };
        let distance = if causal { (-offset).max(0) as usize } else { offset.unsigned_abs() };
        let n_exact = n / 2;
        if distance < n_exact {
            return first + distance;
        }
        let log_ratio = |x: usize| (x as f64 / n_exact as f64).ln();
        let wide = log_ratio(distance) / log_ratio(self.max_distance) * (n - n_exact) as f64;
        first + (n_exact + wide as usize).min(n - 1)
    }

    /// The biases `weight` (`[n_buckets, heads]`) of the queries `first .. first + new` against all keys up to there:
    /// `[1, heads, new, first + new]`.
    pub(super) fn bias(&self, weight: Tensor<2>, first: usize, new: usize, causal: bool) -> Tensor<4> {
        let ([_, n_heads], k_len) = (weight.dims(), first + new);
        // Offsets from -(k_len - 1), of the last query and the first key, to new - 1.
        let buckets: Vec<i64> = (1 - k_len as isize..new as isize).map(|o| self.bucket(o, causal) as i64).collect();
        let of_query = |q_idx: usize| &buckets[k_len - 1 - q_idx..][..k_len];
        let ids: Vec<i64> = (first..k_len).flat_map(of_query).copied().collect();
        let ids = Tensor::<1, Int>::from_data(TensorData::new(ids, [new * k_len]), &weight.device());
        weight.select(0, ids).reshape([1, new, k_len, n_heads]).permute([0, 3, 1, 2])
    }
}
