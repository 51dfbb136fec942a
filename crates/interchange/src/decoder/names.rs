//! The names of a decoder's tensors, and the parameters of ours that they are.

use attentive_attention::{NormKind, NormPlacement, PositionsConfig};
use attentive_model::GptConfig;

use crate::layout::{Layout, Slot};

/// The tensors of an architecture, without the ends `.weight` and `.bias`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Names {
    /// Before every name but the projection's; files of a model without it lack it.
    pub(crate) prefix: &'static str,
    pub(crate) embedding: &'static str,
    /// Learned positions, and the rows before that of the first token.
    pub(crate) positions: (&'static str, usize),
    /// Norm above the last layer.
    pub(crate) norm: &'static str,
    pub(crate) projection: &'static str,
    /// What stands before the number of a layer.
    pub(crate) layers: &'static str,
    pub(crate) attention_norm: &'static str,
    pub(crate) attention_output_norm: &'static str,
    pub(crate) feed_forward_norm: &'static str,
    pub(crate) feed_forward_output_norm: &'static str,
    pub(crate) qkv: Qkv,
    pub(crate) query_norm: &'static str,
    pub(crate) key_norm: &'static str,
    pub(crate) output: &'static str,
    /// The gate and the inner layer in one, the gate first.
    pub(crate) gate_and_inner: Option<&'static str>,
    pub(crate) gate: &'static str,
    pub(crate) inner: &'static str,
    pub(crate) outer: &'static str,
    /// What is added to the gains of norms as they are stored: 1 in Gemma.
    pub(crate) gain_offset: f32,
}

/// Projections of queries, keys and values.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Qkv {
    /// One for each.
    Separate([&'static str; 3]),
    /// In one, below each other.
    Stacked(&'static str),
    /// In one, the three of each head below each other.
    ByHead(&'static str),
}

/// A linear map of ours, or its rows in a larger one of theirs.
struct Part {
    /// Outputs of theirs.
    rows: usize,
    /// The first output.
    first: usize,
    /// Groups of outputs, and their distance.
    groups: [usize; 2],
}

impl Names {
    /// Llama's, which most decoders have.
    pub(crate) const LLAMA: Self = Self {
        prefix: "model.",
        embedding: "embed_tokens",
        positions: ("embed_positions", 0),
        norm: "norm",
        projection: "lm_head",
        layers: "layers.",
        attention_norm: "input_layernorm",
        attention_output_norm: "post_attention_layernorm",
        feed_forward_norm: "post_attention_layernorm",
        feed_forward_output_norm: "post_feedforward_layernorm",
        qkv: Qkv::Separate(["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"]),
        query_norm: "self_attn.q_norm",
        key_norm: "self_attn.k_norm",
        output: "self_attn.o_proj",
        gate_and_inner: None,
        gate: "mlp.gate_proj",
        inner: "mlp.up_proj",
        outer: "mlp.down_proj",
        gain_offset: 0.0,
    };

    /// Every parameter of a model, under the names of files that have the prefix.
    pub(crate) fn slots(&self, config: &GptConfig) -> Vec<Slot> {
        let mut slots = Slots { slots: Vec::new(), config };
        let GptConfig { d_model: d, d_ff, vocab_size, n_layers, .. } = *config;
        let named = |name: &str| format!("{}{name}", self.prefix);
        slots.push("embedding.weight", named(self.embedding) + ".weight", Layout::same(&[vocab_size, d]));
        if let PositionsConfig::Learned { max_len } = config.positions {
            let (name, unused) = self.positions;
            let layout = Layout::rows_between([max_len, max_len + unused], [0, unused, max_len], d);
            slots.push("positions.weight", named(name) + ".weight", layout);
        }
        if !config.tie_projection {
            slots.push("projection.weight", format!("{}.weight", self.projection), Layout::same(&[vocab_size, d]));
        }
        if config.projection_bias {
            slots.push("projection_bias", format!("{}.bias", self.projection), Layout::same(&[vocab_size]));
        }
        if config.norm != NormPlacement::Post {
            slots.norm("decoder.norm", &named(self.norm), d);
        }
        let (d_k, kv_heads) = (config.head_dim(), config.n_kv_heads.unwrap_or(config.n_heads));
        let qkv_bias = config.qkv_bias.unwrap_or(config.bias);
        for n in 0..n_layers {
            let ours = |name: &str| format!("decoder.layers.{n}.{name}");
            let theirs = |name: &str| named(&format!("{}{n}.{name}", self.layers));
            slots.norm(&ours("self_attention_add_norm.norm"), &theirs(self.attention_norm), d);
            slots.norm(&ours("feed_forward_add_norm.norm"), &theirs(self.feed_forward_norm), d);
            if config.norm == NormPlacement::Both {
                slots.norm(&ours("self_attention_add_norm.output_norm"), &theirs(self.attention_output_norm), d);
                slots.norm(&ours("feed_forward_add_norm.output_norm"), &theirs(self.feed_forward_output_norm), d);
            }
            if config.qk_norm {
                slots.norm(&ours("self_attention.query_norm"), &theirs(self.query_norm), d_k);
                slots.norm(&ours("self_attention.key_norm"), &theirs(self.key_norm), d_k);
            }
            let widths = [config.n_heads, kv_heads, kv_heads].map(|heads| heads * d_k);
            for (idx, part) in ["query", "key", "value"].into_iter().enumerate() {
                let rows = widths.iter().sum();
                let (name, place) = match self.qkv {
                    Qkv::Separate(names) => (names[idx], Part::whole(widths[idx])),
                    Qkv::Stacked(name) => {
                        let first = widths[..idx].iter().sum();
                        (name, Part { rows, first, groups: [1, 0] })
                    }
                    Qkv::ByHead(name) => (name, Part { rows, first: idx * d_k, groups: [config.n_heads, 3 * d_k] }),
                };
                let ours = ours(&format!("self_attention.{part}"));
                slots.linear(&ours, &theirs(name), [d, widths[idx]], qkv_bias, &place);
            }
            let whole = |slots: &mut Slots<'_>, name: &str, of_theirs: &str, shape: [usize; 2]| {
                slots.linear(&ours(name), &theirs(of_theirs), shape, config.bias, &Part::whole(shape[1]));
            };
            whole(&mut slots, "self_attention.output", self.output, [widths[0], d]);
            match self.gate_and_inner.filter(|_| config.gated) {
                Some(name) => {
                    for (idx, part) in ["gate", "inner"].into_iter().enumerate() {
                        let place = Part { rows: 2 * d_ff, first: idx * d_ff, groups: [1, 0] };
                        let ours = ours(&format!("feed_forward.{part}"));
                        slots.linear(&ours, &theirs(name), [d, d_ff], config.bias, &place);
                    }
                }
                None => {
                    if config.gated {
                        whole(&mut slots, "feed_forward.gate", self.gate, [d, d_ff]);
                    }
                    whole(&mut slots, "feed_forward.inner", self.inner, [d, d_ff]);
                }
            }
            whole(&mut slots, "feed_forward.outer", self.outer, [d_ff, d]);
        }
        // Blocks of one tensor next to each other.
        slots.slots.sort_by(|a, b| a.theirs.cmp(&b.theirs));
        slots.slots
    }
}

impl Part {
    fn whole(rows: usize) -> Self {
        Self { rows, first: 0, groups: [1, 0] }
    }
}

struct Slots<'a> {
    slots: Vec<Slot>,
    config: &'a GptConfig,
}

impl Slots<'_> {
    fn push(&mut self, ours: impl Into<String>, theirs: String, layout: Layout) {
        self.slots.push(Slot { ours: ours.into(), theirs, layout });
    }

    fn norm(&mut self, ours: &str, theirs: &str, width: usize) {
        self.push(format!("{ours}.gamma"), format!("{theirs}.weight"), Layout::same(&[width]));
        if self.config.bias && self.config.norm_kind == NormKind::Layer {
            self.push(format!("{ours}.beta"), format!("{theirs}.bias"), Layout::same(&[width]));
        }
    }

    fn linear(&mut self, ours: &str, theirs: &str, [d_in, d_out]: [usize; 2], bias: bool, place: &Part) {
        let &Part { rows, first, groups } = place;
        let weight = Layout::map_part([d_in, d_out], rows, first, groups);
        self.push(format!("{ours}.weight"), format!("{theirs}.weight"), weight);
        if bias {
            let layout = Layout::vector_part(d_out, rows, first, groups);
            self.push(format!("{ours}.bias"), format!("{theirs}.bias"), layout);
        }
    }
}
