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
    /// Whether the values between the layers are gated: with GELU this is GEGLU, with SiLU SwiGLU.
    pub gated: bool,
    /// Whether the layers have biases.
    pub bias: bool,
    /// Probability with which values between the layers are dropped; 0 in the paper.
    pub dropout: f64,
}

/// `f(x W₁ + b₁) W₂ + b₂`, the same at every position; `f` is ReLU in the paper (§3.3, eq. 2).
///
/// Gated, `(f(x W_g + b_g) ∘ (x W₁ + b₁)) W₂ + b₂`. Source: Shazeer 2020, "GLU Variants Improve Transformer", eq. 6.
#[derive(Module, Debug)]
pub struct FeedForward {
    /// `W₁, b₁`: `d_model` to `d_ff`.
    pub inner: Linear,
    /// `W_g, b_g`: `d_model` to `d_ff`, if the network is gated.
    pub gate: Option<Linear>,
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
            inner: Linear::new(self.d_model, self.d_ff, self.bias, init),
            gate: self.gated.then(|| Linear::new(self.d_model, self.d_ff, self.bias, init)),
            outer: Linear::residual(self.d_ff, self.d_model, self.bias, init),
            dropout: self.dropout,
            activation: self.activation,
        }
    }

    /// Number of parameters.
    pub fn n_params(&self) -> usize {
        let n_inner = if self.gated { 2 } else { 1 };
        n_inner * Linear::n_params(self.d_model, self.d_ff, self.bias)
            + Linear::n_params(self.d_ff, self.d_model, self.bias)
    }
}

impl FeedForward {
    /// `[batch, seq, d_model]` to the same shape.
    pub fn forward(&self, x: Tensor<3>, pass: Option<&Dropout>) -> Tensor<3> {
        let h = match &self.gate {
            None => ops::activation(self.inner.forward_in(x, pass), self.activation, self.dropout, pass),
            Some(gate) => {
                let gate = gate.forward_in(x.clone(), pass);
                ops::gate(gate, self.inner.forward_in(x, pass), self.activation, self.dropout, pass)
            }
        }; // [batch, seq, d_ff]
        self.outer.forward_in(h, pass)
    }
}
