//! The decoder: cells that attend to the source before each step.

use attentive_attention::{Dropout, Initializer, Linear};
use attentive_backend::ops;
use burn::{module::Module, tensor::Tensor};

use super::{AdditiveAttention, Annotations, Cell, CellState, RnnConfig, steps};

/// A stack of cells; the lowest reads the last token and what the highest attends to.
#[derive(Module, Debug)]
pub struct RnnDecoder {
    /// From the encoder's last state to the first hidden states of all cells: `[d_hidden, n_layers · d_hidden]`.
    pub bridge: Linear,
    /// What is looked at in the source.
    pub attention: AdditiveAttention,
    /// From the context to the gates of the lowest cell, beside that cell's own input: `[d_annotation, n_gates · d_hidden]`.
    pub context: Linear,
    /// The cells, from the input up.
    pub cells: Vec<Cell>,
    /// From state, context and last token to what is projected to the vocabulary.
    pub readout: Linear,
}

/// What the decoder says after some tokens.
#[derive(Debug, Clone)]
pub struct Unrolled {
    /// What predicts the token that follows each: `[rows, new, d_embedding]`.
    pub hidden: Tensor<3>,
    /// What was looked at before each step: `new` of `[rows, src]`.
    pub weights: Vec<Tensor<2>>,
}

impl RnnDecoder {
    /// Drawn weights.
    pub(super) fn new(config: &RnnConfig, init: &Initializer) -> Self {
        let RnnConfig { cell, d_embedding, d_hidden, n_decoder_layers, d_attention, .. } = *config;
        let d_annotation = config.d_annotation();
        let d_in = |layer: usize| if layer == 0 { d_embedding } else { d_hidden };
        Self {
            bridge: Linear::new(d_hidden, n_decoder_layers * d_hidden, true, init),
            attention: AdditiveAttention::new(d_hidden, d_annotation, d_attention, init),
            context: Linear::new(d_annotation, cell.n_gates() * d_hidden, false, init),
            cells: (0..n_decoder_layers).map(|layer| Cell::new(cell, d_in(layer), d_hidden, init)).collect(),
            readout: Linear::new(d_hidden + d_annotation + d_embedding, d_embedding, true, init),
        }
    }

    /// States before the first token: `tanh(W h + b)` of the encoder's last state (Bahdanau et al. 2015, A.2.2).
    pub fn start(&self, encoded: Tensor<2>) -> Vec<CellState> {
        let hidden = self.bridge.forward(encoded).tanh(); // [rows, n_layers · d_hidden]
        self.cells.iter().zip(hidden.chunk(self.cells.len(), 1)).map(|(cell, hidden)| cell.state(hidden)).collect()
    }

    /// Reads tokens one after another: with the last token's embedding `y`, the highest state `s` and the attention's
    /// context `c(s)`, the cells go on to `s' = f(s, y, c)`, and what follows is read out of `tanh(W [s', c, y] + b)`.
    ///
    /// Source: Bahdanau et al. 2015, eqs. 4 and 5, A.2.2. Ours: tanh where the paper has maxout
    /// (docs/deviations.md#rnn-encoderdecoder).
    ///
    /// # Shapes
    /// - `embedded`: `[rows, new, d_embedding]`; `states`, of each cell, go on with the tokens
    pub fn unroll(
        &self,
        embedded: Tensor<3>,
        source: &Annotations,
        states: &mut [CellState],
        rate: f64,
        pass: Option<&Dropout>,
    ) -> Unrolled {
        let [_, new, _] = embedded.dims();
        let (mut hidden, mut contexts, mut weights) =
            (Vec::with_capacity(new), Vec::with_capacity(new), Vec::with_capacity(new));
        for x in steps(self.cells[0].input.forward(embedded.clone())) {
            let top = states.last().expect("a decoder has a cell").hidden.clone();
            let seen = self.attention.weights(top, source);
            let context = AdditiveAttention::context(seen.clone(), source);
            let mut gates = x + self.context.forward(context.clone());
            for (layer, (cell, state)) in self.cells.iter().zip(states.iter_mut()).enumerate() {
                *state = cell.step(gates.clone(), state.clone());
                if let Some(above) = self.cells.get(layer + 1) {
                    gates = above.input.forward(ops::dropout(state.hidden.clone(), rate, pass));
                }
            }
            hidden.push(states[states.len() - 1].hidden.clone());
            contexts.push(context);
            weights.push(seen);
        }
        let all = vec![Tensor::stack(hidden, 1), Tensor::stack(contexts, 1), embedded];
        let hidden = self.readout.forward(Tensor::cat(all, 2)).tanh(); // [rows, new, d_embedding]
        Unrolled { hidden: ops::dropout(hidden, rate, pass), weights }
    }
}
