//! Rotary positions by the settings of transformers, of version 5 (`rope_parameters`) and before it (`rope_theta`,
//! `rope_scaling`).

use attentive_attention::{PositionsConfig, Rotary, RotaryScaling};
use attentive_model::GptConfig;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::keys::Keys;
use crate::InterchangeError;

/// The share of features that are turned.
const SHARE: &str = "partial_rotary_factor";

/// The context of pre-training.
pub(super) const ORIGINAL: &str = "original_max_position_embeddings";

/// The rotary positions of a decoder.
pub(crate) struct Positions {
    /// Those of all layers.
    pub(crate) rotary: Rotary,
    /// The base of layers with a window, if it is another.
    pub(crate) window_theta: Option<f64>,
}

/// The share of features that are turned: its name in files before version 5, and what counts where nothing is said.
pub(crate) struct Share {
    pub(crate) key: &'static str,
    pub(crate) usual: f64,
}

impl Share {
    /// By the name that most have.
    pub(crate) const fn usual(usual: f64) -> Self {
        Self { key: SHARE, usual }
    }
}

/// Bases of frequencies: the names of files before version 5, and what counts where nothing is said.
pub(crate) struct Bases {
    pub(crate) key: &'static str,
    pub(crate) usual: f64,
    /// Of layers with a window, where they may have another.
    pub(crate) window_key: Option<&'static str>,
    pub(crate) window_usual: Option<f64>,
}

impl Bases {
    /// Those of decoders.
    pub(crate) const USUAL: Self = Self { key: "rope_theta", usual: 10_000.0, window_key: None, window_usual: None };
}

/// Reads the rotary positions of heads of width `d_k`, which are turned whole where the architecture has no `share`.
///
/// # Errors
/// As [`Keys::find`].
pub(crate) fn read(
    keys: &mut Keys<'_>,
    d_k: usize,
    share: Option<&Share>,
    bases: &Bases,
) -> Result<Positions, InterchangeError> {
    let context = keys.find::<f64>("max_position_embeddings")?;
    let base = keys.find(bases.key)?.unwrap_or(bases.usual);
    let local = match bases.window_key {
        Some(key) => keys.find::<f64>(key)?.or(bases.window_usual),
        None => None,
    };
    let old: Map<String, Value> = keys.get("rope_scaling", Map::new())?;
    let mut of_all: Map<String, Value> = keys.get("rope_parameters", Map::new())?;
    let mut window_theta = local;
    let is_of_all = !of_all.contains_key("full_attention");
    if let Some(Value::Object(mut full)) = of_all.remove("full_attention") {
        if let Some(Value::Object(windowed)) = of_all.remove("sliding_attention") {
            let kind = kind_of(&windowed);
            keys.must(kind == "default", format!("rope_parameters of sliding_attention: rope_type {kind:?}"));
            window_theta = windowed.get("rope_theta").and_then(Value::as_f64).or(local);
        }
        full.extend(old);
        of_all = full;
    } else if !old.is_empty() {
        // Where a file has both, transformers follows the older name, and the newer one not at all.
        of_all = old;
    }
    let number = |key: &str| of_all.get(key).and_then(Value::as_f64);
    let theta = number("rope_theta").unwrap_or(base);
    let turned = match share {
        Some(share) => number(SHARE).or(keys.find(share.key)?).unwrap_or(share.usual),
        None => {
            let told = number(SHARE).unwrap_or(1.0);
            keys.must(told == 1.0, format!("{SHARE} is {told}; this architecture turns heads whole"));
            1.0
        }
    };
    let n_features = (d_k as f64 * turned) as usize;
    let original = if is_of_all { keys.find::<f64>(ORIGINAL)? } else { None };
    let scaling = scaling(keys, &of_all, context, original);
    let window_theta = window_theta.filter(|&local| local != theta || scaling.is_some());
    let rotary = Rotary { theta, n_features: (n_features != d_k).then_some(n_features), scaling };
    Ok(Positions { rotary, window_theta })
}

/// `rope_type`, or `type` in old files.
fn kind_of(parameters: &Map<String, Value>) -> &str {
    let kind = parameters.get("rope_type").or_else(|| parameters.get("type"));
    kind.and_then(Value::as_str).unwrap_or("default")
}

/// The scaling of a model for texts of up to `context` tokens; `original`, where it is told, stands for that of the parameters.
fn scaling(
    keys: &mut Keys<'_>,
    parameters: &Map<String, Value>,
    context: Option<f64>,
    original: Option<f64>,
) -> Option<RotaryScaling> {
    let kind = kind_of(parameters);
    let known: &[&str] = match kind {
        "default" => &[],
        "linear" => &["factor"],
        "llama3" => &["factor", "low_freq_factor", "high_freq_factor", ORIGINAL],
        "yarn" => &["factor", ORIGINAL, "beta_fast", "beta_slow", "attention_factor"],
        "longrope" | "su" => &["factor", ORIGINAL, "short_factor", "long_factor", "attention_factor"],
        "dynamic" => &["factor", ORIGINAL],
        other => {
            let known = "default, linear, llama3, yarn, longrope and dynamic";
            keys.must(false, format!("rope_type is {other:?}; there are {known}"));
            return None;
        }
    };
    let usual = ["rope_type", "type", "rope_theta", SHARE];
    for (key, value) in parameters.iter().filter(|(_, value)| !value.is_null()) {
        // The cut-offs of YaRN are whole pairs, unless it says otherwise.
        let is_idle = key == "truncate" && *value == Value::Bool(true);
        let is_known = known.contains(&key.as_str()) || usual.contains(&key.as_str()) || is_idle;
        keys.must(is_known || kind == "default", format!("{key} = {value} of rope_type {kind:?} is not followed here"));
    }
    let mut number = |key: &str, usual: Option<f64>| {
        let told = original.filter(|_| key == ORIGINAL);
        let found = told.or_else(|| parameters.get(key).and_then(Value::as_f64)).or(usual);
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
            original_len: length(number(ORIGINAL, context)),
        },
        "yarn" => {
            let factor = number("factor", None);
            RotaryScaling::Yarn {
                factor,
                original_len: length(number(ORIGINAL, context)),
                beta_fast: number("beta_fast", Some(32.0)),
                beta_slow: number("beta_slow", Some(1.0)),
                amplitude: number("attention_factor", Some(if factor <= 1.0 { 1.0 } else { 0.1 * factor.ln() + 1.0 })),
            }
        }
        "dynamic" => RotaryScaling::Dynamic {
            factor: number("factor", None),
            original_len: length(number("max_position_embeddings", context)),
        },
        "longrope" | "su" => {
            let original_len = number(ORIGINAL, context);
            let factor = number("factor", context.map(|context| context / original_len));
            let usual = if factor <= 1.0 { 1.0 } else { (1.0 + factor.ln() / original_len.ln()).sqrt() };
            let amplitude = number("attention_factor", Some(usual));
            let [short, long] = ["short_factor", "long_factor"].map(|key| {
                let found = parameters.get(key).and_then(|list| Vec::<f64>::deserialize(list).ok());
                keys.must(found.is_some(), format!("rope_type is {kind:?}, and {key} is not a list of numbers"));
                found.unwrap_or_default()
            });
            RotaryScaling::LongRope { short, long, original_len: length(original_len), amplitude, is_long: false }
        }
        _ => return None,
    })
}

/// What is to be said of scaled positions; with `is_long`, they are turned to those of long texts.
///
/// # Errors
/// What the positions have none for.
pub(crate) fn for_length(positions: &mut PositionsConfig, is_long: bool) -> Result<Option<String>, String> {
    let scaling = match positions {
        PositionsConfig::Rotary(rotary) => rotary.scaling.as_mut(),
        _ => None,
    };
    Ok(match scaling {
        Some(RotaryScaling::LongRope { is_long: chosen, original_len, short, long, .. }) => {
            let is_long = is_long || short == long;
            *chosen = is_long;
            let note = format!(
                "texts have up to {original_len} tokens, and the positions of these; long_context reads longer ones"
            );
            (!is_long).then_some(note)
        }
        Some(RotaryScaling::Dynamic { original_len, .. }) if !is_long => Some(format!(
            "rope_type is \"dynamic\": texts end at {original_len} tokens, after which positions would change with each token"
        )),
        _ if is_long => {
            return Err("long_context: its positions are not of two kinds (rope_type \"longrope\")".to_owned());
        }
        _ => None,
    })
}

/// The share of a head's features that are turned.
pub(crate) fn share(config: &GptConfig) -> f64 {
    match &config.positions {
        PositionsConfig::Rotary(rotary) => rotary.width(config.head_dim()) as f64 / config.head_dim() as f64,
        _ => 1.0,
    }
}

/// The settings of rotary positions of heads of width `d_k`, as transformers before version 5 has them, which 5 reads too.
pub(crate) fn write(rotary: &Rotary, window_theta: Option<f64>, d_k: usize) -> Map<String, Value> {
    let mut settings = Map::from_iter([("rope_theta".to_owned(), json!(rotary.theta))]);
    if let Some(n) = rotary.n_features {
        settings.insert(SHARE.into(), json!(n as f64 / d_k as f64));
    }
    if let Some(theta) = window_theta {
        settings.insert("rope_local_base_freq".into(), json!(theta));
    }
    let scaling = rotary.scaling.as_ref().map(|scaling| match scaling {
        RotaryScaling::Linear { factor } => json!({ "rope_type": "linear", "factor": factor }),
        RotaryScaling::Llama3 { factor, low_freq_factor, high_freq_factor, original_len } => json!({
            "rope_type": "llama3",
            "factor": factor,
            "low_freq_factor": low_freq_factor,
            "high_freq_factor": high_freq_factor,
            ORIGINAL: original_len,
        }),
        RotaryScaling::Yarn { factor, original_len, beta_fast, beta_slow, amplitude } => json!({
            "rope_type": "yarn",
            "factor": factor,
            ORIGINAL: original_len,
            "beta_fast": beta_fast,
            "beta_slow": beta_slow,
            "attention_factor": amplitude,
        }),
        RotaryScaling::LongRope { short, long, original_len, amplitude, is_long: _ } => json!({
            "rope_type": "longrope",
            "short_factor": short,
            "long_factor": long,
            ORIGINAL: original_len,
            "attention_factor": amplitude,
        }),
        RotaryScaling::Dynamic { factor, original_len } => {
            settings.insert("max_position_embeddings".into(), json!(original_len));
            json!({ "rope_type": "dynamic", "factor": factor })
        }
    });
    settings.extend(scaling.map(|scaling| ("rope_scaling".to_owned(), scaling)));
    settings
}
