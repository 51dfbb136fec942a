//! Whole texts at once.

use attentive_attention::Dropout;
use attentive_core::{TokenId, TokenMatrix};
use burn::{module::Param, tensor::Tensor};

use super::Gpt;
use crate::{CausalModel, Stack, TextStack, tokens::token_tensor, windows::Sight};

impl CausalModel for Gpt {
    fn hidden(&self, tokens: &TokenMatrix, pass: Option<&Dropout>) -> Tensor<3> {
        self.forward(token_tensor(tokens, &self.device()), pass)
    }

    fn packed_hidden(&self, tokens: &TokenMatrix, pass: Option<&Dropout>) -> Tensor<2> {
        let rows = (0..tokens.n_rows()).map(|row| tokens.row(row));
        let lengths: Vec<usize> = rows.clone().map(<[TokenId]>::len).filter(|&length| length > 0).collect();
        let one = TokenMatrix::from_rows(&[rows.collect::<Vec<_>>().concat()], 0, 0);
        self.forward_texts(token_tensor(&one, &self.device()), &lengths, pass).squeeze_dim(0)
    }

    fn text_stack(&self) -> Option<&dyn TextStack> {
        Some(self)
    }

    fn logit_cap(&self) -> Option<f64> {
        self.logit_cap
    }

    fn output_projection(&self) -> (Tensor<2>, Option<Tensor<1>>) {
        (self.projection().weight.val(), self.projection_bias.as_ref().map(Param::val))
    }
}

impl TextStack for Gpt {
    fn embed(&self, tokens: &TokenMatrix, _segments: &[u8]) -> Tensor<3> {
        self.embed(token_tensor(tokens, &self.device()), None)
    }

    fn stack(&self) -> &Stack {
        &self.decoder
    }

    fn sight(&self, tokens: &TokenMatrix) -> Sight<'_> {
        self.sight(0, tokens.n_cols())
    }

    fn token_scores(&self, read: Tensor<3>) -> Option<Tensor<3>> {
        Some(self.logits(read))
    }
}
