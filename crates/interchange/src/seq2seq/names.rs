//! The names that transformers has for our parameters.

use attentive_attention::NormPlacement;
use attentive_model::TransformerConfig;

use crate::layout::Layout;

/// The name of the projection's bias.
pub(super) const LOGITS_BIAS: &str = "final_logits_bias";

/// A parameter: its name and shape here, its name there, and how it lies there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) ours: String,
    pub(super) shape: Vec<usize>,
    pub(super) theirs: String,
    pub(super) layout: Layout,
}

/// Every parameter of a model.
pub(super) fn slots(config: &TransformerConfig) -> Vec<Slot> {
    let mut slots = Slots { config, slots: Vec::new() };
    if config.share_embeddings {
        slots.table("source_embedding", config.source_vocab_size, "model.shared");
    } else {
        slots.table("source_embedding", config.source_vocab_size, "model.encoder.embed_tokens");
        slots.table("target_embedding", config.target_vocab_size, "model.decoder.embed_tokens");
    }
    if !config.tie_projection {
        slots.table("projection", config.target_vocab_size, "lm_head");
    }
    for n in 0..config.n_encoder_layers {
        slots.layer("encoder", n, &[("self_attention", "self_attn")]);
    }
    for n in 0..config.n_decoder_layers {
        slots.layer("decoder", n, &[("self_attention", "self_attn"), ("cross_attention", "encoder_attn")]);
    }
    if config.projection_bias {
        let shape = [config.target_vocab_size];
        slots.push("projection_bias".into(), &shape, LOGITS_BIAS.into(), Layout::Row);
    }
    if config.norm == NormPlacement::Pre {
        for stack in ["encoder", "decoder"] {
            slots.norm(&format!("{stack}.norm"), &format!("model.{stack}.layer_norm"));
        }
    }
    slots.slots
}

struct Slots<'a> {
    config: &'a TransformerConfig,
    slots: Vec<Slot>,
}

impl Slots<'_> {
    fn push(&mut self, ours: String, shape: &[usize], theirs: String, layout: Layout) {
        self.slots.push(Slot { ours, shape: shape.to_vec(), theirs, layout });
    }

    fn table(&mut self, ours: &str, n: usize, theirs: &str) {
        self.push(format!("{ours}.weight"), &[n, self.config.d_model], format!("{theirs}.weight"), Layout::Table);
    }

    fn layer(&mut self, stack: &str, n: usize, attentions: &[(&str, &str)]) {
        let (ours, theirs) = (format!("{stack}.layers.{n}"), format!("model.{stack}.layers.{n}"));
        let (keys, values) = (self.config.n_heads * self.config.d_k(), self.config.n_heads * self.config.d_v());
        for (attention, their_attention) in attentions {
            let (from, to) = (format!("{ours}.{attention}"), format!("{theirs}.{their_attention}"));
            for (part, their_part, width) in
                [("query", "q_proj", keys), ("key", "k_proj", keys), ("value", "v_proj", values)]
            {
                self.reading_model(&format!("{from}.{part}"), width, &format!("{to}.{their_part}"));
            }
            self.writing_model(&format!("{from}.output"), values, &format!("{to}.out_proj"));
            self.norm(&format!("{from}_add_norm.norm"), &format!("{to}_layer_norm"));
        }
        self.reading_model(&format!("{ours}.feed_forward.inner"), self.config.d_ff, &format!("{theirs}.fc1"));
        self.writing_model(&format!("{ours}.feed_forward.outer"), self.config.d_ff, &format!("{theirs}.fc2"));
        self.norm(&format!("{ours}.feed_forward_add_norm.norm"), &format!("{theirs}.final_layer_norm"));
    }

    fn reading_model(&mut self, ours: &str, d_out: usize, theirs: &str) {
        let shape = [self.config.d_model, d_out];
        self.push(format!("{ours}.weight"), &shape, format!("{theirs}.weight"), Layout::FromModel);
        self.push(format!("{ours}.bias"), &[d_out], format!("{theirs}.bias"), Layout::Inner);
    }

    fn writing_model(&mut self, ours: &str, d_in: usize, theirs: &str) {
        let d_model = self.config.d_model;
        self.push(format!("{ours}.weight"), &[d_in, d_model], format!("{theirs}.weight"), Layout::ToModel);
        self.push(format!("{ours}.bias"), &[d_model], format!("{theirs}.bias"), Layout::Model);
    }

    fn norm(&mut self, ours: &str, theirs: &str) {
        let d_model = [self.config.d_model];
        self.push(format!("{ours}.gamma"), &d_model, format!("{theirs}.weight"), Layout::Model);
        self.push(format!("{ours}.beta"), &d_model, format!("{theirs}.bias"), Layout::Model);
    }
}
