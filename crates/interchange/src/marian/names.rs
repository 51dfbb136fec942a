//! The names that Marian has for our parameters.
//!
//! Its matrices are `[d_in, d_out]`, as ours are, and its vectors rows.

use attentive_attention::NormPlacement;

use crate::{
    layout::Layout,
    translators::{Attention, Layer, Map, Names, Norm, Part, Stack, Table},
};

/// The table that sources and targets share, and those that they have of their own.
pub(super) const SHARED: &str = "Wemb";
pub(super) const SOURCE: &str = "encoder_Wemb";
pub(super) const TARGET: &str = "decoder_Wemb";
/// A projection of its own, and the same transposed.
pub(super) const PROJECTION: &str = "decoder_ff_logit_out_W";
pub(super) const PROJECTION_ROWS: &str = "decoder_ff_logit_out_Wt";
pub(super) const PROJECTION_BIAS: &str = "decoder_ff_logit_out_b";

/// Marian's names.
pub(super) struct Marian {
    /// The name of a projection of its own.
    pub(super) projection: &'static str,
    pub(super) norm: NormPlacement,
}

impl Marian {
    fn layer(Layer { stack, n }: Layer) -> String {
        format!("{}_l{}", stack.name(), n + 1)
    }

    fn attention(layer: Layer, attention: Attention) -> String {
        let name = match attention {
            Attention::Own => "self",
            Attention::Cross => "context",
        };
        format!("{}_{name}", Self::layer(layer))
    }
}

impl Names for Marian {
    const TRANSPOSED: bool = false;

    fn vector(&self, size: usize) -> Layout {
        Layout::row(size)
    }

    fn table(&self, table: Table) -> (String, bool) {
        match table {
            Table::Shared => (SHARED.to_owned(), true),
            Table::Of(Stack::Encoder) => (SOURCE.to_owned(), true),
            Table::Of(Stack::Decoder) => (TARGET.to_owned(), true),
            Table::Projection => (self.projection.to_owned(), self.projection == PROJECTION_ROWS),
        }
    }

    fn projection_bias(&self, rows: usize) -> (String, Layout) {
        (PROJECTION_BIAS.to_owned(), Layout::row(rows))
    }

    fn map(&self, layer: Layer, map: Map) -> [String; 2] {
        let network = || format!("{}_ffn", Self::layer(layer));
        let (module, letter) = match map {
            Map::Heads(attention, parts) => {
                let letter = match parts[0] {
                    Part::Query => "q",
                    Part::Key => "k",
                    Part::Value => "v",
                };
                (Self::attention(layer, attention), letter)
            }
            Map::Output(attention) => (Self::attention(layer, attention), "o"),
            Map::Inner => (network(), "1"),
            Map::Gate => (network(), "3"),
            Map::Outer => (network(), "2"),
        };
        ["W", "b"].map(|part| format!("{module}_{part}{letter}"))
    }

    fn norm(&self, norm: Norm) -> [String; 2] {
        let end = if self.norm == NormPlacement::Pre { "_pre" } else { "" };
        let (module, end) = match norm {
            Norm::Embedding(stack) => (format!("{}_emb", stack.name()), "_pre"),
            Norm::Last(stack) => (format!("{}_top", stack.name()), ""),
            Norm::Attention(layer, attention) => (format!("{}_Wo", Self::attention(layer, attention)), end),
            Norm::FeedForward(layer) => (format!("{}_ffn_ffn", Self::layer(layer)), end),
        };
        ["scale", "bias"].map(|part| format!("{module}_ln_{part}{end}"))
    }
}
