//! Gemma 2: norms before and after sub-layers, bounded scores and logits, every other layer with a window.

use attentive_attention::NormPlacement;
use attentive_model::GptConfig;
use serde_json::{Map, Value};

use super::{
    Architecture,
    gemma::{read_layered, write_layered},
    keys::Keys,
    names::Names,
    rotary,
};
use crate::InterchangeError;

pub(crate) struct Gemma2;

impl Architecture for Gemma2 {
    const MODEL_TYPE: &'static str = "gemma2";
    const CLASS_PREFIX: &'static str = "Gemma2";
    const NAMES: Names = Names { feed_forward_norm: "pre_feedforward_layernorm", gain_offset: 1.0, ..Names::LLAMA };

    fn read(keys: &mut Keys<'_>) -> Result<GptConfig, InterchangeError> {
        let config =
            read_layered(keys, rotary::Bases::USUAL, [Some(50.0), Some(30.0)], |layer| !layer.is_multiple_of(2))?;
        Ok(GptConfig { norm: NormPlacement::Both, window_theta: None, ..config })
    }

    fn write(config: &GptConfig) -> Map<String, Value> {
        write_layered(config)
    }
}
