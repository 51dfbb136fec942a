//! The convolutions before the encoder.

use attentive_attention::{Initializer, Linear};
use attentive_backend::ops::{self, Activation};
use burn::{module::Module, tensor::Tensor};

/// Frames that a convolution sees at once.
pub(super) const KERNEL: usize = 3;

/// Two convolutions over three frames each, the second of which takes every other frame, each followed by GELU (Radford et
/// al. 2022, §2.2).
///
/// A convolution is a product with the frames side by side, so that the kernel of products does its work.
#[derive(Module, Debug)]
pub struct Stem {
    /// `3 · mels` to `d_model`: the frames before, at and after a position.
    pub first: Linear,
    /// `3 · d_model` to `d_model`.
    pub second: Linear,
}

impl Stem {
    /// Initial parameters, drawn as He et al. (2015) do, whatever the model's scheme is: so sound stays as large as the
    /// sinusoids that are added to it, next to which it would be lost with the small weights of the other matrices.
    pub fn new(n_mels: usize, d_model: usize, init: &Initializer) -> Self {
        let convolution = |d_in: usize| Linear {
            weight: init.normal([KERNEL * d_in, d_model], (2.0 / (KERNEL * d_in) as f64).sqrt()),
            bias: Some(init.zeros([d_model])),
        };
        Self { first: convolution(n_mels), second: convolution(d_model) }
    }

    /// Number of parameters.
    pub fn n_params(n_mels: usize, d_model: usize) -> usize {
        Linear::n_params(KERNEL * n_mels, d_model, true) + Linear::n_params(KERNEL * d_model, d_model, true)
    }

    /// `[rows, frames, mels]` to `[rows, ⌈frames / 2⌉, d_model]`.
    pub fn forward(&self, sound: Tensor<3>) -> Tensor<3> {
        let gelu = |x| ops::activation(x, Activation::Gelu, 0.0, None);
        let x = gelu(self.first.forward(each_with_neighbours(sound)));
        gelu(self.second.forward(every_other_with_neighbours(x)))
    }
}

/// Each frame between those before and after it, beyond the ends of which are zeros: `[rows, frames, d]` to `[rows, frames,
/// 3 · d]`.
fn each_with_neighbours(x: Tensor<3>) -> Tensor<3> {
    let [_, frames, _] = x.dims();
    let padded = padded(x, 1);
    Tensor::cat((0..KERNEL).map(|at| padded.clone().narrow(1, at, frames)).collect(), 2)
}

/// The first, third, fifth … frame between its neighbours: `[rows, frames, d]` to `[rows, ⌈frames / 2⌉, 3 · d]`.
fn every_other_with_neighbours(x: Tensor<3>) -> Tensor<3> {
    let [rows, frames, d] = x.dims();
    let half = frames.div_ceil(2);
    // Frames 2i - 1 and 2i stand side by side, then those after them.
    let padded = padded(x, 1 + frames % 2 + 1);
    let pairs = |first: usize| padded.clone().narrow(1, first, 2 * half).reshape([rows, half, 2 * d]);
    Tensor::cat(vec![pairs(0), pairs(2).narrow(2, 0, d)], 2)
}

/// With one frame of zeros before, and `after` of them after: `[rows, frames, d]` to `[rows, frames + 1 + after, d]`.
fn padded(x: Tensor<3>, after: usize) -> Tensor<3> {
    let ([rows, _, d], device) = (x.dims(), x.device());
    let zeros = |n: usize| Tensor::zeros([rows, n, d], &device);
    Tensor::cat(vec![zeros(1), x, zeros(after)], 1)
}

#[cfg(test)]
mod tests {
    use attentive_backend::BackendKind;
    use burn::tensor::TensorData;

    use super::*;

    #[test]
    fn frames_stand_between_their_neighbours() {
        let device = BackendKind::Flex.device().unwrap();
        for (frames, each, every_other) in [
            (4, &[0, 1, 2, 1, 2, 3, 2, 3, 4, 3, 4, 0][..], &[0, 1, 2, 2, 3, 4][..]),
            (5, &[0, 1, 2, 1, 2, 3, 2, 3, 4, 3, 4, 5, 4, 5, 0], &[0, 1, 2, 2, 3, 4, 4, 5, 0]),
            (1, &[0, 1, 0], &[0, 1, 0]),
        ] {
            let numbers: Vec<f32> = (1..=frames).map(|n| n as f32).collect();
            let x = Tensor::<3>::from_data(TensorData::new(numbers, [1, frames, 1]), &device);
            let values = |x: Tensor<3>| x.into_data().try_into_vec::<f32>().unwrap();
            let expected = |of: &[u8]| of.iter().map(|&n| f32::from(n)).collect::<Vec<_>>();
            assert_eq!(values(each_with_neighbours(x.clone())), expected(each));
            assert_eq!(values(every_other_with_neighbours(x)), expected(every_other));
        }
    }
}
