//! The `config.json` of transformers' encoder–decoders with sinusoids, and ours.

use std::path::Path;

use attentive_attention::{NormPlacement, PositionsConfig};
use attentive_model::TransformerConfig;
use serde::{Deserialize, Serialize};

use crate::{InterchangeError, activations, checks, settings::Ids, tokenizers::SpecialIds};

/// A class of transformers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Architecture {
    /// `MarianMTModel`: post-norm; OPUS-MT's models.
    Marian,
    /// `PegasusForConditionalGeneration`: the same, but pre-norm, and over one vocabulary.
    Pegasus,
}

impl Architecture {
    /// The value of `model_type`.
    pub(super) fn model_type(self) -> &'static str {
        match self {
            Self::Marian => "marian",
            Self::Pegasus => "pegasus",
        }
    }

    /// Its name among people.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Marian => "Marian",
            Self::Pegasus => "Pegasus",
        }
    }

    fn class(self) -> &'static str {
        match self {
            Self::Marian => "MarianMTModel",
            Self::Pegasus => "PegasusForConditionalGeneration",
        }
    }

    fn norm(self) -> NormPlacement {
        match self {
            Self::Marian => NormPlacement::Post,
            Self::Pegasus => NormPlacement::Pre,
        }
    }
}

/// The settings of `config.json` that say what the model computes, with the defaults of transformers' `MarianConfig`.
///
/// Its classes do not read other settings of such files either.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Seq2SeqConfig {
    model_type: String,
    architectures: Vec<String>,
    is_encoder_decoder: bool,
    pub(super) vocab_size: usize,
    decoder_vocab_size: Option<usize>,
    pub(super) share_encoder_decoder_embeddings: bool,
    pub(super) tie_word_embeddings: bool,
    pub(super) d_model: usize,
    encoder_layers: usize,
    decoder_layers: usize,
    encoder_ffn_dim: usize,
    decoder_ffn_dim: usize,
    encoder_attention_heads: usize,
    decoder_attention_heads: usize,
    activation_function: String,
    pub(super) scale_embedding: bool,
    max_position_embeddings: usize,
    dropout: f64,
    attention_dropout: f64,
    activation_dropout: f64,
    pub(super) pad_token_id: Option<u32>,
    bos_token_id: Option<u32>,
    eos_token_id: Option<Ids>,
    forced_eos_token_id: Option<Ids>,
    pub(super) decoder_start_token_id: u32,
}

impl Default for Seq2SeqConfig {
    fn default() -> Self {
        Self {
            model_type: Architecture::Marian.model_type().into(),
            architectures: vec![Architecture::Marian.class().into()],
            is_encoder_decoder: true,
            vocab_size: 58_101,
            decoder_vocab_size: None,
            share_encoder_decoder_embeddings: true,
            tie_word_embeddings: true,
            d_model: 1024,
            encoder_layers: 12,
            decoder_layers: 12,
            encoder_ffn_dim: 4096,
            decoder_ffn_dim: 4096,
            encoder_attention_heads: 16,
            decoder_attention_heads: 16,
            activation_function: "gelu".into(),
            scale_embedding: false,
            max_position_embeddings: 1024,
            dropout: 0.1,
            attention_dropout: 0.0,
            activation_dropout: 0.0,
            pad_token_id: Some(58_100),
            bos_token_id: None,
            eos_token_id: Some(Ids::One(0)),
            forced_eos_token_id: Some(Ids::One(0)),
            decoder_start_token_id: 58_100,
        }
    }
}

impl Seq2SeqConfig {
    /// Our configuration of the model that `path`, a `config.json`, describes.
    ///
    /// # Errors
    /// [`InterchangeError::Unsupported`] lists every setting that we have no equal of.
    pub(super) fn to_ours(
        &self,
        architecture: Architecture,
        path: &Path,
    ) -> Result<TransformerConfig, InterchangeError> {
        let mut problems = Vec::new();
        let mut same = |what: &str, encoder: usize, decoder: usize| {
            if encoder != decoder {
                problems
                    .push(format!("encoder_{what} is {encoder} and decoder_{what} is {decoder}: here they are one"));
            }
        };
        same("ffn_dim", self.encoder_ffn_dim, self.decoder_ffn_dim);
        same("attention_heads", self.encoder_attention_heads, self.decoder_attention_heads);
        let activation = activations::ours(&self.activation_function);
        if activation.is_none() {
            problems.push(activations::unknown("activation_function", &self.activation_function));
        }
        let (Some(activation), true) = (activation, problems.is_empty()) else {
            return Err(InterchangeError::Unsupported { path: path.to_owned(), problems });
        };
        Ok(TransformerConfig {
            source_vocab_size: self.vocab_size,
            target_vocab_size: self.decoder_vocab_size.unwrap_or(self.vocab_size),
            d_model: self.d_model,
            d_ff: self.encoder_ffn_dim,
            n_heads: self.encoder_attention_heads,
            n_encoder_layers: self.encoder_layers,
            n_decoder_layers: self.decoder_layers,
            dropout: self.dropout,
            attention_dropout: self.attention_dropout,
            activation_dropout: self.activation_dropout,
            activation,
            norm: architecture.norm(),
            share_embeddings: self.share_encoder_decoder_embeddings,
            tie_projection: self.tie_word_embeddings,
            ..TransformerConfig::base(self.vocab_size)
        })
    }

    /// The configuration of our model, for texts of up to `max_len` tokens.
    ///
    /// # Errors
    /// [`InterchangeError::Inexpressible`] lists every choice that the class lacks.
    pub(super) fn of_ours(
        config: &TransformerConfig,
        architecture: Architecture,
        ids: SpecialIds,
        max_len: usize,
    ) -> Result<Self, InterchangeError> {
        let mut problems = checks::problems(config);
        match (architecture, config.norm) {
            (Architecture::Marian, NormPlacement::Pre) => problems.push(
                "norm is \"pre\": its layers are post-norm; the formats pegasus and ctranslate2 take it".to_owned(),
            ),
            (Architecture::Pegasus, NormPlacement::Post) => {
                problems.push("norm is \"post\": its layers are pre-norm; the format marian takes it".to_owned());
            }
            _ => {}
        }
        if config.positions != PositionsConfig::Sinusoidal {
            problems.push("positions: its positions are sinusoids".to_owned());
        }
        if architecture == Architecture::Pegasus && !(config.share_embeddings && config.tie_projection) {
            problems.push("share_embeddings, tie_projection: it has one table".to_owned());
        }
        if !problems.is_empty() {
            return Err(InterchangeError::Inexpressible { format: architecture.name(), problems });
        }
        Ok(Self {
            model_type: architecture.model_type().into(),
            architectures: vec![architecture.class().into()],
            vocab_size: config.source_vocab_size,
            decoder_vocab_size: Some(config.target_vocab_size),
            share_encoder_decoder_embeddings: config.share_embeddings,
            tie_word_embeddings: config.tie_projection,
            d_model: config.d_model,
            encoder_layers: config.n_encoder_layers,
            decoder_layers: config.n_decoder_layers,
            encoder_ffn_dim: config.d_ff,
            decoder_ffn_dim: config.d_ff,
            encoder_attention_heads: config.n_heads,
            decoder_attention_heads: config.n_heads,
            activation_function: activations::theirs(config.activation).to_owned(),
            scale_embedding: true,
            max_position_embeddings: max_len,
            dropout: config.dropout,
            attention_dropout: config.attention_dropout,
            activation_dropout: config.activation_dropout,
            pad_token_id: Some(ids.pad),
            bos_token_id: Some(ids.bos),
            eos_token_id: Some(Ids::One(ids.eos)),
            forced_eos_token_id: None,
            decoder_start_token_id: ids.bos,
            is_encoder_decoder: true,
        })
    }
}
