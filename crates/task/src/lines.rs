//! Lines of input: of the command line, of files, of standard input.

use std::{
    fmt,
    fs::File,
    io::{self, IsTerminal, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use attentive_data::{LineReader, standard_input};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Context, Error, Result};

/// Bytes of the lines that are taken together, about.
const BYTES_AT_ONCE: usize = 1 << 22;
/// The longest line that is read. Memory is bounded by it, however much a compressed file holds.
pub const MAX_LINE_BYTES: usize = 1 << 24;

/// A text as a whole, of up to `limit` bytes; `place` is what it is called in an error.
///
/// # Errors
/// It can't be read, is longer, or is not UTF-8.
pub fn read_text(place: &str, input: impl Read, limit: u64) -> Result<String> {
    let mut bytes = Vec::new();
    let read = input.take(limit.saturating_add(1)).read_to_end(&mut bytes);
    read.with_context(|| format!("{place} can't be read"))?;
    if bytes.len() as u64 > limit {
        refuse!("{place} is longer than {limit} bytes: give a shorter text");
    }
    let Ok(text) = String::from_utf8(bytes) else { refuse!("{place} is not UTF-8: convert the text first") };
    Ok(text)
}

/// A file, or standard input for `-`: what it is called, and its text.
///
/// # Errors
/// As [`read_text`].
pub fn read_document(path: &Path) -> Result<(String, String)> {
    let is_input = path.as_os_str() == "-";
    let place = if is_input { "standard input".to_owned() } else { path.display().to_string() };
    let input: io::Result<Box<dyn Read>> = match is_input {
        true => standard_input().map(|input| Box::new(input) as Box<dyn Read>),
        false => File::open(path).map(|file| Box::new(file) as Box<dyn Read>),
    };
    let input = input.with_context(|| format!("{place} can't be read"))?;
    let text = read_text(&place, input, u64::MAX)?;
    Ok((place, text))
}

/// A line of input.
#[derive(Debug, Serialize, Deserialize)]
pub struct Line {
    /// Where it is.
    pub at: At,
    /// Its text, without its end.
    pub text: String,
    /// Whether it is the beginning of a longer line.
    pub is_cut: bool,
}

impl AsRef<str> for Line {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

/// Where a line is: `line 3`, or `text.en:3` if it is of a file.
#[derive(Debug, Clone)]
pub struct At {
    file: Option<Arc<Path>>,
    /// Counted from 1.
    pub number: u64,
}

/// As a file's name, if it is of one, and a number.
impl Serialize for At {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.file.as_ref().map(|file| file.display().to_string()), self.number).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for At {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (file, number) = <(Option<PathBuf>, u64)>::deserialize(deserializer)?;
        Ok(Self { file: file.map(Arc::from), number })
    }
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
pub struct Lines(Source);

#[derive(Debug)]
enum Source {
    Arguments(std::iter::Enumerate<std::vec::IntoIter<String>>),
    Files(Files),
}

#[derive(Debug)]
struct Files {
    reader: LineReader,
    /// Whether a longer line than the reader takes is cut there, rather than refused.
    cuts: bool,
    is_standard_input: bool,
    is_keyboard: bool,
    /// Files whose notes were shown.
    n_noted: usize,
    warn: fn(&str),
}

impl Lines {
    /// The texts of a command line, or else the lines of standard input; `warn` hears what is odd about these.
    pub fn of_command(texts: Vec<String>, warn: fn(&str)) -> Self {
        if texts.is_empty() {
            return Self::open(&[], "text", warn);
        }
        Self(Source::Arguments(texts.into_iter().enumerate()))
    }

    /// As [`of_command`](Self::of_command), of texts alone: `warn` hears of those that are the names of files too.
    pub fn of_texts(texts: Vec<String>, warn: fn(&str)) -> Self {
        for file in texts.iter().filter(|text| Path::new(text).is_file()) {
            warn(&format!("note: {file} is taken as the text itself; to read the file of this name: < {file}"));
        }
        Self::of_command(texts, warn)
    }

    /// The lines of `files` in turn, or of standard input if there are none; `-` is standard input too. `warn` hears what is odd
    /// about them, and that `what` is waited for from a keyboard.
    pub fn open(files: &[PathBuf], what: &str, warn: fn(&str)) -> Self {
        Self(Source::Files(Files::open(files, what, MAX_LINE_BYTES, warn)))
    }

    /// As [`open`](Self::open), of longer lines than `max_bytes` their beginnings.
    pub fn open_cut(files: &[PathBuf], what: &str, max_bytes: usize, warn: fn(&str)) -> Self {
        Self(Source::Files(Files { cuts: true, ..Files::open(files, what, max_bytes, warn) }))
    }

    /// Keeps byte order marks, and the `\r` at ends of lines.
    pub fn verbatim(self) -> Self {
        match self.0 {
            Source::Files(files) => Self(Source::Files(Files { reader: files.reader.verbatim(), ..files })),
            arguments @ Source::Arguments(_) => Self(arguments),
        }
    }

    /// Lines in blocks of `n` at most, some at least; one at a time from a keyboard, where every line is answered at once.
    pub fn blocks(self, n: usize) -> Blocks {
        let n = if matches!(self.0, Source::Files(Files { is_keyboard: true, .. })) { 1 } else { n };
        Blocks { lines: self, n, failure: None }
    }

    fn line(&mut self) -> Result<Option<Line>> {
        match &mut self.0 {
            Source::Arguments(texts) => Ok(texts.next().map(|(idx, text)| Line {
                at: At { file: None, number: idx as u64 + 1 },
                text,
                is_cut: false,
            })),
            Source::Files(files) => files.line(),
        }
    }
}

impl Files {
    fn open(files: &[PathBuf], what: &str, max_bytes: usize, warn: fn(&str)) -> Self {
        let standard_input = [PathBuf::from("-")];
        let files = if files.is_empty() { &standard_input[..] } else { files };
        let is_named = |file: &PathBuf| file.as_os_str() != "-";
        let is_keyboard = !files.iter().all(is_named) && io::stdin().is_terminal();
        if is_keyboard {
            warn(&format!("reading {what} from the keyboard; end with Ctrl-D"));
        }
        let is_standard_input = !files.iter().any(is_named);
        Self {
            reader: LineReader::new(files, max_bytes),
            cuts: false,
            is_standard_input,
            is_keyboard,
            n_noted: 0,
            warn,
        }
    }

    fn line(&mut self) -> Result<Option<Line>> {
        let Some(mut line) = self.reader.next_line()? else {
            let files = &self.reader.files()[self.n_noted..];
            files.iter().flat_map(|file| &file.notes).for_each(|note| (self.warn)(&format!("warning: {note}")));
            self.n_noted += files.len();
            return Ok(None);
        };
        let at = At { file: (!self.is_standard_input).then_some(line.place.path), number: line.place.line };
        if line.is_over_long && !self.cuts {
            refuse!("{at} is longer than {} bytes: break it into lines", line.bytes.len());
        }
        if line.is_over_long {
            // The cut may have split the last character.
            let whole = std::str::from_utf8(&line.bytes).map_or_else(|error| error.valid_up_to(), str::len);
            if line.bytes.len() - whole < 4 {
                line.bytes.truncate(whole);
            }
        }
        let Ok(text) = String::from_utf8(line.bytes) else { refuse!("{at} is not UTF-8: convert the text first") };
        Ok(Some(Line { at, text, is_cut: line.is_over_long }))
    }
}

impl Iterator for Lines {
    type Item = Result<Line>;

    fn next(&mut self) -> Option<Result<Line>> {
        self.line().transpose()
    }
}

/// Lines in blocks; those before one that can't be read come before its error.
#[derive(Debug)]
pub struct Blocks {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_whole_or_refused() {
        let read = |bytes: &[u8], limit| read_text("standard input", bytes, limit).map_err(|error| error.to_string());
        assert_eq!(read("für\n".as_bytes(), 5).as_deref(), Ok("für\n"));
        let refused = "standard input is not UTF-8: convert the text first";
        assert_eq!(read(b"f\xfcr", 9).unwrap_err(), refused);
        // What is cut within a character is too long first of all.
        assert!(read("für".as_bytes(), 1).unwrap_err().contains("longer than 1 bytes"));
    }
}
