//! Rotary positions by the settings of transformers, of version 5 (`rope_parameters`) and before it (`rope_theta`,
//! `rope_scaling`).

use attentive_attention::{PositionsConfig, Rotary, RotaryScaling};
use attentive_model::GptConfig;
use serde_json::{Map, Value, json};

use super::keys::Keys;
use crate::InterchangeError;

/// Settings that old files have for the share of features that are turned.
const SHARES: [&str; 2] = ["partial_rotary_factor", "rotary_pct"];

/// The rotary positions of a decoder.
pub(crate) struct Positions {
    /// Those of all layers.
    pub(crate) rotary: Rotary,
    /// The base of layers with a window, if it is another.
    pub(crate) window_theta: Option<f64>,
}

/// Bases of frequencies: the names of files before version 5, and what counts where nothing is said.
pub(crate) struct Bases {
    pub(crate) key: &'static str,
    pub(crate) usual: f64,
    /// Of layers with a window.
    pub(crate) window_key: &'static str,
    pub(crate) window_usual: Option<f64>,
}

impl Bases {
    /// Those of decoders.
    pub(crate) const USUAL: Self =
        Self { key: "rope_theta", usual: 10_000.0, window_key: "rope_local_base_freq", window_usual: None };
}

/// Reads the rotary positions of heads of width `d_k`, of which `share` are turned where nothing says how many.
///
/// # Errors
/// As [`Keys::find`].
pub(crate) fn read(keys: &mut Keys<'_>, d_k: usize, share: f64, bases: &Bases) -> Result<Positions, InterchangeError> {
    let context = keys.find::<usize>("max_position_embeddings")?;
    let old_base = keys.find::<f64>("rotary_emb_base")?;
    let base = keys.find(bases.key)?.or(old_base).unwrap_or(bases.usual);
    let local = keys.find::<f64>(bases.window_key)?.or(bases.window_usual);
    let mut of_all: Map<String, Value> = keys.get("rope_scaling", Map::new())?;
    of_all.extend(keys.get("rope_parameters", Map::new())?);
    let mut window_theta = local;
    if let Some(Value::Object(full)) = of_all.remove("full_attention") {
        if let Some(Value::Object(windowed)) = of_all.remove("sliding_attention") {
            let kind = kind_of(&windowed);
            keys.must(kind == "default", format!("rope_parameters of sliding_attention: rope_type {kind:?}"));
            window_theta = windowed.get("rope_theta").and_then(Value::as_f64).or(local);
        }
        of_all = full;
    }
    let number = |key: &str| of_all.get(key).and_then(Value::as_f64);
    let theta = number("rope_theta").unwrap_or(base);
    let mut share = number(SHARES[0]).unwrap_or(share);
    for key in SHARES {
        share = keys.get(key, share)?;
    }
    let n_features = (d_k as f64 * share) as usize;
    let scaling = scaling(keys, &of_all, context);
    let rotary = Rotary { theta, n_features: (n_features != d_k).then_some(n_features), scaling };
    Ok(Positions { rotary, window_theta: window_theta.filter(|&local| local != theta || scaling.is_some()) })
}

/// `rope_type`, or `type` in old files.
fn kind_of(parameters: &Map<String, Value>) -> &str {
    let kind = parameters.get("rope_type").or_else(|| parameters.get("type"));
    kind.and_then(Value::as_str).unwrap_or("default")
}

fn scaling(keys: &mut Keys<'_>, parameters: &Map<String, Value>, context: Option<usize>) -> Option<RotaryScaling> {
    let kind = kind_of(parameters);
    let known: &[&str] = match kind {
        "default" => &[],
        "linear" => &["factor"],
        "llama3" => &["factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"],
        "yarn" => &["factor", "original_max_position_embeddings", "beta_fast", "beta_slow", "attention_factor"],
        other => {
            keys.must(false, format!("rope_type is {other:?}; there are default, linear, llama3 and yarn"));
            return None;
        }
    };
    let usual = ["rope_type", "type", "rope_theta", SHARES[0]];
    for (key, value) in parameters.iter().filter(|(_, value)| !value.is_null()) {
        // The cut-offs of YaRN are whole pairs, unless it says otherwise.
        let is_idle = key == "truncate" && *value == Value::Bool(true);
        let is_known = known.contains(&key.as_str()) || usual.contains(&key.as_str()) || is_idle;
        keys.must(is_known || kind == "default", format!("{key} = {value} of rope_type {kind:?} is not followed here"));
    }
    let mut number = |key: &str, usual: Option<f64>| {
        let found = parameters.get(key).and_then(Value::as_f64).or(usual);
        keys.must(found.is_some(), format!("rope_type is {kind:?}, and {key} is missing"));
        found.unwrap_or(1.0)
    };
    let length = |n: f64| n as usize;
    Some(match kind {
        "linear" => RotaryScaling::Linear { factor: number("factor", None) },
        "llama3" => RotaryScaling::Llama3 {
            factor: number("factor", None),
            low_freq_factor: number("low_freq_factor", None),
            high_freq_factor: number("high_freq_factor", None),
            original_len: length(number("original_max_position_embeddings", None)),
        },
        "yarn" => {
            let factor = number("factor", None);
            RotaryScaling::Yarn {
                factor,
                original_len: length(number("original_max_position_embeddings", context.map(|n| n as f64))),
                beta_fast: number("beta_fast", Some(32.0)),
                beta_slow: number("beta_slow", Some(1.0)),
                amplitude: number("attention_factor", Some(if factor <= 1.0 { 1.0 } else { 0.1 * factor.ln() + 1.0 })),
            }
        }
        _ => return None,
    })
}

/// The share of a head's features that are turned.
pub(crate) fn share(config: &GptConfig) -> f64 {
    match config.positions {
        PositionsConfig::Rotary(rotary) => rotary.width(config.head_dim()) as f64 / config.head_dim() as f64,
        _ => 1.0,
    }
}

/// The settings of rotary positions of heads of width `d_k`, as transformers before version 5 has them, which 5 reads too.
pub(crate) fn write(rotary: &Rotary, window_theta: Option<f64>, d_k: usize) -> Map<String, Value> {
    let mut settings = Map::from_iter([("rope_theta".to_owned(), json!(rotary.theta))]);
    if let Some(n) = rotary.n_features {
        settings.insert(SHARES[0].into(), json!(n as f64 / d_k as f64));
    }
    if let Some(theta) = window_theta {
        settings.insert("rope_local_base_freq".into(), json!(theta));
    }
    let scaling = rotary.scaling.map(|scaling| match scaling {
        RotaryScaling::Linear { factor } => json!({ "rope_type": "linear", "factor": factor }),
        RotaryScaling::Llama3 { factor, low_freq_factor, high_freq_factor, original_len } => json!({
            "rope_type": "llama3",
            "factor": factor,
            "low_freq_factor": low_freq_factor,
            "high_freq_factor": high_freq_factor,
            "original_max_position_embeddings": original_len,
        }),
        RotaryScaling::Yarn { factor, original_len, beta_fast, beta_slow, amplitude } => json!({
            "rope_type": "yarn",
            "factor": factor,
            "original_max_position_embeddings": original_len,
            "beta_fast": beta_fast,
            "beta_slow": beta_slow,
            "attention_factor": amplitude,
        }),
    });
    settings.extend(scaling.map(|scaling| ("rope_scaling".to_owned(), scaling)));
    settings
}
