//! The `config.json` of transformers' encoder–decoders of fairseq's kind, and ours.

use std::path::Path;

use attentive_attention::{NormPlacement, PositionsConfig};
use attentive_model::TransformerConfig;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{InterchangeError, activations, checks, settings::Ids, tokenizers::SpecialIds};

/// A class of transformers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Architecture {
    /// `MarianMTModel`: post-norm, sinusoids; OPUS-MT's models.
    Marian,
    /// `PegasusForConditionalGeneration`: the same, but pre-norm, and over one vocabulary.
    Pegasus,
    /// `BartForConditionalGeneration`: post-norm, learned positions, norms of embeddings.
    Bart,
    /// `MBartForConditionalGeneration`: the same, but pre-norm.
    MBart,
    /// `M2M100ForConditionalGeneration`, NLLB too: pre-norm, fairseq's sinusoids.
    M2M100,
}

impl Architecture {
    /// The value of `model_type`.
    pub(super) fn model_type(self) -> &'static str {
        match self {
            Self::Marian => "marian",
            Self::Pegasus => "pegasus",
            Self::Bart => "bart",
            Self::MBart => "mbart",
            Self::M2M100 => "m2m_100",
        }
    }

    /// Its name among people.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Marian => "Marian",
            Self::Pegasus => "Pegasus",
            Self::Bart => "BART",
            Self::MBart => "mBART",
            Self::M2M100 => "M2M100",
        }
    }

    fn class(self) -> &'static str {
        match self {
            Self::Marian => "MarianMTModel",
            Self::Pegasus => "PegasusForConditionalGeneration",
            Self::Bart => "BartForConditionalGeneration",
            Self::MBart => "MBartForConditionalGeneration",
            Self::M2M100 => "M2M100ForConditionalGeneration",
        }
    }

    fn norm(self) -> NormPlacement {
        match self {
            Self::Marian | Self::Bart => NormPlacement::Post,
            Self::Pegasus | Self::MBart | Self::M2M100 => NormPlacement::Pre,
        }
    }

    fn has_embedding_norm(self) -> bool {
        matches!(self, Self::Bart | Self::MBart)
    }

    /// Whether the projection has a bias, which may be zero.
    pub(super) fn has_logits_bias(self) -> bool {
        self != Self::M2M100
    }

    /// Positions of models for texts of up to `max_len` tokens whose padding is `pad`.
    fn positions(self, max_len: usize, pad: Option<u32>) -> PositionsConfig {
        match self {
            Self::Marian | Self::Pegasus => PositionsConfig::Sinusoidal,
            Self::Bart | Self::MBart => PositionsConfig::Learned { max_len },
            Self::M2M100 => PositionsConfig::FairseqSinusoidal { first: pad.map_or(0, |pad| pad as usize + 1) },
        }
    }

    fn of_positions(self) -> &'static str {
        match self {
            Self::Marian | Self::Pegasus => "positions: its positions are sinusoids",
            Self::Bart | Self::MBart => "positions: its positions are learned",
            Self::M2M100 => "positions: its positions are fairseq-sinusoidal, the first that after padding's id",
        }
    }

    /// The defaults of the class's configuration that are not Marian's.
    pub(super) fn defaults(self) -> Value {
        match self {
            Self::Marian | Self::Pegasus => json!({}),
            Self::Bart => json!({
                "vocab_size": 50_265, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "decoder_start_token_id": 2,
            }),
            Self::MBart => json!({ "vocab_size": 50_265, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2 }),
            Self::M2M100 => json!({
                "vocab_size": 128_112, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2,
                "decoder_start_token_id": 2, "activation_function": "relu", "scale_embedding": true,
            }),
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
    vocab_size: usize,
    decoder_vocab_size: Option<usize>,
    share_encoder_decoder_embeddings: bool,
    tie_word_embeddings: bool,
    d_model: usize,
    encoder_layers: usize,
    decoder_layers: usize,
    encoder_ffn_dim: usize,
    decoder_ffn_dim: usize,
    encoder_attention_heads: usize,
    decoder_attention_heads: usize,
    activation_function: String,
    scale_embedding: bool,
    max_position_embeddings: usize,
    dropout: f64,
    attention_dropout: f64,
    activation_dropout: f64,
    pad_token_id: Option<u32>,
    bos_token_id: Option<u32>,
    eos_token_id: Option<Ids>,
    forced_eos_token_id: Option<Ids>,
    pub(super) decoder_start_token_id: Option<u32>,
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
            decoder_start_token_id: None,
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
        if !self.is_encoder_decoder {
            problems.push("is_encoder_decoder is false: a decoder alone, and encoder–decoders are read".to_owned());
        }
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
            embedding_norm: architecture.has_embedding_norm(),
            scale_embeddings: self.scale_embedding,
            positions: architecture.positions(self.max_position_embeddings, self.pad_token_id),
            share_embeddings: self.share_encoder_decoder_embeddings,
            tie_projection: self.tie_word_embeddings,
            ..TransformerConfig::base(self.vocab_size)
        })
    }

    /// The configuration of our model, for texts of up to `max_len` tokens, if its positions do not say how many.
    ///
    /// # Errors
    /// [`InterchangeError::Inexpressible`] lists every choice that the class lacks.
    pub(super) fn of_ours(
        config: &TransformerConfig,
        architecture: Architecture,
        ids: SpecialIds,
        max_len: usize,
    ) -> Result<Self, InterchangeError> {
        let max_len = config.positions.max_len().unwrap_or(max_len);
        let problems = problems(config, architecture, &architecture.positions(max_len, Some(ids.pad)));
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
            scale_embedding: config.scale_embeddings,
            max_position_embeddings: max_len,
            dropout: config.dropout,
            attention_dropout: config.attention_dropout,
            activation_dropout: config.activation_dropout,
            pad_token_id: Some(ids.pad),
            bos_token_id: Some(ids.bos),
            eos_token_id: Some(Ids::One(ids.eos)),
            forced_eos_token_id: None,
            decoder_start_token_id: ids.start,
            is_encoder_decoder: true,
        })
    }
}

/// The choices of a configuration that the class lacks, whose positions are `positions`.
fn problems(config: &TransformerConfig, architecture: Architecture, positions: &PositionsConfig) -> Vec<String> {
    let mut problems = checks::problems(config);
    match (architecture, config.norm) {
        (Architecture::Marian, NormPlacement::Pre) => problems
            .push("norm is \"pre\": its layers are post-norm; the formats pegasus and ctranslate2 take it".to_owned()),
        (Architecture::Pegasus, NormPlacement::Post) => {
            problems.push("norm is \"post\": its layers are pre-norm; the format marian takes it".to_owned());
        }
        (_, norm) if norm != architecture.norm() => {
            problems
                .push(format!("norm: its layers are {}-norm", if norm == NormPlacement::Pre { "post" } else { "pre" }));
        }
        _ => {}
    }
    if config.positions != *positions {
        problems.push(architecture.of_positions().to_owned());
    }
    match (config.embedding_norm, architecture.has_embedding_norm()) {
        (true, false) => problems.push("embedding_norm: its embeddings are not normalised".to_owned()),
        (false, true) => problems.push("embedding_norm: its embeddings are normalised".to_owned()),
        _ => {}
    }
    if config.projection_bias && !architecture.has_logits_bias() {
        problems.push("projection_bias: it has none".to_owned());
    }
    if architecture != Architecture::Marian && !(config.share_embeddings && config.tie_projection) {
        problems.push("share_embeddings, tie_projection: it has one table".to_owned());
    }
    problems
}
