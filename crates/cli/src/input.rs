//! Lines of input, which the terminal hears about.

use std::path::PathBuf;

pub(crate) use attentive_task::{Line, Lines, MAX_LINE_BYTES};

/// The texts of the command line, or else the lines of standard input.
pub(crate) fn of_command(texts: Vec<String>) -> Lines {
    Lines::of_texts(texts, warn)
}

/// The lines of `files` in turn, or of standard input if there are none; `-` is standard input too.
pub(crate) fn open(files: &[PathBuf], what: &str) -> Lines {
    Lines::open(files, what, warn)
}

/// As [`open`], of longer lines than `max_bytes` their beginnings.
pub(crate) fn open_cut(files: &[PathBuf], what: &str, max_bytes: usize) -> Lines {
    Lines::open_cut(files, what, max_bytes, warn)
}

pub(crate) fn warn(line: &str) {
    warning!("{line}");
}
