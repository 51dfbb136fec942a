//! Sizes and choices of a [`Vit`].

use attentive_attention::{
    Activation, FeedForwardConfig, InitScheme, Initializer, Linear, MultiHeadAttentionConfig, NormConfig, NormPlacement,
};
use serde::{Deserialize, Serialize};

use super::{Vit, presets::presets};
use crate::{BlockConfig, ConfigError, ImageEncoderSpec, LayeredParts, ModelSpec, Preset, checks};

/// The largest number of patches along a side, so that attention over all of them can exist.
const MAX_SIDE: usize = 1 << 10;

/// What represents a picture.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ImagePooling {
    /// The vector of a token before all patches, as in ViT.
    #[default]
    ClassToken,
    /// The mean of the vectors of all patches; there is no class token.
    Mean,
}

/// The token that learns from a teacher, DeiT's (Touvron et al. 2021, §4).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Distillation {
    /// There is none.
    #[default]
    None,
    /// There is one, and the class token alone says the class.
    Token,
    /// There is one, and it has a classifier of its own beside that of the class token.
    Head,
}

/// Sizes and choices of a [`Vit`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct VitConfig {
    /// Height and width of pictures, in pixels; positions are interpolated for other sizes.
    pub image_size: usize,
    /// Height and width of a patch, in pixels.
    pub patch_size: usize,
    /// Channels of a picture: 1 of grey, 3 of red, green and blue.
    #[serde(default = "rgb")]
    pub n_channels: usize,
    /// Width of every sub-layer's output.
    pub d_model: usize,
    /// Width within the feed-forward sub-layers.
    pub d_ff: usize,
    /// Attention heads; they share out `d_model`.
    pub n_heads: usize,
    /// Layers; 0 for a bag of patches, which needs `pooling = "mean"`.
    pub n_layers: usize,
    /// Dropout of embeddings and of sub-layer outputs.
    pub dropout: f64,
    /// Dropout of attention weights.
    #[serde(default)]
    pub attention_dropout: f64,
    /// Function within the feed-forward sub-layers.
    #[serde(default = "gelu")]
    pub activation: Activation,
    /// Whether the maps to queries, keys and values have biases.
    #[serde(default = "yes")]
    pub qkv_bias: bool,
    /// ε of every layer norm.
    pub epsilon: f64,
    /// Standard deviation that weights are drawn with.
    #[serde(default = "init_std")]
    pub init_std: f64,
    /// What represents a picture.
    #[serde(default)]
    pub pooling: ImagePooling,
    /// The token that learns from a teacher.
    #[serde(default)]
    pub distillation: Distillation,
    /// Whether there is a pooler, a map and a hyperbolic tangent of what represents a picture.
    #[serde(default)]
    pub pooler: bool,
    /// Classes of the classifier; without any there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
}

fn yes() -> bool {
    true
}

fn rgb() -> usize {
    3
}

fn gelu() -> Activation {
    Activation::Gelu
}

fn init_std() -> f64 {
    0.02
}

impl VitConfig {
    /// ViT's choices at any size: pre-norm, GELU, a class token, `d_ff = 4 · d_model`, no dropout (Dosovitskiy et al.
    /// 2021, §3.1; ε as in the authors' code).
    pub fn vit_like(image_size: usize, patch_size: usize, [n_layers, n_heads, d_model]: [usize; 3]) -> Self {
        Self {
            image_size,
            patch_size,
            n_channels: 3,
            d_model,
            d_ff: 4 * d_model,
            n_heads,
            n_layers,
            dropout: 0.0,
            attention_dropout: 0.0,
            activation: Activation::Gelu,
            qkv_bias: true,
            epsilon: 1e-6,
            init_std: init_std(),
            pooling: ImagePooling::ClassToken,
            distillation: Distillation::None,
            pooler: false,
            labels: Vec::new(),
        }
    }

    /// Rows, and columns, of patches of a picture.
    pub fn side(&self) -> usize {
        self.image_size / self.patch_size.max(1)
    }

    /// Values of a patch.
    pub fn patch_width(&self) -> usize {
        self.n_channels * self.patch_size * self.patch_size
    }

    /// Tokens before those of patches.
    pub fn n_tokens_before(&self) -> usize {
        usize::from(self.pooling == ImagePooling::ClassToken) + usize::from(self.distillation != Distillation::None)
    }

    /// Tokens of a picture.
    pub fn n_tokens(&self) -> usize {
        self.n_tokens_before() + self.side() * self.side()
    }

    fn has_classifier(&self) -> bool {
        !self.labels.is_empty()
    }

    fn has_distillation_classifier(&self) -> bool {
        self.has_classifier() && self.distillation == Distillation::Head
    }

    fn block(&self) -> BlockConfig {
        let attention = MultiHeadAttentionConfig::new(self.d_model, self.n_heads.max(1));
        BlockConfig {
            attention: MultiHeadAttentionConfig {
                qkv_bias: self.qkv_bias,
                dropout: self.attention_dropout,
                ..attention
            },
            feed_forward: FeedForwardConfig {
                d_model: self.d_model,
                d_ff: self.d_ff,
                activation: self.activation,
                gated: false,
                bias: true,
                dropout: 0.0,
            },
            norm: NormConfig { epsilon: self.epsilon, ..NormConfig::layer(self.d_model) },
            placement: NormPlacement::Pre,
            parallel: false,
            dropout: self.dropout,
        }
    }
}

impl ModelSpec for VitConfig {
    type Model = Vit;

    const FAMILY: &'static str = "vit";
    const SUMMARY: &'static str = "encoder of pictures";

    fn validate(&self) -> Result<(), ConfigError> {
        let is_bag = self.n_layers == 0 && self.pooling == ImagePooling::Mean;
        checks::sizes(&[
            ("image_size", self.image_size),
            ("patch_size", self.patch_size),
            ("n_channels", self.n_channels),
            ("d_model", self.d_model),
            ("d_ff", self.d_ff),
            ("n_heads", self.n_heads),
            ("n_layers", if is_bag { 1 } else { self.n_layers }),
        ])?;
        let Self { image_size, patch_size, .. } = *self;
        if !image_size.is_multiple_of(patch_size) {
            return Err(ConfigError::Patches { image_size, patch_size });
        }
        for (key, size, limit) in [("image_size", self.side(), MAX_SIDE), ("patch_size", self.patch_width(), 1 << 17)] {
            if size > limit {
                return Err(ConfigError::TooLarge { key, size, limit });
            }
        }
        checks::probabilities(&[("dropout", self.dropout), ("attention_dropout", self.attention_dropout)])?;
        checks::heads(self.d_model, self.n_heads)?;
        checks::positive(&[("epsilon", self.epsilon), ("init_std", self.init_std)])?;
        if self.distillation != Distillation::None && self.pooling == ImagePooling::Mean {
            return Err(ConfigError::Needs {
                key: "distillation",
                needs: "a class token: set pooling = \"class-token\"",
            });
        }
        Ok(())
    }

    fn n_params(&self) -> usize {
        let block = self.block();
        let of_map = |there: bool, d_out| if there { Linear::n_params(self.d_model, d_out, true) } else { 0 };
        Linear::n_params(self.patch_width(), self.d_model, true)
            + (self.n_tokens_before() + self.n_tokens()) * self.d_model
            + self.n_layers * block.n_params()
            + block.n_final_norm_params()
            + of_map(self.pooler, self.d_model)
            + of_map(self.has_classifier(), self.labels.len())
            + of_map(self.has_distillation_classifier(), self.labels.len())
    }

    fn init_scheme(&self) -> InitScheme {
        InitScheme::Normal { std: self.init_std, residual_std: self.init_std }
    }

    fn build(&self, init: &Initializer) -> Vit {
        let d_model = self.d_model;
        let token = |there: bool| there.then(|| init.embedding([1, d_model]));
        let head = |there: bool, d_out| there.then(|| Linear::new(d_model, d_out, true, init));
        Vit {
            patches: Linear::new(self.patch_width(), d_model, true, init),
            class_token: token(self.pooling == ImagePooling::ClassToken),
            distillation_token: token(self.distillation != Distillation::None),
            positions: init.embedding([self.n_tokens(), d_model]),
            encoder: self.block().stack(self.n_layers, init),
            pooler: head(self.pooler, d_model),
            classifier: head(self.has_classifier(), self.labels.len()),
            distillation_classifier: head(self.has_distillation_classifier(), self.labels.len()),
            dropout: self.dropout,
            side: self.side(),
        }
    }

    fn vocab_size(&self) -> usize {
        0
    }

    fn set_vocab_size(&mut self, vocab_size: usize) -> Result<(), ConfigError> {
        Err(ConfigError::NoVocabulary { family: Self::FAMILY, vocab_size })
    }

    fn max_len(&self) -> Option<usize> {
        None
    }

    fn d_model(&self) -> usize {
        self.d_model
    }

    fn typical_len(&self) -> usize {
        self.n_tokens()
    }

    fn forward_flops_per_token(&self, len: usize) -> usize {
        let block = self.block();
        let of_layer = block.weight_products(1) + block.attention_products(len);
        2 * (self.patch_width() * self.d_model + self.n_layers * of_layer)
    }

    fn describe(&self) -> String {
        let Self { image_size, patch_size, d_model, d_ff, n_heads, n_layers, .. } = self;
        let side = self.side();
        format!(
            "{side}×{side} patches of {patch_size} pixels, d_model {d_model}, d_ff {d_ff}, {n_heads} heads, {n_layers} layers, \
             pictures of {image_size}"
        )
    }

    fn recomputes_layers(&self) -> bool {
        true
    }

    fn layered_encoder(&self) -> Option<LayeredParts> {
        const PARTS: &[&str] = &["patches", "class_token", "distillation_token", "positions", "encoder"];
        Some(LayeredParts { n_layers: self.n_layers, parts: PARTS })
    }

    fn presets() -> Vec<Preset<Self>> {
        presets()
    }
}

impl ImageEncoderSpec for VitConfig {
    fn image_size(&self) -> usize {
        self.image_size
    }

    fn patch_size(&self) -> usize {
        self.patch_size
    }

    fn n_channels(&self) -> usize {
        self.n_channels
    }

    fn labels(&self) -> &[String] {
        &self.labels
    }

    fn set_labels(&mut self, labels: Vec<String>) {
        (self.pooler, self.labels) = (false, labels);
    }
}
