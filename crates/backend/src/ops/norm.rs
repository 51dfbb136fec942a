//! Normalisation over the last axis.

use burn::tensor::Tensor;

#[cfg(feature = "flex")]
use super::dropout::args as dropout_args;
use super::dropout::residual;
use crate::Dropout;
#[cfg(feature = "flex")]
use crate::fused::{NormArgs, NormKind};

/// `γ (x - mean) / √(var + ε) + β` (Ba et al. 2016), the variance without Bessel's correction; β is optional.
///
/// # Shapes
/// - `x`: `[..., d]`, `gamma` and `beta`: `[d]`
pub fn layer_norm<const D: usize>(x: Tensor<D>, gamma: Tensor<1>, beta: Option<Tensor<1>>, epsilon: f64) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if crate::fused::applies(&x) {
        return crate::fused::norm(x, gamma, beta, NormArgs { kind: NormKind::Layer, epsilon });
    }
    let centred = x.clone() - x.mean_dim(D - 1);
    let variance = centred.clone().square().mean_dim(D - 1); // [..., 1]
    let y = centred / (variance + epsilon).sqrt() * gamma.unsqueeze();
    match beta {
        Some(beta) => y + beta.unsqueeze(),
        None => y,
    }
}

/// `layer_norm(x + dropout(f))`: the paper's connection around a sub-layer that gave `f` (§3.1, §5.4).
///
/// # Shapes
/// - `x` and `f`: `[..., d]`, `gamma` and `beta`: `[d]`
pub fn add_norm<const D: usize>(
    x: Tensor<D>,
    f: Tensor<D>,
    gamma: Tensor<1>,
    beta: Option<Tensor<1>>,
    epsilon: f64,
    rate: f64,
    pass: Option<&Dropout>,
) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if crate::fused::applies(&x) {
        let args = NormArgs { kind: NormKind::Layer, epsilon };
        return crate::fused::add_norm(x, f, gamma, beta, args, dropout_args(rate, pass));
    }
    layer_norm(residual(x, f, rate, pass), gamma, beta, epsilon)
}

/// `γ x / √(mean(x²) + ε)` (Zhang and Sennrich 2019).
///
/// # Shapes
/// - `x`: `[..., d]`, `gamma`: `[d]`
pub fn rms_norm<const D: usize>(x: Tensor<D>, gamma: Tensor<1>, epsilon: f64) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if crate::fused::applies(&x) {
        return crate::fused::norm(x, gamma, None, NormArgs { kind: NormKind::Rms, epsilon });
    }
    let mean_square = x.clone().square().mean_dim(D - 1); // [..., 1]
    x / (mean_square + epsilon).sqrt() * gamma.unsqueeze()
}
