//! Phi 1, 1.5 and 2: attention and feed-forward network side by side after one norm, a part of each head turned.

use attentive_model::GptConfig;
use serde_json::{Map, Value, json};

use super::{
    Architecture, Usual, extend, keys::Keys, names::Names, read_llama_like, rotary, with_layer_norms, write_llama_like,
};
use crate::InterchangeError;

const USUAL: Usual = Usual { share: Some(rotary::Share::usual(0.5)), activation: "gelu_new", ..Usual::LLAMA };

pub(crate) struct Phi;

impl Architecture for Phi {
    const MODEL_TYPE: &'static str = "phi";
    const CLASS_PREFIX: &'static str = "Phi";
    const NAMES: Names = Names {
        norm: "final_layernorm",
        feed_forward_norm: "input_layernorm",
        output: "self_attn.dense",
        inner: "mlp.fc1",
        outer: "mlp.fc2",
        ..Names::LLAMA
    };

    fn read(keys: &mut Keys<'_>) -> Result<GptConfig, InterchangeError> {
        let config = read_llama_like(keys, &USUAL)?;
        let of_queries = keys.get("qk_layernorm", false)?;
        keys.must(!of_queries, "qk_layernorm is true; queries and keys of this architecture are not normalised here");
        let config = GptConfig {
            dropout: keys.get("resid_pdrop", 0.0)?,
            gated: false,
            parallel: true,
            projection_bias: true,
            ..config
        };
        with_layer_norms(keys, config)
    }

    fn write(config: &GptConfig) -> Map<String, Value> {
        let mut settings = write_llama_like(config);
        let own = json!({
            "layer_norm_eps": config.epsilon,
            "resid_pdrop": config.dropout,
            "embd_pdrop": config.dropout,
            "partial_rotary_factor": rotary::share(config),
        });
        extend(&mut settings, own);
        settings
    }
}
