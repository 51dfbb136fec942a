//! Sizes and choices of a [`Transformer`].

use attentive_attention::{
    Activation, AddNorm, Embedding, FeedForwardConfig, Initializer, LayerNorm, MultiHeadAttentionConfig, NormPlacement,
    PositionsConfig,
};
use attentive_backend::Device;
use serde::{Deserialize, Serialize};

use super::{Decoder, DecoderLayer, Encoder, EncoderLayer, Transformer};
use crate::ConfigError;

/// Sizes and choices of a [`Transformer`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    /// Where sub-layers are normalised.
    #[serde(default)]
    pub norm: NormPlacement,
    /// Kind of positional encoding.
    #[serde(default)]
    pub positions: PositionsConfig,
    /// Whether source and target use one embedding matrix (§3.4); needs one joint vocabulary.
    #[serde(default = "yes")]
    pub share_embeddings: bool,
    /// Whether the pre-soft-max projection is the target embedding matrix (§3.4).
    #[serde(default = "yes")]
    pub tie_projection: bool,
}

fn yes() -> bool {
    true
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
            d_k: None,
            d_v: None,
            n_encoder_layers: 6,
            n_decoder_layers: 6,
            dropout: 0.1,
            attention_dropout: 0.0,
            activation_dropout: 0.0,
            activation: Activation::Relu,
            norm: NormPlacement::Post,
            positions: PositionsConfig::Sinusoidal,
            share_embeddings: true,
            tie_projection: true,
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

    /// A model with initial parameters, drawn from `seed`: the same on every backend.
    ///
    /// # Errors
    /// [`ConfigError`] names the setting that is wrong.
    pub fn init(&self, device: &Device, seed: u64) -> Result<Transformer, ConfigError> {
        self.validate()?;
        let init = &Initializer::new(seed, device);
        let embedding = |vocab_size| Embedding::new(vocab_size, self.d_model, init);
        let final_norm = || (self.norm == NormPlacement::Pre).then(|| LayerNorm::new(self.d_model, init));
        Ok(Transformer {
            source_embedding: embedding(self.source_vocab_size),
            target_embedding: (!self.share_embeddings).then(|| embedding(self.target_vocab_size)),
            projection: (!self.tie_projection).then(|| embedding(self.target_vocab_size)),
            source_positions: self.positions.init(self.d_model, init),
            target_positions: self.positions.init(self.d_model, init),
            encoder: Encoder {
                layers: (0..self.n_encoder_layers).map(|_| self.encoder_layer(init)).collect(),
                norm: final_norm(),
            },
            decoder: Decoder {
                layers: (0..self.n_decoder_layers).map(|_| self.decoder_layer(init)).collect(),
                norm: final_norm(),
            },
            dropout: self.dropout,
        })
    }

    fn encoder_layer(&self, init: &Initializer) -> EncoderLayer {
        EncoderLayer {
            self_attention: self.attention().init(init),
            self_attention_add_norm: self.add_norm(init),
            feed_forward: self.feed_forward().init(init),
            feed_forward_add_norm: self.add_norm(init),
        }
    }

    fn decoder_layer(&self, init: &Initializer) -> DecoderLayer {
        DecoderLayer {
            self_attention: self.attention().init(init),
            self_attention_add_norm: self.add_norm(init),
            cross_attention: self.attention().init(init),
            cross_attention_add_norm: self.add_norm(init),
            feed_forward: self.feed_forward().init(init),
            feed_forward_add_norm: self.add_norm(init),
        }
    }

    fn attention(&self) -> MultiHeadAttentionConfig {
        MultiHeadAttentionConfig {
            d_model: self.d_model,
            n_heads: self.n_heads,
            d_k: self.d_k(),
            d_v: self.d_v(),
            dropout: self.attention_dropout,
        }
    }

    fn feed_forward(&self) -> FeedForwardConfig {
        FeedForwardConfig {
            d_model: self.d_model,
            d_ff: self.d_ff,
            activation: self.activation,
            dropout: self.activation_dropout,
        }
    }

    fn add_norm(&self, init: &Initializer) -> AddNorm {
        AddNorm::new(self.d_model, self.dropout, self.norm, init)
    }

    /// Whether there can be such a model.
    ///
    /// # Errors
    /// [`ConfigError`] names the setting that is wrong.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let sizes = [
            ("source_vocab_size", self.source_vocab_size),
            ("target_vocab_size", self.target_vocab_size),
            ("d_model", self.d_model),
            ("d_ff", self.d_ff),
            ("n_heads", self.n_heads),
            ("n_encoder_layers", self.n_encoder_layers),
            ("n_decoder_layers", self.n_decoder_layers),
            ("d_k", self.d_k.unwrap_or(1)),
            ("d_v", self.d_v.unwrap_or(1)),
            ("positions.learned.max_len", self.positions.max_len().unwrap_or(1)),
        ];
        if let Some(&(key, _)) = sizes.iter().find(|(_, size)| *size == 0) {
            return Err(ConfigError::Zero { key });
        }
        let rates = [
            ("dropout", self.dropout),
            ("attention_dropout", self.attention_dropout),
            ("activation_dropout", self.activation_dropout),
        ];
        if let Some(&(key, value)) = rates.iter().find(|(_, rate)| !(0.0..1.0).contains(rate)) {
            return Err(ConfigError::Probability { key, value });
        }
        let derived = self.d_k.is_none() || self.d_v.is_none();
        if derived && !self.d_model.is_multiple_of(self.n_heads) {
            return Err(ConfigError::Heads { d_model: self.d_model, n_heads: self.n_heads });
        }
        let (source_size, target_size) = (self.source_vocab_size, self.target_vocab_size);
        if self.share_embeddings && source_size != target_size {
            return Err(ConfigError::SharedVocabularies { source_size, target_size });
        }
        Ok(())
    }

    /// Number of parameters, computed without allocating any.
    pub fn n_params(&self) -> usize {
        let d = self.d_model;
        let norm = 2 * d;
        let attention = self.attention_params();
        let feed_forward = 2 * d * self.d_ff + self.d_ff + d;
        let encoder_layer = attention + feed_forward + 2 * norm;
        let decoder_layer = 2 * attention + feed_forward + 3 * norm;
        let final_norms = if self.norm == NormPlacement::Pre { 2 * norm } else { 0 };
        self.embedding_params()
            + self.n_encoder_layers * encoder_layer
            + self.n_decoder_layers * decoder_layer
            + final_norms
    }

    /// Multiply–add pairs times two that one target token costs in the forward pass, next to one source token, at
    /// attention over `src` and `tgt` positions: products with weights and in attention.
    pub fn forward_flops_per_token(&self, src: usize, tgt: usize) -> usize {
        let (d, heads) = (self.d_model, self.n_heads * (self.d_k() + self.d_v()));
        let weights = |attentions: usize| attentions * 2 * d * heads + 2 * d * self.d_ff;
        let encoder = self.n_encoder_layers * (weights(1) + heads * src);
        let decoder = self.n_decoder_layers * (weights(2) + heads * (src + tgt));
        2 * (encoder + decoder + d * self.target_vocab_size)
    }

    fn attention_params(&self) -> usize {
        let (keys, values) = (self.n_heads * self.d_k(), self.n_heads * self.d_v());
        // Query, key, value and output, each with its bias.
        2 * (self.d_model * keys + keys) + (self.d_model * values + values) + (values * self.d_model + self.d_model)
    }

    fn embedding_params(&self) -> usize {
        let own_target = if self.share_embeddings { 0 } else { self.target_vocab_size };
        let own_projection = if self.tie_projection { 0 } else { self.target_vocab_size };
        let positions = 2 * self.positions.max_len().unwrap_or(0);
        (self.source_vocab_size + own_target + own_projection + positions) * self.d_model
    }
}
