//! The settings of a `config.json` while an architecture reads them.

use std::{collections::BTreeSet, path::PathBuf};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::InterchangeError;

/// Settings, which of them were read, and what is wrong with their values.
///
/// A setting that no architecture asks for is left for a note: nothing is known only because another architecture has it.
pub(crate) struct Keys<'a> {
    path: PathBuf,
    settings: &'a Map<String, Value>,
    read: BTreeSet<String>,
    problems: Vec<String>,
}

impl<'a> Keys<'a> {
    pub(crate) fn new(path: PathBuf, settings: &'a Map<String, Value>) -> Self {
        Self { path, settings, read: BTreeSet::new(), problems: Vec::new() }
    }

    /// The value of `key`, if it is set.
    ///
    /// # Errors
    /// [`InterchangeError::Damaged`] if it is of another kind.
    pub(crate) fn find<T: DeserializeOwned>(&mut self, key: &str) -> Result<Option<T>, InterchangeError> {
        self.read.insert(key.to_owned());
        let Some(value) = self.settings.get(key).filter(|value| !value.is_null()) else { return Ok(None) };
        let problem = |cause: serde_json::Error| InterchangeError::Damaged {
            path: self.path.clone(),
            problem: format!("{key} is {value}: {cause}"),
        };
        T::deserialize(value).map(Some).map_err(problem)
    }

    /// The value of `key`, or `default`.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    pub(crate) fn get<T: DeserializeOwned>(&mut self, key: &str, default: T) -> Result<T, InterchangeError> {
        Ok(self.find(key)?.unwrap_or(default))
    }

    /// The value of `key`; without the setting `default`, and nothing where it is null.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    pub(crate) fn find_or<T: DeserializeOwned>(
        &mut self,
        key: &str,
        default: Option<T>,
    ) -> Result<Option<T>, InterchangeError> {
        if self.settings.contains_key(key) { self.find(key) } else { Ok(default) }
    }

    /// The value of a `key` without which there is no model.
    ///
    /// # Errors
    /// As [`find`](Self::find), and if it is not set.
    pub(crate) fn need<T: DeserializeOwned>(&mut self, key: &str) -> Result<T, InterchangeError> {
        self.find(key)?
            .ok_or_else(|| InterchangeError::Damaged { path: self.path.clone(), problem: format!("{key} is missing") })
    }

    /// Marks a setting as read where its value is one that says nothing new.
    pub(crate) fn repeats(&mut self, key: &str, is_known: impl FnOnce(&Value) -> bool) {
        if self.settings.get(key).is_some_and(is_known) {
            self.read.insert(key.to_owned());
        }
    }

    /// Notes what our model has no equal of, unless it `holds`.
    pub(crate) fn must(&mut self, holds: bool, problem: impl Into<String>) {
        if !holds {
            self.problems.push(problem.into());
        }
    }

    /// The settings that nothing asked for.
    ///
    /// # Errors
    /// [`InterchangeError::Unsupported`] lists what our model has no equal of.
    pub(crate) fn finish(self) -> Result<Map<String, Value>, InterchangeError> {
        if !self.problems.is_empty() {
            return Err(InterchangeError::Unsupported { path: self.path, problems: self.problems });
        }
        let is_left = |(key, value): &(&String, &Value)| !value.is_null() && !self.read.contains(*key);
        Ok(self.settings.iter().filter(is_left).map(|(key, value)| (key.clone(), value.clone())).collect())
    }
}
