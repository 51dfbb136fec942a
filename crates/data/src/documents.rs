//! Text for language models, streamed from files document by document.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{DataError, FileReport, Line, LineReader, text_file::check_all};

/// The longest line that a text may have, and about the longest piece; memory for reading is bounded by them.
const MAX_LINE_BYTES: usize = 1 << 24;

/// What of a text file is one document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum DocumentUnit {
    /// Each line that is not blank.
    #[default]
    Line,
    /// Lines up to a blank one, with their line breaks.
    Paragraph,
    /// The whole file, with its line breaks.
    File,
}

/// Text files for a language model.
///
/// Each may be plain or compressed: see [`LineReader`]. White space at the ends of lines is text.
///
/// ```
/// use attentive_data::{DocumentUnit, TextFiles};
///
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("a.txt");
/// std::fs::write(&path, "The end\nis near.\n\nOr not.\n")?;
/// let documents = |unit| -> Result<Vec<String>, attentive_data::DataError> {
///     TextFiles::new([&path], unit).documents().map(|piece| piece.map(|piece| piece.text)).collect()
/// };
/// assert_eq!(documents(DocumentUnit::Line)?, ["The end", "is near.", "Or not."]);
/// assert_eq!(documents(DocumentUnit::Paragraph)?, ["The end\nis near.", "Or not."]);
/// assert_eq!(documents(DocumentUnit::File)?.concat(), "The end\nis near.\n\nOr not.\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextFiles {
    /// Files, in order.
    pub paths: Vec<PathBuf>,
    /// What of them is one document.
    pub unit: DocumentUnit,
}

impl TextFiles {
    /// These files, in order.
    pub fn new<P: AsRef<Path>>(paths: impl IntoIterator<Item = P>, unit: DocumentUnit) -> Self {
        Self { paths: paths.into_iter().map(|path| path.as_ref().to_owned()).collect(), unit }
    }

    /// Whether all files are there and begin as text does, without reading them.
    ///
    /// # Errors
    /// Those of opening a file.
    pub fn check(&self) -> Result<(), DataError> {
        check_all(&self.paths)
    }

    /// Streams the documents, large ones in pieces.
    pub fn documents(&self) -> Documents {
        Documents { reader: LineReader::new(&self.paths, MAX_LINE_BYTES), unit: self.unit, ahead: None, n_lines: 0 }
    }
}

/// A document, a line of one that is a whole file, or a part of a paragraph of more than 16 MiB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The text; a piece of a longer document ends in its line break.
    pub text: String,
    /// Where it begins, from 1: the lines of all files count as one.
    pub line: u64,
    /// Whether the document ends here.
    pub ends_document: bool,
}

/// Streams the documents of [`TextFiles`].
#[derive(Debug)]
pub struct Documents {
    reader: LineReader,
    unit: DocumentUnit,
    /// The next line, where it was read already.
    ahead: Option<(Line, String)>,
    n_lines: u64,
}

impl Documents {
    /// Reads what is left, and reports on all files.
    ///
    /// # Errors
    /// Those of reading.
    pub fn finish(self) -> Result<Vec<FileReport>, DataError> {
        self.reader.finish()
    }

    fn next_piece(&mut self) -> Result<Option<Piece>, DataError> {
        if self.unit != DocumentUnit::File {
            while self.peek()?.is_some_and(|(_, text)| text.trim().is_empty()) {
                self.take()?;
            }
        }
        let Some(mut text) = self.take()? else { return Ok(None) };
        let line = self.n_lines;
        let mut ends_document = true;
        match self.unit {
            DocumentUnit::Line => {}
            DocumentUnit::Paragraph => {
                while self.continues_paragraph()? {
                    text.push('\n');
                    if text.len() > MAX_LINE_BYTES {
                        ends_document = false;
                        break;
                    }
                    text.extend(self.take()?);
                }
            }
            DocumentUnit::File => {
                text.push('\n');
                ends_document = self.peek()?.is_none_or(|(line, _)| line.place.line == 1);
            }
        }
        Ok(Some(Piece { text, line, ends_document }))
    }

    /// Whether the next line is of the same paragraph.
    fn continues_paragraph(&mut self) -> Result<bool, DataError> {
        Ok(self.peek()?.is_some_and(|(line, text)| line.place.line > 1 && !text.trim().is_empty()))
    }

    fn peek(&mut self) -> Result<Option<&(Line, String)>, DataError> {
        if self.ahead.is_none()
            && let Some(mut line) = self.reader.next_line()?
        {
            let place = || (line.place.path.to_path_buf(), line.place.line);
            if line.is_over_long {
                let (path, line) = place();
                return Err(DataError::LongLine { path, line, max_bytes: MAX_LINE_BYTES });
            }
            let Ok(text) = String::from_utf8(std::mem::take(&mut line.bytes)) else {
                let (path, line) = place();
                return Err(DataError::InvalidUtf8 { path, line });
            };
            self.ahead = Some((line, text));
        }
        Ok(self.ahead.as_ref())
    }

    fn take(&mut self) -> Result<Option<String>, DataError> {
        self.peek()?;
        let taken = self.ahead.take();
        self.n_lines += u64::from(taken.is_some());
        Ok(taken.map(|(_, text)| text))
    }
}

impl Iterator for Documents {
    type Item = Result<Piece, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_piece().transpose()
    }
}
