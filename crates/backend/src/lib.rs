//! The tensor-backend abstraction of attentive.
//!
//! The one crate that names a backend: feature flags (`flex`, `ndarray`, `wgpu`, `cuda`) select the backends that are
//! compiled in, [`BackendKind`] turns a name into a [`Device`], and [`ops`] holds the Transformer's operations: each
//! written once from burn's operations, so that every backend runs it, and once more as fused kernels for flex, the
//! CPU. [`Objective`] and [`Loss`] are the interface between models and the trainer.
//!
//! ```
//! use attentive_backend::BackendKind;
//!
//! let device = BackendKind::Flex.device()?;
//! let x = burn::tensor::Tensor::<1>::from_floats([1.0, 2.0], &device);
//! assert_eq!(x.sum().into_scalar::<f32>(), 3.0);
//! # Ok::<(), attentive_backend::BackendError>(())
//! ```
#![recursion_limit = "256"]

#[cfg(feature = "flex")]
mod fused;
mod graph;
mod init;
mod kind;
mod loss;
mod mask;
pub mod ops;
mod precision;
mod recompute;

pub use attentive_core::Dropout;
pub use burn::tensor::Device;
pub use init::{InitScheme, Initializer};
pub use kind::{BackendError, BackendKind};
pub use loss::{Loss, Objective, Tally};
pub use mask::Mask;
pub use precision::Precision;
pub use recompute::{LayerInputs, Recompute, run_layer};

/// Whether the kernels of `attentive-kernels` run on `device`: it is the CPU of the default backend.
pub fn has_kernels(device: &Device) -> bool {
    #[cfg(feature = "flex")]
    return device.clone().inner() == Device::flex();
    #[cfg(not(feature = "flex"))]
    {
        let _ = device;
        false
    }
}
