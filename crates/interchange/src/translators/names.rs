//! The parameters of an encoder–decoder under the names of another system.

use attentive_attention::{NormKind, NormPlacement, PositionsConfig};
use attentive_model::TransformerConfig;

use crate::layout::{Layout, Slot};

/// A stack of layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stack {
    Encoder,
    Decoder,
}

impl Stack {
    pub(crate) const BOTH: [Self; 2] = [Self::Encoder, Self::Decoder];

    /// Its name, which most systems have as well.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Encoder => "encoder",
            Self::Decoder => "decoder",
        }
    }

    /// Our name of what it reads.
    pub(crate) fn side(self) -> &'static str {
        match self {
            Self::Encoder => "source",
            Self::Decoder => "target",
        }
    }
}

/// A layer of a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layer {
    pub(crate) stack: Stack,
    /// Counted from 0.
    pub(crate) n: usize,
}

/// An attention of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attention {
    Own,
    Cross,
}

/// Projections from the model's width to an attention's heads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Query,
    Key,
    Value,
}

/// A linear map of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Map {
    /// Projections of an attention whose outputs are side by side.
    Heads(Attention, &'static [Part]),
    /// The projection of an attention's heads to the model's width.
    Output(Attention),
    /// The first map of the feed-forward network.
    Inner,
    /// What gates it.
    Gate,
    /// The second map of the feed-forward network.
    Outer,
}

/// A norm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Norm {
    /// Of what a stack reads.
    Embedding(Stack),
    /// After the last layer of a stack.
    Last(Stack),
    /// Of an attention's sub-layer.
    Attention(Layer, Attention),
    /// Of a feed-forward sub-layer.
    FeedForward(Layer),
}

/// A table with a row for each token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Table {
    /// Embeddings of sources and of targets.
    Shared,
    /// Embeddings of what a stack reads.
    Of(Stack),
    /// The projection to the vocabulary.
    Projection,
}

/// The names and the layouts that a system has.
pub(crate) trait Names {
    /// Whether a map is `[d_out, d_in]`, as PyTorch has it; else `[d_in, d_out]`, as here.
    const TRANSPOSED: bool = true;

    /// The projections of an attention that are one map there, in their order.
    fn parts(&self, _attention: Attention) -> &'static [&'static [Part]] {
        &[&[Part::Query], &[Part::Key], &[Part::Value]]
    }

    /// A vector of this size.
    fn vector(&self, size: usize) -> Layout {
        Layout::same(&[size])
    }

    /// A table's name, and whether a token is a row of it; else it is a column.
    fn table(&self, table: Table) -> (String, bool);

    /// The name of the projection's bias, a number for each of the `rows` of the vocabulary, and its layout.
    fn projection_bias(&self, rows: usize) -> (String, Layout);

    /// The names of a map's weight and bias.
    fn map(&self, layer: Layer, map: Map) -> [String; 2];

    /// The names of a norm's gain and bias.
    fn norm(&self, norm: Norm) -> [String; 2];

    /// The name of a stack's table of `max_len` learned positions, its rows, and the first of these that a position has.
    fn positions(&self, stack: Stack, max_len: usize) -> (String, [usize; 2]) {
        (format!("{} positions", stack.name()), [max_len, 0])
    }
}

/// Names of a tensor and its bias that PyTorch has for a module.
pub(crate) fn weight_and_bias(module: &str) -> [String; 2] {
    ["weight", "bias"].map(|part| format!("{module}.{part}"))
}

/// Every parameter of a model.
pub(crate) fn slots<N: Names>(config: &TransformerConfig, names: &N) -> Vec<Slot> {
    let mut slots = Slots { config, names, slots: Vec::new() };
    let [sources, targets] = [config.source_vocab_size, config.target_vocab_size];
    if config.share_embeddings {
        slots.table("source_embedding", sources, Table::Shared);
    } else {
        slots.table("source_embedding", sources, Table::Of(Stack::Encoder));
        slots.table("target_embedding", targets, Table::Of(Stack::Decoder));
    }
    if !config.tie_projection {
        slots.table("projection", targets, Table::Projection);
    }
    if config.projection_bias {
        let (theirs, layout) = names.projection_bias(targets);
        slots.push("projection_bias".to_owned(), theirs, layout);
    }
    for stack in Stack::BOTH {
        slots.stack(stack);
    }
    slots.slots
}

struct Slots<'a, N> {
    config: &'a TransformerConfig,
    names: &'a N,
    slots: Vec<Slot>,
}

impl<N: Names> Slots<'_, N> {
    fn push(&mut self, ours: String, theirs: String, layout: Layout) {
        self.slots.push(Slot { ours, theirs, layout });
    }

    fn table(&mut self, ours: &str, rows: usize, table: Table) {
        let shape = [rows, self.config.d_model];
        let (theirs, is_by_rows) = self.names.table(table);
        let layout = if is_by_rows { Layout::same(&shape) } else { Layout::map(shape) };
        self.push(format!("{ours}.weight"), theirs, layout.with_model_axis(1));
    }

    fn stack(&mut self, stack: Stack) {
        let n_layers = match stack {
            Stack::Encoder => self.config.n_encoder_layers,
            Stack::Decoder => self.config.n_decoder_layers,
        };
        (0..n_layers).for_each(|n| self.layer(Layer { stack, n }));
        if self.config.norm == NormPlacement::Pre {
            self.norm(&format!("{}.norm", stack.name()), Norm::Last(stack));
        }
        if self.config.embedding_norm {
            self.norm(&format!("{}_norm", stack.side()), Norm::Embedding(stack));
        }
        if let PositionsConfig::Learned { max_len } = self.config.positions {
            let (theirs, [rows, first]) = self.names.positions(stack, max_len);
            let layout = Layout::rows_between([max_len, rows], [0, first, max_len], self.config.d_model);
            self.push(format!("{}_positions.weight", stack.side()), theirs, layout);
        }
    }

    fn layer(&mut self, layer: Layer) {
        let ours = format!("{}.layers.{}", layer.stack.name(), layer.n);
        self.attention(layer, Attention::Own, &format!("{ours}.self_attention"));
        if layer.stack == Stack::Decoder {
            self.attention(layer, Attention::Cross, &format!("{ours}.cross_attention"));
        }
        let network = format!("{ours}.feed_forward");
        let d_ff = self.config.d_ff;
        self.reading_model(layer, Map::Inner, &[(format!("{network}.inner"), d_ff)]);
        if self.config.gated {
            self.reading_model(layer, Map::Gate, &[(format!("{network}.gate"), d_ff)]);
        }
        self.writing_model(layer, Map::Outer, &format!("{network}.outer"), d_ff);
        self.norm(&format!("{network}_add_norm.norm"), Norm::FeedForward(layer));
    }

    fn attention(&mut self, layer: Layer, attention: Attention, ours: &str) {
        let config = self.config;
        let n_kv_heads = config.n_kv_heads.unwrap_or(config.n_heads);
        let part = |part: &Part| match part {
            Part::Query => (format!("{ours}.query"), config.n_heads * config.d_k()),
            Part::Key => (format!("{ours}.key"), n_kv_heads * config.d_k()),
            Part::Value => (format!("{ours}.value"), n_kv_heads * config.d_v()),
        };
        for &parts in self.names.parts(attention) {
            let maps: Vec<_> = parts.iter().map(part).collect();
            self.reading_model(layer, Map::Heads(attention, parts), &maps);
        }
        self.writing_model(layer, Map::Output(attention), &format!("{ours}.output"), config.n_heads * config.d_v());
        self.norm(&format!("{ours}_add_norm.norm"), Norm::Attention(layer, attention));
    }

    /// Maps of ours from the model's width, by name and width, whose outputs stand one after another in a map of theirs.
    fn reading_model(&mut self, layer: Layer, map: Map, parts: &[(String, usize)]) {
        let d_model = self.config.d_model;
        let [weight, bias] = self.names.map(layer, map);
        if let [(ours, width)] = parts {
            let map = if N::TRANSPOSED { Layout::map([d_model, *width]) } else { Layout::same(&[d_model, *width]) };
            self.push(format!("{ours}.weight"), weight, map.with_model_axis(0));
            self.push(format!("{ours}.bias"), bias, self.names.vector(*width));
            return;
        }
        let rows = parts.iter().map(|(_, width)| width).sum();
        let firsts =
            || parts.iter().scan(0, |at, (ours, width)| Some((ours, *width, std::mem::replace(at, *at + width))));
        for (ours, width, first) in firsts() {
            let layout = Layout::map_part([d_model, width], rows, first, [1, 0]).with_model_axis(0);
            self.push(format!("{ours}.weight"), weight.clone(), layout);
        }
        for (ours, width, first) in firsts() {
            self.push(format!("{ours}.bias"), bias.clone(), Layout::vector_part(width, rows, first, [1, 0]));
        }
    }

    /// A map to the model's width.
    fn writing_model(&mut self, layer: Layer, map: Map, ours: &str, d_in: usize) {
        let d_model = self.config.d_model;
        let [weight, bias] = self.names.map(layer, map);
        let map = if N::TRANSPOSED { Layout::map([d_in, d_model]) } else { Layout::same(&[d_in, d_model]) };
        self.push(format!("{ours}.weight"), weight, map.with_model_axis(1));
        self.push(format!("{ours}.bias"), bias, self.names.vector(d_model).with_model_axis(0));
    }

    fn norm(&mut self, ours: &str, norm: Norm) {
        let parts = self.names.norm(norm).into_iter().zip(["gamma", "beta"]);
        let n_parts = if self.config.norm_kind == NormKind::Layer { 2 } else { 1 };
        for (theirs, part) in parts.take(n_parts) {
            self.push(format!("{ours}.{part}"), theirs, self.names.vector(self.config.d_model).with_model_axis(0));
        }
    }
}
