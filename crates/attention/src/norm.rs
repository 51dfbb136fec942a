//! Normalisation of features.

use attentive_backend::{Dropout, Initializer, ops};
use burn::{
    module::{Module, Param},
    tensor::Tensor,
};
use serde::{Deserialize, Serialize};

/// Kind of normalisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum NormKind {
    /// Layer norm: to mean 0 and variance 1 (Ba et al. 2016), the paper's.
    #[default]
    Layer,
    /// To a mean square of 1 (Zhang and Sennrich 2019); it has no bias.
    Rms,
}

/// Configuration of a [`Norm`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NormConfig {
    /// Number of features.
    pub d_model: usize,
    /// Whether the variance or the mean square becomes 1.
    pub kind: NormKind,
    /// Whether a layer norm adds a bias.
    pub bias: bool,
    /// ε, added to the variance or mean square.
    pub epsilon: f64,
}

/// Normalisation over the last axis.
#[derive(Module, Debug)]
pub struct Norm {
    /// Gain: `[d_model]`.
    pub gamma: Param<Tensor<1>>,
    /// Bias: `[d_model]`.
    pub beta: Option<Param<Tensor<1>>>,
    /// ε, added to the variance or mean square.
    pub epsilon: f64,
    #[module(skip)]
    kind: NormKind,
}

impl NormConfig {
    /// Layer norm with a bias and ε = 1e-5.
    pub fn layer(d_model: usize) -> Self {
        Self { d_model, kind: NormKind::Layer, bias: true, epsilon: 1e-5 }
    }

    /// Gain one, bias zero.
    pub fn init(&self, init: &Initializer) -> Norm {
        Norm {
            gamma: init.ones([self.d_model]),
            beta: self.has_beta().then(|| init.zeros([self.d_model])),
            epsilon: self.epsilon,
            kind: self.kind,
        }
    }

    /// Number of parameters.
    pub fn n_params(&self) -> usize {
        if self.has_beta() { 2 * self.d_model } else { self.d_model }
    }

    fn has_beta(&self) -> bool {
        self.bias && self.kind == NormKind::Layer
    }
}

impl Norm {
    /// `[..., d_model]` to the same shape.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        match self.kind {
            NormKind::Layer => ops::layer_norm(x, self.gamma.val(), self.beta(), self.epsilon),
            NormKind::Rms => ops::rms_norm(x, self.gamma.val(), self.epsilon),
        }
    }

    /// `norm(x + dropout(f))`, both `[..., d_model]`, in one pass where the backend can.
    pub fn after_residual<const D: usize>(
        &self,
        x: Tensor<D>,
        f: Tensor<D>,
        rate: f64,
        pass: Option<&Dropout>,
    ) -> Tensor<D> {
        match self.kind {
            NormKind::Layer => ops::add_norm(x, f, self.gamma.val(), self.beta(), self.epsilon, rate, pass),
            NormKind::Rms => self.forward(ops::residual(x, f, rate, pass)),
        }
    }

    fn beta(&self) -> Option<Tensor<1>> {
        self.beta.as_ref().map(Param::val)
    }
}
