//! Gemma 3, which reads texts alone here: norms before and after sub-layers and of queries and keys; five layers with a
//! window, then one without, whose positions turn more slowly.

use attentive_attention::{NormPlacement, PositionsConfig};
use attentive_model::GptConfig;
use serde_json::{Map, Value, json};

use super::{
    Architecture,
    gemma::{read_layered, write_layered},
    keys::Keys,
    names::Names,
    rotary,
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
        let old = keys.get("sliding_window_pattern", PATTERN)?;
        let pattern = keys.get("_sliding_window_pattern", old)?.max(1);
        let (window_key, window_usual) = (Some("rope_local_base_freq"), Some(1e4));
        let bases = rotary::Bases { usual: 1e6, window_key, window_usual, ..rotary::Bases::USUAL };
        let config = read_layered(keys, bases, [None, None], |layer| (layer + 1).is_multiple_of(pattern))?;
        // A bound of scores in its settings has no effect there.
        Ok(GptConfig { norm: NormPlacement::Both, qk_norm: true, attention_cap: None, ..config })
    }

    fn write(config: &GptConfig) -> Map<String, Value> {
        let mut settings = write_layered(config);
        if let (PositionsConfig::Rotary(rotary), None) = (&config.positions, config.window_theta) {
            // Where nothing is said, layers with a window have another base.
            settings.insert("rope_local_base_freq".to_owned(), json!(rotary.theta));
        }
        settings
    }
}

/// Where files that read pictures too have the text model.
const OF_TEXT: [&str; 2] = ["model.language_model.", "language_model."];
/// What reads pictures there.
const OF_PICTURES: [&str; 2] = ["vision_tower.", "multi_modal_projector."];

/// Of the settings of a Gemma 3 that reads pictures too, keeps those of its text model; gives the note on it.
pub(crate) fn keep_text(settings: &mut Map<String, Value>) -> Option<String> {
    if settings.get("model_type").is_none_or(|kind| kind != "gemma3") {
        return None;
    }
    let Some(Value::Object(text)) = settings.remove("text_config") else { return None };
    let of_pictures =
        ["vision_config", "mm_tokens_per_image", "boi_token_index", "eoi_token_index", "image_token_index"];
    settings.retain(|key, _| !of_pictures.contains(&key.as_str()));
    settings.extend(text);
    settings.insert("model_type".to_owned(), json!(Gemma3::MODEL_TYPE));
    // Released files do not say what is usual.
    for (key, usual) in [("vocab_size", 262_208), ("num_attention_heads", 8)] {
        settings.entry(key).or_insert(json!(usual));
    }
    let parts = OF_PICTURES.map(|start| start.trim_end_matches('.')).join(", ");
    Some(format!("the model reads pictures too, which is left out ({parts}): here it reads texts"))
}

/// The name of a tensor in a file of the text model alone.
pub(super) fn of_text(name: &str) -> &str {
    OF_TEXT.iter().find_map(|start| name.strip_prefix(start)).unwrap_or(name)
}

/// Whether a tensor is of what reads pictures, by its name after [`of_text`].
pub(super) fn is_of_pictures(name: &str) -> bool {
    let name = name.strip_prefix(Gemma3::NAMES.prefix).unwrap_or(name);
    OF_PICTURES.iter().any(|start| name.starts_with(start))
}
