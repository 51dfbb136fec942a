//! The names of fairseq's modules, which transformers took over with its models.

use super::names::{Attention, Layer, Map, Names, Norm, Part, Stack, Table, weight_and_bias};
use crate::layout::Layout;

/// The names of modules after `before`.
pub(crate) struct FairseqNames {
    /// What the names of all modules of both stacks begin with: `model.` in transformers.
    pub(crate) before: &'static str,
    /// The table that sources and targets share, and the projection.
    pub(crate) tables: [&'static str; 2],
    /// The projection's bias, a row.
    pub(crate) projection_bias: &'static str,
    /// Whether queries, keys and values are one map, `in_proj_weight`, as in fairseq before 0.9.
    pub(crate) is_fused: bool,
    /// Rows of the tables of learned positions of both stacks beyond those of our positions; the first two have none.
    pub(crate) more_positions: [usize; 2],
}

/// Rows of a table of learned positions that no position has: those up to the id of padding.
pub(crate) const UNUSED_POSITIONS: usize = 2;

impl FairseqNames {
    fn stack(&self, stack: Stack) -> String {
        format!("{}{}", self.before, stack.name())
    }

    fn layer(&self, Layer { stack, n }: Layer) -> String {
        format!("{}.layers.{n}", self.stack(stack))
    }

    fn attention(&self, layer: Layer, attention: Attention) -> String {
        let name = match attention {
            Attention::Own => "self_attn",
            Attention::Cross => "encoder_attn",
        };
        format!("{}.{name}", self.layer(layer))
    }
}

/// The name of a stack's table of positions.
pub(crate) fn positions_name(stack: &str) -> String {
    format!("{stack}.embed_positions.weight")
}

impl Names for FairseqNames {
    fn parts(&self, _attention: Attention) -> &'static [&'static [Part]] {
        match self.is_fused {
            true => &[&[Part::Query, Part::Key, Part::Value]],
            false => &[&[Part::Query], &[Part::Key], &[Part::Value]],
        }
    }

    fn table(&self, table: Table) -> (String, bool) {
        let name = match table {
            Table::Shared => self.tables[0].to_owned(),
            Table::Of(stack) => format!("{}.embed_tokens.weight", self.stack(stack)),
            Table::Projection => self.tables[1].to_owned(),
        };
        (name, true)
    }

    fn projection_bias(&self, rows: usize) -> (String, Layout) {
        (self.projection_bias.to_owned(), Layout::row(rows))
    }

    fn map(&self, layer: Layer, map: Map) -> [String; 2] {
        let module = match map {
            Map::Heads(attention, [part]) => {
                let name = match part {
                    Part::Query => "q_proj",
                    Part::Key => "k_proj",
                    Part::Value => "v_proj",
                };
                format!("{}.{name}", self.attention(layer, attention))
            }
            Map::Heads(attention, _) => {
                let module = self.attention(layer, attention);
                return ["weight", "bias"].map(|part| format!("{module}.in_proj_{part}"));
            }
            Map::Output(attention) => format!("{}.out_proj", self.attention(layer, attention)),
            Map::Inner => format!("{}.fc1", self.layer(layer)),
            Map::Gate => format!("{}.gate", self.layer(layer)),
            Map::Outer => format!("{}.fc2", self.layer(layer)),
        };
        weight_and_bias(&module)
    }

    fn norm(&self, norm: Norm) -> [String; 2] {
        weight_and_bias(&match norm {
            Norm::Embedding(stack) => format!("{}.layernorm_embedding", self.stack(stack)),
            Norm::Last(stack) => format!("{}.layer_norm", self.stack(stack)),
            Norm::Attention(layer, attention) => format!("{}_layer_norm", self.attention(layer, attention)),
            Norm::FeedForward(layer) => format!("{}.final_layer_norm", self.layer(layer)),
        })
    }

    fn positions(&self, stack: Stack, max_len: usize) -> (String, [usize; 2]) {
        let more = self.more_positions[usize::from(stack == Stack::Decoder)];
        (positions_name(&self.stack(stack)), [max_len + UNUSED_POSITIONS + more, UNUSED_POSITIONS])
    }
}
