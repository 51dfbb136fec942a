//! The encoder over whole sentences, without padding.

use attentive_kernels::ActivationKind;

use crate::{
    layer::{AddNorm, FeedForward, HeadDims, LayerNorm, Linear, NormScratch},
    memory::{Span, attend_spans},
};

/// Queries, keys and values from one product, attention within each sentence, then feed-forward.
#[derive(Debug)]
pub(crate) struct EncoderLayer {
    pub(crate) qkv: Linear,
    pub(crate) output: Linear,
    pub(crate) self_attention: AddNorm,
    pub(crate) feed_forward: FeedForward,
    pub(crate) feed_forward_add_norm: AddNorm,
}

/// The stack.
#[derive(Debug)]
pub(crate) struct Encoder {
    pub(crate) layers: Vec<EncoderLayer>,
    pub(crate) norm: Option<LayerNorm>,
    pub(crate) dims: HeadDims,
}

impl Encoder {
    /// Encodes the tokens of all sentences, `[tokens, d_model]`.
    pub(crate) fn forward(&self, mut x: Vec<f32>, sentences: &[Span]) -> Vec<f32> {
        let pairs: Vec<(Span, Span)> = sentences.iter().map(|&sentence| (sentence, sentence)).collect();
        let (mut norm, mut input) = (NormScratch::default(), Vec::new());
        let (mut qkv, mut heads, mut lse, mut hidden) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for layer in &self.layers {
            layer.self_attention.around(&mut x, &mut norm, &mut input, |x, sum| {
                layer.qkv.forward(x, ActivationKind::Identity, &mut qkv);
                let row = layer.qkv.d_out();
                heads.resize(qkv.len() / row * self.dims.values(), 0.0);
                attend_spans(self.dims, (&qkv, row), (&qkv, row), &pairs, &mut heads, &mut lse);
                layer.output.add_to(&heads, sum);
            });
            layer.feed_forward_add_norm.around(&mut x, &mut norm, &mut input, |x, sum| {
                layer.feed_forward.add_to(x, &mut hidden, sum);
            });
        }
        if let Some(last) = &self.norm {
            last.forward(&x, &mut norm);
            return norm.y;
        }
        x
    }
}
