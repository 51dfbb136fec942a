//! Continuing a text one step at a time.

use attentive_attention::KvCache;
use attentive_core::{DeviceError, LanguageModel, NextToken, Scores, TokenId, Want};
use burn::tensor::{Tensor, TensorData};

use super::Gpt;
use crate::{
    log_probs_of,
    tokens::{new_tokens, scores},
};

/// A [`Gpt`]'s memory of each row.
#[derive(Debug, Clone)]
pub struct GptState {
    n_rows: usize,
    /// Keys and values of the text so far, for each layer.
    caches: Vec<KvCache>,
}

impl LanguageModel for Gpt {
    fn start(&self, n_rows: usize) -> GptState {
        GptState { n_rows, caches: vec![KvCache::new(); self.decoder.layers.len()] }
    }

    fn log_probs_of(&self, text: &[TokenId]) -> Result<Vec<f32>, DeviceError> {
        log_probs_of(self, text)
    }
}

impl NextToken for Gpt {
    type State = GptState;

    fn vocab_size(&self) -> usize {
        self.projection().weight.dims()[0]
    }

    fn max_len(&self) -> Option<usize> {
        self.positions.max_len()
    }

    fn advance(&self, tokens: &[TokenId], state: &mut GptState, _: Want) -> Result<Scores, DeviceError> {
        let tokens = new_tokens(tokens, state.n_rows, &self.device());
        let [_, new] = tokens.dims();
        let n_past = state.caches[0].n_past();
        let sight = self.sight(n_past, new);
        let x = self.embedding.forward(tokens, &self.positions, n_past, 0.0, None);
        let hidden = self.decoder.forward_cached(x, &sight, &mut state.caches);
        let last = hidden.narrow(1, new - 1, 1).squeeze_dim(1); // [rows, d_model]
        scores(self.logits(last))
    }

    fn reorder(&self, state: &mut GptState, parents: &[usize]) {
        if !parents.iter().copied().eq(0..state.n_rows) {
            let rows: Vec<i64> = parents.iter().map(|&parent| parent as i64).collect();
            let rows = Tensor::from_data(TensorData::new(rows, [parents.len()]), &self.device());
            state.caches.iter_mut().for_each(|cache| cache.reorder(&rows));
        }
        state.n_rows = parents.len();
    }
}
