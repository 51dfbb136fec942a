//! Continuing a text one step at a time.

use attentive_attention::KvCache;
use attentive_core::{DeviceError, LanguageModel, NextToken, Scores, TokenId, Turn, Want};
use burn::tensor::{Tensor, TensorData, activation::log_softmax};

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

impl Gpt {
    /// What the last layer makes of new tokens: `[rows, new, d_model]`.
    fn read(&self, tokens: &[TokenId], state: &mut GptState) -> Tensor<3> {
        let tokens = new_tokens(tokens, state.n_rows, &self.device());
        let [_, new] = tokens.dims();
        let n_past = state.caches[0].n_past();
        let sight = self.sight(n_past, new);
        let x = self.embedding.forward(tokens, &self.positions, n_past, 0.0, None);
        self.decoder.forward_cached(x, &sight, &mut state.caches)
    }

    /// The scores of what follows the last of new tokens.
    fn scores_after(&self, hidden: Tensor<3>) -> Result<Scores, DeviceError> {
        let [_, new, _] = hidden.dims();
        let last = hidden.narrow(1, new - 1, 1).squeeze_dim::<2>(1); // [rows, d_model]
        scores(self.logits(last))
    }
}

impl LanguageModel for Gpt {
    fn start(&self, n_rows: usize) -> GptState {
        GptState { n_rows, caches: vec![KvCache::new(); self.decoder.layers.len()] }
    }

    fn log_probs_of(&self, text: &[TokenId]) -> Result<Vec<f32>, DeviceError> {
        log_probs_of(self, text)
    }

    fn verify(&self, turns: &mut [Turn<'_, GptState>]) -> Result<Vec<Vec<Scores>>, DeviceError> {
        let of_turn = |turn: &mut Turn<'_, GptState>| {
            assert_eq!(turn.state.n_rows, 1, "verify: states of one row");
            let hidden = self.read(turn.tokens, turn.state); // [1, new, d_model]
            let log_probs = log_softmax(self.logits(hidden.squeeze_dim::<2>(0)), 1);
            let log_probs = log_probs.try_into_vec_as::<f32>().map_err(DeviceError::new)?;
            Ok(log_probs.chunks_exact(self.vocab_size()).map(|row| Scores::All(row.to_vec())).collect())
        };
        turns.iter_mut().map(of_turn).collect()
    }

    fn rewind(&self, state: &mut GptState, text: &[TokenId]) -> Result<(), DeviceError> {
        assert_eq!(state.n_rows, 1, "rewind: a state of one row");
        state.caches.iter_mut().for_each(|cache| cache.truncate(text.len()));
        Ok(())
    }

    fn advance_with_vectors(
        &self,
        tokens: &[TokenId],
        state: &mut GptState,
        _: Want,
    ) -> Result<(Scores, Option<Vec<f32>>), DeviceError> {
        let hidden = self.read(tokens, state);
        let scores = self.scores_after(hidden.clone())?;
        let vectors = hidden.try_into_vec_as::<f32>().map_err(DeviceError::new)?;
        Ok((scores, Some(vectors)))
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
        self.scores_after(self.read(tokens, state))
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
