//! Models of texts taken apart: embeddings, and the stack of layers over them.

use attentive_core::TokenMatrix;
use burn::tensor::Tensor;

use crate::{Contexts, Stack, windows::Sight};

/// A model of texts whose layers are one [`Stack`] over embeddings.
pub trait TextStack {
    /// What the first layer reads, in use: `[rows, seq, d_model]`.
    ///
    /// `segments` gives each token's segment, padding included, for models that tell segments apart: `[rows · seq]`.
    ///
    /// # Panics
    /// If a row has more tokens than there are positions, or there are fewer segments than tokens.
    fn embed(&self, tokens: &TokenMatrix, segments: &[u8]) -> Tensor<3>;

    /// The layers.
    fn stack(&self) -> &Stack;

    /// What each token sees.
    fn sight(&self, tokens: &TokenMatrix) -> Sight<'_>;

    /// Scores of tokens, of what the layers give, if tokens are predicted: `[rows, seq, d_model]` to `[rows, seq, vocab]`.
    fn token_scores(&self, read: Tensor<3>) -> Option<Tensor<3>>;

    /// What the first layer reads of some rows, then what each layer gives: `[rows, seq, d_model]` each.
    fn hidden_states(&self, tokens: &TokenMatrix, segments: &[u8]) -> Vec<Tensor<3>> {
        self.stack().hidden_states(self.embed(tokens, segments), &self.sight(tokens))
    }

    /// What every layer makes of some rows.
    fn trace(&self, tokens: &TokenMatrix, segments: &[u8]) -> Trace {
        self.stack().trace(self.embed(tokens, segments), &self.sight(tokens))
    }
}

/// A model that reads one text and writes another, whose layers are one stack for each.
pub trait PairedStacks {
    /// What the encoder's first layer reads, in use: `[rows, src, d_model]`.
    ///
    /// # Panics
    /// If a row has more tokens than there are positions.
    fn embed_source(&self, source: &TokenMatrix) -> Tensor<3>;

    /// What the decoder's first layer reads, in use: `[rows, tgt, d_model]`.
    ///
    /// # Panics
    /// As [`embed_source`](Self::embed_source).
    fn embed_target(&self, target: &TokenMatrix) -> Tensor<3>;

    /// What the encoder's first layer reads, then what each of its layers gives, of rows of these lengths: `[rows, src, d_model]`
    /// each.
    fn encoder_states(&self, source: Tensor<3>, lengths: &[usize]) -> Vec<Tensor<3>>;

    /// What the decoder reads of the source, of what the encoder's last layer gives: its norm, if there is one. `[rows, src,
    /// d_model]` to the same shape.
    fn encoded(&self, read: Tensor<3>) -> Tensor<3>;

    /// What the decoder's first layer reads, then what each of its layers gives, `[rows, tgt, d_model]` each, each token seeing
    /// those before it and the encoded source, `[rows, src, d_model]`, of these lengths.
    fn decoder_states(&self, target: Tensor<3>, memory: &Tensor<3>, lengths: &[usize]) -> Vec<Tensor<3>>;

    /// Scores of the token after each, of what a layer of the decoder gives: `[rows, tgt, d_model]` to `[rows, tgt, vocab]`.
    fn token_scores(&self, read: Tensor<3>) -> Tensor<3>;
}

/// What the layers of a stack make of some rows, in use.
#[derive(Debug, Clone)]
pub struct Trace {
    /// What the first layer reads, then what each layer gives: `[rows, seq, d_model]`.
    pub hidden: Vec<Tensor<3>>,
    /// The attention weights of each layer: `[rows, heads, seq, seq]`.
    pub weights: Vec<Tensor<4>>,
}

impl Stack {
    /// `[rows, seq, d_model]`, in use, and what each layer makes of it, of the same shape.
    pub fn hidden_states<'a>(&self, x: Tensor<3>, context: impl Into<Contexts<'a>>) -> Vec<Tensor<3>> {
        let contexts = context.into();
        let mut hidden = vec![x];
        for (idx, layer) in self.passed().enumerate() {
            hidden.push(layer.forward(hidden[idx].clone(), contexts.of_layer(idx), None));
        }
        hidden
    }

    /// What every layer makes of `[rows, seq, d_model]`.
    pub fn trace<'a>(&self, x: Tensor<3>, context: impl Into<Contexts<'a>>) -> Trace {
        let contexts = context.into();
        let mut trace = Trace { hidden: vec![x], weights: Vec::new() };
        for (idx, layer) in self.passed().enumerate() {
            let x = trace.hidden[idx].clone();
            let (y, seen) = layer.forward_with_weights(x, contexts.of_layer(idx));
            trace.hidden.push(y);
            trace.weights.push(seen);
        }
        trace
    }
}
