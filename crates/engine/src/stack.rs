//! Stacks of layers: encoders, decoders, and decoders without a source.

use attentive_core::TokenId;
use attentive_kernels::ActivationKind;

use crate::{
    attention::{CrossAttention, HeadDims, SelfAttention, Sight, Span, attend_cache, attend_spans, spans},
    cache::{self, Slots},
    layer::{AddNorm, FeedForward, Hidden, Norm, NormScratch},
    positions::{Positions, Reach},
};

/// Self-attention, attention to the source if there is one, then feed-forward.
#[derive(Debug)]
pub(crate) struct Layer {
    pub(crate) self_attention: SelfAttention,
    pub(crate) self_attention_add_norm: AddNorm,
    pub(crate) cross_attention: Option<(CrossAttention, AddNorm)>,
    pub(crate) feed_forward: FeedForward,
    pub(crate) feed_forward_add_norm: AddNorm,
}

/// A stack of layers.
#[derive(Debug)]
pub(crate) struct Stack {
    /// The layers with parameters of their own.
    pub(crate) layers: Vec<Layer>,
    /// Layers that an input passes; more than `layers` where some share their parameters.
    pub(crate) depth: usize,
    /// How near a key must be to be seen by self-attention.
    pub(crate) window: Option<usize>,
    /// Layers that see everything although there is a window, of those that an input passes.
    pub(crate) full_layers: Vec<usize>,
    /// Norm above the last layer, unless layers end in one.
    pub(crate) norm: Option<Norm>,
    pub(crate) dims: HeadDims,
    pub(crate) positions: Positions,
    /// The positions of layers with a window, if they have others.
    pub(crate) window_positions: Option<Positions>,
    /// Whether the two sub-layers read the same input.
    pub(crate) parallel: bool,
    /// Whether a token sees only those before it.
    pub(crate) causal: bool,
}

/// Buffers that passes reuse.
#[derive(Debug, Default, Clone)]
pub(crate) struct Scratch {
    /// Input and output of a stack, `[tokens, d_model]`.
    pub(crate) x: Vec<f32>,
    pub(crate) encodings: Vec<f32>,
    pub(crate) norm: NormScratch,
    /// Input of a feed-forward network beside attention.
    beside: NormScratch,
    norm_of_heads: NormScratch,
    /// Of all layers, and of those with a window.
    reach: [Reach; 2],
    /// The position of each token.
    positions: Vec<u32>,
    input: Vec<f32>,
    projected: Vec<f32>,
    heads: Vec<f32>,
    lse: Vec<f32>,
    hidden: Hidden,
}

/// The tokens that a decoder has read.
#[derive(Debug, Clone)]
pub(crate) struct Past {
    pub(crate) slots: Slots,
    /// Keys and values of each layer, `[slots, width]`.
    caches: Vec<Vec<f32>>,
    width: usize,
}

/// Keys and values of every source, without padding, for each layer of a decoder.
#[derive(Debug, Clone)]
pub(crate) struct Memory {
    /// `[source tokens, keys and values]`.
    layers: Vec<Vec<f32>>,
    /// First token and number of tokens of each sentence.
    pub(crate) sentences: Vec<Span>,
}

/// The source, and the rows that read each sentence of it, with that sentence.
pub(crate) type Source<'a> = (&'a Memory, &'a [(Span, Span)]);

impl Past {
    /// Readies `scratch` for the embeddings of `tokens`, `[rows, new]`: their positions' encodings; returns `new`.
    ///
    /// # Panics
    /// If the number of tokens is not a multiple of the rows, or positions end before them.
    pub(crate) fn begin(&self, stack: &Stack, tokens: &[TokenId], scratch: &mut Scratch) -> usize {
        let rows = self.slots.rows();
        let new = tokens.len().checked_div(rows).unwrap_or(0);
        assert_eq!(tokens.len(), rows * new, "advance: the state has another number of rows");
        scratch.x.clear();
        stack.positions.fill(self.slots.len(), new, &mut scratch.encodings);
        new
    }

    /// Makes row `i` continue the old row `parents[i]`.
    pub(crate) fn reorder(&mut self, parents: &[usize]) {
        if parents.iter().copied().eq(0..self.slots.rows()) {
            return;
        }
        self.slots.reorder(parents);
        if let Some(left) = self.slots.renumber() {
            self.caches.iter_mut().for_each(|cache| cache::keep(cache, &left, self.width));
        }
    }
}

impl Scratch {
    /// Normalises what a stack is to read, if there is a norm for it.
    pub(crate) fn normalize(&mut self, norm: Option<&Norm>) {
        if let Some(norm) = norm {
            norm.forward(&self.x, &mut self.norm);
            std::mem::swap(&mut self.x, &mut self.norm.y);
        }
    }

    /// Keeps the last vector of each of `rows` rows.
    pub(crate) fn keep_last(&mut self, rows: usize, d_model: usize) {
        let width = self.x.len().checked_div(rows).unwrap_or(0);
        for row in 0..rows {
            self.x.copy_within((row + 1) * width - d_model..(row + 1) * width, row * d_model);
        }
        self.x.truncate(rows * d_model);
    }
}

impl Stack {
    /// The layers that an input passes, in their order.
    fn passed(&self) -> impl Iterator<Item = &Layer> {
        (0..self.depth).map(|number| &self.layers[number * self.layers.len() / self.depth])
    }

    /// No tokens yet, in `rows` rows.
    pub(crate) fn past(&self, rows: usize) -> Past {
        Past { slots: Slots::new(rows), caches: vec![Vec::new(); self.depth], width: self.dims.keys_values() }
    }

    /// Keys and values of `source` (`[tokens, d_model]`) for every layer.
    pub(crate) fn project_memory(&self, source: &[f32], sentences: Vec<Span>) -> Memory {
        let project = |(attention, _): &(CrossAttention, AddNorm)| {
            let mut keys_values = Vec::new();
            attention.keys_values.forward(source, ActivationKind::Identity, &mut keys_values);
            keys_values
        };
        Memory {
            layers: self.passed().filter_map(|layer| layer.cross_attention.as_ref().map(project)).collect(),
            sentences,
        }
    }

    /// Reads whole texts, whose embeddings are in `scratch.x`, overwritten by the output.
    pub(crate) fn read(&self, scratch: &mut Scratch, texts: &[Span]) {
        scratch.positions.clear();
        scratch.positions.extend(texts.iter().flat_map(|text| 0..text.len as u32));
        let longest = texts.iter().map(|text| text.len).max().unwrap_or(0);
        let pairs: Vec<(Span, Span)> = texts.iter().map(|&text| (text, text)).collect();
        self.layers(scratch, longest, None, |_, projected, sight, heads, lse| {
            attend_spans(self.dims, sight, projected, projected, &pairs, heads, lse);
        });
    }

    /// Reads `new` more tokens of each row of `past`, whose embeddings are in `scratch.x` (`[rows, new, d_model]`),
    /// overwritten by the output.
    pub(crate) fn advance(&self, scratch: &mut Scratch, past: &mut Past, new: usize, source: Option<Source<'_>>) {
        let Past { slots, caches, width } = past;
        let (first, rows) = (slots.len(), slots.rows());
        slots.append(new);
        scratch.positions.clear();
        scratch.positions.extend((0..rows).flat_map(|_| first as u32..(first + new) as u32));
        // Texts that begin here see nothing else.
        let texts: Vec<(Span, Span)> = match first {
            0 if new > 1 => spans((0..rows).map(|_| new)).into_iter().map(|text| (text, text)).collect(),
            _ => Vec::new(),
        };
        self.layers(scratch, slots.len(), source, |layer, (projected, row), sight, heads, lse| {
            cache::append(&mut caches[layer], projected, row, *width);
            if texts.is_empty() {
                attend_cache(self.dims, sight, (projected, row), &caches[layer], slots, heads);
            } else {
                attend_spans(self.dims, sight, (projected, row), (projected, row), &texts, heads, lse);
            }
        });
    }

    /// Runs the layers over `scratch.x`; no position is `longest` or beyond. `attend` gets the number of the layer, its
    /// queries, keys and values and the width of their rows, what a query sees, and the buffers of its results.
    fn layers(
        &self,
        scratch: &mut Scratch,
        longest: usize,
        source: Option<Source<'_>>,
        mut attend: impl FnMut(usize, (&[f32], usize), Sight<'_>, &mut Vec<f32>, &mut Vec<f32>),
    ) {
        let Scratch { x, norm, beside, norm_of_heads, reach, positions, input, projected, heads, lse, hidden, .. } =
            scratch;
        let HeadDims { heads: n_heads, kv_heads, d_k, .. } = self.dims;
        let places = [&self.positions, self.window_positions.as_ref().unwrap_or(&self.positions)];
        places.into_iter().zip(&mut *reach).for_each(|(positions, reach)| positions.reach(longest, reach));
        for (number, layer) in self.passed().enumerate() {
            let window = self.window.filter(|_| !self.full_layers.contains(&number));
            let kind = usize::from(window.is_some());
            let (place, reach) = (places[kind], &reach[kind]);
            let sight = Sight { causal: self.causal, window, distances: place.distances(reach) };
            let SelfAttention { qkv, norms, output } = &layer.self_attention;
            if self.parallel {
                layer.feed_forward_add_norm.normalise(x, beside);
            }
            layer.self_attention_add_norm.around(x, norm, input, |x, sum| {
                qkv.forward(x, ActivationKind::Identity, projected);
                let row = qkv.d_out();
                if let Some(norms) = norms {
                    norms.apply(projected, row, self.dims, norm_of_heads);
                }
                if let Some(rotation) = place.rotation(reach) {
                    rotation.turn_rows(projected, row, [n_heads + kv_heads, d_k], positions);
                }
                attend(number, (projected, row), sight, heads, lse);
                output.add_to(heads, sum);
            });
            if self.parallel {
                layer.feed_forward.add_to(&beside.y, hidden, x);
                continue;
            }
            if let (Some((attention, add_norm)), Some((memory, pairs))) = (&layer.cross_attention, source) {
                add_norm.around(x, norm, input, |x, sum| {
                    attention.query.forward(x, ActivationKind::Identity, projected);
                    let (queries, keys_values) = (self.dims.queries(), self.dims.keys_values());
                    let memory = (&memory.layers[number][..], keys_values);
                    attend_spans(self.dims, Sight::ALL, (projected, queries), memory, pairs, heads, lse);
                    attention.output.add_to(heads, sum);
                });
            }
            layer.feed_forward_add_norm.around(x, norm, input, |x, sum| {
                layer.feed_forward.add_to(x, hidden, sum);
            });
        }
        scratch.normalize(self.norm.as_ref());
    }
}
