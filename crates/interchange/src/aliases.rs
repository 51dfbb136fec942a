//! Second names that classes of transformers have for settings.

use serde_json::{Map, Value};

use crate::reader::CONFIG;

/// Second names and the settings that they stand for.
type Aliases = &'static [(&'static str, &'static str)];

const WHISPER: Aliases = &[
    ("num_key_value_heads", "encoder_attention_heads"),
    ("num_attention_heads", "encoder_attention_heads"),
    ("hidden_size", "d_model"),
    ("num_hidden_layers", "encoder_layers"),
];

const GPT_2: Aliases = &[
    ("hidden_size", "n_embd"),
    ("max_position_embeddings", "n_positions"),
    ("num_attention_heads", "n_head"),
    ("num_hidden_layers", "n_layer"),
];

const T5: Aliases = &[
    ("hidden_size", "d_model"),
    ("num_attention_heads", "num_heads"),
    ("num_hidden_layers", "num_layers"),
    ("head_dim", "d_kv"),
];

/// Those of a model type.
///
/// Source: `attribute_map` of the configurations of transformers 5.25.0.
fn of(model_type: &str) -> Aliases {
    match model_type {
        "whisper" => WHISPER,
        "bart" | "m2m_100" | "marian" | "mbart" | "pegasus" => &WHISPER[1..],
        "gpt2" => GPT_2,
        "decision_transformer" => &GPT_2[1..],
        "mt5" | "t5" => T5,
        "distilbert" => {
            &[("hidden_size", "dim"), ("num_attention_heads", "n_heads"), ("num_hidden_layers", "n_layers")]
        }
        _ => &[],
    }
}

/// Puts settings under their first names: a second name counts before the first one, as it does in transformers, which is
/// noted where they differ.
pub(crate) fn resolve(settings: &mut Map<String, Value>) -> Vec<String> {
    let model_type = settings.get("model_type").and_then(Value::as_str).unwrap_or_default();
    let mut notes = Vec::new();
    for (alias, name) in of(model_type) {
        let Some(value) = settings.remove(*alias) else { continue };
        if let Some(first) = settings.get(*name).filter(|first| **first != value) {
            notes
                .push(format!("{CONFIG}: {alias} = {value} counts before {name} = {first}, as it stands for the same"));
        }
        settings.insert((*name).to_owned(), value);
    }
    notes
}
