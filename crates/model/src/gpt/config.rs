//! Sizes and choices of a [`Gpt`].

use attentive_attention::{
    Activation, Embedding, FeedForwardConfig, InitScheme, Initializer, MultiHeadAttentionConfig, NormConfig, NormKind,
    NormPlacement, PositionsConfig, PositionsShape, Rotary,
};
use serde::{Deserialize, Serialize};

use super::{Gpt, presets::presets};
use crate::{
    AttentionKind, Attentions, BlockConfig, ConfigError, LanguageModelSpec, ModelHeads, ModelSpec, Preset, checks,
    windows::Windows,
};

/// Standard deviation that GPT-1 and GPT-2 draw weights with.
const INIT_STD: f64 = 0.02;

/// Sizes and choices of a [`Gpt`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct GptConfig {
    /// Entries of the vocabulary.
    pub vocab_size: usize,
    /// Width of embeddings and of every sub-layer's output.
    pub d_model: usize,
    /// Width within the feed-forward sub-layers.
    pub d_ff: usize,
    /// Attention heads; they share out `d_model`.
    pub n_heads: usize,
    /// Heads of keys and values, which heads of queries share; without it, `n_heads`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n_kv_heads: Option<usize>,
    /// Width of a head; without it, `d_model / n_heads`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head_dim: Option<usize>,
    /// Layers.
    pub n_layers: usize,
    /// Dropout of sub-layer outputs and of sums of embeddings and encodings.
    pub dropout: f64,
    /// Dropout of attention weights.
    #[serde(default)]
    pub attention_dropout: f64,
    /// Function within the feed-forward sub-layers.
    #[serde(default = "gelu_tanh")]
    pub activation: Activation,
    /// Whether the feed-forward sub-layers are gated: with SiLU this is SwiGLU, with GELU GEGLU.
    #[serde(default)]
    pub gated: bool,
    /// Whether projections, feed-forward sub-layers and layer norms have biases.
    #[serde(default = "yes")]
    pub bias: bool,
    /// Whether the projections of queries, keys and values have biases; without it, as `bias` says. Qwen 2's have, and
    /// nothing else there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qkv_bias: Option<bool>,
    /// Whether each head's queries and keys are normalised before they are compared, as Qwen 3's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub qk_norm: bool,
    /// Whether attention and feed-forward network read the same input and are added together, as in GPT-NeoX; pre-norm only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub parallel: bool,
    /// Where sub-layers are normalised.
    #[serde(default = "pre")]
    pub norm: NormPlacement,
    /// Kind of norm.
    #[serde(default)]
    pub norm_kind: NormKind,
    /// ε of every norm.
    #[serde(default = "epsilon")]
    pub epsilon: f64,
    /// How tokens know where they stand; learned positions bound the context.
    pub positions: PositionsConfig,
    /// How near a key must be to be seen: at less than `window` positions; without it, all are seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<usize>,
    /// Layers, from 0, that see everything although there is a window.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub full_layers: Vec<usize>,
    /// Base of the frequencies of rotary positions in the layers with a window; without it, that of all. These are not scaled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_theta: Option<f64>,
    /// Whether embeddings are multiplied by √d_model, as Gemma's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub scale_embeddings: bool,
    /// Whether the pre-soft-max projection is the embedding matrix.
    #[serde(default = "yes")]
    pub tie_projection: bool,
    /// Whether the pre-soft-max projection has a bias, as Phi's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub projection_bias: bool,
    /// Bound `c` of attention's scores, which become `c · tanh(score / c)`, as Gemma 2's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attention_cap: Option<f64>,
    /// Bound `c` of logits, which become `c · tanh(logit / c)`, as Gemma 2's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logit_cap: Option<f64>,
    /// Heads that were pruned (Michel et al. 2019), by name: `encoder.0.self:3`, counted from 0.
    #[serde(default, skip_serializing_if = "ModelHeads::is_empty")]
    pub pruned_heads: ModelHeads,
}

fn gelu_tanh() -> Activation {
    Activation::GeluTanh
}

fn pre() -> NormPlacement {
    NormPlacement::Pre
}

/// GPT-2's.
fn epsilon() -> f64 {
    1e-5
}

fn yes() -> bool {
    true
}

impl GptConfig {
    /// GPT-2's choices at any size: pre-norm, learned positions, GELU by tanh, a tied projection, `d_ff = 4 · d_model`
    /// and dropout 0.1 (Radford et al. 2019, §2.3).
    pub fn gpt2_like(vocab_size: usize, max_len: usize, [n_layers, n_heads, d_model]: [usize; 3]) -> Self {
        Self {
            vocab_size,
            d_model,
            d_ff: 4 * d_model,
            n_heads,
            n_kv_heads: None,
            head_dim: None,
            n_layers,
            dropout: 0.1,
            attention_dropout: 0.1,
            activation: Activation::GeluTanh,
            gated: false,
            bias: true,
            qkv_bias: None,
            qk_norm: false,
            parallel: false,
            norm: NormPlacement::Pre,
            norm_kind: NormKind::Layer,
            epsilon: epsilon(),
            positions: PositionsConfig::Learned { max_len },
            window: None,
            full_layers: Vec::new(),
            window_theta: None,
            scale_embeddings: false,
            tie_projection: true,
            projection_bias: false,
            attention_cap: None,
            logit_cap: None,
            pruned_heads: ModelHeads::default(),
        }
    }

    /// GPT-2 of 124 million parameters (Radford et al. 2019, Table 2).
    pub fn gpt2() -> Self {
        Self::gpt2_like(50_257, 1024, [12, 12, 768])
    }

    /// Llama's choices at any size: pre-norm by RMS, rotary positions, SwiGLU, no biases, a projection of its own, no dropout
    /// (Touvron et al. 2023, §2.2).
    pub fn llama_like(vocab_size: usize, d_ff: usize, sizes: [usize; 3]) -> Self {
        Self {
            d_ff,
            dropout: 0.0,
            attention_dropout: 0.0,
            activation: Activation::Silu,
            gated: true,
            bias: false,
            norm_kind: NormKind::Rms,
            positions: PositionsConfig::rotary(10_000.0),
            tie_projection: false,
            ..Self::gpt2_like(vocab_size, 1, sizes)
        }
    }

    /// Width of a head.
    pub fn head_dim(&self) -> usize {
        self.head_dim.unwrap_or(self.d_model / self.n_heads.max(1))
    }

    /// The first GPT (Radford et al. 2018, §4.1): post-norm, a context of 512.
    pub fn gpt1() -> Self {
        Self { norm: NormPlacement::Post, ..Self::gpt2_like(40_478, 512, [12, 12, 768]) }
    }

    fn block(&self) -> BlockConfig {
        let d_k = self.head_dim();
        let norm = NormConfig { d_model: self.d_model, kind: self.norm_kind, bias: self.bias, epsilon: self.epsilon };
        BlockConfig {
            attention: MultiHeadAttentionConfig {
                n_kv_heads: self.n_kv_heads.unwrap_or(self.n_heads),
                d_k,
                d_v: d_k,
                qkv_bias: self.qkv_bias.unwrap_or(self.bias),
                bias: self.bias,
                qk_norm: self.qk_norm.then_some(NormConfig { d_model: d_k, ..norm }),
                cap: self.attention_cap,
                dropout: self.attention_dropout,
                ..MultiHeadAttentionConfig::new(self.d_model, self.n_heads.max(1))
            },
            feed_forward: FeedForwardConfig {
                d_model: self.d_model,
                d_ff: self.d_ff,
                activation: self.activation,
                gated: self.gated,
                bias: self.bias,
                dropout: 0.0,
            },
            norm,
            placement: self.norm,
            parallel: self.parallel,
            dropout: self.dropout,
        }
    }

    /// The rotary positions of the layers with a window, if they are their own.
    pub fn window_rotary(&self) -> Option<Rotary> {
        Windows::rotary(&self.positions, self.window_theta)
    }

    fn windows(&self) -> Windows {
        Windows { window: self.window, full_layers: self.full_layers.clone(), rotary: self.window_rotary() }
    }

    fn every_attention(&self) -> Attentions {
        let places = AttentionKind::Decoder.places(self.n_layers).collect();
        Attentions { places, whole: self.block().attention, pruned: self.pruned_heads.clone() }
    }

    fn positions_shape(&self) -> PositionsShape {
        PositionsShape { d_model: self.d_model, n_heads: self.n_heads, d_k: self.head_dim(), causal: true }
    }
}

impl ModelSpec for GptConfig {
    type Model = Gpt;

    const FAMILY: &'static str = "gpt";
    const SUMMARY: &'static str = "decoder only";

    fn validate(&self) -> Result<(), ConfigError> {
        checks::sizes(&[
            ("vocab_size", self.vocab_size),
            ("d_model", self.d_model),
            ("d_ff", self.d_ff),
            ("n_heads", self.n_heads),
            ("n_layers", self.n_layers),
            ("head_dim", self.head_dim.unwrap_or(1)),
        ])?;
        checks::probabilities(&[("dropout", self.dropout), ("attention_dropout", self.attention_dropout)])?;
        checks::positive(&[
            ("epsilon", self.epsilon),
            ("attention_cap", self.attention_cap.unwrap_or(1.0)),
            ("logit_cap", self.logit_cap.unwrap_or(1.0)),
        ])?;
        if self.head_dim.is_none() {
            checks::heads(self.d_model, self.n_heads)?;
        }
        if self.parallel && self.norm != NormPlacement::Pre {
            return Err(ConfigError::ParallelPostNorm);
        }
        let attention = self.block().attention;
        checks::attention(&attention, &self.positions)?;
        self.every_attention().validate()?;
        self.windows().validate(self.n_layers, &attention, &self.positions, self.window_theta)
    }

    fn n_params(&self) -> usize {
        let block = self.block();
        let n_embeddings = if self.tie_projection { 1 } else { 2 };
        let projection_bias = if self.projection_bias { self.vocab_size } else { 0 };
        n_embeddings * self.vocab_size * self.d_model
            + projection_bias
            + self.positions.n_params(self.positions_shape())
            + self.n_layers * block.n_params()
            + block.n_final_norm_params()
            - self.pruned_heads.n_params(&block.attention)
    }

    /// Matrices are normal with standard deviation 0.02; pre-norm, those that residual branches end in are divided by the
    /// root of the number of branches, as in GPT-2 (Radford et al. 2019, §2.3).
    fn init_scheme(&self) -> InitScheme {
        let n_branches = match self.norm {
            NormPlacement::Pre => 2 * self.n_layers,
            NormPlacement::Post | NormPlacement::Both => 1,
        };
        let residual_std = INIT_STD / (n_branches as f64).sqrt();
        InitScheme::Normal { std: INIT_STD, residual_std }
    }

    fn build(&self, init: &Initializer) -> Gpt {
        let embedding = || Embedding::unscaled(self.vocab_size, self.d_model, init);
        let scale = if self.scale_embeddings { (self.d_model as f64).sqrt() } else { 1.0 };
        Gpt {
            embedding: Embedding { scale, ..embedding() },
            positions: self.positions.init(self.positions_shape(), init),
            decoder: self.block().pruned_stack([self.n_layers; 2], AttentionKind::Decoder, &self.pruned_heads, init),
            projection: (!self.tie_projection).then(embedding),
            projection_bias: self.projection_bias.then(|| init.zeros([self.vocab_size])),
            dropout: self.dropout,
            windows: self.windows(),
            logit_cap: self.logit_cap,
        }
    }

    fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    fn set_vocab_size(&mut self, vocab_size: usize) -> Result<(), ConfigError> {
        self.vocab_size = vocab_size;
        Ok(())
    }

    fn max_len(&self) -> Option<usize> {
        self.positions.max_len()
    }

    fn d_model(&self) -> usize {
        self.d_model
    }

    fn forward_flops_per_token(&self, len: usize) -> usize {
        let block = self.block();
        let windows = self.windows();
        let attention = block.attention_products(windows.keys_seen(self.n_layers, len, |window| window));
        let keys = |layer| windows.keys_seen_in(layer, len, |window| window);
        let pruned = self.pruned_heads.products(&block.attention, |place| (1, keys(place.layer)));
        2 * (self.n_layers * block.weight_products(1) + attention - pruned + self.d_model * self.vocab_size)
    }

    fn describe(&self) -> String {
        let Self { d_model, d_ff, n_heads, n_layers, .. } = self;
        format!("d_model {d_model}, d_ff {d_ff}, {n_heads} heads, {n_layers} layers{}", self.pruned_heads.describe())
    }

    fn attentions(&self) -> Option<Attentions> {
        Some(self.every_attention())
    }

    fn prune_heads(&mut self, heads: &ModelHeads) -> Result<(), ConfigError> {
        self.pruned_heads.extend(heads.iter());
        self.validate()
    }

    fn recomputes_layers(&self) -> bool {
        true
    }

    fn presets() -> Vec<Preset<Self>> {
        presets()
    }
}

impl LanguageModelSpec for GptConfig {
    /// Keys and values of all layers.
    fn cached_values_per_token(&self) -> usize {
        let Attentions { places, whole, pruned } = self.every_attention();
        let n_kv_heads: usize = places.into_iter().map(|place| pruned.without(place, &whole).n_kv_heads).sum();
        n_kv_heads * (whole.d_k + whole.d_v)
    }
}
