//! Decoding one step at a time.

use attentive_core::{DeviceError, EncoderDecoder, NextToken, Scores, TokenId, TokenMatrix, Want};
use burn::tensor::Tensor;

use super::{Annotations, Rnn, attention::row_indices};
use crate::tokens::{new_tokens, scores};

/// The decoder's memory of each row.
#[derive(Debug, Clone)]
pub struct RnnState {
    source: Annotations,
    /// Index in the batch of the sentence that each row translates.
    sentence_of_row: Vec<usize>,
    /// The state of each cell.
    cells: Vec<Tensor<2>>,
}

impl EncoderDecoder for Rnn {
    fn start(&self, source: &TokenMatrix) -> RnnState {
        let (annotations, cells) = self.encode(source, None);
        RnnState { source: annotations, sentence_of_row: (0..source.n_rows()).collect(), cells }
    }
}

impl NextToken for Rnn {
    type State = RnnState;

    fn vocab_size(&self) -> usize {
        self.projection().weight.dims()[0]
    }

    /// No limit: a state has the same size after any number of tokens.
    fn max_len(&self) -> Option<usize> {
        None
    }

    fn advance(&self, tokens: &[TokenId], state: &mut RnnState, _: Want) -> Result<Scores, DeviceError> {
        let tokens = new_tokens(tokens, state.sentence_of_row.len(), &self.device());
        let [_, new] = tokens.dims();
        let hidden = self.decode(tokens, &state.source, &mut state.cells, None);
        let last = hidden.narrow(1, new - 1, 1).squeeze_dim(1); // [rows, d_embedding]
        scores(self.logits(last))
    }

    fn reorder(&self, state: &mut RnnState, parents: &[usize]) {
        let sentence_of_row: Vec<usize> = parents.iter().map(|&parent| state.sentence_of_row[parent]).collect();
        let rows = row_indices(parents, &self.device());
        let cells = std::mem::take(&mut state.cells).into_iter();
        state.cells = cells.map(|cell| cell.select(0, rows.clone())).collect();
        // Beams of a sentence see the same source, which stays in place if they change places among themselves.
        if sentence_of_row != state.sentence_of_row {
            state.source = state.source.clone().select(parents);
            state.sentence_of_row = sentence_of_row;
        }
    }
}
