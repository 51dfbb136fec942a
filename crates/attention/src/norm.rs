//! Layer normalisation.

use attentive_backend::{Initializer, ops};
use burn::{
    module::{Module, Param},
    tensor::Tensor,
};

/// Layer normalisation over the last axis (Ba et al. 2016).
#[derive(Module, Debug)]
pub struct LayerNorm {
    /// Gain: `[d_model]`.
    pub gamma: Param<Tensor<1>>,
    /// Bias: `[d_model]`.
    pub beta: Param<Tensor<1>>,
    /// ε, added to the variance.
    pub epsilon: f64,
}

impl LayerNorm {
    /// Gain one, bias zero, ε = 1e-5.
    pub fn new(d_model: usize, init: &Initializer) -> Self {
        Self { gamma: init.ones([d_model]), beta: init.zeros([d_model]), epsilon: 1e-5 }
    }

    /// `[..., d_model]` to the same shape.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        ops::layer_norm(x, self.gamma.val(), self.beta.val(), self.epsilon)
    }
}
