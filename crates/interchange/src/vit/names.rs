//! Which tensor of theirs is which parameter of ours.

use attentive_model::{Distillation, ImagePooling, VitConfig};

use crate::layout::{Layout, Slot};

/// Every parameter of a model, the encoder's names without their prefix.
pub(super) fn slots(config: &VitConfig) -> Vec<Slot> {
    let VitConfig { d_model: d, d_ff, n_channels, patch_size, .. } = *config;
    let mut slots = Slots(Vec::new());
    let patches = "embeddings.patch_embeddings.projection";
    // A convolution whose steps are as wide as it is: `[out, channels, height, width]`.
    let kernel = Layout::map([config.patch_width(), d]).reshaped(&[d, n_channels, patch_size, patch_size]);
    slots.push("patches.weight", format!("{patches}.weight"), kernel);
    slots.push("patches.bias", format!("{patches}.bias"), Layout::same(&[d]));
    let vector = || Layout::same(&[1, d]).reshaped(&[1, 1, d]);
    if config.pooling == ImagePooling::ClassToken {
        slots.push("class_token", "embeddings.cls_token".into(), vector());
    }
    if config.distillation != Distillation::None {
        slots.push("distillation_token", "embeddings.distillation_token".into(), vector());
    }
    let n_tokens = config.n_tokens();
    let positions = Layout::same(&[n_tokens, d]).reshaped(&[1, n_tokens, d]);
    slots.push("positions", "embeddings.position_embeddings".into(), positions);
    for number in 0..config.n_layers {
        let (ours, theirs) = (format!("encoder.layers.{number}"), format!("encoder.layer.{number}"));
        slots.norm(&format!("{ours}.self_attention_add_norm.norm"), d, &format!("{theirs}.layernorm_before"));
        slots.norm(&format!("{ours}.feed_forward_add_norm.norm"), d, &format!("{theirs}.layernorm_after"));
        for part in ["query", "key", "value"] {
            let names = [format!("{ours}.self_attention.{part}"), format!("{theirs}.attention.attention.{part}")];
            slots.map(&names[0], [d, d], config.qkv_bias, &names[1]);
        }
        let output = format!("{theirs}.attention.output.dense");
        slots.map(&format!("{ours}.self_attention.output"), [d, d], true, &output);
        slots.map(&format!("{ours}.feed_forward.inner"), [d, d_ff], true, &format!("{theirs}.intermediate.dense"));
        slots.map(&format!("{ours}.feed_forward.outer"), [d_ff, d], true, &format!("{theirs}.output.dense"));
    }
    slots.norm("encoder.norm", d, "layernorm");
    if config.pooler {
        slots.map("pooler", [d, d], true, "pooler.dense");
    }
    if !config.labels.is_empty() {
        let shape = [d, config.labels.len()];
        match config.distillation {
            Distillation::Head => {
                slots.map("classifier", shape, true, "cls_classifier");
                slots.map("distillation_classifier", shape, true, "distillation_classifier");
            }
            Distillation::None | Distillation::Token => slots.map("classifier", shape, true, "classifier"),
        }
    }
    slots.0
}

struct Slots(Vec<Slot>);

impl Slots {
    fn push(&mut self, ours: impl Into<String>, theirs: String, layout: Layout) {
        self.0.push(Slot { ours: ours.into(), theirs, layout });
    }

    fn norm(&mut self, ours: &str, width: usize, theirs: &str) {
        self.push(format!("{ours}.gamma"), format!("{theirs}.weight"), Layout::same(&[width]));
        self.push(format!("{ours}.beta"), format!("{theirs}.bias"), Layout::same(&[width]));
    }

    fn map(&mut self, ours: &str, shape: [usize; 2], bias: bool, theirs: &str) {
        self.push(format!("{ours}.weight"), format!("{theirs}.weight"), Layout::map(shape));
        if bias {
            self.push(format!("{ours}.bias"), format!("{theirs}.bias"), Layout::same(&[shape[1]]));
        }
    }
}
