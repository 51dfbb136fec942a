//! The names of a classifier's classes.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// The names of the `n` classes that a classifier has by its weights: those of `id2label`, `names`, if it names each, else those
/// that transformers makes up; and a note where `id2label` is of another classifier, or calls two classes the same.
pub(crate) fn class_names(names: &BTreeMap<usize, String>, n: usize) -> (Vec<String>, Option<String>) {
    let made_up = |n: usize| (0..n).map(|class| format!("LABEL_{class}")).collect();
    if names.is_empty() || n == 0 {
        return (made_up(n), None);
    }
    if names.len() == n && names.keys().copied().eq(0..n) {
        let twice =
            names.values().enumerate().find(|&(class, name)| names.values().take(class).any(|other| other == name));
        let note = twice
            .map(|(_, name)| format!("id2label calls more than one class {name:?}: what is told does not say which"));
        return (names.values().cloned().collect(), note);
    }
    let named = match names.len() {
        found if found == n => {
            let missing = (0..n).find(|class| !names.contains_key(class)).unwrap_or_default();
            format!("id2label does not name class {missing} of the classifier, which counts from 0")
        }
        found => format!("id2label names {found} classes and the classifier has {n}"),
    };
    (made_up(n), Some(format!("{named}: they are called LABEL_0 and so on")))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_of_no_use_are_noted() {
        let named = |names: &[(usize, &str)]| {
            class_names(&names.iter().map(|&(class, name)| (class, name.to_owned())).collect(), 2)
        };
        assert_eq!(named(&[(0, "bad"), (1, "good")]), (vec!["bad".to_owned(), "good".to_owned()], None));
        for (names, expected) in [
            (&[(1, "bad"), (2, "good")][..], "does not name class 0"),
            (&[(0, "bad"), (2, "good")], "does not name class 1"),
            (&[(0, "bad")], "names 1 classes and the classifier has 2"),
        ] {
            let (labels, note) = named(names);
            assert_eq!(labels, ["LABEL_0", "LABEL_1"]);
            assert!(note.as_ref().is_some_and(|note| note.contains(expected)), "{note:?}");
        }
        let (labels, note) = named(&[(0, "bad"), (1, "bad")]);
        assert_eq!(labels, ["bad", "bad"]);
        assert!(note.is_some_and(|note| note.contains("more than one class \"bad\"")));
    }
}
