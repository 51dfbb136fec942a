//! The names that transformers has for our parameters: fairseq's, in a model.

use attentive_model::TransformerConfig;

use crate::{
    layout::Slot,
    translators::{self, FairseqNames},
};

/// The name of the projection's bias.
pub(super) const LOGITS_BIAS: &str = "final_logits_bias";

/// The name of a stack's table of positions.
pub(super) fn positions_name(stack: &str) -> String {
    translators::positions_name(&format!("model.{stack}"))
}

/// Every parameter of a model.
pub(super) fn slots(config: &TransformerConfig) -> Vec<Slot> {
    let names = FairseqNames {
        before: "model.",
        tables: ["model.shared.weight", "lm_head.weight"],
        projection_bias: LOGITS_BIAS,
        is_fused: false,
        more_positions: [0, 0],
    };
    translators::slots(config, &names)
}
