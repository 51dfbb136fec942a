//! The encoder–decoder Transformer (Vaswani et al. 2017).

mod attention_maps;
mod config;
mod decoder;
mod decoding;
mod parts;
mod training;

pub(crate) use config::TYPICAL_SENTENCE;
pub use config::TransformerConfig;
pub use decoder::{Decoder, DecoderLayer};
pub use decoding::{DecoderState, Memory};

use attentive_attention::{AttentionContext, Dropout, Embedding, Mask, Norm, Positions};
use attentive_backend::ops;
use burn::{
    module::{Module, Param},
    tensor::{Device, Int, Tensor},
};

use crate::Stack;

/// The encoder–decoder Transformer (Figure 1).
#[derive(Module, Debug)]
pub struct Transformer {
    /// Source embeddings, and target embeddings if those are shared.
    pub source_embedding: Embedding,
    /// Target embeddings of their own.
    pub target_embedding: Option<Embedding>,
    /// Pre-soft-max projection of its own, `[vocab, d_model]`; without it, the target embeddings.
    pub projection: Option<Embedding>,
    /// Positions of the source.
    pub source_positions: Positions,
    /// Positions of the target.
    pub target_positions: Positions,
    /// Norm of what the encoder reads, if there is one.
    pub source_norm: Option<Norm>,
    /// Norm of what the decoder reads, if there is one.
    pub target_norm: Option<Norm>,
    /// The stack of encoder layers.
    pub encoder: Stack,
    /// The stack of decoder layers.
    pub decoder: Decoder,
    /// Added to the scores: `[vocab]`.
    pub projection_bias: Option<Param<Tensor<1>>>,
    /// Probability with which sums of embeddings and encodings are dropped.
    pub dropout: f64,
    #[module(skip)]
    window: Option<usize>,
}

impl Transformer {
    /// Encodes source tokens: `[rows, src]` to `[rows, src, d_model]`.
    pub fn encode(&self, source: Tensor<2, Int>, mask: &Mask, pass: Option<&Dropout>) -> Tensor<3> {
        let [_, src] = source.dims();
        let mask = mask.clone().and_window(self.window);
        let context = self.source_positions.context(mask, 0, src, &self.device());
        let x = self.embed_source(source, pass);
        self.encoder.forward(x, &context, pass)
    }

    /// Decodes target tokens, each seeing those before it and the encoded source; the output predicts the next.
    ///
    /// # Shapes
    /// - `target`: `[rows, tgt]`, `memory`: `[rows, src, d_model]`
    /// - returns `[rows, tgt, d_model]`
    pub fn decode(
        &self,
        target: Tensor<2, Int>,
        memory: &Tensor<3>,
        memory_mask: &Mask,
        pass: Option<&Dropout>,
    ) -> Tensor<3> {
        let [_, tgt] = target.dims();
        let context = self.target_context(0, tgt);
        let x = self.embed_target(target, 0, pass);
        self.decoder.forward(x, &context, memory, memory_mask, pass)
    }

    /// The device of the model.
    pub fn device(&self) -> Device {
        self.source_embedding.weight.device()
    }

    /// Scores of every token: `[..., d_model]` to `[..., vocab]`.
    pub fn logits<const D: usize>(&self, hidden: Tensor<D>) -> Tensor<D> {
        let logits = self.projection().logits(hidden);
        match &self.projection_bias {
            Some(bias) => logits + bias.val().unsqueeze(),
            None => logits,
        }
    }

    /// What the encoder reads of source tokens: `[rows, src]` to `[rows, src, d_model]`.
    fn embed_source(&self, source: Tensor<2, Int>, pass: Option<&Dropout>) -> Tensor<3> {
        self.embed((&self.source_embedding, &self.source_positions, self.source_norm.as_ref()), source, 0, pass)
    }

    /// What the decoder reads of target tokens from position `first` on: `[rows, new]` to `[rows, new, d_model]`.
    fn embed_target(&self, target: Tensor<2, Int>, first: usize, pass: Option<&Dropout>) -> Tensor<3> {
        self.embed((self.target_embedding(), &self.target_positions, self.target_norm.as_ref()), target, first, pass)
    }

    fn embed(
        &self,
        (embedding, positions, norm): (&Embedding, &Positions, Option<&Norm>),
        tokens: Tensor<2, Int>,
        first: usize,
        pass: Option<&Dropout>,
    ) -> Tensor<3> {
        match norm {
            None => embedding.forward(tokens, positions, first, self.dropout, pass),
            Some(norm) => {
                let x = norm.forward(embedding.forward(tokens, positions, first, 0.0, None));
                ops::dropout(x, self.dropout, pass)
            }
        }
    }

    /// The context of the decoder's self-attention for the target positions `first .. first + new`.
    fn target_context(&self, first: usize, new: usize) -> AttentionContext {
        let mask = Mask::causal().and_window(self.window);
        self.target_positions.context(mask, first, new, &self.device())
    }

    fn target_embedding(&self) -> &Embedding {
        self.target_embedding.as_ref().unwrap_or(&self.source_embedding)
    }

    fn projection(&self) -> &Embedding {
        self.projection.as_ref().unwrap_or_else(|| self.target_embedding())
    }
}
