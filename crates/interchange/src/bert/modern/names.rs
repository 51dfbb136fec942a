//! The names that transformers has for the parameters of ModernBERT.

use attentive_model::BertConfig;

use super::super::names::Slots;
use crate::layout::{Layout, Slot};

/// The prefix of the encoder's parameters in files with a head.
pub(super) const PREFIX: &str = "model.";
pub(super) const EMBEDDING: &str = "embeddings.tok_embeddings.weight";
pub(super) const PROJECTION: &str = "decoder.weight";
/// What stands before a classifier, and before the projection to tokens.
const DENSE: &str = "head.dense";
const NORM: &str = "head.norm";
const CLASSIFIER: &str = "classifier";

/// Every parameter of a model, the encoder's own with `prefix` before them. There are no norm of the first layer's attention
/// and nothing of segments or positions: a model that has them is another configuration.
pub(super) fn slots(config: &BertConfig, prefix: &str) -> Vec<Slot> {
    let (d, d_ff, vocab_size) = (config.d_model, config.d_ff, config.vocab_size);
    let mut slots = Slots::new(config.bias);
    let named = |name: &str| format!("{prefix}{name}");
    slots.push("embedding.weight".into(), named(EMBEDDING), Layout::same(&[vocab_size, d]));
    slots.norm("norm", d, &named("embeddings.norm"));
    for n in 0..config.n_layers {
        let (ours, theirs) =
            (|part: &str| format!("encoder.layers.{n}.{part}"), |part: &str| named(&format!("layers.{n}.{part}")));
        if n > 0 {
            slots.norm(&ours("self_attention_add_norm.norm"), d, &theirs("attn_norm"));
        }
        slots.parts(&ours("self_attention"), ["query", "key", "value"], [d, d], &theirs("attn.Wqkv"));
        slots.map(&ours("self_attention.output"), [d, d], &theirs("attn.Wo"));
        slots.norm(&ours("feed_forward_add_norm.norm"), d, &theirs("mlp_norm"));
        slots.parts(&ours("feed_forward"), ["gate", "inner"], [d, d_ff], &theirs("mlp.Wi"));
        slots.map(&ours("feed_forward.outer"), [d_ff, d], &theirs("mlp.Wo"));
    }
    slots.norm("encoder.norm", d, &named("final_norm"));
    if config.pooler {
        slots.map("pooler", [d, d], DENSE);
        slots.norm("pooler_norm", d, NORM);
    }
    if config.masked_lm {
        slots.map("masked_lm.dense", [d, d], DENSE);
        slots.norm("masked_lm.norm", d, NORM);
        slots.push("masked_lm.bias".into(), "decoder.bias".into(), Layout::same(&[vocab_size]));
        if !config.tie_projection {
            slots.push("projection.weight".into(), PROJECTION.into(), Layout::same(&[vocab_size, d]));
        }
    }
    if !config.labels.is_empty() {
        slots.classifier("classifier", [d, config.labels.len()], CLASSIFIER);
    }
    if !config.token_labels.is_empty() {
        slots.classifier("token_classifier", [d, config.token_labels.len()], CLASSIFIER);
    }
    if config.spans {
        slots.classifier("spans", [d, 2], CLASSIFIER);
    }
    slots.into_slots()
}
