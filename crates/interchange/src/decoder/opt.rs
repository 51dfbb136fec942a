//! OPT: GPT-2's layers with ReLU, two rows before the first position.

use attentive_attention::{NormKind, NormPlacement, PositionsConfig};
use attentive_model::GptConfig;
use serde_json::{Map, Value, json};

use super::{Architecture, activation, extend, keys::Keys, names::Names, sizes, sizes_of};
use crate::{InterchangeError, activations};

pub(crate) struct Opt;

impl Architecture for Opt {
    const MODEL_TYPE: &'static str = "opt";
    const CLASS_PREFIX: &'static str = "OPT";
    const NAMES: Names = Names {
        prefix: "model.decoder.",
        positions: ("embed_positions", 2),
        norm: "final_layer_norm",
        attention_norm: "self_attn_layer_norm",
        feed_forward_norm: "final_layer_norm",
        output: "self_attn.out_proj",
        inner: "fc1",
        outer: "fc2",
        ..Names::LLAMA
    };

    fn read(keys: &mut Keys<'_>) -> Result<GptConfig, InterchangeError> {
        let [d_model, d_ff, n_layers, n_heads] = sizes_of(keys, "ffn_dim")?;
        let (vocab_size, max_len) = (keys.need("vocab_size")?, keys.get("max_position_embeddings", 2048)?);
        let inner = keys.get("word_embed_proj_dim", d_model)?;
        keys.must(
            inner == d_model,
            format!("word_embed_proj_dim is {inner}, and hidden_size {d_model}: they are one here"),
        );
        for (key, usual) in
            [("enable_bias", true), ("layer_norm_elementwise_affine", true), ("_remove_final_layer_norm", false)]
        {
            let found = keys.get(key, usual)?;
            keys.must(found == usual, format!("{key} is {found}; here it is always {usual}"));
        }
        let layerdrop = keys.get("layerdrop", 0.0)?;
        keys.must(layerdrop == 0.0, format!("layerdrop is {layerdrop}; no layers are left out here"));
        let is_pre = keys.get("do_layer_norm_before", true)?;
        Ok(GptConfig {
            d_ff,
            activation: activation(keys, "activation_function", "relu")?,
            dropout: keys.get("dropout", 0.1)?,
            attention_dropout: keys.get("attention_dropout", 0.0)?,
            norm: if is_pre { NormPlacement::Pre } else { NormPlacement::Post },
            norm_kind: NormKind::Layer,
            tie_projection: keys.get("tie_word_embeddings", true)?,
            ..GptConfig::gpt2_like(vocab_size, max_len, [n_layers, n_heads, d_model])
        })
    }

    fn write(config: &GptConfig) -> Map<String, Value> {
        let mut settings = sizes(config);
        let own = json!({
            "ffn_dim": config.d_ff,
            "word_embed_proj_dim": config.d_model,
            "activation_function": activations::theirs(config.activation),
            "dropout": config.dropout,
            "attention_dropout": config.attention_dropout,
            "do_layer_norm_before": config.norm == NormPlacement::Pre,
        });
        extend(&mut settings, own);
        if let PositionsConfig::Learned { max_len } = config.positions {
            settings.insert("max_position_embeddings".into(), json!(max_len));
        }
        settings
    }
}
