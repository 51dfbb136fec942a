//! Stacks of layers: encoders, decoders, and decoders without a source.

use attentive_core::{SourceAttention, TokenId};
use attentive_kernels::{ActivationKind, PackedKeysValues};

use crate::{
    attention::{
        CachedRows, CrossAttention, HeadDims, KeysValues, Run, SelfAttention, Sight, Span, attend_caches, attend_spans,
        mean_weights, of_left, pack_keys_values, spans,
    },
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
    pub(crate) positions: Positions,
    /// The positions of layers with a window, if they have others.
    pub(crate) window_positions: Option<Positions>,
    /// Whether the two sub-layers read the same input.
    pub(crate) parallel: bool,
    /// Whether a token sees only those before it.
    pub(crate) causal: bool,
}

/// Tokens of the largest step whose buffers are kept for the next one.
const KEPT_TOKENS: usize = 256;

/// Buffers that passes reuse.
#[derive(Debug, Default, Clone)]
pub(crate) struct Scratch {
    /// Input and output of a stack, `[tokens, d_model]`.
    pub(crate) x: Vec<f32>,
    pub(crate) encodings: Vec<f32>,
    /// If it is asked for: the attention of each token to the source in the last layer, the mean over heads.
    pub(crate) attention: Option<SourceAttention>,
    pub(crate) norm: NormScratch,
    /// Input of a feed-forward network beside attention.
    beside: NormScratch,
    norm_of_heads: NormScratch,
    /// Of all layers, and of those with a window.
    reach: [Reach; 2],
    /// Biases of the heads of a layer that has lost some.
    biases: Vec<f32>,
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
    /// Keys and values of each layer.
    caches: Vec<LayerPast>,
}

#[derive(Debug, Clone)]
struct LayerPast {
    /// `[slots, width]`.
    keys_values: Vec<f32>,
    width: usize,
}

/// Keys and values of every source, without padding, for each layer of a decoder.
#[derive(Debug, Clone)]
pub(crate) struct Memory {
    layers: Vec<LayerMemory>,
    /// First token and number of tokens of each sentence.
    sentences: Vec<Span>,
}

#[derive(Debug, Clone)]
enum LayerMemory {
    /// `[source tokens, keys and values]`.
    Rows { rows: Vec<f32>, dims: HeadDims },
    /// Those of each sentence.
    Packed(Vec<PackedKeysValues>),
}

/// Rows that read a sentence of a source, and the sentence's number.
pub(crate) type SourceRun<'a> = (Span, &'a Memory, usize);

/// New tokens of the rows of one state in a step.
pub(crate) struct NewTokens<'a> {
    past: &'a mut Past,
    /// Tokens of each row.
    pub(crate) new: usize,
}

impl Memory {
    /// What a layer reads of a sentence.
    fn of_sentence(&self, layer: usize, sentence: usize) -> KeysValues<'_> {
        let Span { first, len } = self.sentences[sentence];
        match &self.layers[layer] {
            LayerMemory::Rows { rows, dims } => {
                let width = dims.keys_values();
                KeysValues::Rows(&rows[first * width..][..len * width])
            }
            LayerMemory::Packed(sentences) => KeysValues::Packed(&sentences[sentence]),
        }
    }

    /// Memories of so many sentences each, in their order: each is freed when its own sentences are done with.
    pub(crate) fn split(self, n_sentences: &[usize]) -> Vec<Self> {
        if n_sentences.len() == 1 {
            return vec![self];
        }
        let mut rest = &self.sentences[..];
        let parts: Vec<&[Span]> = n_sentences.iter().map(|&n| rest.split_off(..n).expect("a sentence each")).collect();
        let own = |spans: &&[Span]| {
            let mut end = 0;
            let sentence = |&Span { len, .. }: &Span| {
                let first = end;
                end += len;
                Span { first, len }
            };
            Self { layers: Vec::with_capacity(self.layers.len()), sentences: spans.iter().map(sentence).collect() }
        };
        let mut memories: Vec<Self> = parts.iter().map(own).collect();
        for layer in self.layers {
            match layer {
                LayerMemory::Rows { rows, dims } => {
                    let width = dims.keys_values();
                    for (memory, spans) in memories.iter_mut().zip(&parts) {
                        let own = spans.iter().map(|span| &rows[span.first * width..][..span.len * width]);
                        let rows = own.collect::<Vec<_>>().concat();
                        memory.layers.push(LayerMemory::Rows { rows, dims });
                    }
                }
                LayerMemory::Packed(sentences) => {
                    let mut sentences = sentences.into_iter();
                    for (memory, spans) in memories.iter_mut().zip(&parts) {
                        memory.layers.push(LayerMemory::Packed(sentences.by_ref().take(spans.len()).collect()));
                    }
                }
            }
        }
        memories
    }

    /// The same, packed: for sources of many tokens, which steps then read from end to end.
    pub(crate) fn packed(mut self) -> Self {
        for layer in &mut self.layers {
            let LayerMemory::Rows { rows, dims } = layer else { continue };
            let width = dims.keys_values();
            let pack =
                |&Span { first, len }: &Span| pack_keys_values(*dims, &rows[first * width..][..len * width], width);
            *layer = LayerMemory::Packed(self.sentences.iter().map(pack).collect());
        }
        self
    }
}

impl Past {
    /// `tokens`, `[rows, new]`, as the next ones, with the encodings of their positions in `encodings`, `[new, d_model]`.
    ///
    /// # Panics
    /// If the number of tokens is not a multiple of the rows, or positions end before them.
    pub(crate) fn next(&mut self, stack: &Stack, tokens: &[TokenId], encodings: &mut Vec<f32>) -> NewTokens<'_> {
        let rows = self.slots.rows();
        let new = tokens.len().checked_div(rows).unwrap_or(0);
        assert_eq!(tokens.len(), rows * new, "advance: the state has another number of rows");
        stack.positions.fill(self.slots.len(), new, encodings);
        NewTokens { past: self, new }
    }

    /// Takes back all but the first `len` tokens of each row.
    ///
    /// # Panics
    /// If rows have read fewer.
    pub(crate) fn truncate(&mut self, len: usize) {
        let n_slots = self.slots.truncate(len);
        self.caches.iter_mut().for_each(|cache| cache.keys_values.truncate(n_slots * cache.width));
    }

    /// Makes row `i` continue the old row `parents[i]`.
    pub(crate) fn reorder(&mut self, parents: &[usize]) {
        if parents.iter().copied().eq(0..self.slots.rows()) {
            return;
        }
        self.slots.reorder(parents);
        if let Some(left) = self.slots.renumber() {
            self.caches.iter_mut().for_each(|cache| cache::keep(&mut cache.keys_values, &left, cache.width));
        }
    }
}

impl Scratch {
    /// This for the next step, after one of so many tokens: the buffers of a prompt would be held as long as what is written.
    pub(crate) fn after(self, n_tokens: usize) -> Self {
        if n_tokens <= KEPT_TOKENS { self } else { Self { attention: self.attention, ..Self::default() } }
    }

    /// Normalises what a stack is to read, if there is a norm for it.
    pub(crate) fn normalize(&mut self, norm: Option<&Norm>) {
        if let Some(norm) = norm {
            norm.forward(&self.x, &mut self.norm);
            std::mem::swap(&mut self.x, &mut self.norm.y);
        }
    }

    /// Keeps the last vector of each row of `tokens`.
    pub(crate) fn keep_last(&mut self, tokens: &[NewTokens<'_>], d_model: usize) {
        let (mut read, mut kept) = (0, 0);
        for NewTokens { past, new } in tokens {
            for _ in 0..past.slots.rows() {
                read += new * d_model;
                self.x.copy_within(read - d_model..read, kept);
                kept += d_model;
            }
        }
        self.x.truncate(kept);
    }
}

impl Stack {
    /// The layers that an input passes, in their order.
    fn passed(&self) -> impl Iterator<Item = &Layer> {
        (0..self.depth).map(|number| &self.layers[number * self.layers.len() / self.depth])
    }

    /// No tokens yet, in `rows` rows.
    pub(crate) fn past(&self, rows: usize) -> Past {
        let cache = |layer: &Layer| {
            let width = layer.self_attention.dims.keys_values();
            LayerPast { keys_values: Vec::new(), width }
        };
        Past { slots: Slots::new(rows), caches: self.passed().map(cache).collect() }
    }

    /// Keys and values of `source` (`[tokens, d_model]`) for every layer.
    pub(crate) fn project_memory(&self, source: &[f32], sentences: Vec<Span>) -> Memory {
        let project = |(attention, _): &(CrossAttention, AddNorm)| {
            let mut rows = Vec::new();
            attention.keys_values.forward(source, ActivationKind::Identity, &mut rows);
            LayerMemory::Rows { rows, dims: attention.dims }
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
        self.layers(scratch, longest, &[], |_, dims, (projected, row), sight, heads, lse| {
            let run = |&text: &Span| (text, KeysValues::Rows(&projected[text.first * row..][..text.len * row]));
            let runs: Vec<Run<'_>> = texts.iter().map(run).collect();
            attend_spans(dims, sight, (projected, row), row, &runs, heads, lse);
        });
    }

    /// Reads the new tokens of several states, whose embeddings are in `scratch.x` (`[rows, new, d_model]` of each, one
    /// after another), overwritten by the output; `sources` are the runs of all of these rows, in order.
    pub(crate) fn advance(&self, scratch: &mut Scratch, tokens: &mut [NewTokens<'_>], sources: &[SourceRun<'_>]) {
        scratch.positions.clear();
        for NewTokens { past, new } in &mut *tokens {
            let (first, rows) = (past.slots.len(), past.slots.rows());
            past.slots.append(*new);
            scratch.positions.extend((0..rows).flat_map(|_| first as u32..(first + *new) as u32));
        }
        let longest = tokens.iter().map(|tokens| tokens.past.slots.len()).max().unwrap_or(0);
        self.layers(scratch, longest, sources, |layer, dims, (projected, row), sight, heads, lse| {
            let (mut q, mut out, mut lse) = (projected, &mut heads[..], &mut lse[..]);
            let mut cached = Vec::with_capacity(tokens.len());
            for NewTokens { past: Past { slots, caches }, new } in &mut *tokens {
                let n_queries = slots.rows() * *new;
                let (q_here, lse_here);
                let out_here;
                (q_here, q) = q.split_at(n_queries * row);
                (out_here, out) = out.split_at_mut(n_queries * dims.outputs());
                (lse_here, lse) = lse.split_at_mut(n_queries * dims.heads);
                let LayerPast { keys_values, width } = &mut caches[layer];
                cache::append(keys_values, q_here, row, *width);
                if slots.len() > *new || *new < 2 {
                    cached.push(CachedRows { q: q_here, keys_values, slots, out: out_here });
                    continue;
                }
                // Texts that begin here see nothing else.
                let texts = spans((0..slots.rows()).map(|_| *new));
                let rows = q_here.chunks_exact(*new * row).map(KeysValues::Rows);
                let runs: Vec<Run<'_>> = texts.into_iter().zip(rows).collect();
                attend_spans(dims, sight, (q_here, row), row, &runs, out_here, lse_here);
            }
            attend_caches(dims, sight, row, cached);
        });
    }

    /// Runs the layers over `scratch.x`; no position is `longest` or beyond. `attend` gets the number of the layer, the widths of
    /// its attention, its queries, keys and values and the width of their rows, what a query sees, and the buffers of its results.
    fn layers(
        &self,
        scratch: &mut Scratch,
        longest: usize,
        sources: &[SourceRun<'_>],
        mut attend: impl FnMut(usize, HeadDims, (&[f32], usize), Sight<'_>, &mut [f32], &mut [f32]),
    ) {
        let Scratch {
            x,
            norm,
            beside,
            norm_of_heads,
            reach,
            biases,
            positions,
            input,
            projected,
            heads,
            lse,
            hidden,
            attention,
            ..
        } = scratch;
        let shown = attention;
        let places = [&self.positions, self.window_positions.as_ref().unwrap_or(&self.positions)];
        places.into_iter().zip(&mut *reach).for_each(|(positions, reach)| positions.reach(longest, reach));
        for (number, layer) in self.passed().enumerate() {
            let window = self.window.filter(|_| !self.full_layers.contains(&number));
            let kind = usize::from(window.is_some());
            let (place, reach) = (places[kind], &reach[kind]);
            let SelfAttention { qkv, norms, output, dims, left } = &layer.self_attention;
            let (dims, HeadDims { heads: n_heads, kv_heads, d_k, .. }) = (*dims, *dims);
            let distances = match (place.distances(reach), left) {
                (Some(all), Some(left)) => Some(of_left(all, left, biases)),
                (distances, _) => distances,
            };
            let sight = Sight { causal: self.causal, window, distances };
            if self.parallel {
                layer.feed_forward_add_norm.normalise(x, beside);
            }
            layer.self_attention_add_norm.around(x, norm, input, |x, sum| {
                qkv.forward(x, ActivationKind::Identity, projected);
                let row = qkv.d_out();
                if let Some(norms) = norms {
                    norms.apply(projected, row, dims, norm_of_heads);
                }
                if let Some(rotation) = place.rotation(reach) {
                    rotation.turn_rows(projected, row, [n_heads + kv_heads, d_k], positions);
                }
                let n_queries = projected.len() / row;
                heads.resize(n_queries * dims.outputs(), 0.0);
                lse.resize(n_queries * n_heads, 0.0);
                attend(number, dims, (projected, row), sight, heads, lse);
                output.add_to(heads, sum);
            });
            if self.parallel {
                layer.feed_forward.add_to(&beside.y, hidden, x);
                continue;
            }
            if let Some((attention, add_norm)) = &layer.cross_attention {
                add_norm.around(x, norm, input, |x, sum| {
                    attention.query.forward(x, ActivationKind::Identity, projected);
                    let dims = attention.dims;
                    let (queries, width) = (dims.queries(), dims.keys_values());
                    let runs: Vec<Run<'_>> = sources
                        .iter()
                        .map(|&(rows, memory, sentence)| (rows, memory.of_sentence(number, sentence)))
                        .collect();
                    let n_queries = projected.len() / queries;
                    heads.resize(n_queries * dims.outputs(), 0.0);
                    lse.resize(n_queries * dims.heads, 0.0);
                    attend_spans(dims, Sight::ALL, (projected, queries), width, &runs, heads, lse);
                    if let Some(shown) = shown.as_mut().filter(|_| number + 1 == self.depth) {
                        *shown = mean_weights(dims, (projected, queries), width, &runs);
                    }
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
