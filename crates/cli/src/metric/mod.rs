//! The scores of the command line, and the text that they are given.

mod args;

use std::path::Path;

use anyhow::Result;
pub(crate) use args::MetricArgs;
use attentive_task::Segments;
pub(crate) use attentive_task::check_aligned;

use crate::input::warn;

/// The segments of a file, which may be compressed; `-` is standard input.
pub(crate) fn segments(path: impl AsRef<Path>) -> Result<Segments> {
    Ok(Segments::read(path.as_ref(), warn)?)
}

/// The lines of a file, which may be compressed; `-` is standard input.
pub(crate) fn read_whole(path: &Path) -> Result<Segments> {
    Ok(Segments::read_whole(path, warn)?)
}

/// The lines of each file.
pub(crate) fn streams(references: &[Segments]) -> Vec<&[String]> {
    references.iter().map(|reference| &reference.lines[..]).collect()
}
