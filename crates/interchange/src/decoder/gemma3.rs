//! Gemma 3, text alone: norms before and after sub-layers and of queries and keys; five layers with a window, then one
//! without, whose positions turn more slowly.

use attentive_attention::NormPlacement;
use attentive_model::GptConfig;
use serde_json::{Map, Value};

use super::{
    Architecture,
    gemma::{read_layered, write_layered},
    keys::Keys,
    names::Names,
};
use crate::InterchangeError;

/// Every such layer sees everything.
const PATTERN: usize = 6;

pub(crate) struct Gemma3;

impl Architecture for Gemma3 {
    const MODEL_TYPE: &'static str = "gemma3_text";
    const CLASS_PREFIX: &'static str = "Gemma3";
    const NAMES: Names = Names { feed_forward_norm: "pre_feedforward_layernorm", gain_offset: 1.0, ..Names::LLAMA };

    fn read(keys: &mut Keys<'_>) -> Result<GptConfig, InterchangeError> {
        let old = keys.get("sliding_window_pattern", PATTERN)?;
        let pattern = keys.get("_sliding_window_pattern", old)?.max(1);
        let config = read_layered(keys, [None, None], |layer| (layer + 1).is_multiple_of(pattern))?;
        Ok(GptConfig { norm: NormPlacement::Both, qk_norm: true, ..config })
    }

    fn write(config: &GptConfig) -> Map<String, Value> {
        write_layered(config)
    }
}
