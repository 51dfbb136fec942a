//! The settings that a training program keeps in its checkpoint.

use std::{collections::BTreeMap, path::Path};

use attentive_weights::CheckpointItem;

use crate::InterchangeError;

/// Settings of a checkpoint, each of which is followed, known to have no effect, refused, or named in a note.
pub(crate) struct Settings<'a> {
    left: BTreeMap<String, CheckpointItem<'a>>,
    /// Settings that are not followed and change what the model computes, a line each.
    pub(crate) problems: Vec<String>,
}

impl<'a> Settings<'a> {
    /// The entries or attributes of a value; those of the `groups` in it have both names, `encoder_layers` of `layers` in
    /// `encoder`.
    pub(crate) fn of(item: CheckpointItem<'a>, groups: &[&str]) -> Self {
        let mut left = BTreeMap::new();
        for (key, value) in item.fields() {
            if groups.contains(&key) {
                left.extend(value.fields().into_iter().map(|(inner, value)| (format!("{key}_{inner}"), value)));
            } else {
                left.insert(key.to_owned(), value);
            }
        }
        Self { left, problems: Vec::new() }
    }

    /// Adds a setting of another group, unless that does not have it.
    pub(crate) fn insert(&mut self, key: &str, value: Option<CheckpointItem<'a>>) {
        self.left.extend(value.filter(|value| !value.is_none()).map(|value| (key.to_owned(), value)));
    }

    /// A setting that is not `None`.
    pub(crate) fn take(&mut self, key: &str) -> Option<CheckpointItem<'a>> {
        self.left.remove(key).filter(|value| !value.is_none())
    }

    fn take_as<T>(&mut self, key: &str, kind: &str, read: impl FnOnce(CheckpointItem<'a>) -> Option<T>) -> Option<T> {
        let value = self.take(key)?;
        let found = read(value);
        if found.is_none() {
            self.problems.push(format!("{key} is {value}, not {kind}"));
        }
        found
    }

    /// A text.
    pub(crate) fn text(&mut self, key: &str) -> Option<&'a str> {
        self.take_as(key, "a text", CheckpointItem::text)
    }

    /// A number.
    pub(crate) fn number(&mut self, key: &str) -> Option<f64> {
        self.take_as(key, "a number", CheckpointItem::number)
    }

    /// A number, or the first of a list of them.
    pub(crate) fn first_number(&mut self, key: &str) -> Option<f64> {
        self.take_as(key, "a number or a list of them", |value| match value.items() {
            Some(mut items) => items.next()?.number(),
            None => value.number(),
        })
    }

    /// A whole number from 0 on.
    pub(crate) fn size(&mut self, key: &str) -> Option<usize> {
        self.take_as(key, "a size", |value| usize::try_from(value.integer()?).ok())
    }

    /// A size that must be there.
    pub(crate) fn required(&mut self, key: &str) -> usize {
        if !self.left.contains_key(key) {
            self.problems.push(format!("{key} is missing"));
        }
        self.size(key).unwrap_or_default()
    }

    /// Whether a setting is on; one that is not there is off.
    pub(crate) fn flag(&mut self, key: &str) -> bool {
        self.take(key).is_some_and(|value| !is_off(value))
    }

    /// The value that `read` gives for the encoder's and the decoder's setting, which must be the same.
    pub(crate) fn of_both<T: PartialEq + std::fmt::Debug>(
        &mut self,
        key: &str,
        read: impl Fn(&mut Self, &str) -> T,
    ) -> T {
        let [encoder, decoder] = ["encoder", "decoder"].map(|stack| read(self, &format!("{stack}_{key}")));
        if encoder != decoder {
            let problem = format!("encoder_{key} is {encoder:?} and decoder_{key} is {decoder:?}: here they are one");
            self.problems.push(problem);
        }
        encoder
    }

    /// Refuses settings that are on, each with what there is not here.
    pub(crate) fn refuse(&mut self, settings: &[(&str, &str)]) {
        for (key, lacking) in settings {
            if let Some(value) = self.take(key).filter(|&value| !is_off(value)) {
                self.problems.push(format!("{key} is {value}: {lacking}"));
            }
        }
    }

    /// Refuses a setting that has another value than one of these.
    pub(crate) fn expect(&mut self, key: &str, known: &[&str]) {
        if let Some(value) = self.text(key).filter(|value| !known.contains(value)) {
            self.problems.push(format!("{key} is {value:?}; there are {}", known.join(", ")));
        }
    }

    /// # Errors
    /// [`InterchangeError::Unsupported`] lists what is not followed so far and changes what the model computes.
    pub(crate) fn check(&mut self, path: &Path) -> Result<(), InterchangeError> {
        match std::mem::take(&mut self.problems) {
            problems if problems.is_empty() => Ok(()),
            problems => Err(InterchangeError::Unsupported { path: path.to_owned(), problems }),
        }
    }

    /// Ends the reading; a note names settings that are left, are on, and are not one of the words of `idle`.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub(crate) fn finish(mut self, path: &Path, idle: &str) -> Result<Option<String>, InterchangeError> {
        self.check(path)?;
        let is_idle = |key: &str| idle.split_whitespace().any(|word| word == key);
        let left = self.left.iter().filter(|&(key, &value)| !is_off(value) && !is_idle(key));
        let left: Vec<String> = left.map(|(key, value)| format!("{key} = {value}")).collect();
        Ok((!left.is_empty()).then(|| format!("settings of the checkpoint: not followed here: {}", left.join(", "))))
    }
}

/// Whether a value is the one of a setting that is off.
fn is_off(value: CheckpointItem<'_>) -> bool {
    value.is_none()
        || value.truth() == Some(false)
        || value.number() == Some(0.0)
        || value.text() == Some("")
        || value.items().is_some_and(|items| items.len() == 0)
}
