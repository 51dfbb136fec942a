//! A model that laws are tried on, and texts for it.

use attentive_backend::{Device, Objective};
use attentive_core::TokenId;
use attentive_optim::Gradients;
use attentive_task::Result;
use burn::{module::Module, tensor::Tensor};

use super::law::{Bound, Law};

/// Tokens of a text that laws are tried on.
const LEN: usize = 7;

/// Texts in a batch.
const ROWS: usize = 3;

/// A model, without and with gradients.
pub(super) struct Subject<M> {
    pub(super) model: M,
    pub(super) trained: M,
    pub(super) vocab_size: usize,
    /// Tokens of the longest text.
    pub(super) len: usize,
}

impl<M: Module> Subject<M> {
    /// Makes the model on a device, and once more to be trained there; `max_len` bounds texts.
    pub(super) fn new(
        device: &Device,
        vocab_size: usize,
        max_len: Option<usize>,
        make: impl Fn(&Device) -> Result<M>,
    ) -> Result<Self> {
        Ok(Self {
            model: make(device)?,
            trained: make(&device.clone().autodiff())?,
            vocab_size,
            len: max_len.map_or(LEN, |max_len| max_len.min(LEN)),
        })
    }

    /// Some text of `len` tokens.
    pub(super) fn row(&self, seed: usize, len: usize) -> Vec<TokenId> {
        (0..len).map(|at| ((seed * 131 + at * 37 + at * at * 11) % self.vocab_size) as TokenId).collect()
    }

    /// A text with another token at `at`.
    pub(super) fn changed(&self, row: &[TokenId], at: usize) -> Vec<TokenId> {
        let mut row = row.to_vec();
        row[at] = (row[at] + 1) % self.vocab_size as TokenId;
        row
    }

    /// Texts of different lengths, the last as long as can be.
    pub(super) fn ragged(&self, seed: usize) -> Vec<Vec<TokenId>> {
        let len = |idx: usize| (self.len * (idx + 1) / ROWS).max(1);
        (0..ROWS).map(|idx| self.row(seed + idx, len(idx))).collect()
    }

    /// The slope of the loss along each parameter's gradient, by central differences, against the gradient's norm.
    ///
    /// Parameters whose gradient is lost in the loss's round-off are left out, for example biases of keys.
    pub(super) fn gradients<O: Objective<M>>(&self, objective: &O, batch: &O::Batch) -> Result<Law> {
        let loss = |model: &M| objective.loss(model, batch, None);
        let sum = loss(&self.trained).sum;
        let at_rest = f64::from(sum.clone().into_scalar::<f32>());
        let gradients = Gradients::take(sum.backward(), &self.trained);
        let least = 1e-2 * gradients.global_norm();
        let params = attentive_weights::params(&self.model);
        let mut worst = if at_rest.is_finite() { 0.0 } else { f64::INFINITY };
        for ((name, square), (_, gradient)) in gradients.squared_norms().into_iter().zip(gradients.iter()) {
            let norm = square.sqrt();
            if norm < least {
                continue;
            }
            let direction = values(gradient.clone());
            // A step that moves the loss by some ten-thousandths: more than round-off, less than curvature.
            let step = 3e-4 * at_rest / norm;
            let moved = |step: f64| -> Result<f64> {
                let mut params = params.clone();
                let values = &mut params.get_mut(&name).expect("a gradient is a parameter's").values;
                values.iter_mut().zip(&direction).for_each(|(value, g)| *value += (step / norm) as f32 * g);
                let model = attentive_weights::load(self.model.clone(), params)?;
                Ok(f64::from(loss(&model).sum.into_scalar::<f32>()))
            };
            let slope = (moved(step)? - moved(-step)?) / (2.0 * step);
            let difference = (slope - norm).abs() / norm;
            worst = if difference.is_nan() { f64::INFINITY } else { difference.max(worst) };
        }
        let what = "slopes differ from gradients, relatively, by";
        Ok(Law { name: "gradients", what, measured: worst, bound: Bound::AtMost(5e-2) })
    }
}

/// A tensor's values on the host.
pub(super) fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().convert::<f32>().try_into_vec().expect("converted to f32")
}
