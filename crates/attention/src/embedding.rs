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
}

impl Embedding {
    /// Normal with standard deviation `d_model^-½`, so that the scaled embeddings have unit variance.
    pub fn new(vocab: usize, d_model: usize, init: &Initializer) -> Self {
        Self { weight: init.normal([vocab, d_model], (d_model as f64).powf(-0.5)) }
    }

    /// Embeddings of `tokens`, which stand at `first, first + 1, …`, times √d_model, with the positions' encodings:
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
        let ([_, seq], [_, d_model]) = (tokens.dims(), weight.dims());
        let encodings = positions.encodings(first, seq, d_model, &weight.device());
        ops::embedding(weight, tokens, encodings, rate, pass)
    }

    /// Scores of every token: `[..., d_model]` to `[..., vocab]`.
    pub fn logits<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        ops::linear(x, self.weight.val().transpose(), None)
    }
}
