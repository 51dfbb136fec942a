use attentive_kernels::Level;
use serde::{Deserialize, Serialize};

/// Format of the numbers that matrix products of a training pass multiply on flex; other backends multiply `f32`.
///
/// Parameters, moments, sums and all else are always `f32`, as in PyTorch's autocast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 24 significant bits.
    #[default]
    F32,
    /// 8 significant bits: about twice as fast where [`is_fast`](Self::is_fast).
    Bf16,
}

impl Precision {
    /// Runs `pass`, forward or backward, with such products.
    pub fn during<R>(self, pass: impl FnOnce() -> R) -> R {
        match self {
            Self::F32 => pass(),
            Self::Bf16 => attentive_kernels::Precision::Bf16.during(pass),
        }
    }

    /// Whether this CPU has instructions for it; without them, bf16 gives the same numbers but is slower than `f32`.
    pub fn is_fast(self) -> bool {
        self == Self::F32 || Level::current().multiplies_bf16()
    }
}
