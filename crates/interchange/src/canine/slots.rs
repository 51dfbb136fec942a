//! Which tensor of theirs is which parameter of ours.

use attentive_model::CanineConfig;

use crate::layout::{Layout, Slot};

/// Every parameter of a model that transformers has a CANINE for, the encoder's names without their prefix.
pub(super) fn slots(config: &CanineConfig) -> Vec<Slot> {
    let CanineConfig { d_model: d, d_ff, n_buckets, n_hashes, .. } = *config;
    let mut slots = Slots(Vec::new());
    for table in 0..n_hashes {
        let theirs = format!("char_embeddings.HashBucketCodepointEmbedder_{table}.weight");
        slots.push("embedding.weight".into(), theirs, Layout::rows(table, n_hashes, [n_buckets, d / n_hashes]));
    }
    // The table of positions has as many rows as one of hashes; only the first ones are used.
    let positions = Layout::rows_between([config.max_len, n_buckets], [0, 0, config.max_len], d);
    slots.push("positions.weight".into(), "char_embeddings.char_position_embeddings.weight".into(), positions);
    let segments = Layout::same(&[config.n_segments, d]);
    slots.push("segments.weight".into(), "char_embeddings.token_type_embeddings.weight".into(), segments);
    slots.norm("norm", d, "char_embeddings.LayerNorm");
    let deep = (0..config.n_layers).map(|n| (format!("encoder.layers.{n}"), format!("encoder.layer.{n}")));
    let shallow = [("local", "initial_char_encoder"), ("last", "final_char_encoder")];
    let shallow = shallow.map(|(ours, theirs)| (format!("{ours}.layers.0"), format!("{theirs}.layer.0")));
    for (ours, theirs) in deep.chain(shallow) {
        for part in ["query", "key", "value"] {
            slots.map(&format!("{ours}.self_attention.{part}"), [d, d], &format!("{theirs}.attention.self.{part}"));
        }
        slots.map(&format!("{ours}.self_attention.output"), [d, d], &format!("{theirs}.attention.output.dense"));
        let norm = format!("{theirs}.attention.output.LayerNorm");
        slots.norm(&format!("{ours}.self_attention_add_norm.norm"), d, &norm);
        slots.map(&format!("{ours}.feed_forward.inner"), [d, d_ff], &format!("{theirs}.intermediate.dense"));
        slots.map(&format!("{ours}.feed_forward.outer"), [d_ff, d], &format!("{theirs}.output.dense"));
        slots.norm(&format!("{ours}.feed_forward_add_norm.norm"), d, &format!("{theirs}.output.LayerNorm"));
    }
    slots.convolution("downsampling", config.rate, [d, d], "chars_to_molecules");
    slots.convolution("upsampling", config.upsampling_width, [2 * d, d], "projection");
    if config.pooler {
        slots.map("pooler", [d, d], "pooler.dense");
    }
    if !config.labels.is_empty() {
        slots.map("classifier", [d, config.labels.len()], "classifier");
    }
    slots.0
}

struct Slots(Vec<Slot>);

impl Slots {
    fn push(&mut self, ours: String, theirs: String, layout: Layout) {
        self.0.push(Slot { ours, theirs, layout });
    }

    fn norm(&mut self, ours: &str, width: usize, theirs: &str) {
        self.push(format!("{ours}.gamma"), format!("{theirs}.weight"), Layout::same(&[width]));
        self.push(format!("{ours}.beta"), format!("{theirs}.bias"), Layout::same(&[width]));
    }

    fn map(&mut self, ours: &str, shape: [usize; 2], theirs: &str) {
        self.push(format!("{ours}.weight"), format!("{theirs}.weight"), Layout::map(shape));
        self.push(format!("{ours}.bias"), format!("{theirs}.bias"), Layout::same(&[shape[1]]));
    }

    fn convolution(&mut self, ours: &str, width: usize, shape: [usize; 2], theirs: &str) {
        let [weight, bias] =
            ["weight", "bias"].map(|kind| (format!("{ours}.convolution.{kind}"), format!("{theirs}.conv.{kind}")));
        self.push(weight.0, weight.1, Layout::convolution(width, shape));
        self.push(bias.0, bias.1, Layout::same(&[shape[1]]));
        self.norm(&format!("{ours}.norm"), shape[1], &format!("{theirs}.LayerNorm"));
    }
}
