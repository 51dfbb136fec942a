//! Lines of input: of the command line, of files, of standard input.

use std::{
    fmt,
    io::IsTerminal,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Error, Result, bail};
use attentive_data::LineReader;

/// Bytes of the lines that are taken together, about.
const BYTES_AT_ONCE: usize = 1 << 22;
/// The longest line that is read.
const MAX_LINE_BYTES: usize = 1 << 28;

/// A line of input.
#[derive(Debug)]
pub(crate) struct Line {
    pub at: At,
    pub text: String,
}

impl AsRef<str> for Line {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

/// Where a line is: `line 3`, or `text.en:3` if it is of a file.
#[derive(Debug, Clone)]
pub(crate) struct At {
    file: Option<Arc<Path>>,
    /// Counted from 1.
    pub number: u64,
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(f, "{}:{}", file.display(), self.number),
            None => write!(f, "line {}", self.number),
        }
    }
}

/// The lines of the command line, of files or of standard input; memory is bounded by the longest line.
#[derive(Debug)]
pub(crate) enum Lines {
    Arguments(std::iter::Enumerate<std::vec::IntoIter<String>>),
    Files { reader: LineReader, is_standard_input: bool, is_keyboard: bool },
}

impl Lines {
    /// The texts of the command line, or else the lines of standard input.
    pub(crate) fn of_command(texts: Vec<String>) -> Self {
        if texts.is_empty() {
            return Self::open(&[], "text");
        }
        Self::Arguments(texts.into_iter().enumerate())
    }

    /// The lines of `files` in turn, or of standard input if there are none; `-` is standard input too.
    pub(crate) fn open(files: &[PathBuf], what: &str) -> Self {
        let standard_input = [PathBuf::from("-")];
        let files = if files.is_empty() { &standard_input[..] } else { files };
        let is_named = |file: &PathBuf| file.as_os_str() != "-";
        let is_keyboard = !files.iter().all(is_named) && std::io::stdin().is_terminal();
        if is_keyboard {
            warning!("reading {what} from the keyboard; end with Ctrl-D");
        }
        let is_standard_input = !files.iter().any(is_named);
        Self::Files { reader: LineReader::new(files, MAX_LINE_BYTES), is_standard_input, is_keyboard }
    }

    /// Keeps byte order marks, and the `\r` at ends of lines.
    pub(crate) fn verbatim(self) -> Self {
        match self {
            Self::Files { reader, is_standard_input, is_keyboard } => {
                Self::Files { reader: reader.verbatim(), is_standard_input, is_keyboard }
            }
            arguments @ Self::Arguments(_) => arguments,
        }
    }

    /// Lines in blocks of `n` at most, some at least; one at a time from a keyboard, where every line is answered at once.
    pub(crate) fn blocks(self, n: usize) -> Blocks {
        let n = if matches!(self, Self::Files { is_keyboard: true, .. }) { 1 } else { n };
        Blocks { lines: self, n, failure: None }
    }

    fn line(&mut self) -> Result<Option<Line>> {
        let (reader, is_standard_input) = match self {
            Self::Arguments(texts) => {
                let line = |(idx, text)| Line { at: At { file: None, number: idx as u64 + 1 }, text };
                return Ok(texts.next().map(line));
            }
            Self::Files { reader, is_standard_input, .. } => (reader, *is_standard_input),
        };
        let Some(line) = reader.next_line()? else {
            // Once: after the last line there is no other call.
            reader.files().iter().flat_map(|file| &file.notes).for_each(|note| warning!("warning: {note}"));
            return Ok(None);
        };
        let at = At { file: (!is_standard_input).then_some(line.place.path), number: line.place.line };
        if line.is_over_long {
            bail!("{at} is longer than {MAX_LINE_BYTES} bytes: break it into lines");
        }
        let Ok(text) = String::from_utf8(line.bytes) else { bail!("{at} is not UTF-8: convert the text first") };
        Ok(Some(Line { at, text }))
    }
}

impl Iterator for Lines {
    type Item = Result<Line>;

    fn next(&mut self) -> Option<Result<Line>> {
        self.line().transpose()
    }
}

/// Lines in blocks; those before one that can't be read come before its error.
pub(crate) struct Blocks {
    lines: Lines,
    n: usize,
    failure: Option<Error>,
}

impl Iterator for Blocks {
    type Item = Result<Vec<Line>>;

    fn next(&mut self) -> Option<Self::Item> {
        let (mut block, mut n_bytes) = (Vec::new(), 0);
        while self.failure.is_none() && block.len() < self.n && n_bytes < BYTES_AT_ONCE {
            match self.lines.next() {
                Some(Ok(line)) => {
                    n_bytes += line.text.len();
                    block.push(line);
                }
                Some(Err(error)) => self.failure = Some(error),
                None => break,
            }
        }
        if block.is_empty() { self.failure.take().map(Err) } else { Some(Ok(block)) }
    }
}
