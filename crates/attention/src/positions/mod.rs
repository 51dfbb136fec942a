//! Positions of tokens: encodings added to embeddings, biases added to scores, or rotations of queries and keys.

mod alibi;
mod buckets;
mod context;
mod rotary;
mod rotation;
mod sinusoids;

pub use alibi::alibi_slopes;
pub use buckets::RelativeBuckets;
pub use context::AttentionContext;
pub use rotary::{Rotary, RotaryScaling};
pub use rotation::Rotation;
pub use sinusoids::{Sinusoids, sinusoids};

use attentive_backend::{Initializer, Mask};
use burn::{
    module::{Module, Param},
    tensor::{Device, Tensor},
};
use serde::{Deserialize, Serialize};

/// Kind of positions of a model.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum PositionsConfig {
    /// Fixed sinusoids added to embeddings, for any length (§3.5).
    #[default]
    Sinusoidal,
    /// Fixed sinusoids added to embeddings, for any length, with the frequencies of [`Sinusoids::fairseq`].
    FairseqSinusoidal {
        /// What the first position is counted as; 2 in M2M100.
        #[serde(default)]
        first: usize,
    },
    /// A learned vector for each position, added to embeddings (Table 3, row E).
    Learned {
        /// The longest sequence.
        max_len: usize,
    },
    /// Queries and keys turned by angles that grow with the position, RoPE (Su et al. 2021).
    Rotary(Rotary),
    /// Scores lowered in proportion to the distance, each head at a slope of its own (Press et al. 2022).
    Alibi,
    /// A learned bias on the scores of each head for each bucket of distances (Raffel et al. 2020, §2.1).
    RelativeBuckets(RelativeBuckets),
}

/// Sizes that [`Positions`] must fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PositionsShape {
    /// Width of embeddings.
    pub d_model: usize,
    /// Number of heads.
    pub n_heads: usize,
    /// Width of a head's queries and keys.
    pub d_k: usize,
    /// Whether keys after the query are hidden, so that distances have one sign.
    pub causal: bool,
}

/// The positions of one stack of layers.
#[derive(Module, Debug)]
pub struct Positions {
    /// Learned parameters: vectors, `[max_len, d_model]`, or the biases of buckets, `[n_buckets, heads]`.
    pub weight: Option<Param<Tensor<2>>>,
    #[module(skip)]
    config: PositionsConfig,
    #[module(skip)]
    shape: PositionsShape,
}

impl PositionsConfig {
    /// Rotary positions that turn all features, unscaled.
    pub fn rotary(theta: f64) -> Self {
        Self::Rotary(Rotary::new(theta))
    }

    /// Initial parameters, if there are any.
    pub fn init(&self, shape: PositionsShape, init: &Initializer) -> Positions {
        let weight = match *self {
            Self::Learned { max_len } => Some(init.embedding([max_len, shape.d_model])),
            // Unit variance, as that of scores: each head begins with its own biases of distances.
            Self::RelativeBuckets(buckets) => Some(init.normal([buckets.n_buckets, shape.n_heads], 1.0)),
            Self::Sinusoidal | Self::FairseqSinusoidal { .. } | Self::Rotary(_) | Self::Alibi => None,
        };
        Positions { weight, config: self.clone(), shape }
    }

    /// Number of parameters.
    pub fn n_params(&self, shape: PositionsShape) -> usize {
        match *self {
            Self::Learned { max_len } => max_len * shape.d_model,
            Self::RelativeBuckets(buckets) => buckets.n_buckets * shape.n_heads,
            Self::Sinusoidal | Self::FairseqSinusoidal { .. } | Self::Rotary(_) | Self::Alibi => 0,
        }
    }

    /// The fixed encodings of width `d_model` that are added to embeddings, if these are the positions.
    pub fn sinusoids(&self, d_model: usize) -> Option<Sinusoids> {
        match *self {
            Self::Sinusoidal => Some(Sinusoids::new(d_model)),
            Self::FairseqSinusoidal { first } => Some(Sinusoids::fairseq(d_model, first)),
            _ => None,
        }
    }

    /// The longest sequence that has positions, if there is one.
    pub fn max_len(&self) -> Option<usize> {
        match self {
            Self::Learned { max_len } => Some(*max_len),
            Self::Rotary(rotary) => rotary.max_len(),
            _ => None,
        }
    }
}

impl Positions {
    /// Encodings that are added to embeddings at the positions `first .. first + n`: `[n, d_model]`.
    ///
    /// # Panics
    /// If learned encodings end before that.
    pub fn encodings(&self, first: usize, n: usize, device: &Device) -> Option<Tensor<2>> {
        if let Some(sinusoids) = self.config.sinusoids(self.shape.d_model) {
            return Some(fixed(device, |device| sinusoids.tensor(first, n, device)));
        }
        matches!(self.config, PositionsConfig::Learned { .. }).then(|| self.learned().narrow(0, first, n))
    }

    /// Encodings that are added to the embeddings of texts that follow one another, each from position 0 on: `[tokens, d_model]`.
    ///
    /// # Panics
    /// If learned encodings end before a text does.
    pub fn encodings_of_texts(&self, lengths: &[usize], device: &Device) -> Option<Tensor<2>> {
        let longest = lengths.iter().copied().max().unwrap_or(0);
        self.encodings(0, longest, device).map(|encodings| context::of_texts(encodings, lengths))
    }

    /// The context of self-attention for the new positions `first .. first + new`, whose keys are all up to there,
    /// under `mask`: computed once for all layers of a stack.
    pub fn context(&self, mask: Mask, first: usize, new: usize, device: &Device) -> AttentionContext {
        let PositionsShape { n_heads, d_k, causal, .. } = self.shape;
        let (mut bias, mut rotation) = (None, None);
        match &self.config {
            PositionsConfig::Sinusoidal
            | PositionsConfig::FairseqSinusoidal { .. }
            | PositionsConfig::Learned { .. } => {}
            PositionsConfig::Rotary(rotary) => rotation = Some(Rotation::new(first, new, d_k, rotary, device)),
            PositionsConfig::Alibi => bias = Some(fixed(device, |device| alibi::bias(n_heads, first, new, device))),
            PositionsConfig::RelativeBuckets(buckets) => {
                bias = Some(buckets.bias(self.learned(), first, new, causal));
            }
        }
        AttentionContext { mask, bias, rotation, texts: None }
    }

    /// The longest sequence that has positions, if there is one.
    pub fn max_len(&self) -> Option<usize> {
        self.config.max_len()
    }

    /// Width of a head's queries and keys.
    pub fn d_k(&self) -> usize {
        self.shape.d_k
    }

    fn learned(&self) -> Tensor<2> {
        self.weight.as_ref().expect("made with the configuration").val()
    }
}

/// A tensor without gradient on `device`, made below autodiff.
fn fixed<const D: usize>(device: &Device, make: impl FnOnce(&Device) -> Tensor<D>) -> Tensor<D> {
    let tensor = make(&device.clone().inner());
    if device.is_autodiff() { Tensor::from_inner(tensor) } else { tensor }
}
