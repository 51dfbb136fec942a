//! The vectors nearest to another one.

/// The cosine of the angle between two vectors; NaN if one of them is zero.
///
/// ```
/// assert_eq!(attentive_bundle::cosine(&[1.0, 0.0], &[3.0, 4.0]), 0.6);
/// ```
///
/// # Panics
/// If their lengths differ.
pub fn cosine(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len(), "vectors of one model");
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// The `k` of some vectors that are nearest to `query` by cosine, the nearest first: their indices, each with its cosine.
///
/// In a tie the lower index comes first. Vectors that have no cosine, zeros for example, are left out.
///
/// ```
/// let found = attentive_bundle::nearest(&[1.0, 0.0], [[0.0, 1.0], [2.0, 0.0], [3.0, 4.0]], 2);
/// assert_eq!(found, [(1, 1.0), (2, 0.6)]);
/// ```
///
/// # Panics
/// If a vector's length is not that of `query`.
pub fn nearest<V: AsRef<[f32]>>(query: &[f32], vectors: impl IntoIterator<Item = V>, k: usize) -> Vec<(usize, f64)> {
    let mut nearest = Nearest::new(query.to_vec(), k);
    vectors.into_iter().enumerate().for_each(|(index, vector)| nearest.push(vector.as_ref(), || index));
    nearest.found
}

/// The nearest vectors of any number that come one after another: as [`nearest`], in the memory of `k` items.
#[derive(Debug, Clone)]
pub struct Nearest<T> {
    query: Vec<f32>,
    k: usize,
    /// The nearest first.
    found: Vec<(T, f64)>,
}

impl<T> Nearest<T> {
    /// A search for the `k` items nearest to `query`.
    pub fn new(query: Vec<f32>, k: usize) -> Self {
        Self { query, k, found: Vec::new() }
    }

    /// Takes an item by its vector into account; `item` makes it, if it is among the nearest so far.
    ///
    /// # Panics
    /// If the vector's length is not that of the query.
    pub fn push(&mut self, vector: &[f32], item: impl FnOnce() -> T) {
        let score = cosine(&self.query, vector);
        let rank = self.found.partition_point(|(_, better)| *better >= score);
        if !score.is_nan() && rank < self.k {
            self.found.truncate(self.k - 1);
            self.found.insert(rank, (item(), score));
        }
    }

    /// The items found, the nearest first, each with its cosine.
    pub fn found(&self) -> &[(T, f64)] {
        &self.found
    }
}
