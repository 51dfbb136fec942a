//! Affine map.

use attentive_backend::{Dropout, Initializer, ops};
use burn::{
    module::{Module, Param},
    tensor::Tensor,
};

use crate::LowRank;

/// `x W + b` over the last axis.
#[derive(Module, Debug)]
pub struct Linear {
    /// `W`: `[d_in, d_out]`.
    pub weight: Param<Tensor<2>>,
    /// `b`: `[d_out]`.
    pub bias: Option<Param<Tensor<1>>>,
}

impl Linear {
    /// Drawn weights and, with `bias`, a bias of zero.
    pub fn new(d_in: usize, d_out: usize, bias: bool, init: &Initializer) -> Self {
        Self { weight: init.matrix([d_in, d_out]), bias: bias.then(|| init.zeros([d_out])) }
    }

    /// As [`new`](Self::new), for a map whose output is added to a residual connection.
    pub fn residual(d_in: usize, d_out: usize, bias: bool, init: &Initializer) -> Self {
        Self { weight: init.residual_matrix([d_in, d_out]), bias: bias.then(|| init.zeros([d_out])) }
    }

    /// Number of parameters of such a map.
    pub fn n_params(d_in: usize, d_out: usize, bias: bool) -> usize {
        d_in * d_out + if bias { d_out } else { 0 }
    }

    /// `[..., d_in]` to `[..., d_out]`.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        self.forward_in(x, None)
    }

    /// As [`forward`](Self::forward); an adapter of the map drops inputs in a pass of training.
    pub fn forward_in<const D: usize>(&self, x: Tensor<D>, pass: Option<&Dropout>) -> Tensor<D> {
        let bias = self.bias.as_ref().map(Param::val);
        match self.weight.reparameterization::<LowRank>() {
            Some(adapter) => adapter.forward(x, self.weight.base(), bias, pass),
            None => ops::linear(x, self.weight.val(), bias),
        }
    }
}
