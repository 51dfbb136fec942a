//! Sizes and choices of a [`Bert`].

use attentive_attention::{
    Activation, Embedding, FeedForwardConfig, InitScheme, Initializer, Linear, MultiHeadAttentionConfig, NormConfig,
    NormPlacement, PositionsConfig, PositionsShape, RelativeBuckets, Rotary,
};
use serde::{Deserialize, Serialize};

use super::{Bert, PoolerActivation, PoolerInput, heads::MaskedLmHead, presets::presets};
use crate::{
    AttentionKind, Attentions, BlockConfig, ConfigError, EncoderSpec, LayeredParts, ModelHeads, ModelSpec, Preset,
    Stack, checks, windows::Windows,
};

/// Sizes and choices of a [`Bert`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct BertConfig {
    /// Entries of the vocabulary.
    pub vocab_size: usize,
    /// Segments that embeddings tell apart: BERT's two, RoBERTa's one; 0 for none, as in DistilBERT and MPNet.
    pub n_segments: usize,
    /// Width of embeddings, which are then mapped to `d_model`, as in ELECTRA and ALBERT; by default `d_model`, and no map.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub d_embedding: Option<usize>,
    /// Width of embeddings and of every sub-layer's output.
    pub d_model: usize,
    /// Width within the feed-forward sub-layers.
    pub d_ff: usize,
    /// Attention heads; they share out `d_model`.
    pub n_heads: usize,
    /// Layers.
    pub n_layers: usize,
    /// Layers with parameters of their own, which all layers share out in their order, as ALBERT's groups; by default each
    /// layer has its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n_layer_groups: Option<usize>,
    /// Dropout of embeddings and of sub-layer outputs, and before the classifier.
    pub dropout: f64,
    /// Dropout of attention weights.
    #[serde(default)]
    pub attention_dropout: f64,
    /// Function within the feed-forward sub-layers and the masked language model's head.
    #[serde(default = "gelu")]
    pub activation: Activation,
    /// Whether the feed-forward sub-layers are gated: with GELU this is GEGLU, as in ModernBERT.
    #[serde(default, skip_serializing_if = "is_no")]
    pub gated: bool,
    /// Whether maps and norms have biases; classifiers always have, and scores of hidden tokens.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub bias: bool,
    /// Where sub-layers are normalised.
    #[serde(default = "post")]
    pub norm: NormPlacement,
    /// Whether the first layer's attention has a norm; without it, as in ModernBERT, it reads the normalised embeddings as they
    /// are. Not post-norm.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub first_norm: bool,
    /// ε of every layer norm.
    pub epsilon: f64,
    /// How tokens know where they stand; learned positions bound the length.
    pub positions: PositionsConfig,
    /// Position of the first token: 0, or 2 in RoBERTa, whose first two vectors are never used.
    #[serde(default)]
    pub first_position: usize,
    /// Distances whose biases are added to the scores of every layer, if positions are added to embeddings and distances
    /// count too: MPNet's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relative_buckets: Option<RelativeBuckets>,
    /// How near a key must be to be seen, on either side: at less than `window` positions; without it, all are seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<usize>,
    /// Layers, from 0, that see everything although there is a window.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub full_layers: Vec<usize>,
    /// Base of the frequencies of rotary positions in the layers with a window; without it, that of all. These are not scaled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_theta: Option<f64>,
    /// Standard deviation that weights are drawn with.
    #[serde(default = "init_std")]
    pub init_std: f64,
    /// Whether there is a pooler, which makes one vector of a sequence.
    pub pooler: bool,
    /// Function after the pooler's map.
    #[serde(default, skip_serializing_if = "PoolerActivation::is_default")]
    pub pooler_activation: PoolerActivation,
    /// Whether the function's output is normalised, as in ModernBERT.
    #[serde(default, skip_serializing_if = "is_no")]
    pub pooler_norm: bool,
    /// What the pooler reads of a text.
    #[serde(default, skip_serializing_if = "PoolerInput::is_default")]
    pub pooler_input: PoolerInput,
    /// Whether the classifier of tokens and the head of answers read the pooler's output for each token, as in ModernBERT.
    #[serde(default, skip_serializing_if = "is_no")]
    pub pooler_tokens: bool,
    /// Whether there is a head that guesses hidden tokens.
    pub masked_lm: bool,
    /// Whether there is a head that tells if the second segment follows the first.
    #[serde(default)]
    pub next_sentence: bool,
    /// Classes of the classifier of texts; without any there is none. A single one is a score.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// Classes of the classifier of tokens; without any there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub token_labels: Vec<String>,
    /// Whether there is a head that finds the first and the last token of an answer.
    #[serde(default, skip_serializing_if = "is_no")]
    pub spans: bool,
    /// Whether hidden tokens are guessed with the embedding matrix; else with a matrix of its own.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub tie_projection: bool,
    /// Heads that were pruned (Michel et al. 2019), by name: `encoder.0.self:3`, counted from 0.
    #[serde(default, skip_serializing_if = "ModelHeads::is_empty")]
    pub pruned_heads: ModelHeads,
}

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_yes(value: &bool) -> bool {
    *value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_no(value: &bool) -> bool {
    !*value
}

fn gelu() -> Activation {
    Activation::Gelu
}

/// BERT's; there the normal distribution is cut off at twice that.
fn init_std() -> f64 {
    0.02
}

fn post() -> NormPlacement {
    NormPlacement::Post
}

impl BertConfig {
    /// BERT's choices at any size: post-norm, GELU, learned positions, two segments, `d_ff = 4 · d_model`, dropout 0.1,
    /// and both of its heads (Devlin et al. 2019, §3 and A.2; ε as in the released code).
    pub fn bert_like(vocab_size: usize, max_len: usize, [n_layers, n_heads, d_model]: [usize; 3]) -> Self {
        Self {
            vocab_size,
            n_segments: 2,
            d_embedding: None,
            d_model,
            d_ff: 4 * d_model,
            n_heads,
            n_layers,
            n_layer_groups: None,
            dropout: 0.1,
            attention_dropout: 0.1,
            activation: Activation::Gelu,
            gated: false,
            bias: true,
            norm: NormPlacement::Post,
            first_norm: true,
            epsilon: 1e-12,
            positions: PositionsConfig::Learned { max_len },
            first_position: 0,
            relative_buckets: None,
            window: None,
            full_layers: Vec::new(),
            window_theta: None,
            init_std: init_std(),
            pooler: true,
            pooler_activation: PoolerActivation::Tanh,
            pooler_norm: false,
            pooler_input: PoolerInput::First,
            pooler_tokens: false,
            masked_lm: true,
            next_sentence: true,
            labels: Vec::new(),
            token_labels: Vec::new(),
            spans: false,
            tie_projection: true,
            pruned_heads: ModelHeads::default(),
        }
    }

    /// RoBERTa's choices at any size: as BERT's, with one segment, no next-sentence head and so no pooler, and positions
    /// from 2 on, of which `max_len` can be used (Liu et al. 2019, §4; offset and ε as in the released models).
    pub fn roberta_like(vocab_size: usize, max_len: usize, sizes: [usize; 3]) -> Self {
        Self {
            n_segments: 1,
            epsilon: 1e-5,
            first_position: 2,
            pooler: false,
            next_sentence: false,
            ..Self::bert_like(vocab_size, max_len + 2, sizes)
        }
    }

    /// ModernBERT's choices at any size: pre-norm after normalised embeddings, GEGLU, no biases, rotary positions, and two of
    /// three layers that see 64 positions to each side; without dropout and with the head for hidden tokens alone (Warner et
    /// al. 2024, §2.1; bases of frequencies and ε as in the released models).
    pub fn modern_bert_like(vocab_size: usize, d_ff: usize, sizes: [usize; 3]) -> Self {
        Self {
            n_segments: 0,
            d_ff,
            dropout: 0.0,
            attention_dropout: 0.0,
            gated: true,
            bias: false,
            norm: NormPlacement::Pre,
            first_norm: false,
            epsilon: 1e-5,
            positions: PositionsConfig::rotary(160_000.0),
            window: Some(65),
            full_layers: (0..sizes[0]).step_by(3).collect(),
            window_theta: Some(10_000.0),
            pooler: false,
            pooler_activation: PoolerActivation::Gelu,
            pooler_norm: true,
            pooler_tokens: true,
            next_sentence: false,
            ..Self::bert_like(vocab_size, 1, sizes)
        }
    }

    /// Width of embeddings.
    pub fn embedding_width(&self) -> usize {
        self.d_embedding.unwrap_or(self.d_model)
    }

    /// Layers with parameters of their own.
    pub fn n_own_layers(&self) -> usize {
        self.n_layer_groups.unwrap_or(self.n_layers)
    }

    fn has_projection(&self) -> bool {
        self.masked_lm && !self.tie_projection
    }

    fn has_classifier(&self) -> bool {
        !self.labels.is_empty()
    }

    fn has_token_classifier(&self) -> bool {
        !self.token_labels.is_empty()
    }

    fn norm_config(&self, width: usize) -> NormConfig {
        NormConfig { epsilon: self.epsilon, bias: self.bias, ..NormConfig::layer(width) }
    }

    fn block(&self) -> BlockConfig {
        let attention = MultiHeadAttentionConfig::new(self.d_model, self.n_heads.max(1));
        BlockConfig {
            attention: MultiHeadAttentionConfig {
                qkv_bias: self.bias,
                bias: self.bias,
                dropout: self.attention_dropout,
                ..attention
            },
            feed_forward: FeedForwardConfig {
                d_model: self.d_model,
                d_ff: self.d_ff,
                activation: self.activation,
                gated: self.gated,
                bias: self.bias,
                dropout: 0.0,
            },
            norm: self.norm_config(self.d_model),
            placement: self.norm,
            parallel: false,
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

    fn stack(&self, init: &Initializer) -> Stack {
        let depths = [self.n_own_layers(), self.n_layers];
        let mut stack = self.block().pruned_stack(depths, AttentionKind::Encoder, &self.pruned_heads, init);
        if !self.first_norm {
            stack.layers[0].self_attention_add_norm.norm = None;
        }
        stack
    }

    fn every_attention(&self) -> Attentions {
        let places = AttentionKind::Encoder.places(self.n_own_layers()).collect();
        Attentions { places, whole: self.block().attention, pruned: self.pruned_heads.clone() }
    }

    /// The biases of distances as positions of their own.
    fn distances(&self) -> Option<PositionsConfig> {
        self.relative_buckets.map(PositionsConfig::RelativeBuckets)
    }

    fn positions_shape(&self) -> PositionsShape {
        let d_k = self.d_model / self.n_heads.max(1);
        PositionsShape { d_model: self.embedding_width(), n_heads: self.n_heads, d_k, causal: false }
    }
}

impl ModelSpec for BertConfig {
    type Model = Bert;

    const FAMILY: &'static str = "bert";
    const SUMMARY: &'static str = "encoder only";

    fn validate(&self) -> Result<(), ConfigError> {
        checks::sizes(&[
            ("vocab_size", self.vocab_size),
            ("n_segments", self.n_segments.max(1)),
            ("d_embedding", self.embedding_width()),
            ("d_model", self.d_model),
            ("d_ff", self.d_ff),
            ("n_heads", self.n_heads),
            ("n_layers", self.n_layers),
            ("n_layer_groups", self.n_own_layers()),
        ])?;
        if let Some(n_layer_groups) = self.n_layer_groups.filter(|&groups| groups > self.n_layers) {
            return Err(ConfigError::LayerGroups { n_layer_groups, n_layers: self.n_layers });
        }
        checks::probabilities(&[("dropout", self.dropout), ("attention_dropout", self.attention_dropout)])?;
        checks::heads(self.d_model, self.n_heads)?;
        let attention = self.block().attention;
        checks::attention(&attention, &self.positions)?;
        self.every_attention().validate()?;
        self.windows().validate(self.n_layers, &attention, &self.positions, self.window_theta)?;
        let first_norm = [
            (self.norm == NormPlacement::Post, "a norm before sub-layers: set norm = \"pre\""),
            (self.n_layer_groups.is_some(), "a first layer of its own: leave out n_layer_groups"),
        ];
        if let Some((_, needs)) = first_norm.into_iter().find(|(lacks, _)| *lacks && !self.first_norm) {
            return Err(ConfigError::Needs { key: "first_norm", needs });
        }
        if let Some(buckets) = &self.relative_buckets {
            checks::buckets("relative_buckets", buckets)?;
            if !matches!(self.positions, PositionsConfig::Sinusoidal | PositionsConfig::Learned { .. }) {
                return Err(ConfigError::BucketsTwice);
            }
        }
        let first_position = self.first_position;
        if let Some(max_len) = self.positions.max_len().filter(|&max_len| max_len <= first_position) {
            return Err(ConfigError::NoPositions { first_position, max_len });
        }
        checks::positive(&[("epsilon", self.epsilon), ("init_std", self.init_std)])?;
        checks::pooler(self.pooler, &[("next_sentence", self.next_sentence), ("labels", self.has_classifier())])
    }

    fn n_params(&self) -> usize {
        let block = self.block();
        let count = |there: bool, n_params: usize| if there { n_params } else { 0 };
        let of_map = |d_in, d_out| Linear::n_params(d_in, d_out, self.bias);
        let of_head = |d_out| Linear::n_params(self.d_model, d_out, true);
        let (width, shape) = (self.embedding_width(), self.positions_shape());
        (self.vocab_size + self.n_segments) * width
            + self.positions.n_params(shape)
            + self.norm_config(width).n_params()
            + count(self.d_embedding.is_some(), of_map(width, self.d_model))
            + self.distances().map_or(0, |distances| distances.n_params(shape))
            + self.n_own_layers() * block.n_params()
            - count(!self.first_norm, block.norm.n_params())
            + block.n_final_norm_params()
            + count(self.pooler, of_map(self.d_model, self.d_model))
            + count(self.pooler && self.pooler_norm, self.norm_config(self.d_model).n_params())
            + count(self.masked_lm, of_map(self.d_model, width) + self.norm_config(width).n_params() + self.vocab_size)
            + count(self.has_projection(), self.vocab_size * width)
            + count(self.next_sentence, of_head(2))
            + count(self.has_classifier(), of_head(self.labels.len()))
            + count(self.has_token_classifier(), of_head(self.token_labels.len()))
            + count(self.spans, of_head(2))
            - self.pruned_heads.n_params(&block.attention)
    }

    fn init_scheme(&self) -> InitScheme {
        InitScheme::Normal { std: self.init_std, residual_std: self.init_std }
    }

    fn build(&self, init: &Initializer) -> Bert {
        let (d_model, width, shape) = (self.d_model, self.embedding_width(), self.positions_shape());
        Bert {
            embedding: Embedding::unscaled(self.vocab_size, width, init),
            positions: self.positions.init(shape, init),
            segments: (self.n_segments > 0).then(|| Embedding::unscaled(self.n_segments, width, init)),
            norm: self.norm_config(width).init(init),
            embedding_map: self.d_embedding.map(|width| Linear::new(width, d_model, self.bias, init)),
            relative_buckets: self.distances().map(|distances| distances.init(shape, init)),
            encoder: self.stack(init),
            pooler: self.pooler.then(|| Linear::new(d_model, d_model, self.bias, init)),
            pooler_norm: (self.pooler && self.pooler_norm).then(|| self.norm_config(d_model).init(init)),
            masked_lm: self
                .masked_lm
                .then(|| MaskedLmHead::new(self.vocab_size, d_model, &self.norm_config(width), self.activation, init)),
            projection: self.has_projection().then(|| Embedding::unscaled(self.vocab_size, width, init)),
            next_sentence: self.next_sentence.then(|| Linear::new(d_model, 2, true, init)),
            classifier: self.has_classifier().then(|| Linear::new(d_model, self.labels.len(), true, init)),
            token_classifier: self
                .has_token_classifier()
                .then(|| Linear::new(d_model, self.token_labels.len(), true, init)),
            spans: self.spans.then(|| Linear::new(d_model, 2, true, init)),
            dropout: self.dropout,
            first_position: self.first_position,
            windows: self.windows(),
            pooler_activation: self.pooler_activation,
            pooler_input: self.pooler_input,
            pooler_tokens: self.pooler_tokens,
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
        self.positions.max_len().map(|max_len| max_len - self.first_position.min(max_len))
    }

    fn d_model(&self) -> usize {
        self.d_model
    }

    fn forward_flops_per_token(&self, len: usize) -> usize {
        let block = self.block();
        let map = self.d_embedding.map_or(0, |width| width * self.d_model);
        let (windows, reach) = (self.windows(), |window: usize| 2 * window - 1);
        let keys = windows.keys_seen(self.n_layers, len, reach);
        let pruned = self.pruned_heads.products(&block.attention, |place| {
            // The layers of the stack that share these parameters.
            let is_here = |number: &usize| number * self.n_own_layers() / self.n_layers == place.layer;
            let layers = (0..self.n_layers).filter(is_here);
            (layers.clone().count(), layers.map(|number| windows.keys_seen_in(number, len, reach)).sum())
        });
        2 * (map + self.n_layers * block.weight_products(1) + block.attention_products(keys) - pruned)
    }

    fn describe(&self) -> String {
        let Self { d_model, d_ff, n_heads, n_layers, .. } = self;
        format!("d_model {d_model}, d_ff {d_ff}, {n_heads} heads, {n_layers} layers{}", self.pruned_heads.describe())
    }

    fn recomputes_layers(&self) -> bool {
        true
    }

    fn layered_encoder(&self) -> Option<LayeredParts> {
        const PARTS: &[&str] =
            &["embedding", "positions", "segments", "norm", "embedding_map", "relative_buckets", "encoder"];
        Some(LayeredParts { n_layers: self.n_layers, parts: PARTS })
    }

    fn attentions(&self) -> Option<Attentions> {
        Some(self.every_attention())
    }

    fn prune_heads(&mut self, heads: &ModelHeads) -> Result<(), ConfigError> {
        self.pruned_heads.extend(heads.iter());
        self.validate()
    }

    fn presets() -> Vec<Preset<Self>> {
        presets()
    }
}

impl EncoderSpec for BertConfig {
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

    fn token_labels(&self) -> &[String] {
        &self.token_labels
    }

    fn has_spans(&self) -> bool {
        self.spans
    }

    fn set_labels(&mut self, labels: Vec<String>) {
        (self.pooler, self.masked_lm, self.next_sentence, self.labels) = (true, false, false, labels);
        (self.token_labels, self.spans) = (Vec::new(), false);
    }
}
