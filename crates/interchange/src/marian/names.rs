//! The names that Marian has for our parameters.
//!
//! Its matrices are `[d_in, d_out]`, as ours are, and its vectors rows.

use attentive_attention::NormPlacement;
use attentive_model::TransformerConfig;

use crate::layout::{Layout, Slot};

/// The table that sources and targets share, and those that they have of their own.
pub(super) const SHARED: &str = "Wemb";
pub(super) const SOURCE: &str = "encoder_Wemb";
pub(super) const TARGET: &str = "decoder_Wemb";
/// A projection of its own, and the same transposed.
pub(super) const PROJECTION: &str = "decoder_ff_logit_out_W";
pub(super) const PROJECTION_ROWS: &str = "decoder_ff_logit_out_Wt";
pub(super) const PROJECTION_BIAS: &str = "decoder_ff_logit_out_b";

/// Every parameter of a model; `projection` is the name of a projection of its own.
pub(super) fn slots(config: &TransformerConfig, projection: &str) -> Vec<Slot> {
    let mut slots = Slots { config, slots: Vec::new() };
    let [sources, targets] = [config.source_vocab_size, config.target_vocab_size];
    if config.share_embeddings {
        slots.table("source_embedding", sources, SHARED);
    } else {
        slots.table("source_embedding", sources, SOURCE);
        slots.table("target_embedding", targets, TARGET);
    }
    match projection {
        _ if config.tie_projection => {}
        PROJECTION_ROWS => slots.table("projection", targets, PROJECTION_ROWS),
        _ => {
            let layout = Layout::map([targets, config.d_model]).with_model_axis(1);
            slots.push("projection.weight".into(), projection.into(), layout);
        }
    }
    if config.projection_bias {
        slots.push("projection_bias".into(), PROJECTION_BIAS.into(), Layout::row(targets));
    }
    for (stack, n_layers) in [("encoder", config.n_encoder_layers), ("decoder", config.n_decoder_layers)] {
        (0..n_layers).for_each(|n| slots.layer(stack, n));
        if config.norm == NormPlacement::Pre {
            slots.norm(&format!("{stack}.norm"), &format!("{stack}_top"), "");
        }
        if config.embedding_norm {
            let side = if stack == "encoder" { "source" } else { "target" };
            slots.norm(&format!("{side}_norm"), &format!("{stack}_emb"), "_pre");
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
        let (ours, theirs) = (format!("{stack}.layers.{n}"), format!("{stack}_l{}", n + 1));
        let (d_model, d_ff) = (self.config.d_model, self.config.d_ff);
        let norm_end = if self.config.norm == NormPlacement::Pre { "_pre" } else { "" };
        let attentions: &[_] = match stack {
            "decoder" => &[("self_attention", "self"), ("cross_attention", "context")],
            _ => &[("self_attention", "self")],
        };
        for (attention, of_theirs) in attentions {
            let (from, to) = (format!("{ours}.{attention}"), format!("{theirs}_{of_theirs}"));
            for (part, letter) in [("query", "q"), ("key", "k"), ("value", "v")] {
                self.reading_model(&format!("{from}.{part}"), d_model, &to, letter);
            }
            self.writing_model(&format!("{from}.output"), d_model, &to, "o");
            self.norm(&format!("{from}_add_norm.norm"), &format!("{to}_Wo"), norm_end);
        }
        let (from, to) = (format!("{ours}.feed_forward"), format!("{theirs}_ffn"));
        self.reading_model(&format!("{from}.inner"), d_ff, &to, "1");
        self.writing_model(&format!("{from}.outer"), d_ff, &to, "2");
        self.norm(&format!("{from}_add_norm.norm"), &format!("{to}_ffn"), norm_end);
    }

    /// A map from the model's width.
    fn reading_model(&mut self, ours: &str, d_out: usize, theirs: &str, letter: &str) {
        let map = Layout::same(&[self.config.d_model, d_out]).with_model_axis(0);
        self.push(format!("{ours}.weight"), format!("{theirs}_W{letter}"), map);
        self.push(format!("{ours}.bias"), format!("{theirs}_b{letter}"), Layout::row(d_out));
    }

    /// A map to the model's width.
    fn writing_model(&mut self, ours: &str, d_in: usize, theirs: &str, letter: &str) {
        let d_model = self.config.d_model;
        let map = Layout::same(&[d_in, d_model]).with_model_axis(1);
        self.push(format!("{ours}.weight"), format!("{theirs}_W{letter}"), map);
        let bias = Layout::row(d_model).with_model_axis(0);
        self.push(format!("{ours}.bias"), format!("{theirs}_b{letter}"), bias);
    }

    fn norm(&mut self, ours: &str, theirs: &str, end: &str) {
        for (part, of_theirs) in [("gamma", "scale"), ("beta", "bias")] {
            let layout = Layout::row(self.config.d_model).with_model_axis(0);
            self.push(format!("{ours}.{part}"), format!("{theirs}_ln_{of_theirs}{end}"), layout);
        }
    }
}
