//! The decoder: cells that attend to the source before each step.

use attentive_attention::{Dropout, Initializer, Linear};
use attentive_backend::ops::{self, Steps};
use burn::{module::Module, tensor::Tensor};

use super::{AdditiveAttention, Annotations, Cell, RnnConfig};

/// A stack of cells; the lowest reads the last token and the context of its attention.
#[derive(Module, Debug)]
pub struct RnnDecoder {
    /// From the encoder's last state to the first hidden states of all cells: `[d_hidden, n_layers · d_hidden]`.
    pub bridge: Linear,
    /// Attention to the source.
    pub attention: AdditiveAttention,
    /// From the context to the gates of the lowest cell, added to those of that cell's own input: `[d_annotation,
    /// n_gates · d_hidden]`.
    pub context: Linear,
    /// The cells, from the input up.
    pub cells: Vec<Cell>,
    /// From state, context and last token to the vector that is projected to the vocabulary.
    pub readout: Linear,
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
    pub fn start(&self, encoded: Tensor<2>) -> Vec<Tensor<2>> {
        let hidden = self.bridge.forward(encoded).tanh(); // [rows, n_layers · d_hidden]
        self.cells.iter().zip(hidden.chunk(self.cells.len(), 1)).map(|(cell, hidden)| cell.state(hidden)).collect()
    }

    /// Reads tokens one after another, and returns vectors that predict the token after each.
    ///
    /// With the last token's embedding `y`, the lowest cell's state `s` and the attention's context `c(s)`, that cell's
    /// next state is `s' = f(s, y, c)`; each other cell reads the state of the one below; and the next token is
    /// predicted from `tanh(W [s', c, y] + b)`, with `s'` of the highest.
    ///
    /// Source: Bahdanau et al. 2015, eqs. 4 and 5, A.2.2; with more than one layer, Wu et al. 2016, §3, whose lowest
    /// layer attends too. Ours: tanh where the paper has maxout (docs/deviations.md#rnn-encoderdecoder).
    ///
    /// # Shapes
    /// - `embedded`: `[rows, new, d_embedding]`; `states`, of each cell, are updated with the tokens
    /// - returns `[rows, new, d_embedding]`
    ///
    /// # Panics
    /// If there is not a state for each cell, or the shapes do not agree.
    pub fn unroll(
        &self,
        embedded: Tensor<3>,
        source: &Annotations,
        states: &mut [Tensor<2>],
        rate: f64,
        pass: Option<&Dropout>,
    ) -> Tensor<3> {
        let (lowest, others) = self.cells.split_first().expect("a decoder has a cell");
        let ([_, new, _], [.., d_annotation]) = (embedded.dims(), source.values.dims());
        let (d_state, d_hidden) = (lowest.d_state(), lowest.d_hidden());
        let last = |read: Tensor<3>| read.narrow(1, new - 1, 1).squeeze_dim::<2>(1);
        let read = self.attend(embedded.clone(), source, states[0].clone());
        states[0] = last(read.clone().narrow(2, 0, d_state));
        // The lowest cell's hidden states and, after them, the contexts.
        let mut seen = read.narrow(2, d_state - d_hidden, d_hidden + d_annotation);
        if !others.is_empty() {
            let mut hidden = seen.clone().narrow(2, 0, d_hidden);
            for (cell, state) in others.iter().zip(&mut states[1..]) {
                let read = cell.read(ops::dropout(hidden, rate, pass), state.clone(), Steps::default());
                *state = last(read.clone());
                hidden = cell.hidden(read);
            }
            seen = Tensor::cat(vec![hidden, seen.narrow(2, d_hidden, d_annotation)], 2);
        }
        let hidden = self.readout.forward(Tensor::cat(vec![seen, embedded], 2)).tanh();
        ops::dropout(hidden, rate, pass)
    }

    /// Attention weights before each token of `embedded`, from the state `start` of the lowest cell on: `[rows, new,
    /// src]`.
    pub fn attended(&self, embedded: Tensor<3>, source: &Annotations, start: Tensor<2>) -> Tensor<3> {
        let ([_, new, _], cell) = (embedded.dims(), &self.cells[0]);
        let after = self.attend(embedded, source, start.clone()).narrow(2, 0, cell.d_state());
        let before = Tensor::cat(vec![start.unsqueeze_dim(1), after], 1).narrow(1, 0, new);
        self.attention.weights(cell.hidden(before), source)
    }

    /// State of the lowest cell and context for each token: `[rows, new, d_state + d_annotation]`.
    fn attend(&self, embedded: Tensor<3>, source: &Annotations, start: Tensor<2>) -> Tensor<3> {
        let (cell, attention) = (&self.cells[0], self.attention.over(source));
        let input = cell.input.forward(embedded);
        ops::attentive_recurrence(input, start, cell.recurrence(), attention, self.context.weight.val())
    }
}
