//! "Add & Norm": residual connection and norm around every sub-layer.

use attentive_backend::{Dropout, ops};
use burn::{module::Module, tensor::Tensor};
use serde::{Deserialize, Serialize};

use crate::Norm;

/// Where a sub-layer is normalised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum NormPlacement {
    /// After the residual sum, as in the paper.
    #[default]
    Post,
    /// Before the sub-layer; the stack then ends in a norm of its own (docs/deviations.md#pre-norm).
    Pre,
}

/// Residual connection, dropout and norm around a sub-layer.
///
/// Post-norm: `Norm(x + Dropout(SubLayer(x)))`. Pre-norm: `x + Dropout(SubLayer(Norm(x)))`.
/// Source: Vaswani et al. 2017, §3.1 and §5.4; pre-norm: Xiong et al. 2020.
#[derive(Module, Debug)]
pub struct AddNorm {
    /// The norm.
    pub norm: Norm,
    /// Probability with which the sub-layer's outputs are dropped.
    pub dropout: f64,
    #[module(skip)]
    placement: NormPlacement,
}

impl AddNorm {
    /// The connection around a sub-layer of the norm's width.
    pub fn new(norm: Norm, dropout: f64, placement: NormPlacement) -> Self {
        Self { norm, dropout, placement }
    }

    /// Runs `sub_layer` within the connection; `x` and the result are `[batch, seq, d_model]`.
    pub fn forward(
        &self,
        x: Tensor<3>,
        pass: Option<&Dropout>,
        sub_layer: impl FnOnce(Tensor<3>) -> Tensor<3>,
    ) -> Tensor<3> {
        match self.placement {
            NormPlacement::Post => {
                let f = sub_layer(x.clone());
                self.norm.after_residual(x, f, self.dropout, pass)
            }
            NormPlacement::Pre => {
                let f = sub_layer(self.norm.forward(x.clone()));
                ops::residual(x, f, self.dropout, pass)
            }
        }
    }
}
