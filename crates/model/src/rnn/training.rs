//! Whole target sentences at once.

use attentive_attention::Dropout;
use attentive_core::{EncoderDecoder, TokenMatrix, TranslationBatch};
use burn::tensor::Tensor;

use super::Rnn;
use crate::{AttentionMaps, TeacherForced, tokens::token_tensor};

impl TeacherForced for Rnn {
    fn teacher_forced(&self, batch: &TranslationBatch, pass: Option<&Dropout>) -> Tensor<3> {
        let (annotations, mut states) = self.encode(&batch.source, pass);
        let target = token_tensor(&batch.target, &self.device());
        let target = target.narrow(1, 0, batch.target.n_cols() - 1);
        self.decode(target, &annotations, &mut states, pass)
    }

    fn output_projection(&self) -> (Tensor<2>, Option<Tensor<1>>) {
        (self.projection().weight.val(), None)
    }

    fn attention_maps(&self, source: &TokenMatrix, target: &TokenMatrix) -> AttentionMaps {
        // A head of one: [rows, 1, tgt, src]
        let cross = self.attention_weights(source, target).unsqueeze_dim(1);
        AttentionMaps { cross: vec![cross], ..AttentionMaps::default() }
    }
}
