//! The names of a classifier's classes.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// The names of the `n` classes that a classifier has by its weights: those of `id2label`, `names`, if it names each, else those
/// that transformers makes up; and a note where `id2label` is of another classifier.
pub(crate) fn class_names(names: &BTreeMap<usize, String>, n: usize) -> (Vec<String>, Option<String>) {
    let made_up = |n: usize| (0..n).map(|class| format!("LABEL_{class}")).collect();
    if names.is_empty() || n == 0 {
        return (made_up(n), None);
    }
    if names.len() == n && names.keys().copied().eq(0..n) {
        return (names.values().cloned().collect(), None);
    }
    let note =
        format!("id2label names {} classes and the classifier has {n}: they are called LABEL_0 and so on", names.len());
    (made_up(n), Some(note))
}

/// `id2label`, whose names may be numbers.
///
/// # Errors
/// Those of `deserializer`.
pub(crate) fn names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<usize, String>, D::Error> {
    let text = |name: Value| if let Value::String(name) = name { name } else { name.to_string() };
    let names = BTreeMap::<usize, Value>::deserialize(deserializer)?;
    Ok(names.into_iter().map(|(class, name)| (class, text(name))).collect())
}
