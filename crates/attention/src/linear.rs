//! Affine map.

use attentive_backend::{Initializer, ops};
use burn::{
    module::{Module, Param},
    tensor::Tensor,
};

/// `x W + b` over the last axis.
#[derive(Module, Debug)]
pub struct Linear {
    /// `W`: `[d_in, d_out]`.
    pub weight: Param<Tensor<2>>,
    /// `b`: `[d_out]`.
    pub bias: Option<Param<Tensor<1>>>,
}

impl Linear {
    /// Xavier-uniform weights and a zero bias.
    pub fn new(d_in: usize, d_out: usize, init: &Initializer) -> Self {
        Self { weight: init.xavier_uniform([d_in, d_out]), bias: Some(init.zeros([d_out])) }
    }

    /// `[..., d_in]` to `[..., d_out]`.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        ops::linear(x, self.weight.val(), self.bias.as_ref().map(Param::val))
    }
}
