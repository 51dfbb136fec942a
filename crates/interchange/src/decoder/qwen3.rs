//! Qwen 3: norms of queries and keys, and no biases.

use attentive_model::GptConfig;
use serde_json::{Map, Value, json};

use super::{
    Architecture, Usual, extend,
    keys::Keys,
    names::Names,
    qwen2::{read_upper_windows, write_upper_windows},
    read_llama_like,
    windows::Windows,
    write_llama_like,
};
use crate::InterchangeError;

/// Width of a head where `config.json` does not say it.
const HEAD_DIM: usize = 128;

pub(crate) struct Qwen3;

impl Architecture for Qwen3 {
    const MODEL_TYPE: &'static str = "qwen3";
    const CLASS_PREFIX: &'static str = "Qwen3";
    const NAMES: Names = Names::LLAMA;

    fn read(keys: &mut Keys<'_>) -> Result<GptConfig, InterchangeError> {
        let config = read_llama_like(keys, &Usual { head_dim: Some(HEAD_DIM), ..Usual::LLAMA })?;
        let bias = keys.get("attention_bias", false)?;
        keys.must(!bias, "attention_bias is true; this architecture is read without biases");
        let Windows { window, full_layers } = read_upper_windows(keys, config.n_layers)?;
        Ok(GptConfig { qk_norm: true, window, full_layers, ..config })
    }

    fn write(config: &GptConfig) -> Map<String, Value> {
        let mut settings = write_llama_like(config);
        settings.extend(write_upper_windows(config));
        extend(&mut settings, json!({ "attention_bias": false }));
        settings
    }
}
