//! Where a recipe's text is.

use std::{borrow::Cow, path::PathBuf};

use attentive_data::{ParallelFiles, TsvLayout};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::{Problem, path};

/// The parts of a corpus; without files, the built-in one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DataRecipe {
    /// What the model learns from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train: Option<SplitFiles>,
    /// What tells during training how good it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<SplitFiles>,
    /// What the finished model is scored on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<SplitFiles>,
    /// Whether the tokens of files are kept beside the runs' folders, in `.tokens`, where later runs find them.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub cache: bool,
}

impl Default for DataRecipe {
    fn default() -> Self {
        Self { train: None, validation: None, test: None, cache: true }
    }
}

pub(super) fn yes() -> bool {
    true
}

pub(super) fn is_true(flag: &bool) -> bool {
    *flag
}

/// The files of one part: two sides, or tab-separated pairs; plain or compressed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(
    untagged,
    deny_unknown_fields,
    expecting = "expected `source` and `target`, or `tsv`, which may have `columns = [1, 2]` and `header = true`, and nothing else"
)]
pub enum SplitFiles {
    /// A line of one side translates the same line of the other.
    Sides {
        /// Files of the source language.
        source: Files,
        /// Files of the target language.
        target: Files,
    },
    /// Each line is a source sentence, a tab and a target sentence.
    Tsv {
        /// The files.
        tsv: Files,
        /// The columns of source and target, counted from 1, of lines that may have others; without it, a line has these
        /// two and no others.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        columns: Option<[usize; 2]>,
        /// Whether the first line of each file names the columns, and is passed over.
        #[serde(default, skip_serializing_if = "is_false")]
        header: bool,
    },
}

pub(super) fn is_false(flag: &bool) -> bool {
    !flag
}

/// Refuses columns that can't be: `key` is where they are.
pub(super) fn validate_columns(key: &str, columns: Option<[usize; 2]>) -> Result<(), Problem> {
    match columns {
        Some([first, second]) if first == 0 || second == 0 || first == second => {
            let text = format!("[{first}, {second}] must be two different columns, the first of which is 1");
            Err(Problem::at(format!("{key}.columns"), text))
        }
        _ => Ok(()),
    }
}

/// Refuses parts that are given without a training text: the built-in corpus has its own.
pub(super) fn refuse_beside_builtin<const N: usize>(parts: [(&str, bool); N]) -> Result<(), Problem> {
    match parts.into_iter().find(|(_, is_given)| *is_given) {
        Some((part, _)) => {
            let text = "the built-in corpus, which is trained on without data.train, has its own: give data.train too, or leave it out";
            Err(Problem::at(format!("data.{part}"), text))
        }
        None => Ok(()),
    }
}

impl DataRecipe {
    pub(super) fn has_validation(&self) -> bool {
        self.train.is_none() || self.validation.is_some()
    }

    pub(super) fn validate(&self) -> Result<(), Problem> {
        if self.train.is_none() {
            refuse_beside_builtin([("validation", self.validation.is_some()), ("test", self.test.is_some())])?;
        }
        for (part, files) in [("train", &self.train), ("validation", &self.validation), ("test", &self.test)] {
            if let Some(SplitFiles::Tsv { columns, .. }) = files {
                validate_columns(&format!("data.{part}"), *columns)?;
            }
        }
        Ok(())
    }
}

/// One file, or several that follow one another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected the path of a file, or an array of paths")]
pub enum Files {
    /// One file.
    One(PathBuf),
    /// Several.
    Many(Vec<PathBuf>),
}

impl JsonSchema for Files {
    fn schema_name() -> Cow<'static, str> {
        "Files".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let path = path(generator);
        json_schema!({ "anyOf": [path, { "type": "array", "items": path }] })
    }
}

impl Files {
    /// Their paths, one after another.
    pub fn paths(&self) -> &[PathBuf] {
        match self {
            Self::One(path) => std::slice::from_ref(path),
            Self::Many(paths) => paths,
        }
    }
}

impl SplitFiles {
    /// The files as the data crate takes them.
    pub fn parallel(&self) -> ParallelFiles {
        match self {
            Self::Sides { source, target } => ParallelFiles::sides(source.paths(), target.paths()),
            Self::Tsv { tsv, columns, header } => {
                ParallelFiles::tsv_of(tsv.paths(), TsvLayout { columns: *columns, header: *header, ..TsvLayout::default() })
            }
        }
    }
}
