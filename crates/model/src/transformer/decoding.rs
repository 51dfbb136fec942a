//! Decoding one step at a time.

use attentive_attention::{AttentionContext, KeyValues, KvCache, Mask, MultiHeadAttention};
use attentive_core::{DeviceError, EncoderDecoder, NextToken, Scores, TokenId, TokenMatrix, Want};
use burn::tensor::{Bool, Device, Int, Tensor, TensorData};

use super::{Decoder, Transformer};
use crate::tokens::{new_tokens, scores, token_tensor};

/// The encoded source as the decoder's layers see it; projected once.
#[derive(Debug, Clone)]
pub struct Memory {
    /// Keys and values for each decoder layer, `[sentences, heads, src, d]`.
    layers: Vec<KeyValues>,
    /// Source padding, `[sentences, src]`.
    hidden_keys: Option<Tensor<2, Bool>>,
}

/// The decoder's memory of each row.
///
/// Rows that translate the same sentence, the beams, share its memory.
#[derive(Debug, Clone)]
pub struct DecoderState {
    memory: Memory,
    /// The sentence of `memory` that each row translates.
    sentence_of_row: Vec<usize>,
    /// Keys and values of the target so far, for each decoder layer.
    caches: Vec<KvCache>,
}

impl EncoderDecoder for Transformer {
    fn start(&self, source: &TokenMatrix) -> DecoderState {
        let device = self.device();
        let mask = Mask::padding(source.lengths(), source.n_cols(), &device);
        let memory = self.encode(token_tensor(source, &device), &mask, None);
        DecoderState::new(&self.decoder, &memory, mask.hidden_keys)
    }
}

impl NextToken for Transformer {
    type State = DecoderState;

    fn vocab_size(&self) -> usize {
        self.projection().weight.dims()[0]
    }

    fn max_len(&self) -> Option<usize> {
        self.target_positions.max_len()
    }

    fn advance(&self, tokens: &[TokenId], state: &mut DecoderState, _: Want) -> Result<Scores, DeviceError> {
        let tokens = new_tokens(tokens, state.n_rows(), &self.device());
        let [_, new] = tokens.dims();
        let n_past = state.n_past();
        let context = self.target_context(n_past, new);
        let x = self.decoder.forward_cached(self.embed_target(tokens, n_past, None), &context, state);
        let last = x.narrow(1, new - 1, 1).squeeze_dim(1); // [rows, d_model]
        scores(self.logits(last))
    }

    fn reorder(&self, state: &mut DecoderState, parents: &[usize]) {
        state.reorder(parents, &self.device());
    }
}

impl DecoderState {
    /// The state before the first token, a row for each of the encoded sources, `[rows, src, d_model]`, of whose keys some
    /// are hidden, `[rows, src]`.
    pub(crate) fn new(decoder: &Decoder, memory: &Tensor<3>, hidden_keys: Option<Tensor<2, Bool>>) -> Self {
        Self {
            sentence_of_row: (0..memory.dims()[0]).collect(),
            memory: Memory { layers: decoder.project_memory(memory), hidden_keys },
            caches: vec![KvCache::new(); decoder.layers.len()],
        }
    }

    /// Number of rows.
    pub(crate) fn n_rows(&self) -> usize {
        self.sentence_of_row.len()
    }

    /// Tokens that each row has read.
    pub(crate) fn n_past(&self) -> usize {
        self.caches[0].n_past()
    }

    /// Row `i` becomes a copy of the old row `parents[i]`.
    pub(crate) fn reorder(&mut self, parents: &[usize], device: &Device) {
        if !parents.iter().copied().eq(0..self.n_rows()) {
            let rows = row_tensor(parents, device);
            self.caches.iter_mut().for_each(|cache| cache.reorder(&rows));
        }
        self.sentence_of_row = parents.iter().map(|&parent| self.sentence_of_row[parent]).collect();
        self.memory.drop_unused(&mut self.sentence_of_row, device);
    }
}

impl Decoder {
    /// New positions only, after those that `state` has read: `[rows, new, d_model]` to the same shape.
    pub(crate) fn forward_cached(
        &self,
        mut x: Tensor<3>,
        context: &AttentionContext,
        state: &mut DecoderState,
    ) -> Tensor<3> {
        let rows_of_memory = RowsOfMemory::new(&state.sentence_of_row, &state.memory);
        for (idx, layer) in self.layers.iter().enumerate() {
            x = layer.forward_cached(x, context, &mut state.caches[idx], |attention, x| {
                rows_of_memory.attend(attention, x, &state.memory, idx)
            });
        }
        self.finish(x)
    }
}

impl Memory {
    /// Drops sentences that no row translates any longer, and renumbers the others.
    fn drop_unused(&mut self, sentence_of_row: &mut [usize], device: &Device) {
        let n_sentences = self.layers[0].k.dims()[0];
        let mut kept = sentence_of_row.to_vec();
        kept.sort_unstable();
        kept.dedup();
        if kept.len() == n_sentences {
            return;
        }
        for sentence in sentence_of_row {
            *sentence = kept.binary_search(sentence).expect("every row's sentence is kept");
        }
        let rows = row_tensor(&kept, device);
        for layer in &mut self.layers {
            *layer = layer.clone().select(rows.clone());
        }
        self.hidden_keys = self.hidden_keys.take().map(|hidden| hidden.select(0, rows));
    }
}

/// Relation of rows to their sentences.
enum RowsOfMemory {
    /// Rows are in the order of sentences, the same number for each: they are queries of one sentence's attention.
    Grouped { beam: usize },
    /// Any other order: the memory is copied for each row.
    Scattered { rows: Box<Tensor<1, Int>> },
}

impl RowsOfMemory {
    fn new(sentence_of_row: &[usize], memory: &Memory) -> Self {
        let k = &memory.layers[0].k;
        let beam = sentence_of_row.len() / k.dims()[0];
        let grouped = sentence_of_row.iter().enumerate().all(|(row, &sentence)| row / beam.max(1) == sentence);
        if grouped {
            Self::Grouped { beam }
        } else {
            Self::Scattered { rows: Box::new(row_tensor(sentence_of_row, &k.device())) }
        }
    }

    /// Attention of `x` (`[rows, new, d_model]`) to the memory of layer `idx`.
    fn attend(&self, attention: &MultiHeadAttention, x: Tensor<3>, memory: &Memory, idx: usize) -> Tensor<3> {
        let layer = memory.layers[idx].clone();
        let hidden_keys = memory.hidden_keys.clone();
        match self {
            Self::Grouped { beam } => {
                let [rows, new, d_model] = x.dims();
                let x = x.reshape([rows / beam, beam * new, d_model]);
                let mask = Mask { hidden_keys, ..Mask::none() };
                attention.attend(x, layer, &mask, None).reshape([rows, new, d_model])
            }
            Self::Scattered { rows } => {
                let rows = Tensor::clone(rows);
                let hidden_keys = hidden_keys.map(|hidden| hidden.select(0, rows.clone()));
                let mask = Mask { hidden_keys, ..Mask::none() };
                attention.attend(x, layer.select(rows), &mask, None)
            }
        }
    }
}

/// Row indices on a device.
fn row_tensor(rows: &[usize], device: &Device) -> Tensor<1, Int> {
    let rows: Vec<i64> = rows.iter().map(|&row| row as i64).collect();
    let n = rows.len();
    Tensor::from_data(TensorData::new(rows, [n]), device)
}
