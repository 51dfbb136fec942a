//! The head that guesses hidden tokens, and the pooler.

use attentive_attention::{Activation, Initializer, Linear, Norm, NormConfig};
use attentive_backend::ops;
use burn::{
    module::{Module, Param},
    tensor::{Tensor, activation::tanh},
};
use serde::{Deserialize, Serialize};

/// Guesses hidden tokens: a dense layer, its function, a norm, and the product with the embeddings, to which a bias is
/// added (the released code of Devlin et al. 2019, `get_masked_lm_output`).
#[derive(Module, Debug)]
pub struct MaskedLmHead {
    /// `d_model` to the width of embeddings.
    pub dense: Linear,
    /// Norm of the function's output.
    pub norm: Norm,
    /// Bias of each token's score: `[vocab]`.
    pub bias: Param<Tensor<1>>,
    #[module(skip)]
    activation: Activation,
}

impl MaskedLmHead {
    /// For vectors of width `d_model`, and embeddings of the width that `norm` has; the dense layer has a bias as the norm has.
    pub(crate) fn new(
        vocab_size: usize,
        d_model: usize,
        norm: &NormConfig,
        activation: Activation,
        init: &Initializer,
    ) -> Self {
        Self {
            dense: Linear::new(d_model, norm.d_model, norm.bias, init),
            norm: norm.init(init),
            bias: init.zeros([vocab_size]),
            activation,
        }
    }

    /// Features that are multiplied with the embeddings: `[..., d_model]` to `[..., d_embedding]`.
    pub fn transform<const D: usize>(&self, hidden: Tensor<D>) -> Tensor<D> {
        self.norm.forward(ops::activation(self.dense.forward(hidden), self.activation, 0.0, None))
    }
}

/// Function after the pooler's map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum PoolerActivation {
    /// BERT's, RoBERTa's and ALBERT's.
    #[default]
    Tanh,
    /// DistilBERT's.
    Relu,
    /// ELECTRA's and ModernBERT's.
    Gelu,
}

impl PoolerActivation {
    /// The function of each value: the same shape.
    pub fn forward(self, x: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Tanh => tanh(x),
            Self::Relu => ops::activation(x, Activation::Relu, 0.0, None),
            Self::Gelu => ops::activation(x, Activation::Gelu, 0.0, None),
        }
    }

    /// Whether it is the one where nothing is said.
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What the pooler reads of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum PoolerInput {
    /// The first token's vector, as in BERT (Devlin et al. 2019, §3).
    #[default]
    First,
    /// The mean of all tokens' vectors.
    Mean,
}

impl PoolerInput {
    /// Whether it is the one where nothing is said.
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// The pooler, as heads use it: a map, its function, and a norm where there is one.
#[derive(Debug, Clone, Copy)]
pub struct Pooler<'a> {
    /// `d_model` to `d_model`.
    pub map: &'a Linear,
    /// Function after the map.
    pub activation: PoolerActivation,
    /// Norm of the function's output.
    pub norm: Option<&'a Norm>,
    /// Whether heads of tokens and of answers read its output for each token, and not the token's vector.
    pub of_tokens: bool,
}

impl Pooler<'_> {
    /// `[n, d_model]` to the same shape.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let x = self.activation.forward(self.map.forward(x));
        match self.norm {
            Some(norm) => norm.forward(x),
            None => x,
        }
    }
}
