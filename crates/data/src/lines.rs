//! Lines of text files, compressed or not.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::read::MultiGzDecoder;
use sha2::{Digest, Sha256};

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
/// gzip (several members) and Zstandard (several frames) are recognised by their first bytes, whatever the
/// file is called. Lines end in `\n` or `\r\n`; the last one of a file needs no end. A byte order mark is
/// dropped. Memory is bounded by the limit on a line's length, not by any file's content. The path `-` is
/// standard input.
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
    open: Option<OpenFile>,
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
    /// [`DataError::Open`] and [`DataError::Read`].
    pub fn next_line(&mut self) -> Result<Option<Line>, DataError> {
        loop {
            if self.open.is_none() {
                let Some(path) = self.waiting.next() else {
                    return Ok(None);
                };
                self.open = Some(OpenFile::open(&path)?);
            }
            if let Some(file) = &mut self.open
                && let Some(line) = file.next_line(self.max_bytes, self.verbatim)?
            {
                return Ok(Some(line));
            }
            self.read.extend(self.open.take().map(OpenFile::finish));
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
    reader: BufReader<Hashing<Decompressed>>,
    n_lines: u64,
}

impl OpenFile {
    fn open(path: &Path) -> Result<Self, DataError> {
        let reader = decompressed(path).map_err(|cause| DataError::Open { path: path.to_owned(), cause })?;
        let hashing = Hashing { reader, sha: Sha256::new(), n_bytes: 0 };
        let name = if is_standard_input(path) { Path::new("standard input") } else { path };
        Ok(Self { path: name.into(), reader: BufReader::with_capacity(BUFFER_BYTES, hashing), n_lines: 0 })
    }

    fn next_line(&mut self, max_bytes: usize, verbatim: bool) -> Result<Option<Line>, DataError> {
        let bytes = self.read_line(max_bytes, verbatim).map_err(|cause| DataError::Read {
            path: self.path.to_path_buf(),
            after_line: self.n_lines,
            cause,
        })?;
        Ok(bytes.map(|mut bytes| {
            self.n_lines += 1;
            let is_over_long = bytes.len() > max_bytes;
            bytes.truncate(max_bytes);
            Line { place: Place { path: self.path.clone(), line: self.n_lines }, bytes, is_over_long }
        }))
    }

    /// The next line without its end, cut somewhere past `max_bytes`.
    fn read_line(&mut self, max_bytes: usize, verbatim: bool) -> io::Result<Option<Vec<u8>>> {
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
            self.reader.skip_until(b'\n')?;
        }
        if !verbatim && self.n_lines == 0 && bytes.starts_with(BYTE_ORDER_MARK) {
            bytes.drain(..BYTE_ORDER_MARK.len());
        }
        Ok(Some(bytes))
    }

    fn finish(self) -> FileReport {
        let Hashing { sha, n_bytes, .. } = self.reader.into_inner();
        FileReport {
            path: self.path.to_path_buf(),
            n_lines: self.n_lines,
            n_bytes,
            sha256: format!("{:x}", sha.finalize()),
        }
    }
}

type Peeked = io::Chain<Cursor<Vec<u8>>, Source>;

/// The bytes of a file as they are stored.
enum Source {
    File(File),
    StandardInput(io::Stdin),
}

impl Source {
    fn open(path: &Path) -> io::Result<Self> {
        if is_standard_input(path) { Ok(Self::StandardInput(io::stdin())) } else { File::open(path).map(Self::File) }
    }
}

fn is_standard_input(path: &Path) -> bool {
    path.as_os_str() == "-"
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read(buffer),
            Self::StandardInput(stdin) => stdin.read(buffer),
        }
    }
}

/// The plain bytes of a file.
enum Decompressed {
    Plain(Peeked),
    Gzip(Box<MultiGzDecoder<BufReader<Peeked>>>),
    Zstandard(Box<zstd::Decoder<'static, BufReader<Peeked>>>),
}

fn decompressed(path: &Path) -> io::Result<Decompressed> {
    let mut file = Source::open(path)?;
    let mut magic = Vec::with_capacity(4);
    file.by_ref().take(4).read_to_end(&mut magic)?;
    let is_gzip = magic.starts_with(&[0x1f, 0x8b]);
    // A Zstandard frame, or a skippable one, which parallel compressors write first.
    let is_zstd = matches!(magic[..], [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18]);
    let peeked = Cursor::new(magic).chain(file);
    let buffered = |peeked| BufReader::with_capacity(BUFFER_BYTES, peeked);
    Ok(if is_gzip {
        Decompressed::Gzip(Box::new(MultiGzDecoder::new(buffered(peeked))))
    } else if is_zstd {
        Decompressed::Zstandard(Box::new(zstd::Decoder::with_buffer(buffered(peeked))?))
    } else {
        Decompressed::Plain(peeked)
    })
}

impl Read for Decompressed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(reader) => reader.read(buffer),
            Self::Gzip(reader) => reader.read(buffer),
            Self::Zstandard(reader) => reader.read(buffer),
        }
    }
}

impl std::fmt::Debug for Decompressed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Plain(_) => "Plain",
            Self::Gzip(_) => "Gzip",
            Self::Zstandard(_) => "Zstandard",
        })
    }
}

/// Hashes all that is read through it.
#[derive(Debug)]
struct Hashing<R> {
    reader: R,
    sha: Sha256,
    n_bytes: u64,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.reader.read(buffer)?;
        self.sha.update(&buffer[..n]);
        self.n_bytes += n as u64;
        Ok(n)
    }
}
