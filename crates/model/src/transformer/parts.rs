//! The Transformer taken apart.

use attentive_attention::Mask;
use attentive_core::TokenMatrix;
use burn::tensor::Tensor;

use super::Transformer;
use crate::{PairedStacks, tokens::token_tensor};

impl PairedStacks for Transformer {
    fn embed_source(&self, source: &TokenMatrix) -> Tensor<3> {
        Self::embed_source(self, token_tensor(source, &self.device()), None)
    }

    fn embed_target(&self, target: &TokenMatrix) -> Tensor<3> {
        Self::embed_target(self, token_tensor(target, &self.device()), 0, None)
    }

    fn encoder_states(&self, source: Tensor<3>, lengths: &[usize]) -> Vec<Tensor<3>> {
        let [_, src, _] = source.dims();
        let device = self.device();
        let mask = Mask::padding(lengths, src, &device).and_window(self.window);
        self.encoder.hidden_states(source, &self.source_positions.context(mask, 0, src, &device))
    }

    fn encoded(&self, read: Tensor<3>) -> Tensor<3> {
        self.encoder.finish(read)
    }

    fn decoder_states(&self, target: Tensor<3>, memory: &Tensor<3>, lengths: &[usize]) -> Vec<Tensor<3>> {
        let ([_, tgt, _], [_, src, _]) = (target.dims(), memory.dims());
        let mask = Mask::padding(lengths, src, &self.device());
        let context = self.target_context(0, tgt);
        let mut states = vec![target];
        for (idx, layer) in self.decoder.layers.iter().enumerate() {
            states.push(layer.forward(states[idx].clone(), &context, memory.clone(), &mask, None));
        }
        states
    }

    fn token_scores(&self, read: Tensor<3>) -> Tensor<3> {
        self.logits(self.decoder.finish(read))
    }
}
