//! Keys and values, kept between decoding steps.

use burn::tensor::{Int, Tensor};

/// Projected keys and values of all heads.
#[derive(Debug, Clone)]
pub struct KeyValues {
    /// `[rows, heads, k_len, d_k]`.
    pub k: Tensor<4>,
    /// `[rows, heads, k_len, d_v]`.
    pub v: Tensor<4>,
}

impl KeyValues {
    /// Row `i` becomes a copy of the old row `rows[i]`.
    pub fn select(self, rows: Tensor<1, Int>) -> Self {
        Self { k: self.k.select(0, rows.clone()), v: self.v.select(0, rows) }
    }
}

/// The keys and values of the positions read so far, so that a step projects only the new ones.
#[derive(Debug, Clone, Default)]
pub struct KvCache(Option<KeyValues>);

impl KvCache {
    /// A cache that has read nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of positions read: `k_len`.
    pub fn n_past(&self) -> usize {
        self.0.as_ref().map_or(0, |past| past.k.dims()[2])
    }

    /// Appends the keys and values of new positions; returns those of all positions.
    pub fn append(&mut self, new: KeyValues) -> KeyValues {
        let all = match self.0.take() {
            Some(past) => KeyValues { k: Tensor::cat(vec![past.k, new.k], 2), v: Tensor::cat(vec![past.v, new.v], 2) },
            None => new,
        };
        self.0 = Some(all.clone());
        all
    }

    /// Takes back all but the first `len` positions.
    ///
    /// # Panics
    /// If fewer were read.
    pub fn truncate(&mut self, len: usize) {
        assert!(len <= self.n_past(), "{len} positions are kept of {}", self.n_past());
        let kept = |past: KeyValues| KeyValues { k: past.k.narrow(2, 0, len), v: past.v.narrow(2, 0, len) };
        self.0 = self.0.take().filter(|_| len > 0).map(kept);
    }

    /// Row `i` becomes a copy of the old row `rows[i]`.
    pub fn reorder(&mut self, rows: &Tensor<1, Int>) {
        self.0 = self.0.take().map(|past| past.select(rows.clone()));
    }
}
