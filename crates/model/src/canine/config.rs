//! Sizes and choices of a [`Canine`].

use attentive_attention::{
    Activation, Embedding, FeedForwardConfig, InitScheme, Initializer, Linear, MultiHeadAttentionConfig, NormConfig,
    NormPlacement, PositionsConfig, PositionsShape,
};
use serde::{Deserialize, Serialize};

use super::{Canine, CharacterDecoder, Downsampling, Guessing, HashedEmbedding, PRIMES, Upsampling};
use crate::{BlockConfig, ConfigError, EncoderSpec, ModelSpec, Preset, bert::MaskedLmHead, checks};

/// Number of Unicode's code points, which such a model reads.
pub const N_CODE_POINTS: usize = char::MAX as usize + 1;

/// Characters of a text that costs are stated for, as CANINE is pre-trained with.
const TYPICAL_TEXT: usize = 2048;

/// Sizes and choices of a [`Canine`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CanineConfig {
    /// Segments that embeddings tell apart.
    pub n_segments: usize,
    /// Width of embeddings and of every sub-layer's output.
    pub d_model: usize,
    /// Width within the feed-forward sub-layers.
    pub d_ff: usize,
    /// Attention heads; they share out `d_model`.
    pub n_heads: usize,
    /// Layers of the deep stack; there is one of characters below it and one above.
    pub n_layers: usize,
    /// Hash functions; they share out `d_model`.
    #[serde(default = "n_hashes")]
    pub n_hashes: usize,
    /// Buckets of each hash function.
    pub n_buckets: usize,
    /// Characters that there are positions for.
    pub max_len: usize,
    /// Characters of a block, all that the first layer sees.
    #[serde(default = "block")]
    pub block: usize,
    /// Characters of a molecule.
    #[serde(default = "four")]
    pub rate: usize,
    /// Characters that the convolution back to characters spans.
    #[serde(default = "four")]
    pub upsampling_width: usize,
    /// Dropout of embeddings and of sub-layer outputs, and before the classifier.
    pub dropout: f64,
    /// Dropout of attention weights.
    #[serde(default)]
    pub attention_dropout: f64,
    /// Function within the feed-forward sub-layers, of the convolutions and the head that guesses characters.
    #[serde(default = "gelu")]
    pub activation: Activation,
    /// Where sub-layers are normalised.
    #[serde(default = "post")]
    pub norm: NormPlacement,
    /// ε of every layer norm.
    pub epsilon: f64,
    /// Standard deviation that weights are drawn with.
    #[serde(default = "init_std")]
    pub init_std: f64,
    /// Whether there is a pooler, which makes one vector of a text.
    pub pooler: bool,
    /// Whether there is a head that guesses hidden characters.
    pub masked_lm: bool,
    /// Characters that it guesses among; all others are one class more (docs/deviations.md#characters-that-are-guessed).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub alphabet: String,
    /// How it guesses them.
    #[serde(default, skip_serializing_if = "Guessing::is_default")]
    pub guessing: Guessing,
    /// The subwords that it guesses among, of `guessing = "subwords"`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subwords: Vec<String>,
    /// Whether there is a head that tells if the second segment follows the first.
    #[serde(default)]
    pub next_sentence: bool,
    /// Classes of the classifier; without any there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
}

fn n_hashes() -> usize {
    8
}

fn block() -> usize {
    128
}

fn four() -> usize {
    4
}

fn gelu() -> Activation {
    Activation::Gelu
}

fn post() -> NormPlacement {
    NormPlacement::Post
}

fn init_std() -> f64 {
    0.02
}

impl CanineConfig {
    /// CANINE's choices at any size: `[n_layers, n_heads, d_model]` with 8 hash functions of 16,384 buckets, 16,384
    /// positions, blocks of 128 characters, molecules of 4, and BERT's layers (Clark et al. 2022; ε, segments and the
    /// convolutions as in the released models).
    pub fn canine_like([n_layers, n_heads, d_model]: [usize; 3]) -> Self {
        Self {
            n_segments: 16,
            d_model,
            d_ff: 4 * d_model,
            n_heads,
            n_layers,
            n_hashes: n_hashes(),
            n_buckets: 16_384,
            max_len: 16_384,
            block: block(),
            rate: four(),
            upsampling_width: four(),
            dropout: 0.1,
            attention_dropout: 0.1,
            activation: Activation::Gelu,
            norm: NormPlacement::Post,
            epsilon: 1e-12,
            init_std: init_std(),
            pooler: true,
            masked_lm: true,
            alphabet: String::new(),
            guessing: Guessing::default(),
            subwords: Vec::new(),
            next_sentence: true,
            labels: Vec::new(),
        }
    }

    /// The code points that hidden characters are guessed among, by class; the last one is for all others.
    pub(super) fn classes(&self) -> Vec<u32> {
        let mut classes: Vec<u32> = self.alphabet.chars().map(u32::from).collect();
        classes.sort_unstable();
        classes.dedup();
        classes.push(char::REPLACEMENT_CHARACTER.into());
        classes
    }

    /// Classes that hidden characters or subwords are guessed among: one at the least, while there is no list yet.
    fn n_classes(&self) -> usize {
        match self.guessing {
            Guessing::Subwords => self.subwords.len().max(1),
            Guessing::Independent | Guessing::Autoregressive => self.classes().len(),
        }
    }

    fn guesses_subwords(&self) -> bool {
        self.guessing == Guessing::Subwords
    }

    fn is_autoregressive(&self) -> bool {
        self.guessing == Guessing::Autoregressive
    }

    fn has_classifier(&self) -> bool {
        !self.labels.is_empty()
    }

    fn norm_config(&self) -> NormConfig {
        NormConfig { epsilon: self.epsilon, ..NormConfig::layer(self.d_model) }
    }

    fn layer(&self) -> BlockConfig {
        let attention = MultiHeadAttentionConfig::new(self.d_model, self.n_heads.max(1));
        BlockConfig {
            attention: MultiHeadAttentionConfig { dropout: self.attention_dropout, ..attention },
            feed_forward: FeedForwardConfig {
                d_model: self.d_model,
                d_ff: self.d_ff,
                activation: self.activation,
                gated: false,
                bias: true,
                dropout: 0.0,
            },
            norm: self.norm_config(),
            placement: self.norm,
            parallel: false,
            dropout: self.dropout,
        }
    }

    fn positions(&self) -> PositionsConfig {
        PositionsConfig::Learned { max_len: self.max_len }
    }

    fn positions_shape(&self) -> PositionsShape {
        let d_k = self.d_model / self.n_heads.max(1);
        PositionsShape { d_model: self.d_model, n_heads: self.n_heads, d_k, causal: false }
    }
}

impl ModelSpec for CanineConfig {
    type Model = Canine;

    const FAMILY: &'static str = "canine";
    const SUMMARY: &'static str = "encoder only, of characters";

    fn validate(&self) -> Result<(), ConfigError> {
        checks::sizes(&[
            ("n_segments", self.n_segments),
            ("d_model", self.d_model),
            ("d_ff", self.d_ff),
            ("n_heads", self.n_heads),
            ("n_layers", self.n_layers),
            ("n_hashes", self.n_hashes),
            ("n_buckets", self.n_buckets),
            ("max_len", self.max_len),
            ("block", self.block),
            ("rate", self.rate),
            ("upsampling_width", self.upsampling_width),
        ])?;
        checks::probabilities(&[("dropout", self.dropout), ("attention_dropout", self.attention_dropout)])?;
        checks::heads(self.d_model, self.n_heads)?;
        let (d_model, n_hashes) = (self.d_model, self.n_hashes);
        if n_hashes > PRIMES.len() || !d_model.is_multiple_of(n_hashes) {
            return Err(ConfigError::Hashes { d_model, n_hashes, limit: PRIMES.len() });
        }
        checks::positive(&[("epsilon", self.epsilon), ("init_std", self.init_std)])?;
        if self.guessing != Guessing::default() && !self.masked_lm {
            return Err(ConfigError::NothingGuessed);
        }
        if !self.subwords.is_empty() && !self.guesses_subwords() {
            return Err(ConfigError::Needs { key: "subwords", needs: "guessing = \"subwords\"" });
        }
        checks::pooler(self.pooler, &[("next_sentence", self.next_sentence), ("labels", self.has_classifier())])
    }

    fn n_params(&self) -> usize {
        let (d, layer, norm) = (self.d_model, self.layer(), self.norm_config().n_params());
        let count = |there: bool, n_params: usize| if there { n_params } else { 0 };
        let linear = |d_in, d_out| Linear::n_params(d_in, d_out, true);
        (self.n_buckets + self.n_segments) * d
            + self.positions().n_params(self.positions_shape())
            + norm
            + (self.n_layers + 2) * layer.n_params()
            + 3 * layer.n_final_norm_params()
            + linear(self.rate * d, d)
            + linear(self.upsampling_width * 2 * d, d)
            + 2 * norm
            + count(self.pooler, linear(d, d))
            + count(self.masked_lm, linear(d, d) + norm + self.n_classes())
            + count(self.guesses_subwords(), self.n_classes() * d)
            + count(self.is_autoregressive(), linear(2 * d, d) + layer.n_params() + layer.n_final_norm_params())
            + count(self.next_sentence, linear(d, 2))
            + count(self.has_classifier(), linear(d, self.labels.len()))
    }

    fn init_scheme(&self) -> InitScheme {
        InitScheme::Normal { std: self.init_std, residual_std: self.init_std }
    }

    fn build(&self, init: &Initializer) -> Canine {
        let (d_model, activation) = (self.d_model, self.activation);
        let (norm, block) = (self.norm_config(), self.layer());
        let alphabet = self.classes();
        Canine {
            embedding: HashedEmbedding::new([self.n_hashes, self.n_buckets], d_model, init),
            positions: self.positions().init(self.positions_shape(), init),
            segments: Embedding::unscaled(self.n_segments, d_model, init),
            norm: norm.init(init),
            local: block.stack(1, init),
            downsampling: Downsampling::new(self.rate, &norm, activation, init),
            encoder: block.stack(self.n_layers, init),
            upsampling: Upsampling::new(self.upsampling_width, &norm, activation, self.dropout, init),
            last: block.stack(1, init),
            pooler: self.pooler.then(|| Linear::new(d_model, d_model, true, init)),
            masked_lm: self
                .masked_lm
                .then(|| MaskedLmHead::new(self.n_classes(), norm.d_model, &norm, activation, init)),
            subwords: self.guesses_subwords().then(|| init.embedding([self.n_classes(), d_model])),
            autoregressive: self.is_autoregressive().then(|| CharacterDecoder::new(d_model, &block, activation, init)),
            next_sentence: self.next_sentence.then(|| Linear::new(d_model, 2, true, init)),
            classifier: self.has_classifier().then(|| Linear::new(d_model, self.labels.len(), true, init)),
            dropout: self.dropout,
            block: self.block,
            rate: self.rate,
            alphabet,
        }
    }

    fn vocab_size(&self) -> usize {
        N_CODE_POINTS
    }

    fn set_vocab_size(&mut self, vocab_size: usize) -> Result<(), ConfigError> {
        if vocab_size == N_CODE_POINTS { Ok(()) } else { Err(ConfigError::NotCodePoints { vocab_size }) }
    }

    fn max_len(&self) -> Option<usize> {
        Some(self.max_len)
    }

    fn d_model(&self) -> usize {
        self.d_model
    }

    fn typical_len(&self) -> usize {
        TYPICAL_TEXT.min(self.max_len)
    }

    fn forward_flops_per_token(&self, len: usize) -> usize {
        let (d, layer) = (self.d_model, self.layer());
        let of_characters = 2 * layer.weight_products(1)
            + layer.attention_products(len.min(self.block))
            + layer.attention_products(len)
            + self.upsampling_width * 2 * d * d;
        let of_molecules = self.rate * d * d
            + self.n_layers * (layer.weight_products(1) + layer.attention_products(len.div_ceil(self.rate)));
        2 * (of_characters + of_molecules.div_ceil(self.rate))
    }

    fn describe(&self) -> String {
        let Self { d_model, d_ff, n_heads, n_layers, rate, .. } = self;
        format!("d_model {d_model}, d_ff {d_ff}, {n_heads} heads, 1+{n_layers}+1 layers, {rate} characters a molecule")
    }

    fn recomputes_layers(&self) -> bool {
        true
    }

    /// The one size of CANINE-S and CANINE-C (Clark et al. 2022, "Experimental Setup" and the released models).
    fn presets() -> Vec<Preset<Self>> {
        vec![Preset::published("canine", Self::canine_like([12, 12, 768]), 132.0)]
    }
}

impl EncoderSpec for CanineConfig {
    fn n_segments(&self) -> usize {
        self.n_segments
    }

    fn has_masked_lm(&self) -> bool {
        self.masked_lm
    }

    fn has_next_sentence(&self) -> bool {
        self.next_sentence
    }

    fn labels(&self) -> &[String] {
        &self.labels
    }

    fn set_labels(&mut self, labels: Vec<String>) {
        (self.pooler, self.masked_lm, self.next_sentence, self.labels) = (true, false, false, labels);
        (self.guessing, self.subwords) = (Guessing::default(), Vec::new());
    }

    fn alphabet_mut(&mut self) -> Option<&mut String> {
        Some(&mut self.alphabet)
    }

    fn guessing_mut(&mut self) -> Option<&mut Guessing> {
        Some(&mut self.guessing)
    }

    fn subwords(&self) -> &[String] {
        match self.guessing {
            Guessing::Subwords => &self.subwords,
            Guessing::Independent | Guessing::Autoregressive => &[],
        }
    }

    fn subwords_mut(&mut self) -> Option<&mut Vec<String>> {
        self.guesses_subwords().then_some(&mut self.subwords)
    }

    fn reads_characters(&self) -> bool {
        true
    }
}
