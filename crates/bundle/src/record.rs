//! Where a model came from.

use serde::{Deserialize, Deserializer, Serialize};

/// The content of `training.json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TrainingRecord {
    /// Version of attentive that trained the model.
    #[serde(deserialize_with = "printable")]
    pub version: String,
    /// Seed of initial parameters, dropout and the order of batches.
    pub seed: u64,
    /// Updates made.
    pub steps: u64,
    /// Target tokens trained on.
    pub n_targets: u64,
    /// Seconds of training, validation included.
    pub seconds: f64,
    /// Backend trained on.
    #[serde(deserialize_with = "printable")]
    pub backend: String,
    /// Instructions of the CPU that the kernels used, if the backend has kernels.
    #[serde(default, skip_serializing_if = "String::is_empty", deserialize_with = "printable")]
    pub simd: String,
    /// Number type that matrix products multiplied.
    #[serde(default, skip_serializing_if = "String::is_empty", deserialize_with = "printable")]
    pub precision: String,
    /// Checkpoints averaged into the weights, by step.
    pub averaged_steps: Vec<u64>,
    /// What it was trained and scored on.
    pub data: Vec<DataRecord>,
    /// How good it is.
    pub scores: Vec<ScoreRecord>,
}

/// A part of the data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DataRecord {
    /// `train`, `validation` or `test`.
    #[serde(deserialize_with = "printable")]
    pub split: String,
    /// The file, or the name of a built-in corpus.
    #[serde(deserialize_with = "printable")]
    pub name: String,
    /// Lines or pairs in it.
    pub n_lines: u64,
    /// SHA-256 of the text.
    #[serde(deserialize_with = "printable")]
    pub sha256: String,
}

/// A score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScoreRecord {
    /// What was scored: `test`, or the name of a part.
    #[serde(deserialize_with = "printable")]
    pub split: String,
    /// `bleu`, `perplexity`, …
    #[serde(deserialize_with = "printable")]
    pub metric: String,
    /// The value.
    pub value: f64,
    /// How it was computed, for example sacreBLEU's signature.
    #[serde(default, skip_serializing_if = "String::is_empty", deserialize_with = "printable")]
    pub signature: String,
}

/// A text with its control characters escaped: a record that others made is shown on terminals, which would obey them.
fn printable<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    Ok(shown)
}

impl ScoreRecord {
    /// A score; the signature may be empty.
    pub fn new(split: impl Into<String>, metric: impl Into<String>, value: f64, signature: impl Into<String>) -> Self {
        Self { split: split.into(), metric: metric.into(), value, signature: signature.into() }
    }
}
