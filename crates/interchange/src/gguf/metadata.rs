//! The metadata of a GGUF file.

use std::{collections::BTreeSet, path::Path};

use attentive_weights::{Gguf, GgufArray, GgufValue};

use crate::InterchangeError;

/// Metadata, and which of them were read.
pub(super) struct Metadata<'a> {
    file: &'a Gguf,
    path: &'a Path,
    /// `general.architecture`, which stands before the keys of the model.
    pub(super) architecture: String,
    read: BTreeSet<String>,
}

impl<'a> Metadata<'a> {
    /// # Errors
    /// [`InterchangeError::Damaged`] if the architecture is missing.
    pub(super) fn new(file: &'a Gguf, path: &'a Path) -> Result<Self, InterchangeError> {
        let mut metadata = Self { file, path, architecture: String::new(), read: BTreeSet::new() };
        metadata.architecture =
            metadata.text("general.architecture")?.ok_or_else(|| metadata.missing("general.architecture"))?;
        Ok(metadata)
    }

    /// The error of a file that asks for what there is not here.
    pub(super) fn unsupported(&self, problems: Vec<String>) -> InterchangeError {
        InterchangeError::Unsupported { path: self.path.to_owned(), problems }
    }

    fn missing(&self, key: &str) -> InterchangeError {
        InterchangeError::Damaged { path: self.path.to_owned(), problem: format!("{key} is missing") }
    }

    /// The value of a key as what `of` makes of it.
    fn find<T>(
        &mut self,
        key: &str,
        of: impl FnOnce(&'a GgufValue) -> Option<T>,
    ) -> Result<Option<T>, InterchangeError> {
        self.read.insert(key.to_owned());
        let Some(value) = self.file.metadata(key) else { return Ok(None) };
        let problem = || InterchangeError::Damaged {
            path: self.path.to_owned(),
            problem: format!("{key} is of another kind than it should be"),
        };
        of(value).map(Some).ok_or_else(problem)
    }

    pub(super) fn text(&mut self, key: &str) -> Result<Option<String>, InterchangeError> {
        self.find(key, |value| match value {
            GgufValue::Text(text) => Some(text.clone()),
            _ => None,
        })
    }

    pub(super) fn truth(&mut self, key: &str) -> Result<Option<bool>, InterchangeError> {
        self.find(key, |value| match value {
            GgufValue::Bool(value) => Some(*value),
            _ => None,
        })
    }

    pub(super) fn number(&mut self, key: &str) -> Result<Option<u64>, InterchangeError> {
        self.find(key, GgufValue::as_u64)
    }

    /// A key of the model, without the architecture before it, that is a size.
    pub(super) fn size(&mut self, key: &str) -> Result<Option<usize>, InterchangeError> {
        let key = format!("{}.{key}", self.architecture);
        self.find(&key, |value| match value {
            // Some files have a number for each layer; those of one model are the same.
            GgufValue::Array(values) => same(values),
            value => value.as_u64().and_then(|number| usize::try_from(number).ok()),
        })
    }

    /// As [`size`](Self::size), of a key without which there is no model.
    pub(super) fn need(&mut self, key: &str) -> Result<usize, InterchangeError> {
        self.size(key)?.ok_or_else(|| self.missing(&format!("{}.{key}", self.architecture)))
    }

    /// A key of the model that is a number.
    pub(super) fn float(&mut self, key: &str) -> Result<Option<f64>, InterchangeError> {
        let key = format!("{}.{key}", self.architecture);
        self.find(&key, |value| match *value {
            GgufValue::F32(number) => Some(shortest(number)),
            GgufValue::F64(number) => Some(number),
            ref value => value.as_u64().map(|number| number as f64),
        })
    }

    /// A key of the model that is a text.
    pub(super) fn word(&mut self, key: &str) -> Result<Option<String>, InterchangeError> {
        let key = format!("{}.{key}", self.architecture);
        self.text(&key)
    }

    pub(super) fn texts(&mut self, key: &str) -> Result<Option<Vec<String>>, InterchangeError> {
        self.find(key, |value| match value {
            GgufValue::Array(GgufArray::Text(texts)) => Some(texts.clone()),
            _ => None,
        })
    }

    pub(super) fn floats(&mut self, key: &str) -> Result<Option<Vec<f32>>, InterchangeError> {
        self.find(key, |value| match value {
            GgufValue::Array(GgufArray::F32(numbers)) => Some(numbers.clone()),
            _ => None,
        })
    }

    pub(super) fn numbers(&mut self, key: &str) -> Result<Option<Vec<u64>>, InterchangeError> {
        self.find(key, |value| match value {
            GgufValue::Array(GgufArray::I32(numbers)) => numbers.iter().map(|&n| u64::try_from(n).ok()).collect(),
            GgufValue::Array(GgufArray::U32(numbers)) => Some(numbers.iter().map(|&n| u64::from(n)).collect()),
            _ => None,
        })
    }

    /// The keys of the model and of its tokenizer that nothing asked for.
    pub(super) fn unread(&self) -> Vec<&'a str> {
        let prefixes = [format!("{}.", self.architecture), "tokenizer.".to_owned(), "adapter.".to_owned()];
        let is_ours = |key: &&str| prefixes.iter().any(|prefix| key.starts_with(prefix)) && !self.read.contains(*key);
        self.file.all_metadata().map(|(key, _)| key).filter(is_ours).collect()
    }
}

/// The number that a list has only, if it is one.
fn same(values: &GgufArray) -> Option<usize> {
    let numbers: Vec<usize> = match values {
        GgufArray::U32(numbers) => numbers.iter().map(|&number| number as usize).collect(),
        GgufArray::I32(numbers) => numbers.iter().map(|&number| usize::try_from(number).ok()).collect::<Option<_>>()?,
        _ => return None,
    };
    let (&first, rest) = numbers.split_first()?;
    rest.iter().all(|&number| number == first).then_some(first)
}

/// The decimal number that was meant by one of 32 bits: 1e-5, not 9.99999974e-6.
fn shortest(number: f32) -> f64 {
    number.to_string().parse().unwrap_or(f64::from(number))
}
