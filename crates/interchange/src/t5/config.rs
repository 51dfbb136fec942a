//! T5's `config.json` and ours.

use std::path::Path;

use attentive_attention::{Activation, NormKind, NormPlacement, PositionsConfig, RelativeBuckets};
use attentive_model::{TransformerConfig, t5::T5Widths};
use attentive_tokenizer::TokenId;
use serde::{Deserialize, Serialize};

use crate::{InterchangeError, activations, settings::Ids};

/// GELU by tanh in a gated network, which has this name although the exact one is called so elsewhere.
const GATED_GELU: &str = "gated-gelu";

/// The prefix of a function's name in a gated network.
const GATED: &str = "gated-";

/// The settings of `config.json` that say what the model computes, with the defaults of transformers' `T5Config`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct T5Config {
    model_type: String,
    architectures: Vec<String>,
    is_encoder_decoder: bool,
    pub(super) vocab_size: usize,
    d_model: usize,
    d_kv: usize,
    d_ff: usize,
    num_layers: usize,
    num_decoder_layers: Option<usize>,
    num_heads: usize,
    relative_attention_num_buckets: usize,
    relative_attention_max_distance: usize,
    dropout_rate: f64,
    layer_norm_epsilon: f64,
    feed_forward_proj: String,
    /// The function, whatever `feed_forward_proj` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    dense_act_fn: Option<String>,
    /// Whether the network is gated, whatever `feed_forward_proj` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    is_gated_act: Option<bool>,
    tie_word_embeddings: Option<bool>,
    /// Since transformers 5; before, what is tied is scaled.
    scale_decoder_outputs: Option<bool>,
    pad_token_id: Option<TokenId>,
    eos_token_id: Option<Ids>,
    pub(super) decoder_start_token_id: Option<TokenId>,
}

impl Default for T5Config {
    fn default() -> Self {
        Self {
            model_type: super::MODEL_TYPE.into(),
            architectures: vec!["T5ForConditionalGeneration".into()],
            is_encoder_decoder: true,
            vocab_size: 32_128,
            d_model: 512,
            d_kv: 64,
            d_ff: 2048,
            num_layers: 6,
            num_decoder_layers: None,
            num_heads: 8,
            relative_attention_num_buckets: 32,
            relative_attention_max_distance: 128,
            dropout_rate: 0.1,
            layer_norm_epsilon: 1e-6,
            feed_forward_proj: "relu".into(),
            dense_act_fn: None,
            is_gated_act: None,
            tie_word_embeddings: None,
            scale_decoder_outputs: None,
            pad_token_id: Some(0),
            eos_token_id: Some(Ids::One(1)),
            decoder_start_token_id: None,
        }
    }
}

impl T5Config {
    /// Whether the projection is said to be the embeddings.
    pub(super) fn says_tied(&self) -> bool {
        self.tie_word_embeddings != Some(false) && self.scale_decoder_outputs != Some(false)
    }

    /// Our configuration of the model that `path`, a `config.json`, describes; its file says whether the projection is tied.
    ///
    /// # Errors
    /// [`InterchangeError::Unsupported`] lists every setting that we have no equal of.
    pub(super) fn to_ours(&self, path: &Path) -> Result<TransformerConfig, InterchangeError> {
        let mut problems = Vec::new();
        let feed_forward = feed_forward(&self.feed_forward_proj);
        if feed_forward.is_none() {
            problems.push(format!(
                "feed_forward_proj is {:?}; there are {GATED_GELU}, {GATED}silu, relu, gelu and their like",
                self.feed_forward_proj
            ));
        }
        if !self.is_encoder_decoder {
            problems.push("is_encoder_decoder is false; this family has both".to_owned());
        }
        let function = self.dense_act_fn.as_deref();
        if let Some(name) = function.filter(|name| activations::ours(name).is_none()) {
            problems.push(activations::unknown("dense_act_fn", name));
        }
        let (Some((gated, activation)), true) = (feed_forward, problems.is_empty()) else {
            return Err(InterchangeError::Unsupported { path: path.to_owned(), problems });
        };
        let widths = T5Widths { d_model: self.d_model, d_ff: self.d_ff, n_heads: self.num_heads, d_kv: self.d_kv };
        let n_layers = [self.num_layers, self.num_decoder_layers.unwrap_or(self.num_layers)];
        Ok(TransformerConfig {
            dropout: self.dropout_rate,
            attention_dropout: self.dropout_rate,
            activation_dropout: self.dropout_rate,
            activation: function.and_then(activations::ours).unwrap_or(activation),
            gated: self.is_gated_act.unwrap_or(gated),
            epsilon: self.layer_norm_epsilon,
            scale_logits: self.scale_decoder_outputs.unwrap_or(self.tie_word_embeddings != Some(false)),
            positions: PositionsConfig::RelativeBuckets(RelativeBuckets {
                n_buckets: self.relative_attention_num_buckets,
                max_distance: self.relative_attention_max_distance,
            }),
            ..TransformerConfig::t5(self.vocab_size, widths, n_layers)
        })
    }

    /// T5's configuration of our model; translations begin with `start`.
    ///
    /// # Errors
    /// [`InterchangeError::Inexpressible`] lists every choice that T5 lacks.
    pub(super) fn of_ours(
        config: &TransformerConfig,
        [pad, start, eos]: [TokenId; 3],
    ) -> Result<Self, InterchangeError> {
        let buckets = match config.positions {
            PositionsConfig::RelativeBuckets(buckets) => Some(buckets),
            _ => None,
        };
        let name = feed_forward_name(config.gated, config.activation);
        let checks = [
            (config.norm == NormPlacement::Pre, "norm: its layers are pre-norm"),
            (config.norm_kind == NormKind::Rms, "norm_kind: its norms are of the kind rms"),
            (buckets.is_some(), "positions: they are relative-buckets"),
            (config.share_embeddings, "share_embeddings: it has one table"),
            (!config.bias, "bias: it has none"),
            (!config.projection_bias, "projection_bias: it has none"),
            (!config.embedding_norm, "embedding_norm: its embeddings are not normalised"),
            (!config.scale_embeddings, "scale_embeddings: its embeddings are taken as they are"),
            (config.d_k() == config.d_v(), "d_k, d_v: they are one"),
            (config.n_kv_heads.is_none_or(|n| n == config.n_heads), "n_kv_heads: each head has its own"),
            (config.window.is_none(), "window: every key is seen"),
            (name.is_some(), "activation: a gated network has GELU by tanh, not the exact one"),
        ];
        let problems: Vec<String> =
            checks.iter().filter(|(holds, _)| !holds).map(|(_, problem)| (*problem).to_owned()).collect();
        let (Some(buckets), Some(feed_forward_proj), true) = (buckets, name, problems.is_empty()) else {
            return Err(InterchangeError::Inexpressible { format: "T5", problems });
        };
        Ok(Self {
            vocab_size: config.target_vocab_size,
            d_model: config.d_model,
            d_kv: config.d_k(),
            d_ff: config.d_ff,
            num_layers: config.n_encoder_layers,
            num_decoder_layers: Some(config.n_decoder_layers),
            num_heads: config.n_heads,
            relative_attention_num_buckets: buckets.n_buckets,
            relative_attention_max_distance: buckets.max_distance,
            dropout_rate: config.dropout,
            layer_norm_epsilon: config.epsilon,
            feed_forward_proj,
            tie_word_embeddings: Some(config.tie_projection),
            scale_decoder_outputs: Some(config.scale_logits),
            pad_token_id: Some(pad),
            eos_token_id: Some(Ids::One(eos)),
            decoder_start_token_id: Some(start),
            ..Self::default()
        })
    }
}

/// Whether a network of this name is gated, and its function.
fn feed_forward(name: &str) -> Option<(bool, Activation)> {
    match name.strip_prefix(GATED) {
        _ if name == GATED_GELU => Some((true, Activation::GeluTanh)),
        Some(function) => Some((true, activations::ours(function)?)),
        None => Some((false, activations::ours(name)?)),
    }
}

/// The name of a network, if it has one.
fn feed_forward_name(gated: bool, activation: Activation) -> Option<String> {
    match (gated, activation) {
        (true, Activation::GeluTanh) => Some(GATED_GELU.to_owned()),
        (true, Activation::Gelu) => None,
        (true, other) => Some(format!("{GATED}{}", activations::theirs(other))),
        (false, any) => Some(activations::theirs(any).to_owned()),
    }
}
