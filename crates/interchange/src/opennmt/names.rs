//! The names that OpenNMT-py has for our parameters.

use crate::{
    layout::Layout,
    translators::{self, Attention, Layer, Map, Norm, Part, Stack, Table, weight_and_bias},
};

pub(super) const SOURCE: &str = "encoder.embeddings.make_embedding.emb_luts.0.weight";
pub(super) const TARGET: &str = "decoder.embeddings.make_embedding.emb_luts.0.weight";
/// The projection, and the same in older files, where it was the first of several modules.
pub(super) const PROJECTIONS: [&str; 2] = ["generator.weight", "generator.0.weight"];
/// Its bias.
pub(super) const PROJECTION_BIASES: [&str; 2] = ["generator.bias", "generator.0.bias"];
/// What a gated feed-forward network has.
pub(super) const GATE: &str = "encoder.transformer.0.feed_forward.w_3.weight";

/// The table of a stack's sinusoids.
pub(super) fn positions(stack: Stack) -> String {
    format!("{}.embeddings.make_embedding.pe.pe", stack.name())
}

/// OpenNMT-py's names.
pub(super) struct Names {
    /// Which of the names of the projection a file has.
    pub(super) projection: usize,
    pub(super) is_gated: bool,
}

impl Names {
    fn layer(Layer { stack, n }: Layer) -> String {
        match stack {
            Stack::Encoder => format!("encoder.transformer.{n}"),
            Stack::Decoder => format!("decoder.transformer_layers.{n}"),
        }
    }

    fn attention(layer: Layer, attention: Attention) -> String {
        let name = match attention {
            Attention::Own => "self_attn",
            Attention::Cross => "context_attn",
        };
        format!("{}.{name}", Self::layer(layer))
    }
}

impl translators::Names for Names {
    fn table(&self, table: Table) -> (String, bool) {
        let name = match table {
            Table::Shared | Table::Of(Stack::Encoder) => SOURCE,
            Table::Of(Stack::Decoder) => TARGET,
            Table::Projection => PROJECTIONS[self.projection],
        };
        (name.to_owned(), true)
    }

    fn projection_bias(&self, rows: usize) -> (String, Layout) {
        (PROJECTION_BIASES[self.projection].to_owned(), Layout::same(&[rows]))
    }

    fn map(&self, layer: Layer, map: Map) -> [String; 2] {
        let network = |name: &str| format!("{}.feed_forward.{name}", Self::layer(layer));
        weight_and_bias(&match map {
            Map::Heads(attention, parts) => {
                let name = match parts[0] {
                    Part::Query => "linear_query",
                    Part::Key => "linear_keys",
                    Part::Value => "linear_values",
                };
                format!("{}.{name}", Self::attention(layer, attention))
            }
            Map::Output(attention) => format!("{}.final_linear", Self::attention(layer, attention)),
            // The function is applied to the first, which is the gate in our formula.
            Map::Inner if self.is_gated => network("w_3"),
            Map::Inner | Map::Gate => network("w_1"),
            Map::Outer => network("w_2"),
        })
    }

    fn norm(&self, norm: Norm) -> [String; 2] {
        weight_and_bias(&match norm {
            Norm::Embedding(stack) => format!("{}.embedding_norm", stack.name()),
            Norm::Last(stack) => format!("{}.layer_norm", stack.name()),
            Norm::Attention(layer, attention) => match (layer.stack, attention) {
                (Stack::Encoder, _) => format!("{}.layer_norm", Self::layer(layer)),
                (Stack::Decoder, Attention::Own) => format!("{}.layer_norm_1", Self::layer(layer)),
                (Stack::Decoder, Attention::Cross) => format!("{}.layer_norm_2", Self::layer(layer)),
            },
            Norm::FeedForward(layer) => format!("{}.feed_forward.layer_norm", Self::layer(layer)),
        })
    }
}
