//! The names that CTranslate2 has for our parameters.

use attentive_attention::{NormPlacement, PositionsConfig};
use attentive_model::TransformerConfig;

use crate::layout::{Layout, Slot};

pub(super) const TARGET: &str = "decoder/embeddings/weight";
pub(super) const SOURCE: &str = "encoder/embeddings_0/weight";
pub(super) const PROJECTION: &str = "decoder/projection/weight";
pub(super) const PROJECTION_BIAS: &str = "decoder/projection/bias";

/// The table of positions of the encoder or the decoder.
pub(super) fn positions(stack: &str) -> String {
    format!("{stack}/position_encodings/encodings")
}

/// The norm of what the encoder or the decoder reads.
pub(super) fn embedding_norm(stack: &str) -> String {
    format!("{stack}/layernorm_embedding")
}

/// Every parameter of a model.
pub(super) fn slots(config: &TransformerConfig) -> Vec<Slot> {
    let mut slots = Slots { config, slots: Vec::new() };
    let target = if config.share_embeddings { "source_embedding" } else { "target_embedding" };
    slots.table(target, config.target_vocab_size, TARGET);
    if !config.share_embeddings {
        slots.table("source_embedding", config.source_vocab_size, SOURCE);
    }
    if !config.tie_projection {
        slots.table("projection", config.target_vocab_size, PROJECTION);
    }
    if config.projection_bias {
        slots.push("projection_bias".into(), PROJECTION_BIAS.into(), Layout::same(&[config.target_vocab_size]));
    }
    for (ours, stack) in [("source", "encoder"), ("target", "decoder")] {
        if let PositionsConfig::Learned { max_len } = config.positions {
            let layout = Layout::same(&[max_len, config.d_model]);
            slots.push(format!("{ours}_positions.weight"), positions(stack), layout);
        }
        if config.embedding_norm {
            slots.norm(&format!("{ours}_norm"), &embedding_norm(stack));
        }
    }
    for (stack, n_layers) in [("encoder", config.n_encoder_layers), ("decoder", config.n_decoder_layers)] {
        (0..n_layers).for_each(|n| slots.layer(stack, n));
        if config.norm == NormPlacement::Pre {
            slots.norm(&format!("{stack}.norm"), &format!("{stack}/layer_norm"));
        }
    }
    slots.slots
}

struct Slots<'a> {
    config: &'a TransformerConfig,
    slots: Vec<Slot>,
}

impl Slots<'_> {
    fn push(&mut self, ours: String, theirs: String, layout: Layout) {
        self.slots.push(Slot { ours, theirs, layout });
    }

    fn table(&mut self, ours: &str, n: usize, theirs: &str) {
        let layout = Layout::same(&[n, self.config.d_model]).with_model_axis(1);
        self.push(format!("{ours}.weight"), theirs.to_owned(), layout);
    }

    fn layer(&mut self, stack: &str, n: usize) {
        let (ours, theirs) = (format!("{stack}.layers.{n}"), format!("{stack}/layer_{n}"));
        let (keys, values) = (self.config.n_heads * self.config.d_k(), self.config.n_heads * self.config.d_v());
        let (query, key, value) = (("query", keys), ("key", keys), ("value", values));
        self.attention(&ours, "self_attention", &format!("{theirs}/self_attention"), &[&[query, key, value]]);
        if stack == "decoder" {
            self.attention(&ours, "cross_attention", &format!("{theirs}/attention"), &[&[query], &[key, value]]);
        }
        let (from, to) = (format!("{ours}.feed_forward"), format!("{theirs}/ffn"));
        self.reading_model(&from, &[("inner", self.config.d_ff)], &format!("{to}/linear_0"));
        self.writing_model(&format!("{from}.outer"), self.config.d_ff, &format!("{to}/linear_1"));
        self.norm(&format!("{from}_add_norm.norm"), &format!("{to}/layer_norm"));
    }

    /// An attention whose maps of the model are fused as `maps` says.
    fn attention(&mut self, layer: &str, name: &str, theirs: &str, maps: &[&[(&str, usize)]]) {
        let ours = format!("{layer}.{name}");
        for (n, parts) in maps.iter().enumerate() {
            self.reading_model(&ours, parts, &format!("{theirs}/linear_{n}"));
        }
        let d_in = self.config.n_heads * self.config.d_v();
        self.writing_model(&format!("{ours}.output"), d_in, &format!("{theirs}/linear_{}", maps.len()));
        self.norm(&format!("{ours}_add_norm.norm"), &format!("{theirs}/layer_norm"));
    }

    /// Maps from the model's width, by name and width, whose outputs stand one after another in a map of theirs.
    fn reading_model(&mut self, ours: &str, parts: &[(&str, usize)], theirs: &str) {
        let d_model = self.config.d_model;
        let rows = parts.iter().map(|(_, width)| width).sum();
        let firsts =
            || parts.iter().scan(0, |at, &(part, width)| Some((part, width, std::mem::replace(at, *at + width))));
        for (part, width, first) in firsts() {
            let layout = Layout::map_part([d_model, width], rows, first, [1, 0]).with_model_axis(0);
            self.push(format!("{ours}.{part}.weight"), format!("{theirs}/weight"), layout);
        }
        for (part, width, first) in firsts() {
            let layout = Layout::vector_part(width, rows, first, [1, 0]);
            self.push(format!("{ours}.{part}.bias"), format!("{theirs}/bias"), layout);
        }
    }

    /// A map to the model's width.
    fn writing_model(&mut self, ours: &str, d_in: usize, theirs: &str) {
        let d_model = self.config.d_model;
        let map = Layout::map([d_in, d_model]).with_model_axis(1);
        self.push(format!("{ours}.weight"), format!("{theirs}/weight"), map);
        self.push(format!("{ours}.bias"), format!("{theirs}/bias"), Layout::same(&[d_model]).with_model_axis(0));
    }

    fn norm(&mut self, ours: &str, theirs: &str) {
        for part in ["gamma", "beta"] {
            let layout = Layout::same(&[self.config.d_model]).with_model_axis(0);
            self.push(format!("{ours}.{part}"), format!("{theirs}/{part}"), layout);
        }
    }
}
