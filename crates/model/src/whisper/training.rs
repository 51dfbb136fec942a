//! Whole transcriptions at once.

use attentive_attention::Dropout;
use attentive_core::SpeechBatch;
use burn::tensor::{Device, Tensor};

use super::{Whisper, decoding::sound_tensor};
use crate::{
    LayeredEncoder, Sight, SpeechModel, Stack,
    data2vec::{Hidden, Hiding, TargetNorm, hidden_in_rows},
    tokens::token_tensor,
};

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

    fn layered(&self) -> Option<&dyn LayeredEncoder<SpeechBatch>> {
        Some(self)
    }
}

/// Spans of the stem's output are hidden, as those of the feature encoder of data2vec are (Baevski et al. 2022, §3.1); of
/// what is heard, and not of the silence that fills a window.
impl LayeredEncoder<SpeechBatch> for Whisper {
    fn layers(&self) -> &Stack {
        &self.encoder
    }

    fn target_norm(&self, batch: &SpeechBatch) -> TargetNorm {
        TargetNorm::Instance { lengths: n_heard(batch) }
    }

    fn hides_by_vector(&self) -> bool {
        true
    }

    fn hidden(&self, batch: &SpeechBatch, hiding: Hiding, pass: Option<&Dropout>) -> Vec<u32> {
        let lengths = n_heard(batch);
        hidden_in_rows(batch, n_positions(batch), pass, |row, random| hiding.spans(lengths[row], random))
    }

    fn features(&self, batch: &SpeechBatch, hidden: Option<Hidden<'_>>, pass: Option<&Dropout>) -> Tensor<3> {
        self.listen_to(sound_tensor(&batch.sound, &Self::device(self)), hidden, pass)
    }

    fn sight(&self, batch: &SpeechBatch) -> Sight<'_> {
        self.source_context(n_positions(batch)).into()
    }
}

/// Positions of each recording, without those of silence that fill the window.
fn n_heard(batch: &SpeechBatch) -> Vec<usize> {
    batch.sound.n_heard().iter().map(|n| n.div_ceil(2)).collect()
}

/// Positions of the encoder: one for two frames.
fn n_positions(batch: &SpeechBatch) -> usize {
    let [_, n_frames, _] = batch.sound.shape();
    n_frames.div_ceil(2)
}
