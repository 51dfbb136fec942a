//! The RNN encoder–decoder with additive attention (Bahdanau et al. 2015), which the Transformer is compared to.

mod attention;
mod cell;
mod config;
mod decoder;
mod decoding;
mod encoder;
mod training;

pub use attention::{AdditiveAttention, Annotations};
pub use attentive_backend::ops::CellKind;
pub use cell::Cell;
pub use config::RnnConfig;
pub use decoder::RnnDecoder;
pub use decoding::RnnState;
pub use encoder::{RnnEncoder, RnnEncoderLayer};

use attentive_attention::{Dropout, Embedding};
use attentive_backend::ops;
use attentive_core::TokenMatrix;
use burn::{
    module::Module,
    tensor::{Device, Int, Tensor},
};

use crate::tokens::token_tensor;

/// The RNN encoder–decoder with additive attention.
#[derive(Module, Debug)]
pub struct Rnn {
    /// Source embeddings, and target embeddings if those are shared.
    pub source_embedding: Embedding,
    /// Target embeddings of their own.
    pub target_embedding: Option<Embedding>,
    /// Pre-soft-max projection of its own, `[vocab, d_embedding]`; without it, the target embeddings.
    pub projection: Option<Embedding>,
    /// Reads the source.
    pub encoder: RnnEncoder,
    /// Writes the target.
    pub decoder: RnnDecoder,
    /// Probability with which embeddings, outputs of layers and the readout are dropped.
    pub dropout: f64,
}

impl Rnn {
    /// Encodes source tokens: their annotations, and the decoder's states before the first target token.
    pub fn encode(&self, source: &TokenMatrix, pass: Option<&Dropout>) -> (Annotations, Vec<Tensor<2>>) {
        let device = self.device();
        let x = self.embed(&self.source_embedding, token_tensor(source, &device), pass);
        let (values, last) = self.encoder.forward(x, source.lengths(), self.dropout, pass);
        let keys = self.decoder.attention.key.forward(values.clone());
        (Annotations { values, keys, lengths: source.lengths().to_vec() }, self.decoder.start(last))
    }

    /// Decodes target tokens (`[rows, tgt]`) after those that `states` have read: `[rows, tgt, d_embedding]`.
    pub fn decode(
        &self,
        target: Tensor<2, Int>,
        source: &Annotations,
        states: &mut [Tensor<2>],
        pass: Option<&Dropout>,
    ) -> Tensor<3> {
        let embedded = self.embed(self.target_embedding(), target, pass);
        self.decoder.unroll(embedded, source, states, self.dropout, pass)
    }

    /// Attention weights with which each target token is written, after the tokens of `target` before it.
    ///
    /// Source: Bahdanau et al. 2015, §5.2.1, whose figure 3 shows these weights.
    ///
    /// # Shapes
    /// - `target`: `[rows, tgt]`, each beginning in `<s>`
    /// - returns `[rows, tgt, src]`; rows sum to 1
    pub fn attention_weights(&self, source: &TokenMatrix, target: &TokenMatrix) -> Tensor<3> {
        let (annotations, states) = self.encode(source, None);
        let embedded = self.embed(self.target_embedding(), token_tensor(target, &self.device()), None);
        self.decoder.attended(embedded, &annotations, states[0].clone())
    }

    /// The device of the model.
    pub fn device(&self) -> Device {
        self.source_embedding.weight.device()
    }

    /// Scores of every token: `[..., d_embedding]` to `[..., vocab]`.
    pub fn logits<const D: usize>(&self, hidden: Tensor<D>) -> Tensor<D> {
        self.projection().logits(hidden)
    }

    fn embed(&self, embedding: &Embedding, tokens: Tensor<2, Int>, pass: Option<&Dropout>) -> Tensor<3> {
        ops::embedding(embedding.weight.val(), tokens, None, embedding.scale, self.dropout, pass)
    }

    fn target_embedding(&self) -> &Embedding {
        self.target_embedding.as_ref().unwrap_or(&self.source_embedding)
    }

    fn projection(&self) -> &Embedding {
        self.projection.as_ref().unwrap_or_else(|| self.target_embedding())
    }
}
