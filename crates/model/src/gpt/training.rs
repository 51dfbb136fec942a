//! Whole texts at once.

use attentive_attention::Dropout;
use attentive_core::TokenMatrix;
use burn::{module::Param, tensor::Tensor};

use super::Gpt;
use crate::{CausalModel, tokens::token_tensor};

impl CausalModel for Gpt {
    fn hidden(&self, tokens: &TokenMatrix, pass: Option<&Dropout>) -> Tensor<3> {
        self.forward(token_tensor(tokens, &self.device()), pass)
    }

    fn logit_cap(&self) -> Option<f64> {
        self.logit_cap
    }

    fn output_projection(&self) -> (Tensor<2>, Option<Tensor<1>>) {
        (self.projection().weight.val(), self.projection_bias.as_ref().map(Param::val))
    }
}
