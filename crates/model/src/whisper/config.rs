//! Sizes and choices of a [`Whisper`].

use attentive_attention::{
    Activation, Embedding, FeedForwardConfig, InitScheme, Initializer, MultiHeadAttention, MultiHeadAttentionConfig,
    NormConfig, NormPlacement, PositionsConfig, PositionsShape,
};
use serde::{Deserialize, Serialize};

use super::{Stem, Whisper, stem::KERNEL};
use crate::{BlockConfig, ConfigError, Decoder, LayeredParts, ModelSpec, Preset, SpeechSpec, checks};

/// Entries of the vocabulary of the models for several languages, and of the third large one, which has one language more.
const VOCAB_SIZE: usize = 51_865;
const VOCAB_SIZE_V3: usize = 51_866;

/// Standard deviation of initial weights, of the stem but not: GPT-2's, as the authors' own is not published.
const STD: f64 = 0.02;

/// Sizes and choices of a [`Whisper`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct WhisperConfig {
    /// Entries of the vocabulary.
    pub vocab_size: usize,
    /// Bins of the mel scale in a frame of a spectrogram.
    pub n_mels: usize,
    /// Width of vectors and of every sub-layer's output.
    pub d_model: usize,
    /// Width within the feed-forward sub-layers.
    pub d_ff: usize,
    /// Attention heads.
    pub n_heads: usize,
    /// Encoder layers.
    pub n_encoder_layers: usize,
    /// Decoder layers.
    pub n_decoder_layers: usize,
    /// Positions of the encoder, each of two frames: 1,500 for 30 seconds.
    pub max_source_len: usize,
    /// Learned positions of the decoder.
    pub max_target_len: usize,
    /// Dropout of sub-layer outputs and of sums of vectors and encodings.
    pub dropout: f64,
    /// Dropout of attention weights.
    #[serde(default)]
    pub attention_dropout: f64,
    /// Dropout within the feed-forward sub-layers.
    #[serde(default)]
    pub activation_dropout: f64,
    /// Function within the feed-forward sub-layers.
    #[serde(default = "gelu")]
    pub activation: Activation,
}

fn gelu() -> Activation {
    Activation::Gelu
}

impl WhisperConfig {
    /// A model of this width, with heads of width 64 and so many encoder and decoder layers, for windows of 30 seconds
    /// (Radford et al. 2022, Table 1); without dropout.
    pub fn whisper_like(
        vocab_size: usize,
        n_mels: usize,
        [n_encoder_layers, n_decoder_layers, d_model]: [usize; 3],
    ) -> Self {
        Self {
            vocab_size,
            n_mels,
            d_model,
            d_ff: 4 * d_model,
            n_heads: d_model / 64,
            n_encoder_layers,
            n_decoder_layers,
            max_source_len: 1500,
            max_target_len: 448,
            dropout: 0.0,
            attention_dropout: 0.0,
            activation_dropout: 0.0,
            activation: gelu(),
        }
    }

    /// Parts of a layer; a decoder's layer has one more attention.
    fn block(&self) -> BlockConfig {
        BlockConfig {
            attention: MultiHeadAttentionConfig {
                dropout: self.attention_dropout,
                ..MultiHeadAttentionConfig::new(self.d_model, self.n_heads.max(1))
            },
            feed_forward: FeedForwardConfig {
                d_model: self.d_model,
                d_ff: self.d_ff,
                activation: self.activation,
                gated: false,
                bias: true,
                dropout: self.activation_dropout,
            },
            norm: NormConfig::layer(self.d_model),
            placement: NormPlacement::Pre,
            parallel: false,
            dropout: self.dropout,
        }
    }

    fn source_positions(&self) -> PositionsConfig {
        PositionsConfig::FairseqSinusoidal { first: 0 }
    }

    fn target_positions(&self) -> PositionsConfig {
        PositionsConfig::Learned { max_len: self.max_target_len }
    }
}

impl ModelSpec for WhisperConfig {
    type Model = Whisper;

    const FAMILY: &'static str = "whisper";
    const SUMMARY: &'static str = "encoder-decoder of speech";

    fn validate(&self) -> Result<(), ConfigError> {
        checks::sizes(&[
            ("vocab_size", self.vocab_size),
            ("n_mels", self.n_mels),
            ("d_model", self.d_model),
            ("d_ff", self.d_ff),
            ("n_heads", self.n_heads),
            ("n_encoder_layers", self.n_encoder_layers),
            ("n_decoder_layers", self.n_decoder_layers),
            ("max_source_len", self.max_source_len),
            ("max_target_len", self.max_target_len),
        ])?;
        checks::probabilities(&[
            ("dropout", self.dropout),
            ("attention_dropout", self.attention_dropout),
            ("activation_dropout", self.activation_dropout),
        ])?;
        checks::heads(self.d_model, self.n_heads)?;
        checks::attention(&self.block().attention, &self.source_positions())
    }

    fn n_params(&self) -> usize {
        let block = self.block();
        // Keys have no biases.
        let attention = block.attention.n_params() - self.d_model;
        let encoder_layer = block.n_params() - self.d_model;
        let decoder_layer = encoder_layer + attention + block.n_add_norm_params();
        Stem::n_params(self.n_mels, self.d_model)
            + (self.vocab_size + self.max_target_len) * self.d_model
            + self.n_encoder_layers * encoder_layer
            + self.n_decoder_layers * decoder_layer
            + 2 * block.n_final_norm_params()
    }

    fn init_scheme(&self) -> InitScheme {
        let n_branches = 2 * self.n_encoder_layers.max(self.n_decoder_layers);
        InitScheme::Normal { std: STD, residual_std: STD / (n_branches as f64).sqrt() }
    }

    fn build(&self, init: &Initializer) -> Whisper {
        let block = self.block();
        let shape =
            |causal| PositionsShape { d_model: self.d_model, n_heads: self.n_heads, d_k: block.attention.d_k, causal };
        let mut whisper = Whisper {
            stem: Stem::new(self.n_mels, self.d_model, init),
            embedding: Embedding::unscaled(self.vocab_size, self.d_model, init),
            source_positions: self.source_positions().init(shape(false), init),
            target_positions: self.target_positions().init(shape(true), init),
            encoder: block.stack(self.n_encoder_layers, init),
            decoder: Decoder::new(&block, self.n_decoder_layers, init),
            dropout: self.dropout,
        };
        whisper.attentions().for_each(|attention| attention.key.bias = None);
        whisper
    }

    fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    fn set_vocab_size(&mut self, vocab_size: usize) -> Result<(), ConfigError> {
        self.vocab_size = vocab_size;
        Ok(())
    }

    fn max_len(&self) -> Option<usize> {
        Some(self.max_target_len)
    }

    fn d_model(&self) -> usize {
        self.d_model
    }

    /// One target token, and its share of what the encoder does for a whole window.
    fn forward_flops_per_token(&self, len: usize) -> usize {
        let block = self.block();
        let src = self.max_source_len;
        let stem = KERNEL * self.d_model * (2 * self.n_mels + self.d_model);
        let encoder = src * (stem + self.n_encoder_layers * (block.weight_products(1) + block.attention_products(src)));
        let decoder = self.n_decoder_layers * (block.weight_products(2) + block.attention_products(len + src));
        2 * (encoder / len.max(1) + decoder + self.d_model * self.vocab_size)
    }

    fn describe(&self) -> String {
        let Self { d_model, d_ff, n_heads, n_encoder_layers, n_decoder_layers, n_mels, .. } = self;
        format!(
            "{n_mels} mels, d_model {d_model}, d_ff {d_ff}, {n_heads} heads, {n_encoder_layers}+{n_decoder_layers} layers"
        )
    }

    fn recomputes_layers(&self) -> bool {
        true
    }

    fn layered_encoder(&self) -> Option<LayeredParts> {
        const PARTS: &[&str] = &["stem", "source_positions", "encoder"];
        Some(LayeredParts { n_layers: self.n_encoder_layers, parts: PARTS })
    }

    /// The released sizes, with the counts of Radford et al. 2022, Table 1, and of the third large model's card.
    fn presets() -> Vec<Preset<Self>> {
        let preset = |name, vocab_size, n_mels, sizes, millions| {
            Preset::published(name, Self::whisper_like(vocab_size, n_mels, sizes), millions)
        };
        vec![
            preset("whisper-tiny", VOCAB_SIZE, 80, [4, 4, 384], 39.0),
            preset("whisper-base", VOCAB_SIZE, 80, [6, 6, 512], 74.0),
            preset("whisper-small", VOCAB_SIZE, 80, [12, 12, 768], 244.0),
            preset("whisper-medium", VOCAB_SIZE, 80, [24, 24, 1024], 769.0),
            preset("whisper-large", VOCAB_SIZE, 80, [32, 32, 1280], 1550.0),
            preset("whisper-large-v3", VOCAB_SIZE_V3, 128, [32, 32, 1280], 1550.0),
            preset("whisper-large-v3-turbo", VOCAB_SIZE_V3, 128, [32, 4, 1280], 809.0),
        ]
    }
}

impl SpeechSpec for WhisperConfig {
    fn frames(&self) -> [usize; 2] {
        [2 * self.max_source_len, self.n_mels]
    }

    fn set_frames(&mut self, [n_frames, n_bins]: [usize; 2]) {
        (self.max_source_len, self.n_mels) = (n_frames.div_ceil(2), n_bins);
    }
}

impl Whisper {
    /// Every attention.
    fn attentions(&mut self) -> impl Iterator<Item = &mut MultiHeadAttention> {
        let encoder = self.encoder.layers.iter_mut().map(|layer| &mut layer.self_attention);
        let decoder = self.decoder.layers.iter_mut();
        encoder.chain(decoder.flat_map(|layer| [&mut layer.self_attention, &mut layer.cross_attention]))
    }
}
