//! Whole target sentences at once.

use attentive_attention::{Dropout, Mask};
use attentive_core::{TokenMatrix, TranslationBatch};
use burn::{
    module::Param,
    tensor::{Device, Tensor},
};

use super::Transformer;
use crate::{AttentionMaps, PairedStacks, TeacherForced, tokens::token_tensor};

impl TeacherForced for Transformer {
    fn teacher_forced(&self, batch: &TranslationBatch, pass: Option<&Dropout>) -> Tensor<3> {
        let device = self.device();
        let mask = Mask::padding(batch.source.lengths(), batch.source.n_cols(), &device);
        let memory = self.encode(token_tensor(&batch.source, &device), &mask, pass);
        let target = token_tensor(&batch.target, &device);
        self.decode(target.narrow(1, 0, batch.target.n_cols() - 1), &memory, &mask, pass)
    }

    fn output_projection(&self) -> (Tensor<2>, Option<Tensor<1>>) {
        (self.projection().weight.val(), self.projection_bias.as_ref().map(Param::val))
    }

    fn device(&self) -> Device {
        self.source_embedding.weight.device()
    }

    fn attention_maps(&self, source: &TokenMatrix, target: &TokenMatrix) -> AttentionMaps {
        self.maps(source, target)
    }

    fn paired_stacks(&self) -> Option<&dyn PairedStacks> {
        Some(self)
    }
}
