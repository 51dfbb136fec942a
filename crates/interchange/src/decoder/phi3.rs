//! Phi 3: Llama with its projections in one tensor each.

use attentive_attention::{PositionsConfig, RotaryScaling};
use attentive_model::GptConfig;
use serde_json::{Map, Value, json};

use super::{
    Architecture, Usual, extend,
    keys::Keys,
    names::{Names, Qkv},
    read_llama_like, rotary, windows, write_llama_like,
};
use crate::InterchangeError;

pub(crate) struct Phi3;

impl Architecture for Phi3 {
    const MODEL_TYPE: &'static str = "phi3";
    const CLASS_PREFIX: &'static str = "Phi3";
    const NAMES: Names =
        Names { qkv: Qkv::Stacked("self_attn.qkv_proj"), gate_and_inner: Some("mlp.gate_up_proj"), ..Names::LLAMA };

    fn read(keys: &mut Keys<'_>) -> Result<GptConfig, InterchangeError> {
        let config = read_llama_like(keys, &Usual { share: Some(rotary::Share::usual(1.0)), ..Usual::LLAMA })?;
        let scaling = match &config.positions {
            PositionsConfig::Rotary(rotary) => rotary.scaling.as_ref(),
            _ => None,
        };
        let is_its_own = scaling.is_none_or(|scaling| matches!(scaling, RotaryScaling::LongRope { .. }));
        keys.must(is_its_own, "rope_type of this architecture is \"default\" or \"longrope\"");
        let windows::Windows { window, full_layers } = windows::read(keys, config.n_layers, None, |_| false)?;
        Ok(GptConfig {
            dropout: keys.get("resid_pdrop", 0.0)?,
            epsilon: keys.get("rms_norm_eps", 1e-5)?,
            window,
            full_layers,
            ..config
        })
    }

    fn write(config: &GptConfig) -> Map<String, Value> {
        let mut settings = write_llama_like(config);
        extend(&mut settings, json!({ "sliding_window": config.window, "resid_pdrop": config.dropout }));
        if let Some(original) = settings.get("rope_scaling").and_then(|scaling| scaling.get(rotary::ORIGINAL)).cloned()
        {
            settings.insert(rotary::ORIGINAL.to_owned(), original);
        }
        settings
    }
}
