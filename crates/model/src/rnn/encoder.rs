//! The encoder: layers of cells that read the source from left to right and, if they are to, from right to left.

use attentive_attention::{Dropout, Initializer};
use attentive_backend::ops;
use burn::{
    module::Module,
    tensor::{Bool, Device, Tensor, TensorData},
};

use super::{Cell, CellKind, CellState, steps};

/// A cell for each direction.
#[derive(Module, Debug)]
pub struct RnnEncoderLayer {
    /// Reads from left to right.
    pub forward: Cell,
    /// Reads from right to left.
    pub backward: Option<Cell>,
}

/// A stack of [`RnnEncoderLayer`]s.
#[derive(Module, Debug)]
pub struct RnnEncoder {
    /// The layers, from the input up.
    pub layers: Vec<RnnEncoderLayer>,
}

/// Which rows have no token at a step: `[rows, 1]`, none where all rows have one.
type Ended = Option<Tensor<2, Bool>>;

impl RnnEncoderLayer {
    /// A layer that reads `d_in` features.
    pub fn new(kind: CellKind, bidirectional: bool, [d_in, d_hidden]: [usize; 2], init: &Initializer) -> Self {
        let cell = || Cell::new(kind, d_in, d_hidden, init);
        Self { forward: cell(), backward: bidirectional.then(cell) }
    }

    /// The hidden states of both directions side by side, and the state of the last direction at its end.
    ///
    /// A row's state stays what it is where the row has no token: padding is read by neither direction.
    fn read(&self, x: Tensor<3>, ended: &[Ended]) -> (Tensor<3>, CellState) {
        let (forward, last) = read(&self.forward, x.clone(), ended, false);
        match &self.backward {
            Some(cell) => {
                let (backward, last) = read(cell, x, ended, true);
                (Tensor::cat(vec![forward, backward], 2), last)
            }
            None => (forward, last),
        }
    }
}

impl RnnEncoder {
    /// Annotations of every source token and the last hidden state, of the direction that ends at the first token
    /// where there is one (Bahdanau et al. 2015, A.2.1).
    ///
    /// # Shapes
    /// - `x`: `[rows, src, d_embedding]`, `lengths`: of each row
    /// - returns `[rows, src, d_annotation]`, of no meaning at padding, and `[rows, d_hidden]`
    ///
    /// # Panics
    /// If there is no source token.
    pub fn forward(
        &self,
        mut x: Tensor<3>,
        lengths: &[usize],
        rate: f64,
        pass: Option<&Dropout>,
    ) -> (Tensor<3>, Tensor<2>) {
        let [_, src, _] = x.dims();
        let ended: Vec<Ended> = (0..src).map(|step| ended_at(step, lengths, &x.device())).collect();
        let mut last = None;
        for layer in &self.layers {
            let (hidden, state) = layer.read(x, &ended);
            x = ops::dropout(hidden, rate, pass);
            last = Some(state.hidden);
        }
        (x, last.expect("an encoder has a layer"))
    }
}

fn ended_at(step: usize, lengths: &[usize], device: &Device) -> Ended {
    let ended: Vec<bool> = lengths.iter().map(|&length| step >= length).collect();
    ended.contains(&true).then(|| Tensor::from_data(TensorData::new(ended, [lengths.len(), 1]), device))
}

fn read(cell: &Cell, x: Tensor<3>, ended: &[Ended], backwards: bool) -> (Tensor<3>, CellState) {
    let [rows, src, _] = x.dims();
    let mut inputs: Vec<(Tensor<2>, &Ended)> = steps(cell.input.forward(x)).into_iter().zip(ended).collect();
    if backwards {
        inputs.reverse();
    }
    let mut state = cell.empty_state(rows);
    let mut hidden = Vec::with_capacity(src);
    for (x, ended) in inputs {
        let next = cell.step(x, state.clone());
        state = match ended {
            Some(ended) => next.or_if(ended, state),
            None => next,
        };
        hidden.push(state.hidden.clone());
    }
    if backwards {
        hidden.reverse();
    }
    (Tensor::stack(hidden, 1), state)
}
