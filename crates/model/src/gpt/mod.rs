//! The decoder alone, as a language model: GPT (Radford et al. 2018, 2019; Brown et al. 2020).

mod config;
mod decoding;
mod presets;
mod training;

pub use config::GptConfig;
pub use decoding::GptState;

use attentive_attention::{Dropout, Embedding, Mask, Positions};
use attentive_backend::ops;
use burn::{
    module::{Module, Param},
    tensor::{Device, Int, Tensor},
};

use crate::{
    Stack,
    windows::{Sight, Windows},
};

/// A stack of causal self-attention over embedded tokens.
///
/// ```
/// use attentive_backend::BackendKind;
/// use attentive_model::{GptConfig, ModelSpec};
/// use burn::tensor::{Int, Tensor};
///
/// let device = BackendKind::Flex.device()?;
/// let model = GptConfig::gpt2_like(50, 16, [2, 2, 8]).init(&device, 1)?;
/// let tokens = Tensor::<2, Int>::from_ints([[3, 1, 4]], &device);
/// let hidden = model.forward(tokens, None);
/// assert_eq!(model.logits(hidden).dims(), [1, 3, 50]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Module, Debug)]
pub struct Gpt {
    /// Token embeddings.
    pub embedding: Embedding,
    /// Positions.
    pub positions: Positions,
    /// The stack of layers.
    pub decoder: Stack,
    /// Pre-soft-max projection of its own, `[vocab, d_model]`; without it, the embeddings.
    pub projection: Option<Embedding>,
    /// Bias of the projection: `[vocab]`.
    pub projection_bias: Option<Param<Tensor<1>>>,
    /// Probability with which sums of embeddings and encodings are dropped.
    pub dropout: f64,
    #[module(skip)]
    windows: Windows,
    #[module(skip)]
    logit_cap: Option<f64>,
}

impl Gpt {
    /// Reads tokens, each seeing those before it; the output predicts the next: `[rows, seq]` to `[rows, seq,
    /// d_model]`.
    ///
    /// Padding after a row's end needs no mask: nothing before it sees it.
    ///
    /// # Panics
    /// If learned positions end before the sequence does.
    pub fn forward(&self, tokens: Tensor<2, Int>, pass: Option<&Dropout>) -> Tensor<3> {
        let [_, seq] = tokens.dims();
        let sight = self.sight(0, seq);
        self.decoder.forward(self.embed(tokens, pass), &sight, pass)
    }

    /// Reads texts that follow one another in one row, each by itself: `[1, tokens]` to `[1, tokens, d_model]`.
    fn forward_texts(&self, tokens: Tensor<2, Int>, lengths: &[usize], pass: Option<&Dropout>) -> Tensor<3> {
        let Embedding { weight, scale } = &self.embedding;
        let encodings = self.positions.encodings_of_texts(lengths, &self.device());
        let x = ops::embedding(weight.val(), tokens, encodings, *scale, self.dropout, pass);
        let longest = lengths.iter().copied().max().unwrap_or(0);
        self.decoder.forward(x, &self.sight(0, longest).of_texts(lengths), pass)
    }

    /// What the first layer reads: `[rows, seq]` to `[rows, seq, d_model]`.
    fn embed(&self, tokens: Tensor<2, Int>, pass: Option<&Dropout>) -> Tensor<3> {
        self.embedding.forward(tokens, &self.positions, 0, self.dropout, pass)
    }

    /// The device of the model.
    pub fn device(&self) -> Device {
        self.embedding.weight.device()
    }

    /// Scores of every token: `[..., d_model]` to `[..., vocab]`.
    pub fn logits<const D: usize>(&self, hidden: Tensor<D>) -> Tensor<D> {
        let bias = self.projection_bias.as_ref().map(Param::val);
        ops::bounded(ops::linear(hidden, self.projection().weight.val().transpose(), bias), self.logit_cap)
    }

    /// The contexts of attention for the positions `first .. first + new`.
    fn sight(&self, first: usize, new: usize) -> Sight<'_> {
        self.windows.sight(&self.positions, &Mask::causal(), first, new, &self.device())
    }

    fn projection(&self) -> &Embedding {
        self.projection.as_ref().unwrap_or(&self.embedding)
    }
}
