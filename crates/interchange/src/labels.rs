//! The names of a classifier's classes.

use std::collections::BTreeMap;

/// The names of the `n` classes that a classifier has by its weights: those of `id2label` if it names each, else those
/// that transformers makes up; and a note where `id2label` is of another classifier.
pub(crate) fn class_names(id2label: Option<&BTreeMap<usize, String>>, n: usize) -> (Vec<String>, Option<String>) {
    let made_up = |n: usize| (0..n).map(|class| format!("LABEL_{class}")).collect();
    let Some(names) = id2label.filter(|names| !names.is_empty() && n > 0) else { return (made_up(n), None) };
    if names.len() == n && names.keys().copied().eq(0..n) {
        return (names.values().cloned().collect(), None);
    }
    let note =
        format!("id2label names {} classes and the classifier has {n}: they are called LABEL_0 and so on", names.len());
    (made_up(n), Some(note))
}
