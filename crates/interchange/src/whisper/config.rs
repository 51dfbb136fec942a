//! The `config.json` of transformers' Whisper, and ours.

use std::path::Path;

use attentive_bundle::SpeechTokens;
use attentive_model::WhisperConfig;
use attentive_tokenizer::TokenId;
use serde::{Deserialize, Serialize};

use crate::{InterchangeError, activations};

/// The settings of `config.json` that say what the model computes, with the defaults of transformers' `WhisperConfig`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Settings {
    model_type: String,
    architectures: Vec<String>,
    is_encoder_decoder: bool,
    vocab_size: usize,
    num_mel_bins: usize,
    d_model: usize,
    encoder_layers: usize,
    decoder_layers: usize,
    encoder_ffn_dim: usize,
    decoder_ffn_dim: usize,
    encoder_attention_heads: usize,
    decoder_attention_heads: usize,
    activation_function: String,
    scale_embedding: bool,
    tie_word_embeddings: bool,
    max_source_positions: usize,
    max_target_positions: usize,
    dropout: f64,
    attention_dropout: f64,
    activation_dropout: f64,
    decoder_start_token_id: Option<TokenId>,
    bos_token_id: Option<TokenId>,
    eos_token_id: Option<TokenId>,
    pad_token_id: Option<TokenId>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            model_type: super::MODEL_TYPE.into(),
            architectures: vec!["WhisperForConditionalGeneration".into()],
            is_encoder_decoder: true,
            vocab_size: 51_865,
            num_mel_bins: 80,
            d_model: 384,
            encoder_layers: 4,
            decoder_layers: 4,
            encoder_ffn_dim: 1536,
            decoder_ffn_dim: 1536,
            encoder_attention_heads: 6,
            decoder_attention_heads: 6,
            activation_function: "gelu".into(),
            scale_embedding: false,
            tie_word_embeddings: true,
            max_source_positions: 1500,
            max_target_positions: 448,
            dropout: 0.0,
            attention_dropout: 0.0,
            activation_dropout: 0.0,
            decoder_start_token_id: Some(50_257),
            bos_token_id: Some(50_256),
            eos_token_id: Some(50_256),
            pad_token_id: Some(50_256),
        }
    }
}

impl Settings {
    /// Our configuration of the model that `path`, a `config.json`, describes.
    ///
    /// # Errors
    /// [`InterchangeError::Unsupported`] lists every setting that we have no equal of.
    pub(super) fn to_ours(&self, path: &Path) -> Result<WhisperConfig, InterchangeError> {
        let mut problems = Vec::new();
        for (what, encoder, decoder) in [
            ("ffn_dim", self.encoder_ffn_dim, self.decoder_ffn_dim),
            ("attention_heads", self.encoder_attention_heads, self.decoder_attention_heads),
        ] {
            if encoder != decoder {
                problems
                    .push(format!("encoder_{what} is {encoder} and decoder_{what} is {decoder}: here they are one"));
            }
        }
        if self.scale_embedding {
            problems.push("scale_embedding is true: here embeddings are not scaled".to_owned());
        }
        if !self.tie_word_embeddings {
            problems.push("tie_word_embeddings is false: here the projection is the embeddings".to_owned());
        }
        let activation = activations::ours(&self.activation_function);
        if activation.is_none() {
            problems.push(activations::unknown("activation_function", &self.activation_function));
        }
        let (Some(activation), true) = (activation, problems.is_empty()) else {
            return Err(InterchangeError::Unsupported { path: path.to_owned(), problems });
        };
        Ok(WhisperConfig {
            vocab_size: self.vocab_size,
            n_mels: self.num_mel_bins,
            d_model: self.d_model,
            d_ff: self.encoder_ffn_dim,
            n_heads: self.encoder_attention_heads,
            n_encoder_layers: self.encoder_layers,
            n_decoder_layers: self.decoder_layers,
            max_source_len: self.max_source_positions,
            max_target_len: self.max_target_positions,
            dropout: self.dropout,
            attention_dropout: self.attention_dropout,
            activation_dropout: self.activation_dropout,
            activation,
        })
    }

    /// The configuration of our model, which these tokens steer.
    pub(super) fn of_ours(config: &WhisperConfig, tokens: &SpeechTokens) -> Self {
        Self {
            vocab_size: config.vocab_size,
            num_mel_bins: config.n_mels,
            d_model: config.d_model,
            encoder_layers: config.n_encoder_layers,
            decoder_layers: config.n_decoder_layers,
            encoder_ffn_dim: config.d_ff,
            decoder_ffn_dim: config.d_ff,
            encoder_attention_heads: config.n_heads,
            decoder_attention_heads: config.n_heads,
            activation_function: activations::theirs(config.activation).to_owned(),
            max_source_positions: config.max_source_len,
            max_target_positions: config.max_target_len,
            dropout: config.dropout,
            attention_dropout: config.attention_dropout,
            activation_dropout: config.activation_dropout,
            decoder_start_token_id: Some(tokens.start),
            bos_token_id: Some(tokens.end),
            eos_token_id: Some(tokens.end),
            pad_token_id: Some(tokens.end),
            ..Self::default()
        }
    }
}
