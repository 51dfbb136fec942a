//! Where a token stands.

use attentive_backend::Initializer;
use burn::{
    module::{Module, Param},
    tensor::{Device, Tensor, TensorData},
};
use serde::{Deserialize, Serialize};

/// Kind of positional encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PositionsConfig {
    /// Fixed sinusoids, for any length (§3.5).
    #[default]
    Sinusoidal,
    /// A learned vector for each position (Table 3, row E).
    Learned {
        /// The longest sequence.
        max_len: usize,
    },
}

/// Positional encodings of width `d_model`.
#[derive(Module, Debug)]
pub struct Positions {
    /// Learned encodings, `[max_len, d_model]`; without them, sinusoids.
    pub weight: Option<Param<Tensor<2>>>,
}

impl PositionsConfig {
    /// Initial encodings.
    pub fn init(&self, d_model: usize, init: &Initializer) -> Positions {
        Positions {
            weight: match *self {
                Self::Sinusoidal => None,
                Self::Learned { max_len } => Some(init.normal([max_len, d_model], (d_model as f64).powf(-0.5))),
            },
        }
    }

    /// The longest sequence that has encodings, if there is one.
    pub fn max_len(&self) -> Option<usize> {
        match *self {
            Self::Sinusoidal => None,
            Self::Learned { max_len } => Some(max_len),
        }
    }
}

impl Positions {
    /// Encodings of the positions `first .. first + n`: `[n, d_model]`.
    ///
    /// # Panics
    /// If learned encodings end before that.
    pub fn encodings(&self, first: usize, n: usize, d_model: usize, device: &Device) -> Tensor<2> {
        match &self.weight {
            Some(weight) => weight.val().narrow(0, first, n),
            None => {
                let fixed = sinusoids(first, n, d_model, &device.clone().inner());
                if device.is_autodiff() { Tensor::from_inner(fixed) } else { fixed }
            }
        }
    }
}

/// Sinusoidal encodings of the positions `first .. first + n`: `[n, d_model]`.
///
/// `PE(pos, 2i) = sin(pos / 10000^(2i/d_model))`, `PE(pos, 2i+1) = cos(pos / 10000^(2i/d_model))`.
/// Source: Vaswani et al. 2017, §3.5.
pub fn sinusoids(first: usize, n: usize, d_model: usize, device: &Device) -> Tensor<2> {
    let mut values = Vec::with_capacity(n * d_model);
    for pos in first..first + n {
        values.extend((0..d_model).map(|dim| {
            let angle = pos as f64 / 10_000_f64.powf((dim - dim % 2) as f64 / d_model as f64);
            (if dim % 2 == 0 { angle.sin() } else { angle.cos() }) as f32
        }));
    }
    Tensor::from_data(TensorData::new(values, [n, d_model]), device)
}
