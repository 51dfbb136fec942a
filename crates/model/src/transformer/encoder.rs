//! The encoder stack.

use attentive_attention::{AddNorm, Dropout, FeedForward, LayerNorm, Mask, MultiHeadAttention};
use burn::{module::Module, tensor::Tensor};

/// Self-attention, then feed-forward (§3.1).
#[derive(Module, Debug)]
pub struct EncoderLayer {
    /// Attention of the source to itself.
    pub self_attention: MultiHeadAttention,
    /// What stands around it.
    pub self_attention_add_norm: AddNorm,
    /// The feed-forward network.
    pub feed_forward: FeedForward,
    /// What stands around it.
    pub feed_forward_add_norm: AddNorm,
}

impl EncoderLayer {
    /// `[rows, src, d_model]` to the same shape.
    pub fn forward(&self, x: Tensor<3>, mask: &Mask, pass: Option<&Dropout>) -> Tensor<3> {
        let x =
            self.self_attention_add_norm.forward(x, pass, |x| self.self_attention.forward(x.clone(), x, mask, pass));
        self.feed_forward_add_norm.forward(x, pass, |x| self.feed_forward.forward(x, pass))
    }
}

/// A stack of [`EncoderLayer`]s.
#[derive(Module, Debug)]
pub struct Encoder {
    /// The layers, from the input up.
    pub layers: Vec<EncoderLayer>,
    /// Norm above the last layer; pre-norm only.
    pub norm: Option<LayerNorm>,
}

impl Encoder {
    /// `[rows, src, d_model]` to the same shape.
    pub fn forward(&self, x: Tensor<3>, mask: &Mask, pass: Option<&Dropout>) -> Tensor<3> {
        let x = self.layers.iter().fold(x, |x, layer| layer.forward(x, mask, pass));
        match &self.norm {
            Some(norm) => norm.forward(x),
            None => x,
        }
    }
}
