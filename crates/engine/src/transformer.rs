//! The encoder–decoder.

use attentive_core::{
    DeviceError, EncoderDecoder, NextToken, Scores, SourceAttention, TokenId, TokenMatrix, Turn, Want,
};
use attentive_model::TransformerConfig;
use attentive_weights::{Source, WeightsError};

use crate::{
    attention::{HeadDims, Span, spans},
    decoder::{Decoder, State},
    embedding::Embedding,
    layer::Norm,
    load::{Loader, Shape, StackPlan},
    shared::WeightPacking,
    stack::{Scratch, Stack},
};

/// Path of the matrix that projects to the vocabulary.
pub(crate) fn projection_path(config: &TransformerConfig) -> &'static str {
    match (config.tie_projection, config.share_embeddings) {
        (false, _) => "projection",
        (true, true) => "source_embedding",
        (true, false) => "target_embedding",
    }
}

/// The encoder–decoder Transformer in use on the CPU: any [`TransformerConfig`].
#[derive(Debug)]
pub struct CpuTransformer {
    source_embedding: Embedding,
    /// Norm of what the encoder reads.
    source_norm: Option<Norm>,
    encoder: Stack,
    decoder: Decoder,
}

impl CpuTransformer {
    /// Packs parameters, named as those of `attentive_model::Transformer`.
    ///
    /// # Errors
    /// [`WeightsError::Mismatch`] lists parameters that are missing, left over, or of another shape; any other is that of
    /// a parameter that can't be read.
    pub fn new(
        config: &TransformerConfig,
        params: &dyn Source,
        packing: impl Into<WeightPacking>,
    ) -> Result<Self, WeightsError> {
        // Every field by name, so that a new one must be followed.
        let TransformerConfig {
            source_vocab_size,
            target_vocab_size,
            d_model,
            d_ff,
            n_heads,
            n_kv_heads,
            d_k: _,
            d_v: _,
            n_encoder_layers,
            n_decoder_layers,
            dropout: _,
            attention_dropout: _,
            activation_dropout: _,
            activation,
            gated,
            bias,
            norm,
            norm_kind,
            epsilon,
            scale_scores,
            scale_embeddings,
            scale_logits,
            embedding_norm,
            ref positions,
            window,
            share_embeddings,
            tie_projection,
            projection_bias,
            ref pruned_heads,
        } = *config;
        let (d_k, d_v) = (config.d_k(), config.d_v());
        let scale = if scale_scores { 1.0 / (d_k as f32).sqrt() } else { 1.0 };
        let shape = Shape {
            d_model,
            d_ff,
            dims: HeadDims { heads: n_heads, kv_heads: n_kv_heads.unwrap_or(n_heads), d_k, d_v, scale, cap: None },
            activation: activation.into(),
            gated,
            bias,
            qkv_bias: bias,
            key_bias: true,
            qk_norm: false,
            parallel: false,
            placement: norm,
            norm_kind,
            epsilon,
            positions: positions.clone(),
            window,
            window_rotary: None,
        };
        let mut loader = Loader::new(params, shape, packing.into());
        let scale = if scale_embeddings { (d_model as f32).sqrt() } else { 1.0 };
        let of_target = if share_embeddings { "source_embedding" } else { "target_embedding" };
        let mut projection = loader.projection(projection_path(config), target_vocab_size);
        projection.bias = projection_bias.then(|| loader.values("projection_bias", &[target_vocab_size]));
        projection.scale = if scale_logits { (d_model as f32).powf(-0.5) } else { 1.0 };
        let source_is_tied = tie_projection && share_embeddings;
        let encoder = StackPlan {
            path: "encoder",
            positions: "source_positions",
            n_layers: n_encoder_layers,
            causal: false,
            cross: false,
            full_layers: &[],
            first_norm: true,
            pruned: Some(pruned_heads),
        };
        let decoder = StackPlan {
            path: "decoder",
            positions: "target_positions",
            n_layers: n_decoder_layers,
            causal: true,
            cross: true,
            full_layers: &[],
            first_norm: true,
            pruned: Some(pruned_heads),
        };
        let model = Self {
            source_embedding: loader.embedding("source_embedding", source_vocab_size, scale, source_is_tied),
            source_norm: embedding_norm.then(|| loader.norm("source_norm")),
            encoder: loader.stack(encoder),
            decoder: Decoder {
                embedding: loader.embedding(of_target, target_vocab_size, scale, tie_projection),
                norm: embedding_norm.then(|| loader.norm("target_norm")),
                stack: loader.stack(decoder),
                projection,
            },
        };
        loader.finish()?;
        Ok(model)
    }

    fn encode(&self, sources: &[&TokenMatrix]) -> (Vec<f32>, Vec<Span>) {
        let sentences = spans(sources.iter().flat_map(|source| source.lengths()).copied());
        let mut scratch = Scratch::default();
        let longest = sentences.iter().map(|sentence| sentence.len).max().unwrap_or(0);
        self.encoder.positions.fill(0, longest, &mut scratch.encodings);
        let width = scratch.encodings.len().checked_div(longest).unwrap_or(0);
        let rows = sources.iter().flat_map(|source| (0..source.n_rows()).map(|row| source.row(row)));
        for row in rows.filter(|row| !row.is_empty()) {
            let encodings = &scratch.encodings[..row.len() * width];
            self.source_embedding.append(Some(&self.decoder.projection), row, encodings, &mut scratch.x);
        }
        scratch.normalize(self.source_norm.as_ref());
        self.encoder.read(&mut scratch, &sentences);
        (scratch.x, sentences)
    }
}

impl NextToken for CpuTransformer {
    type State = State;

    fn vocab_size(&self) -> usize {
        self.decoder.projection.vocab_size()
    }

    fn max_len(&self) -> Option<usize> {
        self.decoder.stack.positions.max_len()
    }

    fn advance(&self, tokens: &[TokenId], state: &mut State, want: Want) -> Result<Scores, DeviceError> {
        Ok(self.decoder.advance(tokens, state, want))
    }

    fn advance_together(&self, turns: &mut [Turn<'_, State>]) -> Result<Vec<Scores>, DeviceError> {
        Ok(self.decoder.advance_together(turns))
    }

    fn advance_attending(
        &self,
        tokens: &[TokenId],
        state: &mut State,
        want: Want,
    ) -> Result<(Scores, Option<SourceAttention>), DeviceError> {
        let (scores, attention) = self.decoder.advance_attending(tokens, state, want);
        Ok((scores, Some(attention)))
    }

    fn restricts(&self) -> bool {
        true
    }

    fn restrict(&self, state: &mut State, allowed: &[Vec<TokenId>]) {
        self.decoder.restrict(state, allowed);
    }

    fn reorder(&self, state: &mut State, parents: &[usize]) {
        state.reorder(parents);
    }
}

impl EncoderDecoder for CpuTransformer {
    fn start(&self, source: &TokenMatrix) -> State {
        self.start_together(&[source]).swap_remove(0)
    }

    fn start_together(&self, sources: &[&TokenMatrix]) -> Vec<State> {
        let (encoded, sentences) = self.encode(sources);
        let memory = self.decoder.stack.project_memory(&encoded, sentences);
        let rows: Vec<usize> = sources.iter().map(|source| source.n_rows()).collect();
        self.decoder.start(memory, &rows)
    }
}
