//! Qwen 2 and 2.5: Llama with biases of queries, keys and values, and a window for the upper layers.

use attentive_model::GptConfig;
use serde_json::{Map, Value, json};

use super::{
    Architecture, Usual, extend,
    keys::Keys,
    names::Names,
    read_llama_like,
    windows::{self, Windows},
    write_llama_like,
};
use crate::InterchangeError;

pub(crate) struct Qwen2;

impl Architecture for Qwen2 {
    const MODEL_TYPE: &'static str = "qwen2";
    const CLASS_PREFIX: &'static str = "Qwen2";
    const NAMES: Names = Names::LLAMA;

    fn read(keys: &mut Keys<'_>) -> Result<GptConfig, InterchangeError> {
        let config = read_llama_like(keys, &Usual::LLAMA)?;
        let Windows { window, full_layers } = read_upper_windows(keys, config.n_layers)?;
        Ok(GptConfig { qkv_bias: Some(true), window, full_layers, ..config })
    }

    fn write(config: &GptConfig) -> Map<String, Value> {
        let mut settings = write_llama_like(config);
        settings.extend(write_upper_windows(config));
        settings
    }
}

/// The window of the layers from `max_window_layers` on, if `use_sliding_window` says so.
///
/// # Errors
/// As [`Keys::find`].
pub(super) fn read_upper_windows(keys: &mut Keys<'_>, n_layers: usize) -> Result<Windows, InterchangeError> {
    let n_below = keys.get("max_window_layers", 28)?;
    let windows = windows::read(keys, n_layers, None, |layer| layer < n_below)?;
    Ok(if keys.get("use_sliding_window", false)? { windows } else { Windows::default() })
}

/// The settings of [`read_upper_windows`].
pub(super) fn write_upper_windows(config: &GptConfig) -> Map<String, Value> {
    let GptConfig { n_layers, window, ref full_layers, .. } = *config;
    let mut settings = Map::new();
    let types = windows::types(n_layers, window, full_layers);
    let own = json!({
        "use_sliding_window": window.is_some(),
        "sliding_window": window,
        "max_window_layers": full_layers.len(),
        "layer_types": types,
    });
    extend(&mut settings, own);
    settings
}
