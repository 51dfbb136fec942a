//! Whole texts at once.

use attentive_attention::Dropout;
use attentive_core::{LanguageModel, TokenMatrix};
use burn::tensor::Tensor;

use super::Gpt;
use crate::{CausalModel, tokens::token_tensor};

impl CausalModel for Gpt {
    fn hidden(&self, tokens: &TokenMatrix, pass: Option<&Dropout>) -> Tensor<3> {
        self.forward(token_tensor(tokens, &self.device()), pass)
    }

    fn output_projection(&self) -> (Tensor<2>, Option<Tensor<1>>) {
        (self.projection().weight.val(), None)
    }
}
