//! Mistral: Llama with a window.

use attentive_model::GptConfig;
use serde_json::{Map, Value, json};

use super::{Architecture, Usual, extend, keys::Keys, names::Names, read_llama_like, windows, write_llama_like};
use crate::InterchangeError;

pub(crate) struct Mistral;

impl Architecture for Mistral {
    const MODEL_TYPE: &'static str = "mistral";
    const CLASS_PREFIX: &'static str = "Mistral";
    const NAMES: Names = Names::LLAMA;

    fn read(keys: &mut Keys<'_>) -> Result<GptConfig, InterchangeError> {
        let config = read_llama_like(keys, &Usual { kv_heads: Some(8), ..Usual::LLAMA })?;
        let windows::Windows { window, full_layers } = windows::read(keys, config.n_layers, Some(4096), |_| false)?;
        Ok(GptConfig { window, full_layers, ..config })
    }

    fn write(config: &GptConfig) -> Map<String, Value> {
        let mut settings = write_llama_like(config);
        extend(&mut settings, json!({ "sliding_window": config.window }));
        settings
    }
}
