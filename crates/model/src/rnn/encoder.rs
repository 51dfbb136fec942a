//! The encoder: layers of cells that read the source from left to right and, optionally, from right to left.

use attentive_attention::{Dropout, Initializer};
use attentive_backend::ops::{self, CellKind, Steps};
use burn::{module::Module, tensor::Tensor};

use super::Cell;

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

impl RnnEncoderLayer {
    /// A layer that reads `d_in` features.
    pub fn new(kind: CellKind, bidirectional: bool, [d_in, d_hidden]: [usize; 2], init: &Initializer) -> Self {
        let cell = || Cell::new(kind, d_in, d_hidden, init);
        Self { forward: cell(), backward: bidirectional.then(cell) }
    }

    /// The concatenated hidden states of both directions, and the last one of the last direction.
    ///
    /// A row's state does not change at padding, which neither direction reads.
    fn read(&self, x: Tensor<3>, lengths: &[usize]) -> (Tensor<3>, Tensor<2>) {
        let [_, src, _] = x.dims();
        let forward = read(&self.forward, x.clone(), lengths, false);
        match &self.backward {
            Some(cell) => {
                let backward = read(cell, x, lengths, true);
                let last = backward.clone().narrow(1, 0, 1).squeeze_dim(1);
                (Tensor::cat(vec![forward, backward], 2), last)
            }
            None => (forward.clone(), forward.narrow(1, src - 1, 1).squeeze_dim(1)),
        }
    }
}

impl RnnEncoder {
    /// Annotations of every source token, and the last hidden state: of the direction that ends at the first token, if
    /// there is one (Bahdanau et al. 2015, A.2.1).
    ///
    /// # Shapes
    /// - `x`: `[rows, src, d_embedding]`, `lengths`: of each row
    /// - returns `[rows, src, d_annotation]`, unspecified at padding, and `[rows, d_hidden]`
    ///
    /// # Panics
    /// If there are no source tokens.
    pub fn forward(
        &self,
        mut x: Tensor<3>,
        lengths: &[usize],
        rate: f64,
        pass: Option<&Dropout>,
    ) -> (Tensor<3>, Tensor<2>) {
        let mut last = None;
        for layer in &self.layers {
            let (hidden, state) = layer.read(x, lengths);
            x = ops::dropout(hidden, rate, pass);
            last = Some(state);
        }
        (x, last.expect("an encoder has a layer"))
    }
}

/// The hidden state of `cell` after each token: `[rows, src, d_hidden]`.
fn read(cell: &Cell, x: Tensor<3>, lengths: &[usize], backwards: bool) -> Tensor<3> {
    let [rows, _, _] = x.dims();
    let start = Tensor::zeros([rows, cell.d_state()], &x.device());
    cell.hidden(cell.read(x, start, Steps { lengths: Some(lengths), backwards }))
}
