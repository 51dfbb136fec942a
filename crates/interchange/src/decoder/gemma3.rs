//! Gemma 3, text alone: norms before and after sub-layers and of queries and keys; five layers with a window, then one
//! without, whose positions turn more slowly.

use attentive_attention::NormPlacement;
use attentive_model::GptConfig;
use serde_json::{Map, Value, json};

use super::{
    Architecture, extend,
    gemma::{read_gemma_like, write_gemma_like},
    keys::Keys,
    names::Names,
    windows,
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
        let config = read_gemma_like(keys)?;
        for key in ["final_logit_softcapping", "attn_logit_softcapping"] {
            let cap = keys.find::<f64>(key)?;
            keys.must(cap.is_none(), format!("{key} is set; scores have no cap here"));
        }
        let head_dim = config.head_dim();
        let scalar = keys.get("query_pre_attn_scalar", 256.0)?;
        keys.must(
            scalar == head_dim as f64,
            format!("query_pre_attn_scalar is {scalar}; scores are divided by the root of head_dim, {head_dim}"),
        );
        let old = keys.get("sliding_window_pattern", PATTERN)?;
        let pattern = keys.get("_sliding_window_pattern", old)?.max(1);
        let windows::Windows { window, full_layers } =
            windows::read(keys, config.n_layers, |layer| (layer + 1).is_multiple_of(pattern))?;
        Ok(GptConfig {
            norm: NormPlacement::Both,
            qk_norm: true,
            window,
            full_layers,
            window_theta: config.window_theta.filter(|_| window.is_some()),
            ..config
        })
    }

    fn write(config: &GptConfig) -> Map<String, Value> {
        let mut settings = write_gemma_like(config);
        let GptConfig { n_layers, window, ref full_layers, .. } = *config;
        let own = json!({
            "query_pre_attn_scalar": config.head_dim(),
            "sliding_window": window,
            "layer_types": windows::types(n_layers, window, full_layers),
        });
        extend(&mut settings, own);
        settings
    }
}
