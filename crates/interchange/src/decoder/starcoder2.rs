//! StarCoder 2: biases everywhere, layer norms, shared heads of keys, a window.

use attentive_model::GptConfig;
use serde_json::{Map, Value, json};

use super::{
    Architecture, Usual, extend, keys::Keys, names::Names, read_llama_like, windows, with_layer_norms, write_llama_like,
};
use crate::InterchangeError;

pub(crate) struct Starcoder2;

impl Architecture for Starcoder2 {
    const MODEL_TYPE: &'static str = "starcoder2";
    const CLASS_PREFIX: &'static str = "Starcoder2";
    const NAMES: Names = Names { inner: "mlp.c_fc", outer: "mlp.c_proj", ..Names::LLAMA };

    fn read(keys: &mut Keys<'_>) -> Result<GptConfig, InterchangeError> {
        let usual = Usual { activation: "gelu_pytorch_tanh", tied: true, kv_heads: Some(2), ..Usual::LLAMA };
        let config = read_llama_like(keys, &usual)?;
        let bias = keys.get("use_bias", true)?;
        keys.must(bias, "use_bias is false; here all layers of this architecture have biases");
        let windows::Windows { window, full_layers } = windows::read(keys, config.n_layers, None, |_| false)?;
        let dropout = keys.get("residual_dropout", 0.0)?;
        let of_embeddings = keys.get("embedding_dropout", dropout)?;
        keys.must(of_embeddings == dropout, "embedding_dropout and residual_dropout differ; here they are one");
        let config = GptConfig { gated: false, dropout, window, full_layers, ..config };
        Ok(GptConfig { epsilon: keys.get("norm_epsilon", 1e-5)?, ..with_layer_norms(keys, config)? })
    }

    fn write(config: &GptConfig) -> Map<String, Value> {
        let mut settings = write_llama_like(config);
        let own = json!({
            "norm_epsilon": config.epsilon,
            "use_bias": config.bias,
            "sliding_window": config.window,
            "residual_dropout": config.dropout,
            "embedding_dropout": config.dropout,
        });
        extend(&mut settings, own);
        settings
    }
}
