//! The head that guesses hidden tokens.

use attentive_attention::{Activation, Initializer, Linear, Norm, NormConfig};
use attentive_backend::ops;
use burn::{
    module::{Module, Param},
    tensor::Tensor,
};

/// Guesses hidden tokens: a dense layer, its function, a norm, and the product with the embeddings, to which a bias is
/// added (the released code of Devlin et al. 2019, `get_masked_lm_output`).
#[derive(Module, Debug)]
pub struct MaskedLmHead {
    /// `d_model` to `d_model`.
    pub dense: Linear,
    /// Norm of the function's output.
    pub norm: Norm,
    /// Bias of each token's score: `[vocab]`.
    pub bias: Param<Tensor<1>>,
    #[module(skip)]
    activation: Activation,
}

impl MaskedLmHead {
    pub(crate) fn new(vocab_size: usize, norm: &NormConfig, activation: Activation, init: &Initializer) -> Self {
        Self {
            dense: Linear::new(norm.d_model, norm.d_model, true, init),
            norm: norm.init(init),
            bias: init.zeros([vocab_size]),
            activation,
        }
    }

    /// Features that are multiplied with the embeddings: `[..., d_model]` to the same shape.
    pub fn transform<const D: usize>(&self, hidden: Tensor<D>) -> Tensor<D> {
        self.norm.forward(ops::activation(self.dense.forward(hidden), self.activation, 0.0, None))
    }
}
