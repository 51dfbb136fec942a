//! Whisper (Radford et al. 2022): an encoder–decoder that listens to spectrograms and writes what is said
//! (docs/deviations.md#whisper).

mod config;
mod decoding;
mod stem;
mod training;

pub use config::WhisperConfig;
pub use stem::Stem;

use attentive_attention::{AttentionContext, Dropout, Embedding, Mask, Positions};
use attentive_backend::ops;
use burn::{
    module::Module,
    tensor::{Device, Int, Tensor},
};

use crate::{Decoder, Stack, data2vec::Hidden};

/// The encoder–decoder of speech (Radford et al. 2022, Figure 1): a convolutional stem and sinusoids before the encoder,
/// learned positions before the decoder, pre-norm layers, and a projection that is tied to the embeddings.
#[derive(Module, Debug)]
pub struct Whisper {
    /// From frames of a spectrogram to vectors of the encoder, one for two frames.
    pub stem: Stem,
    /// Embeddings of target tokens, and the pre-soft-max projection.
    pub embedding: Embedding,
    /// Positions of the encoder, sinusoids.
    pub source_positions: Positions,
    /// Learned positions of the decoder.
    pub target_positions: Positions,
    /// The stack of encoder layers.
    pub encoder: Stack,
    /// The stack of decoder layers.
    pub decoder: Decoder,
    /// Probability with which sums of vectors and encodings are dropped.
    pub dropout: f64,
}

impl Whisper {
    /// Encodes spectrograms: `[rows, frames, mels]` to `[rows, ⌈frames / 2⌉, d_model]`.
    pub fn encode(&self, sound: Tensor<3>, pass: Option<&Dropout>) -> Tensor<3> {
        let x = self.listen_to(sound, None, pass);
        let [_, src, _] = x.dims();
        self.encoder.forward(x, &self.source_context(src), pass)
    }

    /// What the encoder's layers read of spectrograms: `[rows, frames, mels]` to `[rows, ⌈frames / 2⌉, d_model]`.
    fn listen_to(&self, sound: Tensor<3>, hidden: Option<Hidden<'_>>, pass: Option<&Dropout>) -> Tensor<3> {
        let x = self.stem.forward(sound);
        let x = match hidden {
            Some(hidden) => hidden.replace(x, 0),
            None => x,
        };
        let [_, src, _] = x.dims();
        let x = match self.source_positions.encodings(0, src, &self.device()) {
            Some(encodings) => x + encodings.unsqueeze(),
            None => x,
        };
        ops::dropout(x, self.dropout, pass)
    }

    /// The context of the encoder's self-attention.
    fn source_context(&self, src: usize) -> AttentionContext {
        self.source_positions.context(Mask::none(), 0, src, &self.device())
    }

    /// Decodes target tokens, each seeing those before it and the encoded sound; the output predicts the next.
    ///
    /// # Shapes
    /// - `target`: `[rows, tgt]`, `memory`: `[rows, src, d_model]`
    /// - returns `[rows, tgt, d_model]`
    pub fn decode(&self, target: Tensor<2, Int>, memory: &Tensor<3>, pass: Option<&Dropout>) -> Tensor<3> {
        let context = self.target_context(0, target.dims()[1]);
        let x = self.embed(target, 0, pass);
        self.decoder.forward(x, &context, memory, &Mask::none(), pass)
    }

    /// Scores of every token: `[..., d_model]` to `[..., vocab]`.
    pub fn logits<const D: usize>(&self, hidden: Tensor<D>) -> Tensor<D> {
        self.embedding.logits(hidden)
    }

    /// The device of the model.
    pub fn device(&self) -> Device {
        self.embedding.weight.device()
    }

    /// What the decoder reads of target tokens from position `first` on: `[rows, new]` to `[rows, new, d_model]`.
    fn embed(&self, target: Tensor<2, Int>, first: usize, pass: Option<&Dropout>) -> Tensor<3> {
        self.embedding.forward(target, &self.target_positions, first, self.dropout, pass)
    }

    /// The context of the decoder's self-attention for the target positions `first .. first + new`.
    fn target_context(&self, first: usize, new: usize) -> AttentionContext {
        self.target_positions.context(Mask::causal(), first, new, &self.device())
    }
}
