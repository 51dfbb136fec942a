//! The decoder alone, and its memory of the rows that it continues.

use std::iter;

use attentive_core::{DeviceError, LanguageModel, NextToken, Scores, TokenId, Turn, Want};
use attentive_kernels::log_softmax;
use attentive_model::GptConfig;
use attentive_weights::{Source, WeightsError};

use crate::{
    attention::{HeadDims, Span},
    embedding::{Embedding, Projection},
    load::{Loader, Shape, StackPlan},
    shared::WeightPacking,
    stack::{NewTokens, Past, Scratch, Stack},
};

/// Positions whose logits are held at a time when a text is scored.
const SCORED_AT_ONCE: usize = 64;

/// Path of the matrix that projects to the vocabulary.
pub(crate) fn projection_path(config: &GptConfig) -> &'static str {
    if config.tie_projection { "embedding" } else { "projection" }
}

/// The decoder alone in use on the CPU: any [`GptConfig`].
#[derive(Debug)]
pub struct CpuGpt {
    embedding: Embedding,
    decoder: Stack,
    projection: Projection,
}

/// A [`CpuGpt`]'s memory of each row.
#[derive(Debug, Clone)]
pub struct GptState {
    past: Past,
    scratch: Scratch,
}

impl CpuGpt {
    /// Packs parameters, named as those of `attentive_model::Gpt`.
    ///
    /// # Errors
    /// [`WeightsError::Mismatch`] lists parameters that are missing, left over, or of another shape; any other is that of
    /// a parameter that can't be read.
    pub fn new(
        config: &GptConfig,
        params: &dyn Source,
        packing: impl Into<WeightPacking>,
    ) -> Result<Self, WeightsError> {
        // Every field by name, so that a new one must be followed.
        let GptConfig {
            vocab_size,
            d_model,
            d_ff,
            n_heads,
            n_kv_heads,
            head_dim: _,
            n_layers,
            dropout: _,
            attention_dropout: _,
            activation,
            gated,
            bias,
            qkv_bias,
            qk_norm,
            parallel,
            norm,
            norm_kind,
            epsilon,
            ref positions,
            window,
            ref full_layers,
            window_theta: _,
            scale_embeddings,
            tie_projection,
            projection_bias,
            attention_cap,
            logit_cap,
            ref pruned_heads,
        } = *config;
        let d_k = config.head_dim();
        let kv_heads = n_kv_heads.unwrap_or(n_heads);
        let shape = Shape {
            d_model,
            d_ff,
            dims: HeadDims {
                heads: n_heads,
                kv_heads,
                d_k,
                d_v: d_k,
                scale: 1.0 / (d_k as f32).sqrt(),
                cap: attention_cap.map(|cap| cap as f32),
            },
            activation: activation.into(),
            gated,
            bias,
            qkv_bias: qkv_bias.unwrap_or(bias),
            key_bias: true,
            qk_norm,
            parallel,
            placement: norm,
            norm_kind,
            epsilon,
            positions: positions.clone(),
            window,
            window_rotary: config.window_rotary(),
        };
        let mut loader = Loader::new(params, shape, packing.into());
        let plan = StackPlan {
            path: "decoder",
            positions: "positions",
            n_layers,
            causal: true,
            cross: false,
            full_layers,
            first_norm: true,
            pruned: Some(pruned_heads),
        };
        let mut projection = loader.projection(projection_path(config), vocab_size);
        projection.bias = projection_bias.then(|| loader.values("projection_bias", &[vocab_size]));
        projection.cap = logit_cap.map(|cap| cap as f32);
        let scale = if scale_embeddings { (d_model as f32).sqrt() } else { 1.0 };
        let model = Self {
            projection,
            embedding: loader.embedding("embedding", vocab_size, scale, tie_projection),
            decoder: loader.stack(plan),
        };
        loader.finish()?;
        Ok(model)
    }
}

impl CpuGpt {
    /// Lets states read their tokens, and gives the scores that are `wants` of numbers of vectors: those that `keep` leaves of
    /// the vectors of all tokens, in `scratch.x`.
    fn pass(
        &self,
        turns: &mut [Turn<'_, GptState>],
        wants: &[(usize, Want)],
        keep: impl FnOnce(&mut Scratch, &[NewTokens<'_>]) + Send,
    ) -> Vec<Scores> {
        let Some(first) = turns.first_mut() else { return Vec::new() };
        let mut scratch = std::mem::take(&mut first.state.scratch);
        let n_tokens: usize = turns.iter().map(|turn| turn.tokens.len()).sum();
        let scores = self.projection.scores(&mut scratch, wants, |scratch| {
            scratch.x.clear();
            let mut new_tokens = Vec::<NewTokens<'_>>::new();
            for Turn { tokens, state: GptState { past, .. }, .. } in &mut *turns {
                new_tokens.push(past.next(&self.decoder, tokens, &mut scratch.encodings));
                self.embedding.append(Some(&self.projection), tokens, &scratch.encodings, &mut scratch.x);
            }
            self.decoder.advance(scratch, &mut new_tokens, &[]);
            keep(scratch, &new_tokens);
        });
        turns[0].state.scratch = scratch.after(n_tokens);
        scores
    }
}

impl NextToken for CpuGpt {
    type State = GptState;

    fn vocab_size(&self) -> usize {
        self.projection.vocab_size()
    }

    fn max_len(&self) -> Option<usize> {
        self.decoder.positions.max_len()
    }

    fn advance(&self, tokens: &[TokenId], state: &mut GptState, want: Want) -> Result<Scores, DeviceError> {
        let mut scores = self.advance_together(&mut [Turn { tokens, state, want }])?;
        Ok(scores.swap_remove(0))
    }

    fn advance_together(&self, turns: &mut [Turn<'_, GptState>]) -> Result<Vec<Scores>, DeviceError> {
        let wants: Vec<(usize, Want)> = turns.iter().map(|turn| (turn.state.past.slots.rows(), turn.want)).collect();
        Ok(self.pass(turns, &wants, |scratch, new_tokens| scratch.keep_last(new_tokens, self.embedding.d_model)))
    }

    fn reorder(&self, state: &mut GptState, parents: &[usize]) {
        state.past.reorder(parents);
    }
}

impl LanguageModel for CpuGpt {
    fn start(&self, n_rows: usize) -> GptState {
        GptState { past: self.decoder.past(n_rows), scratch: Scratch::default() }
    }

    fn verify(&self, turns: &mut [Turn<'_, GptState>]) -> Result<Vec<Vec<Scores>>, DeviceError> {
        for turn in &*turns {
            assert_eq!(turn.state.past.slots.rows(), 1, "verify: states of one row");
        }
        let of_turn = |turn: &Turn<'_, GptState>| iter::repeat_n((1, turn.want), turn.tokens.len());
        let wants: Vec<(usize, Want)> = turns.iter().flat_map(of_turn).collect();
        let mut scores = self.pass(turns, &wants, |_, _| ()).into_iter();
        Ok(turns.iter().map(|turn| scores.by_ref().take(turn.tokens.len()).collect()).collect())
    }

    fn rewind(&self, state: &mut GptState, text: &[TokenId]) -> Result<(), DeviceError> {
        assert_eq!(state.past.slots.rows(), 1, "rewind: a state of one row");
        state.past.truncate(text.len());
        Ok(())
    }

    fn advance_with_vectors(
        &self,
        tokens: &[TokenId],
        state: &mut GptState,
        want: Want,
    ) -> Result<(Scores, Option<Vec<f32>>), DeviceError> {
        let wants = [(state.past.slots.rows(), want)];
        let mut vectors = Vec::new();
        let mut scores = self.pass(&mut [Turn { tokens, state, want }], &wants, |scratch, new_tokens| {
            vectors.clone_from(&scratch.x);
            scratch.keep_last(new_tokens, self.embedding.d_model);
        });
        Ok((scores.swap_remove(0), Some(vectors)))
    }

    fn log_probs_of(&self, text: &[TokenId]) -> Result<Vec<f32>, DeviceError> {
        let Some(targets) = text.get(1..).filter(|targets| !targets.is_empty()) else { return Ok(Vec::new()) };
        let mut scratch = Scratch::default();
        self.decoder.positions.fill(0, targets.len(), &mut scratch.encodings);
        self.embedding.append(Some(&self.projection), &text[..targets.len()], &scratch.encodings, &mut scratch.x);
        self.decoder.read(&mut scratch, &[Span { first: 0, len: targets.len() }]);
        let vocab = self.vocab_size();
        let (mut log_probs, mut of_targets) = (Vec::new(), Vec::with_capacity(targets.len()));
        let vectors = scratch.x.chunks_mut(SCORED_AT_ONCE * self.embedding.d_model);
        for (vectors, targets) in vectors.zip(targets.chunks(SCORED_AT_ONCE)) {
            let logits = self.projection.logits(vectors);
            log_probs.resize(logits.len(), 0.0);
            log_softmax(&logits, vocab, &mut log_probs);
            of_targets.extend(log_probs.chunks_exact(vocab).zip(targets).map(|(row, &target)| row[target as usize]));
        }
        Ok(of_targets)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use attentive_backend::BackendKind;
    use attentive_model::ModelSpec;

    use super::*;
    use crate::{WeightFormat, embedding::Table};

    #[test]
    fn models_that_share_weights_have_them_in_memory_once() {
        let config = GptConfig { tie_projection: false, ..GptConfig::gpt2_like(20, 8, [1, 2, 16]) };
        let params = attentive_weights::params(&config.init(&BackendKind::Flex.device().unwrap(), 1).unwrap());
        for format in [WeightFormat::F32, WeightFormat::Int8] {
            let packing = WeightPacking::from(format);
            let [a, b] = [(); 2].map(|()| CpuGpt::new(&config, &params, packing.clone()).unwrap());
            let weights = |model: &CpuGpt| {
                let layer = &model.decoder.layers[0];
                let (attention, feed_forward) = (&layer.self_attention, &layer.feed_forward);
                let maps = [&attention.qkv, &attention.output, &feed_forward.inner, &feed_forward.outer];
                let mut all: Vec<_> = maps.map(|map| Arc::clone(&map.weight)).into();
                all.push(Arc::clone(&model.projection.weight));
                all
            };
            assert!(weights(&a).iter().zip(&weights(&b)).all(|(a, b)| Arc::ptr_eq(a, b)), "{format}");
            let is_one = match (&a.embedding.table, &b.embedding.table) {
                (Some(Table::Values(a)), Some(Table::Values(b))) => format == WeightFormat::F32 && Arc::ptr_eq(a, b),
                (Some(Table::Packed(a)), Some(Table::Packed(b))) => format == WeightFormat::Int8 && Arc::ptr_eq(a, b),
                _ => false,
            };
            assert!(is_one, "{format}: the table of embeddings");
        }
    }
}
