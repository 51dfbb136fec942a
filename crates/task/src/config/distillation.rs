//! The teacher that a student learns from beside its data.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A teacher that a student learns from, word by word, beside its data (Hinton et al. 2015; Kim and Rush 2016).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DistillationRecipe {
    /// The folder of the teacher: a model of the same role, with the student's vocabulary.
    #[schemars(schema_with = "super::path")]
    pub teacher: PathBuf,
    /// Weight of what the teacher expects; the loss of the data's own words has the rest.
    #[serde(default = "weight")]
    pub weight: f64,
    /// What scores of both are divided by before they are compared: the higher, the more of what is less probable is learnt.
    #[serde(default = "temperature")]
    pub temperature: f64,
    /// Most probable tokens of the teacher that are learnt at each word; all of them unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_k: Option<usize>,
}

/// As in Kim and Rush (2016), §4.2.
fn weight() -> f64 {
    0.5
}

fn temperature() -> f64 {
    1.0
}
