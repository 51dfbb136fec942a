//! The decoder, a step at a time.

use attentive_kernels::{ActivationKind, StepAttention};

use crate::{
    cache::{self, Slots},
    layer::{AddNorm, FeedForward, HeadDims, LayerNorm, Linear, NormScratch},
    memory::{Memory, Span, attend_spans},
};

/// Causal attention to the target so far, attention to the source, then feed-forward.
#[derive(Debug)]
pub(crate) struct DecoderLayer {
    pub(crate) qkv: Linear,
    pub(crate) self_output: Linear,
    pub(crate) self_attention: AddNorm,
    pub(crate) query: Linear,
    /// Keys and values of the source's tokens, projected once.
    pub(crate) keys_values: Linear,
    pub(crate) cross_output: Linear,
    pub(crate) cross_attention: AddNorm,
    pub(crate) feed_forward: FeedForward,
    pub(crate) feed_forward_add_norm: AddNorm,
}

/// The stack.
#[derive(Debug)]
pub(crate) struct Decoder {
    pub(crate) layers: Vec<DecoderLayer>,
    pub(crate) norm: Option<LayerNorm>,
    pub(crate) dims: HeadDims,
}

/// Buffers that steps reuse.
#[derive(Debug, Default, Clone)]
pub(crate) struct Scratch {
    pub(crate) x: Vec<f32>,
    pub(crate) encodings: Vec<f32>,
    norm: NormScratch,
    input: Vec<f32>,
    projected: Vec<f32>,
    heads: Vec<f32>,
    lse: Vec<f32>,
    hidden: Vec<f32>,
}

impl Decoder {
    /// Keys and values of `source` (`[tokens, d_model]`) for every layer.
    pub(crate) fn project_memory(&self, source: &[f32], sentences: Vec<Span>) -> Memory {
        let layers = self.layers.iter().map(|layer| {
            let mut keys_values = Vec::new();
            layer.keys_values.forward(source, ActivationKind::Identity, &mut keys_values);
            keys_values
        });
        Memory { layers: layers.collect(), sentences }
    }

    /// Decodes the last positions of each row in `slots`, whose embeddings are in `scratch.x` (`[rows, new, d_model]`),
    /// overwritten by the stack's output. `pairs` are the rows that translate each sentence, and its source.
    pub(crate) fn forward(
        &self,
        scratch: &mut Scratch,
        slots: &Slots,
        caches: &mut [Vec<f32>],
        memory: &Memory,
        pairs: &[(Span, Span)],
    ) {
        let Scratch { x, norm, input, projected, heads, lse, hidden, .. } = scratch;
        let HeadDims { heads: n_heads, d_k, d_v } = self.dims;
        for ((layer, cache), memory) in self.layers.iter().zip(caches).zip(&memory.layers) {
            layer.self_attention.around(x, norm, input, |x, sum| {
                layer.qkv.forward(x, ActivationKind::Identity, projected);
                let row = layer.qkv.d_out();
                cache::append(cache, projected, row, self.dims.keys_values());
                heads.resize(projected.len() / row * self.dims.values(), 0.0);
                let (keys_values, slots, k_len) = (&cache[..], slots.as_slice(), slots.len());
                let step = StepAttention { heads: n_heads, d_k, d_v, keys_values, slots, k_len };
                step.forward(projected, row, heads);
                layer.self_output.add_to(heads, sum);
            });
            layer.cross_attention.around(x, norm, input, |x, sum| {
                layer.query.forward(x, ActivationKind::Identity, projected);
                let keys_values = (&memory[..], self.dims.keys_values());
                attend_spans(self.dims, (projected, self.dims.keys()), keys_values, pairs, heads, lse);
                layer.cross_output.add_to(heads, sum);
            });
            layer.feed_forward_add_norm.around(x, norm, input, |x, sum| {
                layer.feed_forward.add_to(x, hidden, sum);
            });
        }
        if let Some(last) = &self.norm {
            last.forward(x, norm);
            std::mem::swap(x, &mut norm.y);
        }
    }
}
