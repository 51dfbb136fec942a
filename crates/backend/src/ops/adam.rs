//! An update of Adam.

use burn::tensor::Tensor;

/// Settings of one update.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamStep {
    /// Number of the update, from 1.
    pub n: u64,
    /// Learning rate.
    pub lr: f64,
    /// Factor of gradients, applied first.
    pub scale: f64,
    /// Decay of the mean of gradients.
    pub beta_1: f64,
    /// Decay of the mean of squared gradients.
    pub beta_2: f64,
    /// Added to the denominator.
    pub epsilon: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
}

/// A parameter's values and the running means of its gradients, flattened.
#[derive(Debug, Clone)]
pub struct AdamTensors {
    /// The values.
    pub values: Tensor<1>,
    /// Mean of gradients.
    pub first: Tensor<1>,
    /// Mean of squared gradients.
    pub second: Tensor<1>,
}

/// One update of Adam, with bias correction and decoupled weight decay.
///
/// `m ← β₁ m + (1 - β₁) g`, `v ← β₂ v + (1 - β₂) g²`, `w ← w (1 - lr λ) - lr m̂ / (√v̂ + ε)`.
/// Source: Kingma and Ba 2015, algorithm 1; Loshchilov and Hutter 2019, algorithm 2.
///
/// On flex, values and means that are not shared are updated in place.
pub fn adam(tensors: AdamTensors, gradient: Tensor<1>, step: &AdamStep) -> AdamTensors {
    let AdamTensors { values, first, second } = tensors;
    #[cfg(feature = "flex")]
    if crate::fused::applies(&values) {
        let [values, first, second] = crate::fused::adam([values, gradient, first, second], *step);
        return AdamTensors { values, first, second };
    }
    let AdamStep { n, lr, scale, beta_1, beta_2, epsilon, weight_decay } = *step;
    let correction = |beta: f64| 1.0 - beta.powf(n as f64);
    let gradient = gradient * scale;
    let first = first * beta_1 + gradient.clone() * (1.0 - beta_1);
    let second = second * beta_2 + gradient.square() * (1.0 - beta_2);
    let denominator = (second.clone() / correction(beta_2)).sqrt() + epsilon;
    let update = first.clone() / denominator * (lr / correction(beta_1));
    let values = if weight_decay > 0.0 { values * (1.0 - lr * weight_decay) } else { values };
    AdamTensors { values: values - update, first, second }
}
