//! The parts of encoder and decoder layers.

use attentive_attention::NormPlacement;
use attentive_kernels::{ActivationKind, Epilogue, HeadStrides, Norm, NormKind};

use crate::weight::Weight;

/// `x W + b`.
#[derive(Debug)]
pub(crate) struct Linear {
    pub(crate) weight: Weight,
    pub(crate) bias: Vec<f32>,
}

impl Linear {
    pub(crate) fn d_out(&self) -> usize {
        self.bias.len()
    }

    /// `y = activation(x W + b)`; `y` is resized.
    pub(crate) fn forward(&self, x: &[f32], activation: ActivationKind, y: &mut Vec<f32>) {
        let [d_in, d_out] = self.weight.dims();
        y.resize(x.len() / d_in * d_out, 0.0);
        self.weight.multiply(x, y, &Epilogue { accumulate: false, bias: Some(&self.bias), activation });
    }

    /// `y += x W + b`: the end of a sub-layer and the residual connection around it.
    pub(crate) fn add_to(&self, x: &[f32], y: &mut [f32]) {
        let activation = ActivationKind::Identity;
        self.weight.multiply(x, y, &Epilogue { accumulate: true, bias: Some(&self.bias), activation });
    }
}

/// Layer norm.
#[derive(Debug)]
pub(crate) struct LayerNorm {
    pub(crate) gamma: Vec<f32>,
    pub(crate) beta: Vec<f32>,
}

impl LayerNorm {
    /// ε of `attentive_attention::NormConfig::layer`.
    pub(crate) const EPSILON: f32 = 1e-5;

    /// `y = norm(x)`; `y` is resized.
    pub(crate) fn forward(&self, x: &[f32], scratch: &mut NormScratch) {
        scratch.y.resize(x.len(), 0.0);
        scratch.stats.resize(2 * x.len() / self.gamma.len(), 0.0);
        let (kind, eps) = (NormKind::Layer, Self::EPSILON);
        let norm = Norm { kind, gamma: &self.gamma, beta: Some(&self.beta), eps };
        norm.forward(x, &mut scratch.y, &mut scratch.stats);
    }
}

/// The results of a norm.
#[derive(Debug, Default, Clone)]
pub(crate) struct NormScratch {
    pub(crate) y: Vec<f32>,
    stats: Vec<f32>,
}

/// Residual connection and norm around a sub-layer.
#[derive(Debug)]
pub(crate) struct AddNorm {
    pub(crate) norm: LayerNorm,
    pub(crate) placement: NormPlacement,
}

impl AddNorm {
    /// Runs `sub_layer`, which reads its first argument and adds its result to the second, within the connection.
    pub(crate) fn around(
        &self,
        x: &mut Vec<f32>,
        scratch: &mut NormScratch,
        input: &mut Vec<f32>,
        sub_layer: impl FnOnce(&[f32], &mut [f32]),
    ) {
        match self.placement {
            NormPlacement::Post => {
                input.clear();
                input.extend_from_slice(x);
                sub_layer(input, x);
                self.norm.forward(x, scratch);
                std::mem::swap(x, &mut scratch.y);
            }
            NormPlacement::Pre => {
                self.norm.forward(x, scratch);
                sub_layer(&scratch.y, x);
            }
        }
    }
}

/// The feed-forward network.
#[derive(Debug)]
pub(crate) struct FeedForward {
    pub(crate) inner: Linear,
    pub(crate) outer: Linear,
    pub(crate) activation: ActivationKind,
}

impl FeedForward {
    /// Adds the network's output for `x` to `sum`.
    pub(crate) fn add_to(&self, x: &[f32], hidden: &mut Vec<f32>, sum: &mut [f32]) {
        self.inner.forward(x, self.activation, hidden);
        self.outer.add_to(hidden, sum);
    }
}

/// The widths of attention.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HeadDims {
    pub(crate) heads: usize,
    pub(crate) d_k: usize,
    pub(crate) d_v: usize,
}

impl HeadDims {
    /// Width of all queries of a position, and of all keys.
    pub(crate) fn keys(self) -> usize {
        self.heads * self.d_k
    }

    /// Width of all values of a position, and of attention's output.
    pub(crate) fn values(self) -> usize {
        self.heads * self.d_v
    }

    /// Width of all keys and values of a position together.
    pub(crate) fn keys_values(self) -> usize {
        self.keys() + self.values()
    }

    /// Heads of width `d` in rows of width `row`, `seq` rows per sequence.
    pub(crate) fn strides(row: usize, seq: usize, d: usize) -> HeadStrides {
        HeadStrides { batch: seq * row, seq: row, head: d }
    }
}
