//! The encoder–decoder Transformer (Vaswani et al. 2017).

mod config;
mod decoder;
mod decoding;
mod encoder;
mod objective;

pub use config::TransformerConfig;
pub use decoder::{Decoder, DecoderLayer};
pub use decoding::{DecoderState, Memory};
pub use encoder::{Encoder, EncoderLayer};
pub use objective::TranslationObjective;

use attentive_attention::{Dropout, Embedding, Mask, Positions};
use burn::{
    module::Module,
    tensor::{Int, Tensor},
};

/// The encoder–decoder Transformer (Figure 1).
#[derive(Module, Debug)]
pub struct Transformer {
    /// Source embeddings, and target embeddings where those are shared.
    pub source_embedding: Embedding,
    /// Target embeddings of their own.
    pub target_embedding: Option<Embedding>,
    /// Pre-soft-max projection of its own, `[vocab, d_model]`; without it, the target embeddings.
    pub projection: Option<Embedding>,
    /// Encodings of source positions.
    pub source_positions: Positions,
    /// Encodings of target positions.
    pub target_positions: Positions,
    /// The stack of encoder layers.
    pub encoder: Encoder,
    /// The stack of decoder layers.
    pub decoder: Decoder,
    /// Probability with which sums of embeddings and encodings are dropped.
    pub dropout: f64,
}

impl Transformer {
    /// Encodes source tokens: `[rows, src]` to `[rows, src, d_model]`.
    pub fn encode(&self, source: Tensor<2, Int>, mask: &Mask, pass: Option<&Dropout>) -> Tensor<3> {
        let x = self.source_embedding.forward(source, &self.source_positions, 0, self.dropout, pass);
        self.encoder.forward(x, mask, pass)
    }

    /// Decodes target tokens, each seeing those before it and the encoded source; what comes out predicts the next.
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
        let x = self.target_embedding().forward(target, &self.target_positions, 0, self.dropout, pass);
        self.decoder.forward(x, memory, memory_mask, pass)
    }

    /// Scores of every token: `[..., d_model]` to `[..., vocab]`.
    pub fn logits<const D: usize>(&self, hidden: Tensor<D>) -> Tensor<D> {
        self.projection().logits(hidden)
    }

    fn target_embedding(&self) -> &Embedding {
        self.target_embedding.as_ref().unwrap_or(&self.source_embedding)
    }

    fn projection(&self) -> &Embedding {
        self.projection.as_ref().unwrap_or_else(|| self.target_embedding())
    }
}
