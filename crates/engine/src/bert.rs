//! The encoder alone.

use std::borrow::Cow;

use attentive_attention::{NormKind, PositionsConfig};
use attentive_core::{DeviceError, Encoded, Encoder, EncoderInput};
use attentive_kernels::ActivationKind;
use attentive_model::{BertConfig, ModelSpec, PoolerActivation, PoolerInput};
use attentive_weights::{Source, WeightsError};

use crate::{
    attention::{HeadDims, spans},
    embedding::{Embedding, Projection},
    layer::{Linear, Norm, NormScratch},
    load::{Loader, Shape, StackPlan},
    positions::Positions,
    shared::WeightPacking,
    stack::{Scratch, Stack},
};

/// Tokens that are read at a time: their hidden values stay in the caches.
const READ_AT_ONCE: usize = 1024;

/// Path of the matrix that projects to the vocabulary, if the model guesses hidden tokens.
pub(crate) fn projection_path(config: &BertConfig) -> Option<&'static str> {
    config.masked_lm.then_some(if config.tie_projection { "embedding" } else { "projection" })
}

/// The encoder alone in use on the CPU: any [`BertConfig`].
#[derive(Debug)]
pub struct CpuBert {
    embedding: Embedding,
    /// Those that are added to embeddings.
    positions: Option<Positions>,
    /// The segments' embeddings, `[segments, d_embedding]`; nothing without segments.
    segments: Vec<f32>,
    first_position: usize,
    /// The longest text, if there is one; rotations may have an end, too.
    max_len: Option<usize>,
    norm: Norm,
    embedding_map: Option<Linear>,
    encoder: Stack,
    d_model: usize,
    pooler: Option<Pooler>,
    masked_lm: Option<MaskedLm>,
    classifier: Option<Linear>,
    token_classifier: Option<Linear>,
    spans: Option<Linear>,
    /// The projection that guesses hidden tokens; without a head, it serves the embeddings alone.
    projection: Option<Projection>,
}

/// Makes one vector of a text, or of each token.
#[derive(Debug)]
struct Pooler {
    map: Linear,
    activation: PoolerActivation,
    norm: Option<Norm>,
    input: PoolerInput,
    /// Whether heads of tokens and of answers read its output for each token.
    of_tokens: bool,
}

impl Pooler {
    /// `[n, d_model]` to the same shape.
    fn forward(&self, vectors: &[f32]) -> Vec<f32> {
        let mut pooled = Vec::new();
        match self.activation {
            PoolerActivation::Tanh => {
                self.map.forward(vectors, ActivationKind::Identity, &mut pooled);
                pooled.iter_mut().for_each(|x| *x = x.tanh());
            }
            PoolerActivation::Relu => self.map.forward(vectors, ActivationKind::Relu, &mut pooled),
            PoolerActivation::Gelu => self.map.forward(vectors, ActivationKind::Gelu, &mut pooled),
        }
        let Some(norm) = &self.norm else { return pooled };
        let mut scratch = NormScratch::default();
        norm.forward(&pooled, &mut scratch);
        scratch.y
    }
}

/// The mean of the vectors of each text's tokens: `[texts, d_model]`.
fn means(encoded: &Encoded) -> Vec<f32> {
    let d_model = encoded.d_model();
    let mean = |text: &[f32]| {
        let weight = d_model as f32 / text.len() as f32;
        let mut sum = vec![0.0; d_model];
        text.chunks_exact(d_model).flatten().zip((0..d_model).cycle()).for_each(|(x, at)| sum[at] += x * weight);
        sum
    };
    encoded.texts().flat_map(mean).collect()
}

/// What stands before the projection that guesses hidden tokens.
#[derive(Debug)]
struct MaskedLm {
    dense: Linear,
    activation: ActivationKind,
    norm: Norm,
}

impl CpuBert {
    /// Packs parameters, named as those of `attentive_model::Bert`.
    ///
    /// # Errors
    /// [`WeightsError::Mismatch`] lists parameters that are missing, left over, or of another shape; any other is that of
    /// a parameter that can't be read.
    pub fn new(
        config: &BertConfig,
        params: &dyn Source,
        packing: impl Into<WeightPacking>,
    ) -> Result<Self, WeightsError> {
        // Every field by name, so that a new one must be followed.
        let BertConfig {
            vocab_size,
            n_segments,
            d_embedding,
            d_model,
            d_ff,
            n_heads,
            n_layers,
            n_layer_groups,
            dropout: _,
            attention_dropout: _,
            activation,
            gated,
            bias,
            norm,
            first_norm,
            epsilon,
            ref positions,
            first_position,
            relative_buckets,
            window,
            ref full_layers,
            window_theta: _,
            init_std: _,
            pooler,
            pooler_activation,
            pooler_norm,
            pooler_input,
            pooler_tokens,
            masked_lm,
            next_sentence,
            ref labels,
            ref token_labels,
            spans,
            tie_projection,
            ref pruned_heads,
        } = *config;
        let d_k = d_model / n_heads.max(1);
        let dims =
            HeadDims { heads: n_heads, kv_heads: n_heads, d_k, d_v: d_k, scale: 1.0 / (d_k as f32).sqrt(), cap: None };
        let is_embedded = match positions {
            PositionsConfig::Sinusoidal
            | PositionsConfig::FairseqSinusoidal { .. }
            | PositionsConfig::Learned { .. } => true,
            PositionsConfig::Rotary(_) | PositionsConfig::Alibi | PositionsConfig::RelativeBuckets(_) => false,
        };
        // Of those that are added to embeddings, the stack makes nothing.
        let of_stack = relative_buckets.map_or_else(|| positions.clone(), PositionsConfig::RelativeBuckets);
        let of_stack = if is_embedded && relative_buckets.is_none() { PositionsConfig::Sinusoidal } else { of_stack };
        let shape = Shape {
            d_model,
            d_ff,
            dims,
            activation: activation.into(),
            gated,
            bias,
            qkv_bias: bias,
            key_bias: true,
            qk_norm: false,
            parallel: false,
            placement: norm,
            norm_kind: NormKind::Layer,
            epsilon,
            positions: of_stack,
            window,
            window_rotary: config.window_rotary(),
        };
        let mut loader = Loader::new(params, shape, packing.into());
        let is_tied = masked_lm && tie_projection;
        let width = d_embedding.unwrap_or(d_model);
        let projection = projection_path(config).map(|path| {
            let mut projection = loader.at_width(width, |loader| loader.projection(path, vocab_size));
            projection.bias = Some(loader.values("masked_lm.bias", &[vocab_size]));
            projection
        });
        let segments = match n_segments {
            0 => Vec::new(),
            n => loader.values("segments.weight", &[n, width]),
        };
        let plan = StackPlan {
            path: "encoder",
            positions: if relative_buckets.is_some() { "relative_buckets" } else { "positions" },
            n_layers: n_layer_groups.unwrap_or(n_layers),
            causal: false,
            cross: false,
            full_layers,
            first_norm,
            pruned: Some(pruned_heads),
        };
        let model = Self {
            embedding: loader.at_width(width, |loader| loader.embedding("embedding", vocab_size, 1.0, is_tied)),
            positions: is_embedded
                .then(|| loader.at_width(width, |loader| loader.positions(positions, "positions", false))),
            segments,
            first_position,
            max_len: config.max_len(),
            norm: loader.at_width(width, |loader| loader.norm("norm")),
            embedding_map: d_embedding.map(|width| loader.linear("embedding_map", [width, d_model], bias)),
            encoder: Stack { depth: n_layers, ..loader.stack(plan) },
            d_model,
            pooler: pooler.then(|| Pooler {
                map: loader.linear("pooler", [d_model, d_model], bias),
                activation: pooler_activation,
                norm: pooler_norm.then(|| loader.norm("pooler_norm")),
                input: pooler_input,
                of_tokens: pooler_tokens,
            }),
            masked_lm: masked_lm.then(|| MaskedLm {
                dense: loader.linear("masked_lm.dense", [d_model, width], bias),
                activation: activation.into(),
                norm: loader.at_width(width, |loader| loader.norm("masked_lm.norm")),
            }),
            classifier: (!labels.is_empty()).then(|| loader.linear("classifier", [d_model, labels.len()], true)),
            token_classifier: (!token_labels.is_empty())
                .then(|| loader.linear("token_classifier", [d_model, token_labels.len()], true)),
            spans: spans.then(|| loader.linear("spans", [d_model, 2], true)),
            projection,
        };
        if next_sentence {
            loader.linear("next_sentence", [d_model, 2], true);
        }
        loader.finish()?;
        Ok(model)
    }

    /// What heads of tokens read: their vectors, or the pooler's output for each.
    fn features<'a>(&self, vectors: &'a [f32]) -> Cow<'a, [f32]> {
        match self.pooler.as_ref().filter(|pooler| pooler.of_tokens) {
            Some(pooler) => Cow::Owned(pooler.forward(vectors)),
            None => Cow::Borrowed(vectors),
        }
    }

    /// Reads some texts; appends the vectors of their tokens to `hidden`.
    fn read(&self, texts: &[EncoderInput<'_>], scratch: &mut Scratch, hidden: &mut Vec<f32>) {
        let longest = texts.iter().map(|text| text.ids.len()).max().unwrap_or(0);
        scratch.encodings.clear();
        if let Some(positions) = &self.positions {
            positions.fill(self.first_position, longest, &mut scratch.encodings);
        }
        let width = scratch.encodings.len().checked_div(longest).unwrap_or(0);
        scratch.x.clear();
        for text in texts {
            let encodings = &scratch.encodings[..text.ids.len() * width];
            self.embedding.append(self.projection.as_ref(), text.ids, encodings, &mut scratch.x);
        }
        let (width, segments) = (self.embedding.d_model, texts.iter().flat_map(EncoderInput::segments));
        if !self.segments.is_empty() {
            for (x, segment) in scratch.x.chunks_exact_mut(width).zip(segments) {
                let segment = &self.segments[usize::from(segment) * width..][..width];
                x.iter_mut().zip(segment).for_each(|(x, segment)| *x += segment);
            }
        }
        self.norm.forward(&scratch.x, &mut scratch.norm);
        match &self.embedding_map {
            Some(map) => map.forward(&scratch.norm.y, ActivationKind::Identity, &mut scratch.x),
            None => std::mem::swap(&mut scratch.x, &mut scratch.norm.y),
        }
        self.encoder.read(scratch, &spans(texts.iter().map(|text| text.ids.len())));
        hidden.extend_from_slice(&scratch.x);
    }
}

impl Encoder for CpuBert {
    fn max_len(&self) -> Option<usize> {
        self.max_len
    }

    fn encode(&self, texts: &[EncoderInput<'_>]) -> Result<Encoded, DeviceError> {
        let (mut scratch, mut hidden) = (Scratch::default(), Vec::new());
        let mut rest = texts;
        while !rest.is_empty() {
            let mut n_tokens = 0;
            let fit = rest.iter().take_while(|text| {
                n_tokens += text.ids.len();
                n_tokens <= READ_AT_ONCE
            });
            let (some, others) = rest.split_at(fit.count().max(1));
            self.read(some, &mut scratch, &mut hidden);
            rest = others;
        }
        Ok(Encoded::new(hidden, texts.iter().map(|text| text.ids.len()).collect(), self.d_model))
    }

    fn token_scores(&self, vectors: &[f32]) -> Option<Result<Vec<f32>, DeviceError>> {
        let (MaskedLm { dense, activation, norm }, projection) = (self.masked_lm.as_ref()?, self.projection.as_ref()?);
        let (mut features, mut scratch) = (Vec::new(), NormScratch::default());
        dense.forward(vectors, *activation, &mut features);
        norm.forward(&features, &mut scratch);
        Some(Ok(projection.logits(&mut scratch.y)))
    }

    fn label_scores(&self, encoded: &Encoded) -> Option<Result<Vec<f32>, DeviceError>> {
        let (classifier, pooler) = (self.classifier.as_ref()?, self.pooler.as_ref()?);
        let pooled = match pooler.input {
            PoolerInput::First => pooler.forward(encoded.cls()),
            PoolerInput::Mean => pooler.forward(&means(encoded)),
        };
        Some(Ok(scores(classifier, &pooled)))
    }

    fn token_label_scores(&self, vectors: &[f32]) -> Option<Result<Vec<f32>, DeviceError>> {
        Some(Ok(scores(self.token_classifier.as_ref()?, &self.features(vectors))))
    }

    fn span_scores(&self, vectors: &[f32]) -> Option<Result<Vec<f32>, DeviceError>> {
        Some(Ok(scores(self.spans.as_ref()?, &self.features(vectors))))
    }
}

/// The scores that a head gives to vectors.
fn scores(head: &Linear, vectors: &[f32]) -> Vec<f32> {
    let mut scores = Vec::new();
    head.forward(vectors, ActivationKind::Identity, &mut scores);
    scores
}
