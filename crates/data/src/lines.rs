//! Lines of text files, compressed or not.

use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::report::grouped;
use crate::text_file::{TextFile, name_of};
use crate::utf16::CutOff;
use crate::{DataError, FileReport, Place};

const BUFFER_BYTES: usize = 1 << 16;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A line without its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its file and line.
    pub place: Place,
    /// Its bytes, or the first of them if it is over-long.
    pub bytes: Vec<u8>,
    /// Whether it is longer than the reader's limit and was cut there.
    pub is_over_long: bool,
}

/// Reads the lines of several files, one file after the other.
///
/// gzip, bzip2, xz (several members each), Zstandard (several frames) and UTF-16 are recognised by their first bytes,
/// whatever the file is called; archives, documents and other files that are not text are refused by name. Lines end in
/// `\n` or `\r\n`; the last one of a file needs no end. A byte order mark is dropped. Memory is bounded by the limit on a
/// line's length, not by any file's content. The path `-` is standard input, which is read once.
///
/// ```
/// use attentive_data::LineReader;
///
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("a.txt");
/// std::fs::write(&path, "Ein Tier\r\nmüde")?;
/// let mut reader = LineReader::new([&path], 1000);
/// let mut texts = Vec::new();
/// while let Some(line) = reader.next_line()? {
///     texts.push(String::from_utf8(line.bytes)?);
/// }
/// assert_eq!(texts, ["Ein Tier", "müde"]);
/// assert_eq!(reader.files()[0].n_lines, 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct LineReader {
    waiting: std::vec::IntoIter<PathBuf>,
    open: Option<Box<OpenFile>>,
    read: Vec<FileReport>,
    max_bytes: usize,
    verbatim: bool,
}

impl LineReader {
    /// Reads `paths` in turn; a line over `max_bytes` is cut there. No file is opened before it is needed.
    pub fn new<P: AsRef<Path>>(paths: impl IntoIterator<Item = P>, max_bytes: usize) -> Self {
        let paths: Vec<_> = paths.into_iter().map(|path| path.as_ref().to_owned()).collect();
        Self { waiting: paths.into_iter(), open: None, read: Vec::new(), max_bytes, verbatim: false }
    }

    /// Keeps byte order marks, and the `\r` before `\n`: a line is the text between two `\n`.
    pub fn verbatim(self) -> Self {
        Self { verbatim: true, ..self }
    }

    /// The next line, or `None` after the last one of the last file.
    ///
    /// # Errors
    /// [`DataError::Open`], [`DataError::Read`], and [`DataError::NotText`] and [`DataError::Binary`] for what is not text.
    pub fn next_line(&mut self) -> Result<Option<Line>, DataError> {
        loop {
            if self.open.is_none() {
                let Some(path) = self.waiting.next() else {
                    return Ok(None);
                };
                self.open = Some(Box::new(OpenFile::open(&path)?));
            }
            if let Some(file) = &mut self.open
                && let Some(line) = file.next_line(self.max_bytes, self.verbatim)?
            {
                return Ok(Some(line));
            }
            self.read.extend(self.open.take().map(|file| file.finish()));
        }
    }

    /// The files that were read to their ends so far.
    pub fn files(&self) -> &[FileReport] {
        &self.read
    }

    /// Reads what is left, and reports on all files.
    ///
    /// # Errors
    /// Those of [`next_line`](Self::next_line).
    pub fn finish(mut self) -> Result<Vec<FileReport>, DataError> {
        while self.next_line()?.is_some() {}
        Ok(self.read)
    }
}

#[derive(Debug)]
struct OpenFile {
    path: Arc<Path>,
    reader: BufReader<TextFile>,
    n_lines: u64,
    /// Whether the last line was cut, and its rest is still to be passed over.
    is_amid: bool,
    nul_lines: NulLines,
}

/// Lines with NUL characters.
#[derive(Debug, Default)]
struct NulLines {
    first: u64,
    count: u64,
}

impl OpenFile {
    fn open(path: &Path) -> Result<Self, DataError> {
        let reader = BufReader::with_capacity(BUFFER_BYTES, TextFile::open(path)?);
        Ok(Self { path: name_of(path).into(), reader, n_lines: 0, is_amid: false, nul_lines: NulLines::default() })
    }

    fn next_line(&mut self, max_bytes: usize, verbatim: bool) -> Result<Option<Line>, DataError> {
        let bytes = self.read_line(max_bytes, verbatim).map_err(|cause| match self.path.to_path_buf() {
            path if CutOff::is(&cause) => {
                DataError::NotText { path, what: CutOff.to_string(), remedy: "it is cut off; copy it again" }
            }
            path => DataError::Read { path, after_line: self.n_lines, cause },
        })?;
        Ok(bytes.map(|mut bytes| {
            self.n_lines += 1;
            if bytes.contains(&0) {
                self.nul_lines.count += 1;
                self.nul_lines.first = if self.nul_lines.count == 1 { self.n_lines } else { self.nul_lines.first };
            }
            let is_over_long = bytes.len() > max_bytes;
            bytes.truncate(max_bytes);
            Line { place: Place { path: self.path.clone(), line: self.n_lines }, bytes, is_over_long }
        }))
    }

    /// The next line without its end, cut somewhere past `max_bytes`.
    fn read_line(&mut self, max_bytes: usize, verbatim: bool) -> io::Result<Option<Vec<u8>>> {
        // Not before: who refuses a line that is too long does not wait for its end.
        if std::mem::take(&mut self.is_amid) {
            self.reader.skip_until(b'\n')?;
        }
        // Room for the mark and the longest line end, so that only over-long lines are cut.
        let limit = (max_bytes as u64).saturating_add(1 + BYTE_ORDER_MARK.len() as u64 + 2);
        let mut bytes = Vec::new();
        if self.reader.by_ref().take(limit).read_until(b'\n', &mut bytes)? == 0 {
            return Ok(None);
        }
        if bytes.ends_with(b"\n") {
            bytes.pop();
            if !verbatim && bytes.ends_with(b"\r") {
                bytes.pop();
            }
        } else {
            self.is_amid = true;
        }
        if !verbatim && self.n_lines == 0 && bytes.starts_with(BYTE_ORDER_MARK) {
            bytes.drain(..BYTE_ORDER_MARK.len());
        }
        Ok(Some(bytes))
    }

    fn finish(self) -> FileReport {
        let file = self.reader.into_inner();
        let mut notes = Vec::from_iter(file.note.clone());
        let NulLines { first, count } = self.nul_lines;
        if count > 0 {
            let lines = if count > 1 { format!(", the first of {} lines,", grouped(count)) } else { String::new() };
            notes.push(format!("{}:{first}{lines} has NUL characters, which are read as text", self.path.display()));
        }
        let (n_bytes, sha256) = file.digest();
        FileReport { path: self.path.to_path_buf(), n_lines: self.n_lines, n_bytes, sha256, notes }
    }
}
