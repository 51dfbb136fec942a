//! Whole transcriptions at once.

use attentive_attention::Dropout;
use attentive_core::SpeechBatch;
use burn::tensor::{Device, Tensor};

use super::{Whisper, decoding::sound_tensor};
use crate::{SpeechModel, tokens::token_tensor};

impl SpeechModel for Whisper {
    fn teacher_forced(&self, batch: &SpeechBatch, pass: Option<&Dropout>) -> Tensor<3> {
        let device = self.device();
        let memory = self.encode(sound_tensor(&batch.sound, &device), pass);
        let target = token_tensor(&batch.target, &device);
        self.decode(target.narrow(1, 0, batch.target.n_cols() - 1), &memory, pass)
    }

    fn output_projection(&self) -> (Tensor<2>, Option<Tensor<1>>) {
        (self.embedding.weight.val(), None)
    }

    fn device(&self) -> Device {
        Self::device(self)
    }
}
