//! "Add & Norm": residual connection and norm around every sub-layer.

use attentive_backend::{Dropout, Initializer, ops};
use burn::{module::Module, tensor::Tensor};
use serde::{Deserialize, Serialize};

use crate::{Norm, NormConfig};

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
    /// Before the sub-layer, and another norm of its output, before the residual sum; the stack ends in a norm of its own
    /// (Ding et al. 2021, "CogView", §2.4; Gemma 2 and 3).
    Both,
}

/// Residual connection, dropout and norm around a sub-layer.
///
/// Post-norm: `Norm(x + Dropout(SubLayer(x)))`. Pre-norm: `x + Dropout(SubLayer(Norm(x)))`. Both:
/// `x + Dropout(Norm'(SubLayer(Norm(x))))`.
/// Source: Vaswani et al. 2017, §3.1 and §5.4; pre-norm: Xiong et al. 2020.
#[derive(Module, Debug)]
pub struct AddNorm {
    /// The norm; without it, there is the residual connection alone.
    pub norm: Option<Norm>,
    /// The norm of the sub-layer's output, before the residual sum.
    pub output_norm: Option<Norm>,
    /// Probability with which the sub-layer's outputs are dropped.
    pub dropout: f64,
    #[module(skip)]
    placement: NormPlacement,
}

impl AddNorm {
    /// The connection around a sub-layer of the norm's width.
    pub fn new(norm: NormConfig, dropout: f64, placement: NormPlacement, init: &Initializer) -> Self {
        let output_norm = (placement == NormPlacement::Both).then(|| norm.init(init));
        Self { norm: Some(norm.init(init)), output_norm, dropout, placement }
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
                match &self.norm {
                    Some(norm) => norm.after_residual(x, f, self.dropout, pass),
                    None => ops::residual(x, f, self.dropout, pass),
                }
            }
            NormPlacement::Pre | NormPlacement::Both => self.forward_onto(x.clone(), x, pass, sub_layer),
        }
    }

    /// Adds the output of `sub_layer` for the normed `x` to `sum`, which may be another tensor: sub-layers side by side. All
    /// are `[batch, seq, d_model]`; the norm comes first, whatever the placement.
    pub fn forward_onto(
        &self,
        sum: Tensor<3>,
        x: Tensor<3>,
        pass: Option<&Dropout>,
        sub_layer: impl FnOnce(Tensor<3>) -> Tensor<3>,
    ) -> Tensor<3> {
        let f = normed(self.output_norm.as_ref(), sub_layer(normed(self.norm.as_ref(), x)));
        ops::residual(sum, f, self.dropout, pass)
    }
}

/// `norm(x)`, or `x` as it is.
fn normed(norm: Option<&Norm>, x: Tensor<3>) -> Tensor<3> {
    match norm {
        Some(norm) => norm.forward(x),
        None => x,
    }
}
