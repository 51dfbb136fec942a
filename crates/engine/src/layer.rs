//! The parts that the layers of every family are made of.

use std::sync::Arc;

use attentive_attention::NormPlacement;
use attentive_kernels::{ActivationKind, Epilogue, Gate, MatMut, MatRef, NormKind, PackedMatrix};
use attentive_weights::LowRank;

use crate::weight::Weight;

/// `x W + b`.
#[derive(Debug)]
pub(crate) struct Linear {
    pub(crate) weight: Arc<Weight>,
    pub(crate) bias: Option<Vec<f32>>,
    /// What is added to `W`.
    pub(crate) additions: Vec<Addition>,
}

/// `s · A B`, added to some columns of a weight.
#[derive(Debug)]
pub(crate) struct Addition {
    /// `A`: `[d_in, rank]`.
    down: PackedMatrix,
    /// `s · B`: `[rank, columns]`.
    up: PackedMatrix,
    /// The first of the columns.
    first: usize,
}

impl Addition {
    /// To the columns from `first` on; `None` if the matrices are not of `[d_in, d_out]` together.
    pub(crate) fn new(of: LowRank<'_>, [d_in, d_out]: [usize; 2], first: usize) -> Option<Self> {
        let LowRank { down, up, scale } = of;
        let &[_, rank] = &down.shape[..] else { return None };
        if rank == 0 || down.shape != [d_in, rank] || up.shape != [rank, d_out] {
            return None;
        }
        let scaled: Vec<f32> = up.values.iter().map(|&value| (scale * f64::from(value)) as f32).collect();
        let pack = |values, rows, cols| PackedMatrix::new(MatRef::new(values, rows, cols));
        Some(Self { down: pack(&down.values[..], d_in, rank), up: pack(&scaled[..], rank, d_out), first })
    }

    /// `y += s · x A B`.
    fn add_to(&self, x: MatRef<'_>, mut y: MatMut<'_>) {
        let (n, [_, rank], [_, width]) = (x.dims()[0], self.down.dims(), self.up.dims());
        let mut inner = vec![0.0; n * rank];
        self.down.multiply(x, MatMut::new(&mut inner, n, rank), &Epilogue::default());
        let sum = Epilogue { accumulate: true, ..Epilogue::default() };
        self.up.multiply(MatRef::new(&inner, n, rank), y.block([0, self.first], [n, width]), &sum);
    }
}

impl Linear {
    pub(crate) fn d_out(&self) -> usize {
        self.weight.dims()[1]
    }

    /// `y = activation(x W + b)`; `y` is resized.
    pub(crate) fn forward(&self, x: &[f32], activation: ActivationKind, y: &mut Vec<f32>) {
        let [d_in, d_out] = self.weight.dims();
        let n = x.len() / d_in;
        y.resize(n * d_out, 0.0);
        self.multiply(MatRef::new(x, n, d_in), y, false, activation);
    }

    /// `y += x W + b`: the end of a sub-layer and the residual connection around it.
    pub(crate) fn add_to(&self, x: &[f32], y: &mut [f32]) {
        let [d_in, _] = self.weight.dims();
        self.multiply(MatRef::new(x, x.len() / d_in, d_in), y, true, ActivationKind::Identity);
    }

    /// `y = activation([y +] x W + b)`, of rows anywhere.
    pub(crate) fn multiply(&self, x: MatRef<'_>, y: &mut [f32], accumulate: bool, activation: ActivationKind) {
        let (n, d_out) = (x.dims()[0], self.d_out());
        if !accumulate && !self.additions.is_empty() {
            y.fill(0.0);
        }
        self.additions.iter().for_each(|addition| addition.add_to(x, MatMut::new(y, n, d_out)));
        let accumulate = accumulate || !self.additions.is_empty();
        let epilogue = Epilogue { accumulate, bias: self.bias.as_deref(), activation };
        self.weight.multiply_into(x, MatMut::new(y, n, d_out), &epilogue);
    }
}

/// Normalisation of features.
#[derive(Debug)]
pub(crate) struct Norm {
    pub(crate) kind: NormKind,
    pub(crate) gamma: Vec<f32>,
    pub(crate) beta: Option<Vec<f32>>,
    pub(crate) epsilon: f32,
}

impl Norm {
    /// `scratch.y = norm(x)`, which is resized.
    pub(crate) fn forward(&self, x: &[f32], scratch: &mut NormScratch) {
        scratch.y.resize(x.len(), 0.0);
        scratch.stats.resize(2 * x.len() / self.gamma.len(), 0.0);
        let Self { kind, gamma, beta, epsilon } = self;
        let norm = attentive_kernels::Norm { kind: *kind, gamma, beta: beta.as_deref(), eps: *epsilon };
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
    /// Without it, there is the residual connection alone.
    pub(crate) norm: Option<Norm>,
    /// Norm of the sub-layer's output.
    pub(crate) output_norm: Option<Norm>,
    pub(crate) placement: NormPlacement,
}

impl AddNorm {
    /// `scratch.y = norm(x)`, or `x` as it is.
    pub(crate) fn normalise(&self, x: &[f32], scratch: &mut NormScratch) {
        match &self.norm {
            Some(norm) => norm.forward(x, scratch),
            None => {
                scratch.y.clear();
                scratch.y.extend_from_slice(x);
            }
        }
    }

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
                self.normalise(x, scratch);
                std::mem::swap(x, &mut scratch.y);
            }
            NormPlacement::Pre | NormPlacement::Both => {
                self.normalise(x, scratch);
                let Some(output_norm) = &self.output_norm else { return sub_layer(&scratch.y, x) };
                input.clear();
                input.resize(x.len(), 0.0);
                sub_layer(&scratch.y, input);
                output_norm.forward(input, scratch);
                x.iter_mut().zip(&scratch.y).for_each(|(x, y)| *x += y);
            }
        }
    }
}

/// The feed-forward network.
#[derive(Debug)]
pub(crate) struct FeedForward {
    pub(crate) inner: Linear,
    pub(crate) gate: Option<Linear>,
    pub(crate) outer: Linear,
    pub(crate) activation: ActivationKind,
}

/// Values between the layers of a feed-forward network.
#[derive(Debug, Default, Clone)]
pub(crate) struct Hidden {
    inner: Vec<f32>,
    gate: Vec<f32>,
    gated: Vec<f32>,
}

impl FeedForward {
    /// Adds the network's output for `x` to `sum`.
    pub(crate) fn add_to(&self, x: &[f32], hidden: &mut Hidden, sum: &mut [f32]) {
        let Hidden { inner, gate: opened, gated } = hidden;
        let Some(gate) = &self.gate else {
            self.inner.forward(x, self.activation, inner);
            return self.outer.add_to(inner, sum);
        };
        gate.forward(x, ActivationKind::Identity, opened);
        self.inner.forward(x, ActivationKind::Identity, inner);
        gated.resize(inner.len(), 0.0);
        let dropout = attentive_kernels::Dropout::NONE;
        Gate { kind: self.activation, cols: gate.d_out(), dropout }.forward(opened, inner, gated);
        self.outer.add_to(gated, sum);
    }
}
