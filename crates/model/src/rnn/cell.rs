//! Recurrent cells.

use attentive_attention::{Initializer, Linear};
use attentive_backend::ops::{self, CellKind, RecurrentWeights, Steps};
use burn::{
    module::{Module, Param},
    tensor::{Tensor, TensorData},
};

/// A recurrent cell: one product for all gates of the input, one for those of the last hidden state.
///
/// [`CellKind`] has its formulas. A state is one row, `[rows, n_states · d_hidden]`, its hidden part last.
#[derive(Module, Debug)]
pub struct Cell {
    /// `W` and `b`: `[d_in, n_gates · d_hidden]`.
    pub input: Linear,
    /// `U`, and `b'` of a GRU: `[d_hidden, n_gates · d_hidden]`.
    pub recurrent: Linear,
    #[module(skip)]
    kind: CellKind,
}

impl Cell {
    /// Drawn weights and biases of zero, except for the forget gate's bias of one (Jozefowicz et al. 2015).
    pub fn new(kind: CellKind, d_in: usize, d_hidden: usize, init: &Initializer) -> Self {
        let d_gates = kind.n_gates() * d_hidden;
        let mut input = Linear::new(d_in, d_gates, true, init);
        let recurrent = Linear::new(d_hidden, d_gates, kind == CellKind::Gru, init);
        if kind == CellKind::Lstm {
            let bias: Vec<f32> = (0..d_gates).map(|i| if i / d_hidden == 1 { 1.0 } else { 0.0 }).collect();
            let bias = Tensor::from_data(TensorData::new(bias, [d_gates]), init.device());
            input.bias = Some(Param::from_tensor(bias));
        }
        Self { input, recurrent, kind }
    }

    /// Number of parameters of such a cell.
    pub fn n_params(kind: CellKind, d_in: usize, d_hidden: usize) -> usize {
        let d_gates = kind.n_gates() * d_hidden;
        Linear::n_params(d_in, d_gates, true) + Linear::n_params(d_hidden, d_gates, kind == CellKind::Gru)
    }

    /// The state whose hidden part is `hidden` (`[rows, d_hidden]`), the rest zero.
    pub fn state(&self, hidden: Tensor<2>) -> Tensor<2> {
        match self.kind {
            CellKind::Lstm => Tensor::cat(vec![hidden.zeros_like(), hidden], 1),
            CellKind::Gru => hidden,
        }
    }

    /// The states after each token of `x`: `[rows, steps, d_in]` to `[rows, steps, n_states · d_hidden]`.
    pub fn read(&self, x: Tensor<3>, start: Tensor<2>, steps: Steps<'_>) -> Tensor<3> {
        ops::recurrence(self.input.forward(x), start, self.recurrence(), steps)
    }

    /// The hidden parts of states: `[rows, steps, …]` to `[rows, steps, d_hidden]`.
    pub fn hidden(&self, states: Tensor<3>) -> Tensor<3> {
        let d = self.d_hidden();
        states.narrow(2, (self.kind.n_states() - 1) * d, d)
    }

    /// Weights that each step multiplies by.
    pub(super) fn recurrence(&self) -> RecurrentWeights {
        let Linear { weight, bias } = &self.recurrent;
        RecurrentWeights { kind: self.kind, weight: weight.val(), bias: bias.as_ref().map(Param::val) }
    }

    pub(super) fn d_hidden(&self) -> usize {
        let [d_hidden, _] = self.recurrent.weight.dims();
        d_hidden
    }

    pub(super) fn d_state(&self) -> usize {
        self.kind.n_states() * self.d_hidden()
    }
}
