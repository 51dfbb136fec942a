//! Token embeddings.

use attentive_backend::{Dropout, Initializer, ops};
use burn::{
    module::{Module, Param},
    tensor::{Int, Tensor},
};

use crate::Positions;

/// A vector for each token; the same matrix can project back to the vocabulary (§3.4).
#[derive(Module, Debug)]
pub struct Embedding {
    /// `[vocab, d_model]`.
    pub weight: Param<Tensor<2>>,
    /// Factor of embeddings.
    pub scale: f64,
}

impl Embedding {
    /// Drawn vectors, which are multiplied by √d_model (§3.4).
    pub fn new(vocab: usize, d_model: usize, init: &Initializer) -> Self {
        Self { weight: init.embedding([vocab, d_model]), scale: (d_model as f64).sqrt() }
    }

    /// Drawn vectors, taken as they are.
    pub fn unscaled(vocab: usize, d_model: usize, init: &Initializer) -> Self {
        Self { scale: 1.0, ..Self::new(vocab, d_model, init) }
    }

    /// Embeddings of `tokens` at the positions `first, first + 1, …`, times the scale, plus the positions' encodings:
    /// `[rows, seq]` to `[rows, seq, d_model]` (§3.4, §3.5). Sums are dropped with probability `rate` (§5.4).
    ///
    /// # Panics
    /// If learned encodings end before the sequence does.
    pub fn forward(
        &self,
        tokens: Tensor<2, Int>,
        positions: &Positions,
        first: usize,
        rate: f64,
        pass: Option<&Dropout>,
    ) -> Tensor<3> {
        let weight = self.weight.val();
        let [_, seq] = tokens.dims();
        let encodings = positions.encodings(first, seq, &weight.device());
        ops::embedding(weight, tokens, encodings, self.scale, rate, pass)
    }

    /// Scores of every token: `[..., d_model]` to `[..., vocab]`.
    pub fn logits<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        ops::linear(x, self.weight.val().transpose(), None)
    }
}
