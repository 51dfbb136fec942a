//! From characters to molecules and back.

use attentive_attention::{Activation, Dropout, Initializer, Linear, Norm, NormConfig};
use attentive_backend::ops;
use burn::{
    module::Module,
    tensor::{Bool, Int, Tensor, TensorData},
};

/// Every `rate` characters become a molecule: a convolution as wide as its stride, its function, a norm (Clark et al.
/// 2022, "Downsampling").
///
/// The first character, `[CLS]`, is also a molecule of its own before the others; it replaces the last molecule of the
/// convolution. So `n` characters have `max(1, ⌊n / rate⌋)` molecules.
#[derive(Module, Debug)]
pub struct Downsampling {
    /// The convolution, `rate` characters side by side: `rate · d_model` to `d_model`.
    pub convolution: Linear,
    /// The norm of molecules.
    pub norm: Norm,
    #[module(skip)]
    activation: Activation,
}

/// Characters and their molecules, concatenated: a convolution of a few characters that pads with zeros, its function,
/// a norm (Clark et al. 2022, "Upsampling").
#[derive(Module, Debug)]
pub struct Upsampling {
    /// The convolution, `width` characters side by side: `width · 2 d_model` to `d_model`.
    pub convolution: Linear,
    /// The norm of characters.
    pub norm: Norm,
    /// Probability with which they are dropped.
    pub dropout: f64,
    #[module(skip)]
    activation: Activation,
}

/// Number of molecules of `n` characters.
pub(super) fn n_molecules(n: usize, rate: usize) -> usize {
    (n / rate).max(1)
}

impl Downsampling {
    pub(super) fn new(rate: usize, norm: &NormConfig, activation: Activation, init: &Initializer) -> Self {
        let convolution = Linear::new(rate * norm.d_model, norm.d_model, true, init);
        Self { convolution, norm: norm.init(init), activation }
    }

    /// `[rows, seq, d_model]` to `[rows, molecules, d_model]`.
    pub fn forward(&self, characters: Tensor<3>) -> Tensor<3> {
        let [rows, seq, d_model] = characters.dims();
        let rate = self.convolution.weight.dims()[0] / d_model;
        let others = n_molecules(seq, rate) - 1;
        let first = characters.clone().narrow(1, 0, 1);
        let molecules = match others {
            0 => first,
            _ => {
                let groups = characters.narrow(1, 0, others * rate).reshape([rows, others, rate * d_model]);
                let others = ops::activation(self.convolution.forward(groups), self.activation, 0.0, None);
                Tensor::cat(vec![first, others], 1)
            }
        };
        self.norm.forward(molecules)
    }
}

impl Upsampling {
    pub(super) fn new(
        width: usize,
        norm: &NormConfig,
        activation: Activation,
        dropout: f64,
        init: &Initializer,
    ) -> Self {
        let convolution = Linear::new(width * 2 * norm.d_model, norm.d_model, true, init);
        Self { convolution, norm: norm.init(init), dropout, activation }
    }

    /// Characters, `[rows, seq, d_model]`, and molecules, `[rows, molecules, d_model]`, to `[rows, seq, d_model]`.
    ///
    /// `extents` is the number of characters of each row; those beyond are not seen.
    pub fn forward(
        &self,
        characters: Tensor<3>,
        molecules: Tensor<3>,
        extents: &[usize],
        rate: usize,
        pass: Option<&Dropout>,
    ) -> Tensor<3> {
        let [rows, seq, d_model] = characters.dims();
        let device = characters.device();
        let x = Tensor::cat(vec![characters, repeated(molecules, seq, extents, rate)], 2); // [rows, seq, 2 d_model]
        let x = match extents.iter().all(|&extent| extent == seq) {
            true => x,
            false => {
                let beyond = extents.iter().flat_map(|&extent| (0..seq).map(move |at| at >= extent));
                let beyond = TensorData::new(beyond.collect::<Vec<bool>>(), [rows, seq, 1]);
                let beyond = Tensor::<3, Bool>::from_data(beyond, &device);
                x.mask_fill(beyond.expand([rows, seq, 2 * d_model]), 0.0)
            }
        };
        // As many zeros after as before, or one more.
        let width = self.convolution.weight.dims()[0] / (2 * d_model);
        let before = (width - 1) / 2;
        let zeros = |n: usize| Tensor::<3>::zeros([rows, n, 2 * d_model], &device);
        let x = match width {
            1 => x,
            _ => {
                let parts = [zeros(before), x, zeros(width - 1 - before)];
                let x = Tensor::cat(parts.into_iter().filter(|part| part.dims()[1] > 0).collect(), 1);
                Tensor::cat((0..width).map(|at| x.clone().narrow(1, at, seq)).collect(), 2)
            }
        }; // [rows, seq, width · 2 d_model]
        let x = ops::activation(self.convolution.forward(x), self.activation, 0.0, None);
        ops::dropout(self.norm.forward(x), self.dropout, pass)
    }
}

/// Each character's molecule; the last one for characters without their own: `[rows, molecules, d_model]` to `[rows,
/// seq, d_model]`.
fn repeated(molecules: Tensor<3>, seq: usize, extents: &[usize], rate: usize) -> Tensor<3> {
    let [rows, n, d_model] = molecules.dims();
    let places = extents.iter().enumerate().flat_map(|(row, &extent)| {
        let last = n_molecules(extent, rate) - 1;
        (0..seq).map(move |at| (row * n + (at / rate + 1).min(last)) as i64)
    });
    let places = TensorData::new(places.collect::<Vec<i64>>(), [rows * seq]);
    let places = Tensor::<1, Int>::from_data(places, &molecules.device());
    molecules.reshape([rows * n, d_model]).select(0, places).reshape([rows, seq, d_model])
}
