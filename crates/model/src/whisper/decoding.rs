//! Decoding one step at a time.

use attentive_core::{DeviceError, NextToken, Scores, Spectrograms, SpeechRecognizer, TokenId, Want};
use burn::tensor::{Device, Tensor, TensorData};

use super::Whisper;
use crate::{
    DecoderState,
    tokens::{new_tokens, scores},
};

impl SpeechRecognizer for Whisper {
    fn listen(&self, sound: &Spectrograms) -> DecoderState {
        let memory = self.encode(sound_tensor(sound, &self.device()), None);
        DecoderState::new(&self.decoder, &memory, None)
    }
}

impl NextToken for Whisper {
    type State = DecoderState;

    fn vocab_size(&self) -> usize {
        self.embedding.weight.dims()[0]
    }

    fn max_len(&self) -> Option<usize> {
        self.target_positions.max_len()
    }

    fn advance(&self, tokens: &[TokenId], state: &mut DecoderState, _: Want) -> Result<Scores, DeviceError> {
        let tokens = new_tokens(tokens, state.n_rows(), &self.device());
        let [_, new] = tokens.dims();
        let n_past = state.n_past();
        let context = self.target_context(n_past, new);
        let x = self.decoder.forward_cached(self.embed(tokens, n_past, None), &context, state);
        scores(self.logits(x.narrow(1, new - 1, 1).squeeze_dim::<2>(1)))
    }

    fn reorder(&self, state: &mut DecoderState, parents: &[usize]) {
        state.reorder(parents, &self.device());
    }
}

/// Spectrograms on a device: `[rows, frames, mels]`.
pub(super) fn sound_tensor(sound: &Spectrograms, device: &Device) -> Tensor<3> {
    Tensor::from_data(TensorData::new(sound.values().to_vec(), sound.shape()), device)
}
