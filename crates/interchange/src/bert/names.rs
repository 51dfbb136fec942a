//! The names that transformers has for the parameters of encoders.

use attentive_model::BertConfig;
use attentive_weights::HostTensor;

use super::Variant;
use crate::layout::transposed;

const POSITIONS: &str = "embeddings.position_embeddings.weight";

/// A parameter: its name and shape here, and its name there without the prefix of classes with heads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) ours: String,
    pub(super) theirs: String,
    shape: Vec<usize>,
    /// Whether it is a map, which PyTorch has as `[d_out, d_in]`.
    is_map: bool,
    /// Whether it is the encoder's own, and no head's.
    is_encoder: bool,
}

impl Slot {
    /// Its name in a file of a class whose encoder's parameters have `prefix`.
    pub(super) fn name(&self, prefix: &str) -> String {
        format!("{}{}", if self.is_encoder { prefix } else { "" }, self.theirs)
    }

    pub(super) fn is_positions(&self) -> bool {
        self.theirs == POSITIONS
    }

    pub(super) fn their_shape(&self) -> Vec<usize> {
        if self.is_map { self.shape.iter().rev().copied().collect() } else { self.shape.clone() }
    }

    pub(super) fn export(&self, tensor: &HostTensor) -> HostTensor {
        if self.is_map { transposed(tensor) } else { tensor.clone() }
    }

    pub(super) fn import(&self, tensor: HostTensor) -> HostTensor {
        if self.is_map { transposed(&tensor) } else { tensor }
    }
}

/// Every parameter of a model that the variant can be.
pub(super) fn slots(variant: Variant, config: &BertConfig) -> Vec<Slot> {
    let (d, d_ff) = (config.d_model, config.d_ff);
    let mut slots = Slots { slots: Vec::new(), is_encoder: true };
    let max_len = config.positions.max_len().unwrap_or(0);
    slots.table("embedding", config.vocab_size, d, "embeddings.word_embeddings.weight");
    slots.table("positions", max_len, d, POSITIONS);
    slots.table("segments", config.n_segments, d, "embeddings.token_type_embeddings.weight");
    slots.norm("norm", d, "embeddings.LayerNorm");
    for n in 0..config.n_layers {
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
    let is_in_classifier = variant == Variant::Roberta && !config.labels.is_empty();
    if config.pooler && !is_in_classifier {
        slots.map("pooler", [d, d], "pooler.dense");
    }
    slots.is_encoder = false;
    let n_labels = config.labels.len();
    if is_in_classifier {
        slots.map("pooler", [d, d], "classifier.dense");
        slots.map("classifier", [d, n_labels], "classifier.out_proj");
    } else if n_labels > 0 {
        slots.map("classifier", [d, n_labels], "classifier");
    }
    if config.masked_lm {
        let head = variant.masked_lm_head();
        let (dense, norm) = match variant {
            Variant::Bert => ("transform.dense", "transform.LayerNorm"),
            Variant::Roberta => ("dense", "layer_norm"),
        };
        slots.map("masked_lm.dense", [d, d], &format!("{head}.{dense}"));
        slots.norm("masked_lm.norm", d, &format!("{head}.{norm}"));
        slots.push("masked_lm.bias".into(), format!("{head}.bias"), vec![config.vocab_size], false);
    }
    if config.next_sentence {
        slots.map("next_sentence", [d, 2], "cls.seq_relationship");
    }
    slots.slots
}

struct Slots {
    slots: Vec<Slot>,
    is_encoder: bool,
}

impl Slots {
    fn push(&mut self, ours: String, theirs: String, shape: Vec<usize>, is_map: bool) {
        let is_encoder = self.is_encoder;
        self.slots.push(Slot { ours, theirs, shape, is_map, is_encoder });
    }

    fn table(&mut self, ours: &str, n: usize, width: usize, theirs: &str) {
        self.push(format!("{ours}.weight"), theirs.to_owned(), vec![n, width], false);
    }

    fn norm(&mut self, ours: &str, width: usize, theirs: &str) {
        self.push(format!("{ours}.gamma"), format!("{theirs}.weight"), vec![width], false);
        self.push(format!("{ours}.beta"), format!("{theirs}.bias"), vec![width], false);
    }

    fn map(&mut self, ours: &str, shape: [usize; 2], theirs: &str) {
        self.push(format!("{ours}.weight"), format!("{theirs}.weight"), shape.to_vec(), true);
        self.push(format!("{ours}.bias"), format!("{theirs}.bias"), vec![shape[1]], false);
    }
}
