//! Where a recipe's text is.

use std::{borrow::Cow, path::PathBuf};

use attentive_data::ParallelFiles;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::path;

/// The parts of a corpus; without files, the built-in one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
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
}

/// The files of one part: two sides, or tab-separated pairs; plain, `.gz` or `.zst`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, deny_unknown_fields, expecting = "expected `source` and `target`, or `tsv`, and nothing else")]
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
    },
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
    pub(super) fn paths(&self) -> &[PathBuf] {
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
            Self::Tsv { tsv } => ParallelFiles::tsv(tsv.paths()),
        }
    }
}
