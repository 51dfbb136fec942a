//! Functions between the layers of a feed-forward network.

use attentive_kernels::ActivationKind;
use burn::tensor::{Tensor, activation as burn_activation};
use serde::{Deserialize, Serialize};

#[cfg(feature = "flex")]
use super::dropout::args as dropout_args;
use super::dropout::dropout;
use crate::Dropout;

/// The function between the two layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// `max(0, x)`, the paper's.
    #[default]
    Relu,
    /// `x Φ(x)` (Hendrycks and Gimpel 2016).
    Gelu,
    /// GELU's approximation by tanh, GPT-2's.
    GeluTanh,
    /// `x σ(x)`, also named Swish (Ramachandran et al. 2017); of a gated network it makes SwiGLU.
    Silu,
}

impl From<Activation> for ActivationKind {
    /// The kernel of the function.
    fn from(f: Activation) -> Self {
        match f {
            Activation::Relu => Self::Relu,
            Activation::Gelu => Self::Gelu,
            Activation::GeluTanh => Self::GeluTanh,
            Activation::Silu => Self::Silu,
        }
    }
}

/// `dropout(f(x))` of each value.
pub fn activation<const D: usize>(x: Tensor<D>, f: Activation, rate: f64, pass: Option<&Dropout>) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if crate::fused::applies(&x) {
        return crate::fused::activation(x, f.into(), dropout_args(rate, pass));
    }
    let y = match f {
        Activation::Relu => burn_activation::relu(x),
        // burn's own GELU takes its gradient from the approximation by tanh.
        Activation::Gelu => x.clone() * ((x * std::f64::consts::FRAC_1_SQRT_2).erf() + 1.0) * 0.5,
        Activation::GeluTanh => burn_activation::gelu_approximate(x),
        Activation::Silu => burn_activation::silu(x),
    };
    dropout(y, rate, pass)
}

/// `dropout(f(gate) ∘ x)`, all of one shape: the middle of a gated feed-forward network.
///
/// Source: Shazeer 2020, "GLU Variants Improve Transformer", eq. 6.
pub fn gate<const D: usize>(
    gate: Tensor<D>,
    x: Tensor<D>,
    f: Activation,
    rate: f64,
    pass: Option<&Dropout>,
) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if crate::fused::applies(&x) {
        return crate::fused::gate(gate, x, f.into(), dropout_args(rate, pass));
    }
    dropout(activation(gate, f, 0.0, None) * x, rate, pass)
}
