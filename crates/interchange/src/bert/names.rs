//! The names that transformers has for the parameters of encoders.

use attentive_model::BertConfig;

use super::classes::Variant;
use crate::layout::{Layout, Slot};

pub(super) const EMBEDDING: &str = "embeddings.word_embeddings.weight";

/// Whether a parameter is the encoder's own, and not a head's: those of classes with heads have a prefix.
fn is_encoder(name: &str) -> bool {
    ["embeddings.", "embedding_map.", "encoder.", "pooler."].iter().any(|start| name.starts_with(start))
}

/// The table of positions, whose first one is in row `to` there.
fn positions(config: &BertConfig, to: usize) -> Layout {
    let (ours, from) = (config.positions.max_len().unwrap_or(0), config.first_position);
    let used = ours.saturating_sub(from);
    let rows = if from == to { [0, 0, ours] } else { [from, to, used] };
    Layout::rows_between([ours, used + to], rows, config.embedding_width())
}

/// Every parameter of a model that the variant can be, by the names that the variant has, the encoder's own with `prefix`
/// before them; the first position is in row `first_position` there.
pub(super) fn slots(variant: Variant, config: &BertConfig, first_position: usize, prefix: &str) -> Vec<Slot> {
    let mut slots = slots_of_bert(variant, config, first_position);
    for Slot { theirs, .. } in &mut slots {
        let prefix = if is_encoder(theirs) { prefix } else { "" };
        *theirs = prefix.to_owned() + &variant.dialect().tensor(theirs);
    }
    slots
}

/// Every parameter by the names that BERT has, or that RoBERTa has for its heads.
fn slots_of_bert(variant: Variant, config: &BertConfig, first_position: usize) -> Vec<Slot> {
    let (d, d_ff, width) = (config.d_model, config.d_ff, config.embedding_width());
    let mut slots = Slots::new(config.bias);
    slots.push("embedding.weight".into(), EMBEDDING.into(), Layout::same(&[config.vocab_size, width]));
    slots.push(
        "positions.weight".into(),
        "embeddings.position_embeddings.weight".into(),
        positions(config, first_position),
    );
    if config.n_segments > 0 {
        let segments = Layout::same(&[config.n_segments, width]);
        slots.push("segments.weight".into(), "embeddings.token_type_embeddings.weight".into(), segments);
    }
    slots.norm("norm", width, "embeddings.LayerNorm");
    if config.d_embedding.is_some() {
        slots.map("embedding_map", [width, d], "embedding_map");
    }
    if let Some(buckets) = config.relative_buckets {
        let biases = Layout::same(&[buckets.n_buckets, config.n_heads]);
        slots.push("relative_buckets.weight".into(), "encoder.relative_attention_bias.weight".into(), biases);
    }
    for n in 0..config.n_own_layers() {
        let (ours, theirs) = (format!("encoder.layers.{n}"), format!("encoder.layer.{n}"));
        for part in ["query", "key", "value"] {
            slots.map(&format!("{ours}.self_attention.{part}"), [d, d], &format!("{theirs}.attention.self.{part}"));
        }
        slots.map(&format!("{ours}.self_attention.output"), [d, d], &format!("{theirs}.attention.output.dense"));
        slots.norm(&format!("{ours}.self_attention_add_norm.norm"), d, &format!("{theirs}.attention.output.LayerNorm"));
        slots.map(&format!("{ours}.feed_forward.inner"), [d, d_ff], &format!("{theirs}.intermediate.dense"));
        slots.map(&format!("{ours}.feed_forward.outer"), [d_ff, d], &format!("{theirs}.output.dense"));
        slots.norm(&format!("{ours}.feed_forward_add_norm.norm"), d, &format!("{theirs}.output.LayerNorm"));
    }
    // The dense layer of RoBERTa's classifier is what BERT's pooler is.
    let is_in_classifier = variant.dialect().has_deep_classifier && !config.labels.is_empty();
    if config.pooler && !is_in_classifier {
        slots.map("pooler", [d, d], "pooler.dense");
    }
    let (n_labels, n_token_labels) = (config.labels.len(), config.token_labels.len());
    if is_in_classifier {
        slots.map("pooler", [d, d], "classifier.dense");
        slots.map("classifier", [d, n_labels], "classifier.out_proj");
    } else if n_labels > 0 {
        slots.map("classifier", [d, n_labels], "classifier");
    }
    if n_token_labels > 0 {
        slots.map("token_classifier", [d, n_token_labels], "classifier");
    }
    if config.spans {
        slots.map("spans", [d, 2], "qa_outputs");
    }
    if config.masked_lm {
        let head = variant.masked_lm_head();
        let [dense, norm] = variant.masked_lm_layers();
        slots.map("masked_lm.dense", [d, width], &format!("{head}.{dense}"));
        slots.norm("masked_lm.norm", width, &format!("{head}.{norm}"));
        slots.push("masked_lm.bias".into(), format!("{head}.bias"), Layout::same(&[config.vocab_size]));
        if !config.tie_projection {
            let table = Layout::same(&[config.vocab_size, width]);
            slots.push("projection.weight".into(), format!("{head}.decoder.weight"), table);
        }
    }
    if config.next_sentence {
        slots.map("next_sentence", [d, 2], "cls.seq_relationship");
    }
    slots.into_slots()
}

/// Parameters and their places.
pub(super) struct Slots {
    slots: Vec<Slot>,
    /// Whether norms and maps have biases.
    bias: bool,
}

impl Slots {
    pub(super) fn new(bias: bool) -> Self {
        Self { slots: Vec::new(), bias }
    }

    /// Blocks of one tensor are next to each other.
    pub(super) fn into_slots(self) -> Vec<Slot> {
        let mut slots = self.slots;
        slots.sort_by(|a, b| a.theirs.cmp(&b.theirs));
        slots
    }

    pub(super) fn push(&mut self, ours: String, theirs: String, layout: Layout) {
        self.slots.push(Slot { ours, theirs, layout });
    }

    pub(super) fn norm(&mut self, ours: &str, width: usize, theirs: &str) {
        self.push(format!("{ours}.gamma"), format!("{theirs}.weight"), Layout::same(&[width]));
        if self.bias {
            self.push(format!("{ours}.beta"), format!("{theirs}.bias"), Layout::same(&[width]));
        }
    }

    pub(super) fn map(&mut self, ours: &str, shape: [usize; 2], theirs: &str) {
        self.push(format!("{ours}.weight"), format!("{theirs}.weight"), Layout::map(shape));
        if self.bias {
            self.push(format!("{ours}.bias"), format!("{theirs}.bias"), Layout::same(&[shape[1]]));
        }
    }

    /// A map that always has a bias.
    pub(super) fn classifier(&mut self, ours: &str, shape: [usize; 2], theirs: &str) {
        let bias = std::mem::replace(&mut self.bias, true);
        self.map(ours, shape, theirs);
        self.bias = bias;
    }

    /// Maps of one shape, which are one map there, their outputs one after another.
    pub(super) fn parts<const N: usize>(
        &mut self,
        ours: &str,
        parts: [&str; N],
        [d_in, d_out]: [usize; 2],
        theirs: &str,
    ) {
        let (rows, groups) = (N * d_out, [1, 0]);
        for (idx, part) in parts.into_iter().enumerate() {
            let weight = Layout::map_part([d_in, d_out], rows, idx * d_out, groups);
            self.push(format!("{ours}.{part}.weight"), format!("{theirs}.weight"), weight);
            if self.bias {
                let bias = Layout::vector_part(d_out, rows, idx * d_out, groups);
                self.push(format!("{ours}.{part}.bias"), format!("{theirs}.bias"), bias);
            }
        }
    }
}
