//! Attention weights on the host.

use std::ops::Range;

use burn::tensor::Tensor;

/// What each query of a text looks at, in every layer and head: rows of weights that sum to 1.
///
/// ```
/// use attentive_inspect::AttentionWeights;
///
/// // One layer of two heads, over two queries and two keys.
/// let weights = AttentionWeights::new(vec![vec![1.0, 0.0, 0.5, 0.5, 0.0, 1.0, 0.5, 0.5]], [2, 2, 2]);
/// assert_eq!(weights.row(0, 1, 0), [0.0, 1.0]);
/// assert_eq!(weights.mean(0), [0.5, 0.5, 0.5, 0.5]);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct AttentionWeights {
    /// `[heads, queries, keys]` of each layer, from the input up.
    layers: Vec<Vec<f32>>,
    n_heads: usize,
    n_queries: usize,
    n_keys: usize,
}

impl AttentionWeights {
    /// Of layers of `[heads, queries, keys]` each.
    ///
    /// # Panics
    /// If a layer has another number of values.
    pub fn new(layers: Vec<Vec<f32>>, [n_heads, n_queries, n_keys]: [usize; 3]) -> Self {
        for layer in &layers {
            assert_eq!(layer.len(), n_heads * n_queries * n_keys, "weights of {n_heads} × {n_queries} × {n_keys}");
        }
        Self { layers, n_heads, n_queries, n_keys }
    }

    /// Of one row of each layer's tensor, `[rows, heads, queries, keys]`.
    ///
    /// # Panics
    /// If layers differ in shape, or the device does not hand over its values.
    pub fn of_row(layers: &[Tensor<4>], row: usize) -> Self {
        let [_, heads, queries, keys] = layers.first().map_or([0; 4], Tensor::dims);
        let host = |layer: &Tensor<4>| {
            let data = layer.clone().narrow(0, row, 1).into_data().convert::<f32>();
            data.try_into_vec().expect("converted to f32")
        };
        Self::new(layers.iter().map(host).collect(), [heads, queries, keys])
    }

    /// Number of layers.
    pub fn n_layers(&self) -> usize {
        self.layers.len()
    }

    /// Heads of a layer.
    pub fn n_heads(&self) -> usize {
        self.n_heads
    }

    /// Tokens that look.
    pub fn n_queries(&self) -> usize {
        self.n_queries
    }

    /// Tokens that are looked at.
    pub fn n_keys(&self) -> usize {
        self.n_keys
    }

    /// Every layer and head, in order.
    pub fn heads(&self) -> impl Iterator<Item = (usize, usize)> {
        let n_heads = self.n_heads;
        (0..self.n_layers()).flat_map(move |layer| (0..n_heads).map(move |head| (layer, head)))
    }

    /// One head's weights, `[queries, keys]`.
    ///
    /// # Panics
    /// If there is no such head.
    pub fn head(&self, layer: usize, head: usize) -> &[f32] {
        let n = self.n_queries * self.n_keys;
        &self.layers[layer][head * n..][..n]
    }

    /// What one query looks at in a head, `[keys]`.
    ///
    /// # Panics
    /// If there is no such head or query.
    pub fn row(&self, layer: usize, head: usize, query: usize) -> &[f32] {
        &self.head(layer, head)[query * self.n_keys..][..self.n_keys]
    }

    /// What the tokens of a word look at in a head, the mean of theirs, `[keys]`.
    ///
    /// # Panics
    /// If there is no such head, or the word has no tokens or some that do not exist.
    pub fn of_word(&self, layer: usize, head: usize, word: Range<usize>) -> Vec<f32> {
        let n = word.len() as f32;
        assert!(n > 0.0, "a word without tokens");
        let mut mean = vec![0.0; self.n_keys];
        for query in word {
            mean.iter_mut().zip(self.row(layer, head, query)).for_each(|(sum, weight)| *sum += weight / n);
        }
        mean
    }

    /// The mean of a layer's heads, `[queries, keys]`; those that were pruned, which look at nothing, do not count.
    ///
    /// # Panics
    /// If there is no such layer.
    pub fn mean(&self, layer: usize) -> Vec<f32> {
        let mut mean = vec![0.0; self.n_queries * self.n_keys];
        for head in 0..self.n_heads {
            mean.iter_mut().zip(self.head(layer, head)).for_each(|(sum, weight)| *sum += weight);
        }
        let is_there = |head: &usize| self.head(layer, *head).iter().any(|&weight| weight != 0.0);
        let n_heads = (0..self.n_heads).filter(is_there).count().max(1) as f32;
        mean.iter_mut().for_each(|sum| *sum /= n_heads);
        mean
    }
}
