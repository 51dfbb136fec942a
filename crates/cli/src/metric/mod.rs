//! The scores of the command line, and the text that they are given.

mod args;
mod scorer;
mod segments;
mod sentence_piece;

pub(crate) use args::MetricArgs;
pub(crate) use scorer::AnyScorer;
pub(crate) use segments::{Segments, check_aligned, read_lines};
