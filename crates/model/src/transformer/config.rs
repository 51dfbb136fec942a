//! Sizes and choices of a [`Transformer`].

use attentive_attention::{
    Activation, Embedding, FeedForwardConfig, Initializer, MultiHeadAttentionConfig, NormConfig, NormKind,
    NormPlacement, PositionsConfig, PositionsShape,
};
use serde::{Deserialize, Serialize};

use super::{Decoder, Transformer};
use crate::{
    AttentionKind, Attentions, BlockConfig, ConfigError, EncoderDecoderSpec, ModelHeads, ModelSpec, Preset, checks, t5,
    table3::{Table3Row, table3},
};

/// About the paper's joint English–German vocabulary (§5.1).
const PAPER_VOCAB_SIZE: usize = 37_000;

/// Tokens of a sentence that costs are stated for.
pub(crate) const TYPICAL_SENTENCE: usize = 32;

/// Sizes and choices of a [`Transformer`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TransformerConfig {
    /// Entries of the source vocabulary.
    pub source_vocab_size: usize,
    /// Entries of the target vocabulary.
    pub target_vocab_size: usize,
    /// Width of embeddings and of every sub-layer's output.
    pub d_model: usize,
    /// Width within the feed-forward sub-layers.
    pub d_ff: usize,
    /// Attention heads, `h`.
    pub n_heads: usize,
    /// Heads of keys and values, which heads of queries share; without it, `n_heads`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n_kv_heads: Option<usize>,
    /// Width of a head's queries and keys; without it, `d_model / n_heads`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub d_k: Option<usize>,
    /// Width of a head's values; without it, `d_model / n_heads`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub d_v: Option<usize>,
    /// Encoder layers.
    pub n_encoder_layers: usize,
    /// Decoder layers.
    pub n_decoder_layers: usize,
    /// Dropout of sub-layer outputs and of sums of embeddings and encodings.
    pub dropout: f64,
    /// Dropout of attention weights.
    #[serde(default)]
    pub attention_dropout: f64,
    /// Dropout within the feed-forward sub-layers.
    #[serde(default)]
    pub activation_dropout: f64,
    /// Function within the feed-forward sub-layers.
    #[serde(default)]
    pub activation: Activation,
    /// Whether the feed-forward sub-layers are gated: with SiLU this is SwiGLU, with GELU GEGLU.
    #[serde(default)]
    pub gated: bool,
    /// Whether projections, feed-forward sub-layers and layer norms have biases.
    #[serde(default = "yes")]
    pub bias: bool,
    /// Where sub-layers are normalised.
    #[serde(default)]
    pub norm: NormPlacement,
    /// Kind of norm.
    #[serde(default)]
    pub norm_kind: NormKind,
    /// ε of every norm.
    #[serde(default = "epsilon")]
    pub epsilon: f64,
    /// Whether attention's scores are divided by √d_k (§3.2.1); T5's are not.
    #[serde(default = "yes")]
    pub scale_scores: bool,
    /// Whether embeddings are multiplied by √d_model (§3.4); T5's are not.
    #[serde(default = "yes")]
    pub scale_embeddings: bool,
    /// Whether what is projected to the vocabulary is divided by √d_model, as in T5's first version.
    #[serde(default)]
    pub scale_logits: bool,
    /// Whether what a stack reads, the sum of embeddings and encodings, is normalised, as in BART.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub embedding_norm: bool,
    /// How tokens know where they stand.
    #[serde(default)]
    pub positions: PositionsConfig,
    /// How near a key must be to be seen by self-attention: at less than `window` positions; without it, all are seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<usize>,
    /// Whether source and target use one embedding matrix (§3.4); needs one joint vocabulary.
    #[serde(default = "yes")]
    pub share_embeddings: bool,
    /// Whether the pre-soft-max projection is the target embedding matrix (§3.4).
    #[serde(default = "yes")]
    pub tie_projection: bool,
    /// Whether the pre-soft-max projection has a bias; OPUS-MT's models have one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub projection_bias: bool,
    /// Heads that were pruned (Michel et al. 2019), by name: `encoder.0.self:3`, counted from 0.
    #[serde(default, skip_serializing_if = "ModelHeads::is_empty")]
    pub pruned_heads: ModelHeads,
}

fn yes() -> bool {
    true
}

fn epsilon() -> f64 {
    1e-5
}

impl TransformerConfig {
    /// The paper's base model (Table 3) over a joint vocabulary.
    pub fn base(vocab_size: usize) -> Self {
        Self {
            source_vocab_size: vocab_size,
            target_vocab_size: vocab_size,
            d_model: 512,
            d_ff: 2048,
            n_heads: 8,
            n_kv_heads: None,
            d_k: None,
            d_v: None,
            n_encoder_layers: 6,
            n_decoder_layers: 6,
            dropout: 0.1,
            attention_dropout: 0.0,
            activation_dropout: 0.0,
            activation: Activation::Relu,
            gated: false,
            bias: true,
            norm: NormPlacement::Post,
            norm_kind: NormKind::Layer,
            epsilon: epsilon(),
            scale_scores: true,
            scale_embeddings: true,
            scale_logits: false,
            embedding_norm: false,
            positions: PositionsConfig::Sinusoidal,
            window: None,
            share_embeddings: true,
            tie_projection: true,
            projection_bias: false,
            pruned_heads: ModelHeads::default(),
        }
    }

    /// The paper's big model (Table 3) over a joint vocabulary.
    pub fn big(vocab_size: usize) -> Self {
        Self { d_model: 1024, d_ff: 4096, n_heads: 16, dropout: 0.3, ..Self::base(vocab_size) }
    }

    /// Width of a head's queries and keys.
    pub fn d_k(&self) -> usize {
        self.d_k.unwrap_or(self.d_model / self.n_heads.max(1))
    }

    /// Width of a head's values.
    pub fn d_v(&self) -> usize {
        self.d_v.unwrap_or(self.d_model / self.n_heads.max(1))
    }

    /// Parts of a layer; a decoder's layer has one more attention.
    fn block(&self) -> BlockConfig {
        BlockConfig {
            attention: MultiHeadAttentionConfig {
                d_model: self.d_model,
                n_heads: self.n_heads,
                n_kv_heads: self.n_kv_heads.unwrap_or(self.n_heads),
                d_k: self.d_k(),
                d_v: self.d_v(),
                qkv_bias: self.bias,
                bias: self.bias,
                qk_norm: None,
                scaled: self.scale_scores,
                cap: None,
                dropout: self.attention_dropout,
                left: None,
            },
            feed_forward: FeedForwardConfig {
                d_model: self.d_model,
                d_ff: self.d_ff,
                activation: self.activation,
                gated: self.gated,
                bias: self.bias,
                dropout: self.activation_dropout,
            },
            norm: NormConfig { d_model: self.d_model, kind: self.norm_kind, bias: self.bias, epsilon: self.epsilon },
            placement: self.norm,
            parallel: false,
            dropout: self.dropout,
        }
    }

    fn every_attention(&self) -> Attentions {
        let of_decoder = |kind: AttentionKind| kind.places(self.n_decoder_layers);
        let places = AttentionKind::Encoder.places(self.n_encoder_layers);
        let places = places.chain(of_decoder(AttentionKind::Decoder)).chain(of_decoder(AttentionKind::Cross));
        Attentions { places: places.collect(), whole: self.block().attention, pruned: self.pruned_heads.clone() }
    }

    fn positions_shape(&self, causal: bool) -> PositionsShape {
        PositionsShape { d_model: self.d_model, n_heads: self.n_heads, d_k: self.d_k(), causal }
    }
}

impl ModelSpec for TransformerConfig {
    type Model = Transformer;

    const FAMILY: &'static str = "transformer";
    const SUMMARY: &'static str = "encoder-decoder";

    fn validate(&self) -> Result<(), ConfigError> {
        checks::sizes(&[
            ("source_vocab_size", self.source_vocab_size),
            ("target_vocab_size", self.target_vocab_size),
            ("d_model", self.d_model),
            ("d_ff", self.d_ff),
            ("n_heads", self.n_heads),
            ("n_encoder_layers", self.n_encoder_layers),
            ("n_decoder_layers", self.n_decoder_layers),
            ("d_k", self.d_k.unwrap_or(1)),
            ("d_v", self.d_v.unwrap_or(1)),
            ("window", self.window.unwrap_or(1)),
        ])?;
        checks::probabilities(&[
            ("dropout", self.dropout),
            ("attention_dropout", self.attention_dropout),
            ("activation_dropout", self.activation_dropout),
        ])?;
        if self.d_k.is_none() || self.d_v.is_none() {
            checks::heads(self.d_model, self.n_heads)?;
        }
        checks::attention(&self.block().attention, &self.positions)?;
        self.every_attention().validate()?;
        if !(self.epsilon > 0.0 && self.epsilon.is_finite()) {
            return Err(ConfigError::NotPositive { key: "epsilon", value: self.epsilon });
        }
        let (source_size, target_size) = (self.source_vocab_size, self.target_vocab_size);
        if self.share_embeddings && source_size != target_size {
            return Err(ConfigError::SharedVocabularies { source_size, target_size });
        }
        Ok(())
    }

    fn n_params(&self) -> usize {
        let block = self.block();
        let cross_attention = block.attention.n_params() + block.n_add_norm_params();
        let own_target = if self.share_embeddings { 0 } else { self.target_vocab_size };
        let own_projection = if self.tie_projection { 0 } else { self.target_vocab_size };
        let projection_bias = if self.projection_bias { self.target_vocab_size } else { 0 };
        let embedding_norms = if self.embedding_norm { 2 * block.norm.n_params() } else { 0 };
        (self.source_vocab_size + own_target + own_projection) * self.d_model
            + projection_bias
            + embedding_norms
            + 2 * self.positions.n_params(self.positions_shape(true))
            + self.n_encoder_layers * block.n_params()
            + self.n_decoder_layers * (block.n_params() + cross_attention)
            + 2 * block.n_final_norm_params()
            - self.pruned_heads.n_params(&block.attention)
    }

    fn build(&self, init: &Initializer) -> Transformer {
        // Unit variance either way.
        let embedding = |vocab_size| match self.scale_embeddings {
            true => Embedding::new(vocab_size, self.d_model, init),
            false => Embedding { weight: init.normal([vocab_size, self.d_model], 1.0), scale: 1.0 },
        };
        let positions = |causal| self.positions.init(self.positions_shape(causal), init);
        let block = self.block();
        Transformer {
            source_embedding: embedding(self.source_vocab_size),
            target_embedding: (!self.share_embeddings).then(|| embedding(self.target_vocab_size)),
            projection: (!self.tie_projection).then(|| Embedding::new(self.target_vocab_size, self.d_model, init)),
            source_positions: positions(false),
            target_positions: positions(true),
            source_norm: self.embedding_norm.then(|| block.norm.init(init)),
            target_norm: self.embedding_norm.then(|| block.norm.init(init)),
            encoder: block.pruned_stack([self.n_encoder_layers; 2], AttentionKind::Encoder, &self.pruned_heads, init),
            decoder: Decoder {
                scale: if self.scale_logits { (self.d_model as f64).powf(-0.5) } else { 1.0 },
                ..Decoder::pruned(&block, self.n_decoder_layers, &self.pruned_heads, init)
            },
            projection_bias: self.projection_bias.then(|| init.zeros([self.target_vocab_size])),
            dropout: self.dropout,
            window: self.window,
        }
    }

    fn vocab_size(&self) -> usize {
        self.target_vocab_size
    }

    fn source_vocab_size(&self) -> usize {
        self.source_vocab_size
    }

    fn set_vocab_size(&mut self, vocab_size: usize) -> Result<(), ConfigError> {
        (self.source_vocab_size, self.target_vocab_size) = (vocab_size, vocab_size);
        Ok(())
    }

    fn max_len(&self) -> Option<usize> {
        self.positions.max_len()
    }

    fn d_model(&self) -> usize {
        self.d_model
    }

    fn typical_len(&self) -> usize {
        TYPICAL_SENTENCE
    }

    fn forward_flops_per_token(&self, len: usize) -> usize {
        let block = self.block();
        let encoder = self.n_encoder_layers * (block.weight_products(1) + block.attention_products(len));
        let decoder = self.n_decoder_layers * (block.weight_products(2) + block.attention_products(2 * len));
        let pruned = self.pruned_heads.products(&block.attention, |_| (1, len));
        2 * (encoder + decoder - pruned + self.d_model * self.target_vocab_size)
    }

    fn describe(&self) -> String {
        let Self { d_model, d_ff, n_heads, n_encoder_layers, n_decoder_layers, .. } = self;
        let pruned = self.pruned_heads.describe();
        format!("d_model {d_model}, d_ff {d_ff}, {n_heads} heads, {n_encoder_layers}+{n_decoder_layers} layers{pruned}")
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

    /// Base, big and the other rows of Table 3 over about the paper's vocabulary (§5.1); the sizes of T5 and ByT5.
    fn presets() -> Vec<Preset<Self>> {
        let row = |Table3Row { name, config, params_millions, .. }| Preset { name, config, params_millions };
        table3(PAPER_VOCAB_SIZE).into_iter().map(row).chain(t5::presets()).collect()
    }
}

impl EncoderDecoderSpec for TransformerConfig {}
