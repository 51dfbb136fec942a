//! GPT-NeoX, Pythia: attention and feed-forward network side by side, a quarter of each head turned.

use attentive_attention::PositionsConfig;
use attentive_model::GptConfig;
use serde_json::{Map, Value, json};

use super::{
    Architecture, Usual, extend,
    keys::Keys,
    names::{Names, Qkv},
    read_llama_like, rotary, with_layer_norms, write_llama_like,
};
use crate::InterchangeError;

const USUAL: Usual = Usual {
    share: Some(rotary::Share { key: "rotary_pct", usual: 0.25 }),
    bases: rotary::Bases { key: "rotary_emb_base", ..rotary::Bases::USUAL },
    activation: "gelu",
    ..Usual::LLAMA
};

pub(crate) struct GptNeoX;

impl Architecture for GptNeoX {
    const MODEL_TYPE: &'static str = "gpt_neox";
    const CLASS_PREFIX: &'static str = "GPTNeoX";
    const NAMES: Names = Names {
        prefix: "gpt_neox.",
        embedding: "embed_in",
        norm: "final_layer_norm",
        projection: "embed_out",
        feed_forward_norm: "post_attention_layernorm",
        qkv: Qkv::ByHead("attention.query_key_value"),
        output: "attention.dense",
        inner: "mlp.dense_h_to_4h",
        outer: "mlp.dense_4h_to_h",
        ..Names::LLAMA
    };

    fn read(keys: &mut Keys<'_>) -> Result<GptConfig, InterchangeError> {
        let config = read_llama_like(keys, &USUAL)?;
        if let PositionsConfig::Rotary(rotary) = &config.positions {
            keys.repeats("rope_theta", |theta| *theta == rotary.theta);
            keys.repeats("partial_rotary_factor", |share| *share == rotary::share(&config));
        }
        let bias = keys.get("attention_bias", true)?;
        keys.must(bias, "attention_bias is false; here all layers of this architecture have biases");
        let config = GptConfig {
            dropout: keys.get("hidden_dropout", 0.0)?,
            gated: false,
            parallel: keys.get("use_parallel_residual", true)?,
            ..config
        };
        with_layer_norms(keys, config)
    }

    fn write(config: &GptConfig) -> Map<String, Value> {
        let mut settings = write_llama_like(config);
        let PositionsConfig::Rotary(rotary) = &config.positions else { return settings };
        let own = json!({
            "layer_norm_eps": config.epsilon,
            "hidden_dropout": config.dropout,
            "use_parallel_residual": config.parallel,
            "rotary_pct": rotary::share(config),
            "rotary_emb_base": rotary.theta,
        });
        extend(&mut settings, own);
        settings
    }
}
