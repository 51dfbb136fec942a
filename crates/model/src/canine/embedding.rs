//! Embeddings of characters without a vocabulary.

use attentive_attention::Initializer;
use attentive_backend::ops;
use attentive_core::TokenId;
use burn::{
    module::{Module, Param},
    tensor::{Int, Tensor, TensorData},
};

/// Multiplier of each hash function (the released code of Clark et al. 2022).
pub const PRIMES: [u64; 16] = [31, 43, 59, 61, 73, 97, 103, 113, 137, 149, 157, 173, 181, 193, 211, 223];

/// The bucket of a code point by hash function `function`: `(id + 1) · prime mod n_buckets`.
///
/// # Panics
/// If the function does not exist.
pub fn bucket(id: TokenId, function: usize, n_buckets: usize) -> usize {
    ((u64::from(id) + 1) * PRIMES[function] % n_buckets as u64) as usize
}

/// A vector for any code point: one slice from the table of each hash function, concatenated (Clark et al. 2022,
/// "Character Hash Embeddings").
#[derive(Module, Debug)]
pub struct HashedEmbedding {
    /// The tables, one above the other: `[n_hashes · n_buckets, d_model / n_hashes]`.
    pub weight: Param<Tensor<2>>,
    /// Number of hash functions.
    pub n_hashes: usize,
    /// Rows of each table.
    pub n_buckets: usize,
}

impl HashedEmbedding {
    /// Drawn tables.
    ///
    /// # Panics
    /// If `n_hashes` is 0.
    pub fn new([n_hashes, n_buckets]: [usize; 2], d_model: usize, init: &Initializer) -> Self {
        Self { weight: init.embedding([n_hashes * n_buckets, d_model / n_hashes]), n_hashes, n_buckets }
    }

    /// The vectors of `[rows · seq]` code points, row after row: `[rows, seq, d_model]`.
    ///
    /// # Panics
    /// If their number does not fit the shape.
    pub fn forward(&self, ids: &[TokenId], [rows, seq]: [usize; 2]) -> Tensor<3> {
        let Self { n_hashes, n_buckets, .. } = *self;
        let weight = self.weight.val();
        let [_, width] = weight.dims();
        let row_of = |id: TokenId| (0..n_hashes).map(move |k| (k * n_buckets + bucket(id, k, n_buckets)) as i64);
        let places: Vec<i64> = ids.iter().flat_map(|&id| row_of(id)).collect();
        let places = TensorData::new(places, [rows, seq * n_hashes]);
        let places = Tensor::<2, Int>::from_data(places, &weight.device());
        ops::embedding(weight, places, None, 1.0, 0.0, None).reshape([rows, seq, n_hashes * width])
    }
}
