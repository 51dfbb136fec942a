//! Recurrent cells.

use attentive_attention::{Initializer, Linear};
use burn::{
    module::{Module, Param},
    tensor::{Bool, Tensor, TensorData, activation::sigmoid},
};
use serde::{Deserialize, Serialize};

/// Kind of recurrent cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CellKind {
    /// Long short-term memory (Hochreiter and Schmidhuber 1997) with forget gates (Gers et al. 2000).
    Lstm,
    /// Gated recurrent unit (Cho et al. 2014).
    Gru,
}

impl CellKind {
    /// Affine maps of the input in a cell, as many of the last hidden state.
    pub fn n_gates(self) -> usize {
        match self {
            Self::Lstm => 4,
            Self::Gru => 3,
        }
    }
}

/// What a cell remembers of each row.
#[derive(Debug, Clone)]
pub struct CellState {
    /// `h`, which others see: `[rows, d_hidden]`.
    pub hidden: Tensor<2>,
    /// `c`, which an LSTM keeps to itself: `[rows, d_hidden]`.
    pub memory: Option<Tensor<2>>,
}

impl CellState {
    /// A state whose parts are `f` of this one's.
    pub(super) fn map(self, f: impl Fn(Tensor<2>) -> Tensor<2>) -> Self {
        Self { hidden: f(self.hidden), memory: self.memory.map(f) }
    }

    /// This state, but `old` in rows where `ended` (`[rows, 1]`) is true.
    pub(super) fn or_if(self, ended: &Tensor<2, Bool>, old: Self) -> Self {
        let choose = |new: Tensor<2>, old: Tensor<2>| {
            let ended = ended.clone().expand(new.dims());
            new.mask_where(ended, old)
        };
        Self {
            hidden: choose(self.hidden, old.hidden),
            memory: self.memory.zip(old.memory).map(|(new, old)| choose(new, old)),
        }
    }
}

/// A recurrent cell: one product for all gates of the input, one for those of the last hidden state.
///
/// With `x = W input + b` and `u = U h + b'`, cut into gates, and `∘` the product of elements:
///
/// - LSTM, gates i f o g: `c' = σ(f) ∘ c + σ(i) ∘ tanh(g)` and `h' = σ(o) ∘ tanh(c')`, each gate a sum `x + u`.
/// - GRU, gates r z n: `n = tanh(xₙ + σ(r) ∘ uₙ)` and `h' = n + σ(z) ∘ (h - n)`.
///
/// Source: the cited papers; the GRU's reset gate acts behind the product with `U`, not before it, as in cuDNN and PyTorch,
/// so that one product serves all gates, and its update gate keeps where Cho et al.'s replaces.
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
    /// Drawn weights and biases of zero, but for the forget gate's of one (Jozefowicz et al. 2015).
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

    /// The state whose hidden part is `hidden`: `[rows, d_hidden]`.
    pub fn state(&self, hidden: Tensor<2>) -> CellState {
        let memory = (self.kind == CellKind::Lstm).then(|| hidden.zeros_like());
        CellState { hidden, memory }
    }

    /// The state of `rows` rows that have read nothing.
    pub fn empty_state(&self, rows: usize) -> CellState {
        let [d_hidden, _] = self.recurrent.weight.dims();
        self.state(Tensor::zeros([rows, d_hidden], &self.recurrent.weight.device()))
    }

    /// One step, of `x = W input + b`: `[rows, n_gates · d_hidden]`.
    pub fn step(&self, x: Tensor<2>, state: CellState) -> CellState {
        let u = self.recurrent.forward(state.hidden.clone());
        match state.memory {
            Some(memory) => lstm(x + u, memory),
            None => CellState { hidden: gru(x, u, state.hidden), memory: None },
        }
    }
}

fn lstm(gates: Tensor<2>, memory: Tensor<2>) -> CellState {
    let [_, d] = memory.dims();
    let open = sigmoid(gates.clone().narrow(1, 0, 3 * d)); // [rows, 3 d_hidden]
    let [input, forget, output] = [0, 1, 2].map(|gate| open.clone().narrow(1, gate * d, d));
    let memory = forget * memory + input * gates.narrow(1, 3 * d, d).tanh();
    CellState { hidden: output * memory.clone().tanh(), memory: Some(memory) }
}

fn gru(x: Tensor<2>, u: Tensor<2>, hidden: Tensor<2>) -> Tensor<2> {
    let [_, d] = hidden.dims();
    let open = sigmoid(x.clone().narrow(1, 0, 2 * d) + u.clone().narrow(1, 0, 2 * d)); // [rows, 2 d_hidden]
    let [reset, update] = [0, 1].map(|gate| open.clone().narrow(1, gate * d, d));
    let new = (x.narrow(1, 2 * d, d) + reset * u.narrow(1, 2 * d, d)).tanh();
    new.clone() + update * (hidden - new)
}
