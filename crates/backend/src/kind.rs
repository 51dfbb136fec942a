//! From a backend's name to a device.

use std::{fmt, str::FromStr};

use burn::tensor::Device;

/// A backend that tensors can live on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BackendKind {
    /// burn-flex: the CPU, the default.
    Flex,
    /// burn-ndarray: the CPU, burn's older backend.
    NdArray,
    /// burn-wgpu: any GPU through Vulkan, Metal, DirectX 12 or WebGPU.
    Wgpu,
    /// burn-cuda: NVIDIA GPUs.
    Cuda,
}

impl BackendKind {
    /// Every backend, compiled in or not.
    pub const ALL: [Self; 4] = [Self::Flex, Self::NdArray, Self::Wgpu, Self::Cuda];

    /// The name, which is also that of the cargo feature.
    pub fn name(self) -> &'static str {
        match self {
            Self::Flex => "flex",
            Self::NdArray => "ndarray",
            Self::Wgpu => "wgpu",
            Self::Cuda => "cuda",
        }
    }

    /// The backend of a device, if it is a CPU's or the default one of a GPU's.
    pub fn of(device: &Device) -> Option<Self> {
        let device = device.clone().inner();
        let is_of = |made: Option<Device>| made.is_some_and(|made| made == device);
        Self::ALL.into_iter().find(|kind| is_of(kind.made()))
    }

    /// The default device, not tried.
    fn made(self) -> Option<Device> {
        match self {
            #[cfg(feature = "flex")]
            Self::Flex => Some(Device::flex()),
            #[cfg(feature = "ndarray")]
            #[allow(deprecated, reason = "as in `device`")]
            Self::NdArray => Some(Device::ndarray()),
            #[cfg(feature = "wgpu-unfused")]
            Self::Wgpu => Some(Device::wgpu(burn::tensor::DeviceKind::DefaultDevice)),
            #[cfg(feature = "cuda")]
            Self::Cuda => Some(Device::cuda(0)),
            #[allow(unreachable_patterns, reason = "which patterns are left depends on the features")]
            _ => None,
        }
    }

    /// Whether this build contains the backend.
    pub fn is_compiled_in(self) -> bool {
        match self {
            Self::Flex => cfg!(feature = "flex"),
            Self::NdArray => cfg!(feature = "ndarray"),
            Self::Wgpu => cfg!(feature = "wgpu-unfused"),
            Self::Cuda => cfg!(feature = "cuda"),
        }
    }

    /// The backend's default device, without gradients; [`Device::autodiff`] turns them on.
    ///
    /// # Errors
    /// [`BackendError::NotCompiledIn`], or [`BackendError::NoDevice`] if the machine has no such device.
    pub fn device(self) -> Result<Device, BackendError> {
        match self {
            #[cfg(feature = "flex")]
            Self::Flex => Ok(Device::flex()),
            #[cfg(feature = "ndarray")]
            Self::NdArray =>
            {
                #[allow(deprecated, reason = "burn prefers flex; kept for its users")]
                Ok(Device::ndarray())
            }
            #[cfg(feature = "wgpu-unfused")]
            Self::Wgpu => self.probe(|| Device::wgpu(burn::tensor::DeviceKind::DefaultDevice)),
            #[cfg(feature = "cuda")]
            Self::Cuda => self.probe(|| Device::cuda(0)),
            #[allow(unreachable_patterns, reason = "which patterns are left depends on the features")]
            _ => Err(BackendError::NotCompiledIn { backend: self }),
        }
    }

    /// Makes a device and runs one operation on it: GPU runtimes report a missing adapter by panicking at first use.
    #[cfg(any(feature = "wgpu-unfused", feature = "cuda"))]
    fn probe(self, make: impl FnOnce() -> Device + std::panic::UnwindSafe) -> Result<Device, BackendError> {
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {}));
        let device = std::panic::catch_unwind(|| {
            let device = make();
            burn::tensor::Tensor::<1>::ones([1], &device).into_data();
            device
        });
        std::panic::set_hook(hook);
        device.map_err(|cause| {
            let cause = cause.downcast_ref::<String>().map(String::as_str);
            BackendError::NoDevice { backend: self, cause: cause.unwrap_or("no adapter").to_owned() }
        })
    }
}

impl fmt::Display for BackendKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for BackendKind {
    type Err = BackendError;

    fn from_str(name: &str) -> Result<Self, BackendError> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == name)
            .ok_or_else(|| BackendError::Unknown { name: name.to_owned() })
    }
}

/// Reason why there is no device.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackendError {
    /// The name is not a backend's.
    #[error("unknown backend `{name}`; there are flex, ndarray, wgpu and cuda")]
    Unknown {
        /// The requested name.
        name: String,
    },
    /// The backend exists, but not in this build.
    #[error(
        "backend `{backend}` was not compiled in: build with `--features {backend}` (or `cargo xtask --backend {backend} …`)"
    )]
    NotCompiledIn {
        /// The requested backend.
        backend: BackendKind,
    },
    /// The backend found nothing to run on.
    #[error("backend `{backend}` found no device it can use: {cause}")]
    NoDevice {
        /// The requested backend.
        backend: BackendKind,
        /// The runtime's own message.
        cause: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for kind in BackendKind::ALL {
            assert_eq!(kind.name().parse::<BackendKind>().unwrap(), kind);
        }
    }

    #[test]
    fn a_missing_backend_names_its_flag() {
        let missing = BackendKind::ALL.into_iter().filter(|kind| !kind.is_compiled_in());
        for kind in missing {
            let message = kind.device().unwrap_err().to_string();
            assert!(message.contains(&format!("--features {kind}")), "{message}");
        }
    }

    #[test]
    fn an_unknown_backend_lists_the_known_ones() {
        let message = "tpu".parse::<BackendKind>().unwrap_err().to_string();
        assert!(message.contains("`tpu`") && message.contains("flex, ndarray, wgpu and cuda"));
    }
}
