//! PEFT's `adapter_config.json`.

use std::{collections::BTreeMap, path::Path};

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{InterchangeError, files};

pub(super) const CONFIG: &str = "adapter_config.json";
/// The files of tensors, the one that is written first.
pub(super) const WEIGHTS: [&str; 2] = ["adapter_model.safetensors", "adapter_model.bin"];

/// Settings that say which modules were changed, which tensors say too, or that nothing of a trained adapter depends on.
const IDLE: [&str; 17] = [
    "auto_mapping",
    "base_model_name_or_path",
    "ensure_weight_tying",
    "eva_config",
    "exclude_modules",
    "fan_in_fan_out",
    "inference_mode",
    "layers_pattern",
    "layers_to_transform",
    "lora_dropout",
    "megatron_core",
    "peft_type",
    "peft_version",
    "qalora_group_size",
    "revision",
    "target_modules",
    "task_type",
];

/// Ways to begin that leave the model as it was; others change it, and the adapter is one of the model that they made.
const BEGINNINGS: [&str; 3] = ["gaussian", "orthogonal", "eva"];

/// What of the settings a trained adapter depends on.
#[derive(Debug, Deserialize)]
pub(super) struct Settings {
    r: usize,
    lora_alpha: f64,
    #[serde(default)]
    use_rslora: bool,
    #[serde(default)]
    pub(super) use_dora: bool,
    #[serde(default)]
    alpha_pattern: BTreeMap<String, f64>,
    #[serde(default)]
    rank_pattern: BTreeMap<String, usize>,
    #[serde(default, deserialize_with = "list")]
    pub(super) modules_to_save: Vec<String>,
}

fn list<'de, D: serde::Deserializer<'de>>(reader: D) -> Result<Vec<String>, D::Error> {
    Ok(Option::deserialize(reader)?.unwrap_or_default())
}

impl Settings {
    /// Reads a folder's settings.
    ///
    /// # Errors
    /// [`InterchangeError::Unsupported`] lists those that are not followed here.
    pub(super) fn read(folder: &Path) -> Result<Self, InterchangeError> {
        let path = folder.join(CONFIG);
        let all: Map<String, Value> = files::read_json(&path)?;
        let problems: Vec<String> = all.iter().filter_map(|(key, value)| problem(key, value)).collect();
        if !problems.is_empty() {
            return Err(InterchangeError::Unsupported { path, problems });
        }
        let settings: Self = serde_json::from_value(Value::Object(all)).map_err(InterchangeError::damaged(&path))?;
        if let Some(pattern) = settings.alpha_pattern.keys().find(|pattern| !is_name(pattern)) {
            let problem = format!("alpha_pattern has {pattern:?}: names of modules are read here, no other patterns");
            return Err(InterchangeError::Unsupported { path, problems: vec![problem] });
        }
        match settings.r {
            0 => Err(InterchangeError::Damaged { path, problem: "r is 0".to_owned() }),
            _ => Ok(settings),
        }
    }

    /// What the change of a module, which has this rank, is multiplied by. A pattern names the end of a module's name, or
    /// after `^` all of it; PEFT takes the first in the file, so that several must say the same.
    pub(super) fn scale(&self, module: &str, rank: usize) -> Result<f64, String> {
        let said = of_module(&self.rank_pattern, module, self.r);
        if let Some(said) = said.filter(|&said| said != rank && self.rank_pattern.keys().all(is_name)) {
            return Err(format!("its matrices are of rank {rank}, and the settings say {said}"));
        }
        let alpha = of_module(&self.alpha_pattern, module, self.lora_alpha);
        let alpha = alpha.ok_or("several patterns of alpha_pattern name it, with values that differ")?;
        Ok(alpha / if self.use_rslora { (rank as f64).sqrt() } else { rank as f64 })
    }
}

/// Whether a pattern is a name of modules, and not an expression.
fn is_name(pattern: impl AsRef<str>) -> bool {
    pattern.as_ref().chars().all(|c| c.is_alphanumeric() || ['.', '_', '-', '^'].contains(&c))
}

/// The value that patterns give a module, or else the default; `None` if several give it others.
fn of_module<T: Copy + PartialEq>(patterns: &BTreeMap<String, T>, module: &str, default: T) -> Option<T> {
    let is_of = |pattern: &str| match pattern.strip_prefix('^') {
        Some(whole) => whole == module,
        None => module.strip_suffix(pattern).is_some_and(|before| before.is_empty() || before.ends_with('.')),
    };
    let mut found = patterns.iter().filter(|(pattern, _)| is_of(pattern)).map(|(_, &value)| value);
    let value = found.next().unwrap_or(default);
    found.all(|other| other == value).then_some(value)
}

/// What is wrong with a setting, if something is.
fn problem(key: &str, value: &Value) -> Option<String> {
    let is_fine = match key {
        "peft_type" => value == "LORA",
        "bias" => value == "none",
        "init_lora_weights" => {
            value.is_boolean() || value.is_null() || value.as_str().is_some_and(|way| BEGINNINGS.contains(&way))
        }
        "r" | "lora_alpha" | "use_rslora" | "use_dora" | "alpha_pattern" | "rank_pattern" | "modules_to_save" => true,
        _ if IDLE.contains(&key) => true,
        _ => match value {
            Value::Null | Value::Bool(false) => true,
            Value::Array(values) => values.is_empty(),
            Value::Object(values) => values.is_empty(),
            _ => false,
        },
    };
    (!is_fine).then(|| format!("{key} is {value}, which is not followed here"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(settings: &Value) -> Result<Settings, InterchangeError> {
        let folder = tempfile::tempdir().unwrap();
        let mut all = json!({ "peft_type": "LORA", "r": 4, "lora_alpha": 8, "bias": "none" });
        all.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        std::fs::write(folder.path().join(CONFIG), all.to_string()).unwrap();
        Settings::read(folder.path())
    }

    #[test]
    fn what_would_change_the_result_is_followed_or_refused_by_name() {
        for settings in [
            json!({ "peft_type": "LOHA" }),
            json!({ "bias": "all" }),
            json!({ "lora_bias": true }),
            json!({ "init_lora_weights": "pissa" }),
            json!({ "layer_replication": [[0, 1]] }),
            json!({ "trainable_token_indices": [3] }),
            json!({ "a_setting_of_tomorrow": 1 }),
            json!({ "alpha_pattern": { "layers\\.[0-9]": 3 } }),
        ] {
            let key = settings.as_object().unwrap().keys().next().unwrap().clone();
            let error = read(&settings).unwrap_err().to_string();
            assert!(error.contains(&key), "{key}: {error}");
        }
        let idle =
            json!({ "fan_in_fan_out": true, "init_lora_weights": "gaussian", "loftq_config": {}, "use_bdlora": null });
        assert!(read(&idle).is_ok());
    }

    #[test]
    fn alpha_is_that_of_the_first_pattern() {
        let patterns = json!({ "alpha_pattern": { "q_proj": 2, "^a.k_proj": 6 } });
        let settings = read(&patterns).unwrap();
        let scales = ["a.q_proj", "a.k_proj", "b.a.k_proj", "aq_proj"].map(|module| settings.scale(module, 4).unwrap());
        assert_eq!(scales, [0.5, 1.5, 2.0, 2.0]);
        assert_eq!(read(&json!({ "use_rslora": true })).unwrap().scale("a", 4), Ok(4.0));
        // Matrices have the rank that the settings say, where these name modules.
        let ranks = read(&json!({ "rank_pattern": { "k_proj": 2 } })).unwrap();
        assert_eq!(ranks.scale("a.k_proj", 2), Ok(4.0));
        assert!(ranks.scale("a.k_proj", 4).unwrap_err().contains("of rank 4, and the settings say 2"));
        assert!(ranks.scale("a.q_proj", 2).unwrap_err().contains("of rank 2, and the settings say 4"));
        assert_eq!(read(&json!({ "rank_pattern": { ".*k_proj": 2 } })).unwrap().scale("a.k_proj", 3), Ok(8.0 / 3.0));
    }
}
