use attentive_backend::ops;
use burn::tensor::{Device, Tensor, TensorData};

use super::fixed;

/// Rotary positions: the angles that queries and keys of some positions are turned by.
///
/// Pair `i` of a head's `d` features turns by `pos · θ^(-2i/d)`, so that scores depend on distances alone.
/// Source: Su et al. 2021, "RoFormer", §3.2.2, eq. 15.
#[derive(Debug, Clone)]
pub struct Rotation {
    cos: Tensor<2>,
    sin: Tensor<2>,
}

impl Rotation {
    /// The angles of the positions `first .. first + n` for heads of width `d`.
    pub fn new(first: usize, n: usize, d: usize, theta: f64, device: &Device) -> Self {
        let angles: Vec<f64> = (first..first + n)
            .flat_map(|pos| (0..d / 2).map(move |pair| pos as f64 * theta.powf(-2.0 * pair as f64 / d as f64)))
            .collect();
        let table = |f: fn(f64) -> f64| {
            let values: Vec<f32> = angles.iter().map(|&angle| f(angle) as f32).collect();
            fixed(device, |device| Tensor::from_data(TensorData::new(values, [n, d / 2]), device))
        };
        Self { cos: table(f64::cos), sin: table(f64::sin) }
    }

    /// Turns queries or keys: `[batch, heads, n, d]` to the same shape.
    ///
    /// # Panics
    /// If `d` is odd, or `x` does not have `n` positions.
    pub fn apply(&self, x: Tensor<4>) -> Tensor<4> {
        ops::rotate(x, self.cos.clone(), self.sin.clone())
    }
}
