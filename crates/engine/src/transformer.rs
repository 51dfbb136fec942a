//! The model, and its memory of the rows that it decodes.

use attentive_attention::{NormKind, PositionsConfig};
use attentive_core::{DeviceError, EncoderDecoder, NextToken, Scores, TokenId, TokenMatrix, TopTokens, Want};
use attentive_kernels::{Dropout, Embedding, Epilogue, TopK, log_softmax};
use attentive_model::TransformerConfig;
use attentive_weights::{Tensors, WeightsError};

use crate::{
    cache::Slots,
    decoder::{Decoder, Scratch},
    encoder::Encoder,
    layer::LayerNorm,
    load::Loader,
    memory::{Memory, Span, spans},
    positions::Positions,
    weight::{Weight, WeightFormat},
};

/// The encoder–decoder Transformer in use on the CPU.
#[derive(Debug)]
pub struct CpuTransformer {
    d_model: usize,
    /// `[vocab, d_model]`.
    source_embedding: Vec<f32>,
    /// Target embeddings of their own.
    target_embedding: Option<Vec<f32>>,
    source_positions: Positions,
    target_positions: Positions,
    encoder: Encoder,
    decoder: Decoder,
    projection: Weight,
    /// `[vocab]`.
    projection_bias: Option<Vec<f32>>,
}

/// The decoder's memory of each row.
#[derive(Debug, Clone)]
pub struct State {
    memory: Memory,
    /// The sentence that each row translates.
    sentence_of_row: Vec<usize>,
    slots: Slots,
    /// Keys and values of each layer, `[slots, keys and values]`.
    caches: Vec<Vec<f32>>,
    scratch: Scratch,
}

impl CpuTransformer {
    /// Whether models of this configuration can be packed: the paper's layers, of any size and activation, at
    /// sinusoidal or learned positions.
    pub fn covers(config: &TransformerConfig) -> bool {
        // Every field by name, so that a new one must be either followed or refused.
        let TransformerConfig {
            source_vocab_size: _,
            target_vocab_size: _,
            d_model: _,
            d_ff: _,
            n_heads,
            n_kv_heads,
            d_k: _,
            d_v: _,
            n_encoder_layers: _,
            n_decoder_layers: _,
            dropout: _,
            attention_dropout: _,
            activation_dropout: _,
            activation: _,
            gated,
            bias,
            norm: _,
            norm_kind,
            epsilon,
            scale_scores,
            scale_embeddings,
            scale_logits,
            positions,
            window,
            share_embeddings: _,
            tie_projection: _,
            projection_bias: _,
        } = config;
        let added_positions = matches!(positions, PositionsConfig::Sinusoidal | PositionsConfig::Learned { .. });
        let own_keys = n_kv_heads.is_none_or(|n_kv_heads| n_kv_heads == *n_heads);
        let layer_norm = *norm_kind == NormKind::Layer && *epsilon as f32 == LayerNorm::EPSILON;
        let scaled = *scale_scores && *scale_embeddings && !scale_logits;
        added_positions && own_keys && layer_norm && scaled && *bias && !gated && window.is_none()
    }

    /// Packs parameters, named as those of `attentive_model::Transformer`.
    ///
    /// # Errors
    /// [`WeightsError::Mismatch`] lists parameters that are missing, left over, or of another shape.
    ///
    /// # Panics
    /// If the engine does not [cover](Self::covers) the configuration.
    pub fn new(config: &TransformerConfig, params: Tensors, format: WeightFormat) -> Result<Self, WeightsError> {
        assert!(Self::covers(config), "the engine does not have such layers");
        let d_model = config.d_model;
        let (source_size, target_size) = (config.source_vocab_size, config.target_vocab_size);
        let mut loader = Loader::new(params, config, format);
        let source_embedding = loader.values("source_embedding.weight", &[source_size, d_model]);
        let target_embedding =
            (!config.share_embeddings).then(|| loader.values("target_embedding.weight", &[target_size, d_model]));
        let own_projection =
            (!config.tie_projection).then(|| loader.values("projection.weight", &[target_size, d_model]));
        let projection = own_projection.as_ref().or(target_embedding.as_ref()).unwrap_or(&source_embedding);
        let projection = loader.projection(projection);
        let model = Self {
            d_model,
            source_embedding,
            target_embedding,
            source_positions: loader.positions("source_positions"),
            target_positions: loader.positions("target_positions"),
            encoder: loader.encoder(),
            decoder: loader.decoder(),
            projection,
            projection_bias: config.projection_bias.then(|| loader.values("projection_bias", &[target_size])),
        };
        loader.finish()?;
        Ok(model)
    }

    /// `√d_model · table[id] + encoding`, for ids at positions that repeat with each row of `encodings`.
    fn embed(&self, table: &[f32], ids: &[TokenId], encodings: &[f32], x: &mut Vec<f32>) {
        let embedding =
            Embedding { d_model: self.d_model, scale: (self.d_model as f32).sqrt(), dropout: Dropout::NONE };
        x.resize(ids.len() * self.d_model, 0.0);
        embedding.forward(table, ids, Some((encodings, encodings.len() / self.d_model)), x);
    }

    fn encode(&self, source: &TokenMatrix) -> (Vec<f32>, Vec<Span>) {
        let sentences = spans(source.lengths().iter().copied());
        let mut encodings = Vec::new();
        self.source_positions.fill(0, source.n_cols(), &mut encodings);
        let mut tokens = Vec::with_capacity(source.n_tokens() * self.d_model);
        let mut x = Vec::new();
        for row in (0..source.n_rows()).map(|row| source.row(row)).filter(|row| !row.is_empty()) {
            self.embed(&self.source_embedding, row, &encodings[..row.len() * self.d_model], &mut x);
            tokens.extend_from_slice(&x);
        }
        (self.encoder.forward(tokens, &sentences), sentences)
    }

    /// Reads tokens and writes the vectors that predict the next one of each row, `[rows, d_model]`, to
    /// `state.scratch.x`.
    fn read(&self, ids: &[TokenId], state: &mut State) {
        let State { memory, sentence_of_row, slots, caches, scratch } = state;
        let rows = sentence_of_row.len();
        let new = ids.len().checked_div(rows).unwrap_or(0);
        assert_eq!(ids.len(), rows * new, "advance: the state has another number of rows");
        self.target_positions.fill(slots.len(), new, &mut scratch.encodings);
        let table = self.target_embedding.as_ref().unwrap_or(&self.source_embedding);
        self.embed(table, ids, &scratch.encodings, &mut scratch.x);
        let groups = sentence_of_row.chunk_by(|a, b| a == b);
        let queries = spans(groups.clone().map(|rows| rows.len() * new));
        let sources = groups.map(|rows| memory.sentences[rows[0]]);
        let pairs: Vec<(Span, Span)> = queries.into_iter().zip(sources).collect();
        slots.append(new);
        self.decoder.forward(scratch, slots, caches, memory, &pairs);
        if new > 1 {
            for row in 0..rows {
                let last = (row * new + new - 1) * self.d_model;
                scratch.x.copy_within(last..last + self.d_model, row * self.d_model);
            }
            scratch.x.truncate(rows * self.d_model);
        }
    }

    /// The log-probability of every token: `[rows × vocab]`.
    fn all(&self, tokens: &[TokenId], state: &mut State) -> Vec<f32> {
        self.read(tokens, state);
        let mut logits = vec![0.0; state.sentence_of_row.len() * self.vocab_size()];
        let epilogue = Epilogue { bias: self.projection_bias.as_deref(), ..Epilogue::default() };
        self.projection.multiply(&state.scratch.x, &mut logits, &epilogue);
        let mut log_probs = vec![0.0; logits.len()];
        log_softmax(&logits, self.vocab_size(), &mut log_probs);
        log_probs
    }

    /// The `k` best tokens of each row, found without storing the others' logits; the projection does not have a bias.
    fn top(&self, tokens: &[TokenId], state: &mut State, k: usize) -> TopTokens {
        let rows = state.sentence_of_row.len();
        let mut top = TopTokens { k, ids: vec![0; rows * k], log_probs: vec![0.0; rows * k] };
        let mut log_sum_exp = vec![0.0; rows];
        // One entry into the thread pool per step, not one per product.
        rayon::scope(|_| {
            self.read(tokens, state);
            let best = TopK { k, ids: &mut top.ids, values: &mut top.log_probs, log_sum_exp: &mut log_sum_exp };
            self.projection.top_k(&state.scratch.x, best);
        });
        for (logits, log_sum_exp) in top.log_probs.chunks_exact_mut(k).zip(&log_sum_exp) {
            logits.iter_mut().for_each(|logit| *logit -= log_sum_exp);
        }
        top
    }
}

impl NextToken for CpuTransformer {
    type State = State;

    fn vocab_size(&self) -> usize {
        self.projection.dims()[1]
    }

    fn max_len(&self) -> Option<usize> {
        self.source_positions.max_len().min(self.target_positions.max_len())
    }

    fn advance(&self, tokens: &[TokenId], state: &mut State, want: Want) -> Result<Scores, DeviceError> {
        Ok(match want {
            Want::Top(k) if self.projection_bias.is_none() && k > 0 => {
                Scores::Top(self.top(tokens, state, k.min(self.vocab_size())))
            }
            _ => Scores::All(self.all(tokens, state)),
        })
    }

    fn reorder(&self, state: &mut State, parents: &[usize]) {
        if !parents.iter().copied().eq(0..state.sentence_of_row.len()) {
            state.slots.reorder(parents);
        }
        state.sentence_of_row = parents.iter().map(|&parent| state.sentence_of_row[parent]).collect();
    }
}

impl EncoderDecoder for CpuTransformer {
    fn start(&self, source: &TokenMatrix) -> State {
        let rows = source.n_rows();
        let (encoded, sentences) = self.encode(source);
        State {
            memory: self.decoder.project_memory(&encoded, sentences),
            sentence_of_row: (0..rows).collect(),
            slots: Slots::new(rows),
            caches: vec![Vec::new(); self.decoder.layers.len()],
            scratch: Scratch::default(),
        }
    }
}
