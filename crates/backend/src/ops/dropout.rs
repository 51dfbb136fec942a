//! Dropout.

use std::sync::{Mutex, PoisonError};

use burn::tensor::{Device, Distribution, Tensor};

use crate::Dropout;

/// Zeroes each value with probability `rate` and scales the others by `1 / (1 - rate)`; without `pass`, the identity.
///
/// Source: Srivastava et al. 2014; Vaswani et al. 2017, §5.4.
pub fn dropout<const D: usize>(x: Tensor<D>, rate: f64, pass: Option<&Dropout>) -> Tensor<D> {
    let Some(pass) = pass.filter(|_| rate > 0.0) else { return x };
    #[cfg(feature = "flex")]
    if crate::fused::applies(&x) {
        return crate::fused::dropout(x, args(rate, Some(pass)));
    }
    let mask = mask(x.dims(), rate, pass.next_key(), &x.device());
    x * Tensor::from_inner(mask)
}

/// What dropout multiplies by, below autodiff: 0 or `1 / (1 - rate)`, on a device a function of the key and the shape.
pub(crate) fn mask<const D: usize>(dims: [usize; D], rate: f64, key: u64, device: &Device) -> Tensor<D> {
    /// A backend has one generator for all threads.
    static DRAWING: Mutex<()> = Mutex::new(());
    let _alone = DRAWING.lock().unwrap_or_else(PoisonError::into_inner);
    let (keep, device) = (1.0 - rate, device.clone().inner());
    device.seed(key);
    Tensor::random(dims, Distribution::Bernoulli(keep), &device) / keep
}

/// `x + dropout(f)`: the connection around a sub-layer that gave `f` (§3.1, §5.4), both of one shape.
pub fn residual<const D: usize>(x: Tensor<D>, f: Tensor<D>, rate: f64, pass: Option<&Dropout>) -> Tensor<D> {
    let f = dropout(f, rate, pass);
    #[cfg(feature = "flex")]
    if crate::fused::applies(&x) {
        return crate::fused::residual(x, f);
    }
    x + f
}

/// Dropout as a fused operation takes it.
#[cfg(feature = "flex")]
pub(super) fn args(rate: f64, pass: Option<&Dropout>) -> crate::fused::DropoutArgs {
    match pass.filter(|_| rate > 0.0) {
        Some(pass) => crate::fused::DropoutArgs { rate, key: pass.next_key() },
        None => crate::fused::DropoutArgs { rate: 0.0, key: 0 },
    }
}
