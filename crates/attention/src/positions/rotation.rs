use attentive_backend::ops;
use burn::tensor::{Device, Tensor, TensorData};

use super::{Rotary, context, fixed};

/// Rotary positions: the angles that queries and keys of some positions are turned by.
///
/// Scores then depend on distances alone. Source: Su et al. 2021, "RoFormer", §3.2.2, eq. 15.
#[derive(Debug, Clone)]
pub struct Rotation {
    cos: Tensor<2>,
    sin: Tensor<2>,
}

impl Rotation {
    /// The angles of the positions `first .. first + n` for heads of width `d`.
    pub fn new(first: usize, n: usize, d: usize, rotary: &Rotary, device: &Device) -> Self {
        let width = rotary.width(d);
        let [cos, sin] = rotary
            .angles(first, n, d)
            .map(|values| fixed(device, |device| Tensor::from_data(TensorData::new(values, [n, width / 2]), device)));
        Self { cos, sin }
    }

    /// The angles of texts that follow one another, from those of the positions of the longest.
    #[must_use]
    pub fn of_texts(self, lengths: &[usize]) -> Self {
        let [cos, sin] = [self.cos, self.sin].map(|angles| context::of_texts(angles, lengths));
        Self { cos, sin }
    }

    /// Turns queries or keys, or their first features: `[batch, heads, n, d]` to the same shape.
    ///
    /// # Panics
    /// If `d` is odd or less than what is turned, or `x` does not have `n` positions.
    pub fn apply(&self, x: Tensor<4>) -> Tensor<4> {
        let (width, d) = (2 * self.cos.dims()[1], x.dims()[3]);
        let turn = |x| ops::rotate(x, self.cos.clone(), self.sin.clone());
        if width == d {
            return turn(x);
        }
        Tensor::cat(vec![turn(x.clone().narrow(3, 0, width)), x.narrow(3, width, d - width)], 3)
    }
}
