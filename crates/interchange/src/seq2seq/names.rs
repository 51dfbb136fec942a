//! The names that transformers has for our parameters.

use attentive_attention::{NormPlacement, PositionsConfig};
use attentive_model::TransformerConfig;

use super::config::UNUSED_POSITIONS;
use crate::layout::{Layout, Slot};

/// The name of the projection's bias.
pub(super) const LOGITS_BIAS: &str = "final_logits_bias";

/// The name of a stack's table of positions.
pub(super) fn positions_name(stack: &str) -> String {
    format!("model.{stack}.embed_positions.weight")
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
        slots.push("projection_bias".into(), LOGITS_BIAS.into(), Layout::row(config.target_vocab_size));
    }
    for (stack, side) in [("encoder", "source"), ("decoder", "target")] {
        if config.norm == NormPlacement::Pre {
            slots.norm(&format!("{stack}.norm"), &format!("model.{stack}.layer_norm"));
        }
        if config.embedding_norm {
            slots.norm(&format!("{side}_norm"), &format!("model.{stack}.layernorm_embedding"));
        }
        if let PositionsConfig::Learned { max_len } = config.positions {
            let rows = [max_len, max_len + UNUSED_POSITIONS];
            let used = Layout::rows_between(rows, [0, UNUSED_POSITIONS, max_len], config.d_model);
            slots.push(format!("{side}_positions.weight"), positions_name(stack), used);
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
        self.push(format!("{ours}.weight"), format!("{theirs}.weight"), layout);
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

    /// A map from the model's width.
    fn reading_model(&mut self, ours: &str, d_out: usize, theirs: &str) {
        let map = Layout::map([self.config.d_model, d_out]).with_model_axis(0);
        self.push(format!("{ours}.weight"), format!("{theirs}.weight"), map);
        self.push(format!("{ours}.bias"), format!("{theirs}.bias"), Layout::same(&[d_out]));
    }

    /// A map to the model's width.
    fn writing_model(&mut self, ours: &str, d_in: usize, theirs: &str) {
        let d_model = self.config.d_model;
        let map = Layout::map([d_in, d_model]).with_model_axis(1);
        self.push(format!("{ours}.weight"), format!("{theirs}.weight"), map);
        self.push(format!("{ours}.bias"), format!("{theirs}.bias"), Layout::same(&[d_model]).with_model_axis(0));
    }

    fn norm(&mut self, ours: &str, theirs: &str) {
        let vector = Layout::same(&[self.config.d_model]).with_model_axis(0);
        self.push(format!("{ours}.gamma"), format!("{theirs}.weight"), vector.clone());
        self.push(format!("{ours}.beta"), format!("{theirs}.bias"), vector);
    }
}
