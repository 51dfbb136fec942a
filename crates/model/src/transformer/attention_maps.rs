//! The attention weights of a Transformer, for display.

use attentive_attention::Mask;
use attentive_core::TokenMatrix;

use super::Transformer;
use crate::{AttentionMaps, tokens::token_tensor};

impl Transformer {
    /// Attention weights of each source and target token (figures 3 to 5), for each layer and head.
    pub(super) fn maps(&self, source: &TokenMatrix, target: &TokenMatrix) -> AttentionMaps {
        let device = self.device();
        let mask = Mask::padding(source.lengths(), source.n_cols(), &device);
        let context = self.source_positions.context(mask.clone().and_window(self.window), 0, source.n_cols(), &device);
        let x = self.embed_source(token_tensor(source, &device), None);
        let (memory, encoder) = self.encoder.forward_with_weights(x, &context);

        let context = self.target_context(0, target.n_cols());
        let mut x = self.embed_target(token_tensor(target, &device), 0, None);
        let (mut decoder, mut cross) = (Vec::new(), Vec::new());
        for layer in &self.decoder.layers {
            let (y, [to_target, to_source]) = layer.forward_with_weights(x, &context, memory.clone(), &mask);
            x = y;
            decoder.push(to_target);
            cross.push(to_source);
        }
        AttentionMaps { encoder, decoder, cross }
    }
}
