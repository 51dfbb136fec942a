//! Position-wise feed-forward network.

use attentive_backend::{
    Dropout, Initializer,
    ops::{self, Activation},
};
use burn::{module::Module, tensor::Tensor};

use crate::Linear;

/// Configuration of a [`FeedForward`].
#[derive(Debug, Clone, PartialEq)]
pub struct FeedForwardConfig {
    /// Width of input and output.
    pub d_model: usize,
    /// Width between the layers.
    pub d_ff: usize,
    /// Function between the layers.
    pub activation: Activation,
    /// Probability with which values between the layers are dropped; 0 in the paper.
    pub dropout: f64,
}

/// `max(0, x W₁ + b₁) W₂ + b₂`, the same at every position (§3.3, eq. 2).
#[derive(Module, Debug)]
pub struct FeedForward {
    /// `W₁, b₁`: `d_model` to `d_ff`.
    pub inner: Linear,
    /// `W₂, b₂`: `d_ff` to `d_model`.
    pub outer: Linear,
    /// Probability with which values between the layers are dropped.
    pub dropout: f64,
    #[module(skip)]
    activation: Activation,
}

impl FeedForwardConfig {
    /// Initial parameters.
    pub fn init(&self, init: &Initializer) -> FeedForward {
        FeedForward {
            inner: Linear::new(self.d_model, self.d_ff, init),
            outer: Linear::new(self.d_ff, self.d_model, init),
            dropout: self.dropout,
            activation: self.activation,
        }
    }
}

impl FeedForward {
    /// `[batch, seq, d_model]` to the same shape.
    pub fn forward(&self, x: Tensor<3>, pass: Option<&Dropout>) -> Tensor<3> {
        let h = self.inner.forward(x); // [batch, seq, d_ff]
        self.outer.forward(ops::activation(h, self.activation, self.dropout, pass))
    }
}
