//! Lines of text, as many at a time as are worth spreading over threads.

use std::{io::IsTerminal, path::PathBuf};

use anyhow::{Context, Result};
use attentive_data::{LineReader, Place};

const LINES_AT_ONCE: usize = 4096;
const BYTES_AT_ONCE: usize = 1 << 22;

/// The lines of files, or of standard input; memory is bounded by the longest line.
pub(super) struct TextLines {
    reader: LineReader,
    at_once: usize,
}

/// A line and where it stands.
pub(super) type TextLine = (Place, String);

impl TextLines {
    /// Reads `files` in turn, or standard input where there are none; `-` is standard input too.
    pub(super) fn open(files: &[PathBuf], what: &str) -> Self {
        let standard_input = [PathBuf::from("-")];
        let files = if files.is_empty() { &standard_input[..] } else { files };
        let at_keyboard = files.iter().any(|file| file.as_os_str() == "-") && std::io::stdin().is_terminal();
        if at_keyboard {
            warning!("reading {what} from the keyboard; end with Ctrl-D");
        }
        // At a keyboard every line is answered at once.
        let at_once = if at_keyboard { 1 } else { LINES_AT_ONCE };
        Self { reader: LineReader::new(files, usize::MAX), at_once }
    }

    /// Keeps byte order marks, and the `\r` at ends of lines.
    pub(super) fn verbatim(self) -> Self {
        Self { reader: self.reader.verbatim(), ..self }
    }

    fn line(&mut self) -> Result<Option<TextLine>> {
        let Some(line) = self.reader.next_line()? else { return Ok(None) };
        let text = String::from_utf8(line.bytes).ok();
        let text = text.with_context(|| format!("{} is not UTF-8: convert the text first", line.place))?;
        Ok(Some((line.place, text)))
    }
}

/// The next lines, some at least.
impl Iterator for TextLines {
    type Item = Result<Vec<TextLine>>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut lines = Vec::new();
        let mut n_bytes = 0;
        while lines.len() < self.at_once && n_bytes < BYTES_AT_ONCE {
            match self.line() {
                Ok(Some(line)) => {
                    n_bytes += line.1.len();
                    lines.push(line);
                }
                Ok(None) => break,
                Err(error) => return Some(Err(error)),
            }
        }
        (!lines.is_empty()).then_some(Ok(lines))
    }
}
