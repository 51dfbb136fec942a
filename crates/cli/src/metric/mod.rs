//! The scores of the command line, and the text that they are given.

mod args;
mod segments;

pub(crate) use args::MetricArgs;
pub(crate) use segments::{Segments, check_aligned, read_lines, streams};
