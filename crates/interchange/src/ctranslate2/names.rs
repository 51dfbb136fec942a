//! The names that CTranslate2 has for our parameters.

use crate::{
    layout::Layout,
    translators::{Attention, Layer, Map, Names, Norm, Part, Stack, Table},
};

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

/// CTranslate2's names.
pub(super) struct CTranslate2;

impl CTranslate2 {
    fn layer(Layer { stack, n }: Layer) -> String {
        format!("{}/layer_{n}", stack.name())
    }

    fn attention(layer: Layer, attention: Attention) -> String {
        let name = match attention {
            Attention::Own => "self_attention",
            Attention::Cross => "attention",
        };
        format!("{}/{name}", Self::layer(layer))
    }
}

impl Names for CTranslate2 {
    fn parts(&self, attention: Attention) -> &'static [&'static [Part]] {
        match attention {
            Attention::Own => &[&[Part::Query, Part::Key, Part::Value]],
            Attention::Cross => &[&[Part::Query], &[Part::Key, Part::Value]],
        }
    }

    fn table(&self, table: Table) -> (String, bool) {
        let name = match table {
            Table::Shared | Table::Of(Stack::Decoder) => TARGET,
            Table::Of(Stack::Encoder) => SOURCE,
            Table::Projection => PROJECTION,
        };
        (name.to_owned(), true)
    }

    fn projection_bias(&self, rows: usize) -> (String, Layout) {
        (PROJECTION_BIAS.to_owned(), Layout::same(&[rows]))
    }

    fn map(&self, layer: Layer, map: Map) -> [String; 2] {
        let network = |n: &str| format!("{}/ffn/linear_{n}", Self::layer(layer));
        let module = match map {
            Map::Heads(attention, parts) => {
                let n = usize::from(parts[0] != Part::Query);
                format!("{}/linear_{n}", Self::attention(layer, attention))
            }
            Map::Output(attention) => {
                format!("{}/linear_{}", Self::attention(layer, attention), self.parts(attention).len())
            }
            Map::Inner => network("0"),
            Map::Gate => network("0_noact"),
            Map::Outer => network("1"),
        };
        ["weight", "bias"].map(|part| format!("{module}/{part}"))
    }

    fn norm(&self, norm: Norm) -> [String; 2] {
        let module = match norm {
            Norm::Embedding(stack) => embedding_norm(stack.name()),
            Norm::Last(stack) => format!("{}/layer_norm", stack.name()),
            Norm::Attention(layer, attention) => format!("{}/layer_norm", Self::attention(layer, attention)),
            Norm::FeedForward(layer) => format!("{}/ffn/layer_norm", Self::layer(layer)),
        };
        ["gamma", "beta"].map(|part| format!("{module}/{part}"))
    }

    fn positions(&self, stack: Stack, max_len: usize) -> (String, [usize; 2]) {
        (positions(stack.name()), [max_len, 0])
    }
}
