//! Text files as they are stored: compressed, in UTF-16, or not text at all.

use std::fs::File;
use std::io::{self, BufReader, Chain, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use lzma_rust2::XzReader;
use sha2::{Digest, Sha256};

use crate::DataError;
use crate::format::{self, Compression};
use crate::members::{Bzip2, Gzip, Members};
use crate::utf16::{self, Utf16};

const BUFFER_BYTES: usize = 1 << 16;

/// Bytes that a format is told by.
const HEAD_BYTES: usize = 4096;

/// Memory that an `.xz` file may ask for, in KiB: 128 MiB, as for a `.zst` file; `xz -9` asks for 65 MiB.
const XZ_MEMORY_KIB: u32 = 1 << 17;

/// The text of a file, decompressed and in UTF-8.
pub(crate) struct TextFile {
    text: Text,
    /// What a user should know of it.
    pub(crate) note: Option<String>,
}

enum Text {
    Utf8(Peeked<Plain>),
    Utf16(Utf16<Peeked<Plain>>),
}

type Peeked<R> = Chain<Cursor<Vec<u8>>, R>;
type Plain = Hashing<Box<dyn Read + Send>>;

impl TextFile {
    /// Recognises by its first bytes what a file is, whatever it is called; `-` is standard input.
    ///
    /// # Errors
    /// [`DataError::Open`], [`DataError::Read`], and [`DataError::NotText`] for what is not text.
    pub(crate) fn open(path: &Path) -> Result<Self, DataError> {
        let name = name_of(path);
        let not_text = |what: String, remedy| DataError::NotText { path: name.to_owned(), what, remedy };
        let open = |cause| DataError::Open { path: name.to_owned(), cause };
        let (head, file) = Source::open(path).and_then(peek).map_err(open)?;
        let compression = Compression::of(&head);
        let reader = decompressed(compression, file).map_err(open)?;
        let plain = Hashing { reader, sha: Sha256::new(), n_bytes: 0 };
        let read = |cause| DataError::Read { path: name.to_owned(), after_line: 0, cause };
        let (head, plain) = peek(plain).map_err(read)?;

        if let Some((name, remedy)) = format::refused(&head) {
            let inside = compression.map(|outer| format!(", compressed by {}", outer.name())).unwrap_or_default();
            return Err(not_text(format!("{name}{inside}"), remedy));
        }
        let Some(found) = utf16::recognise(&head) else {
            return match format::is_binary(&head) {
                true => Err(DataError::Binary { path: name.to_owned(), line: 1 }),
                false => Ok(Self { text: Text::Utf8(plain), note: None }),
            };
        };
        let note = (!found.has_mark).then(|| {
            let order = found.order.name();
            format!(
                "{} has no byte order mark and is read as UTF-16, {order}: convert it if that is wrong",
                name.display()
            )
        });
        Ok(Self { text: Text::Utf16(Utf16::new(plain, found)), note })
    }

    /// Number and SHA-256 of the bytes read so far, as they are decompressed.
    pub(crate) fn digest(self) -> (u64, String) {
        let plain = match self.text {
            Text::Utf8(plain) => plain,
            Text::Utf16(text) => text.into_inner(),
        };
        let (_, Hashing { sha, n_bytes, .. }) = plain.into_inner();
        (n_bytes, format!("{:x}", sha.finalize()))
    }
}

impl Read for TextFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.text {
            Text::Utf8(text) => text.read(buffer),
            Text::Utf16(text) => text.read(buffer),
        }
    }
}

impl std::fmt::Debug for TextFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TextFile").field("note", &self.note).finish_non_exhaustive()
    }
}

/// The bytes of a file, decompressed if it is compressed by gzip, bzip2, xz or zstd; for files that are not text.
///
/// # Errors
/// [`DataError::Open`].
pub fn open_bytes(path: &Path) -> Result<impl Read + use<>, DataError> {
    let open = |cause| DataError::Open { path: name_of(path).to_owned(), cause };
    let (head, file) = Source::open(path).and_then(peek).map_err(open)?;
    decompressed(Compression::of(&head), file).map_err(open)
}

/// Opens every file once: one that is absent, or not text, is refused before others are read for long.
pub(crate) fn check_all(paths: &[PathBuf]) -> Result<(), DataError> {
    paths.iter().try_for_each(|path| TextFile::open(path).map(drop))
}

/// The first bytes, and a reader of all of them.
///
/// A line from a keyboard or a pipe is enough: nobody has to type a second one before the first is answered.
fn peek<R: Read>(mut reader: R) -> io::Result<(Vec<u8>, Peeked<R>)> {
    let mut head = Vec::with_capacity(HEAD_BYTES);
    while head.len() < HEAD_BYTES && !head.contains(&b'\n') {
        let mut some = [0; HEAD_BYTES];
        match reader.read(&mut some[head.len()..]) {
            Ok(0) => break,
            Ok(n) => {
                let start = head.len();
                head.extend_from_slice(&some[start..start + n]);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok((head.clone(), Cursor::new(head).chain(reader)))
}

fn decompressed(compression: Option<Compression>, file: Peeked<Source>) -> io::Result<Box<dyn Read + Send>> {
    let Some(compression) = compression else { return Ok(Box::new(file)) };
    let file = BufReader::with_capacity(BUFFER_BYTES, file);
    Ok(match compression {
        Compression::Gzip => Box::new(Members::<Gzip<_>>::new(file)),
        Compression::Bzip2 => Box::new(Members::<Bzip2<_>>::new(file)),
        Compression::Xz => Box::new(XzReader::new_mem_limit(file, true, XZ_MEMORY_KIB)),
        Compression::Zstandard => Box::new(zstd::Decoder::with_buffer(file)?),
    })
}

/// The bytes of a file as they are stored.
enum Source {
    File(File),
    StandardInput(io::Stdin),
}

impl Source {
    fn open(path: &Path) -> io::Result<Self> {
        match is_standard_input(path) {
            true => standard_input().map(Self::StandardInput),
            false => File::open(path).map(Self::File),
        }
    }
}

/// Whether [`standard_input`] was asked for.
static IS_TAKEN: AtomicBool = AtomicBool::new(false);

/// Standard input, which has one reader: a second one would find it at its end, or take turns with the first.
///
/// # Errors
/// It was asked for before.
pub fn standard_input() -> io::Result<io::Stdin> {
    if IS_TAKEN.swap(true, Ordering::Relaxed) {
        return Err(io::Error::other("it can be only one of the files, and is read once: name another file"));
    }
    Ok(io::stdin())
}

fn is_standard_input(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// What a file is called where something is said of it.
pub(crate) fn name_of(path: &Path) -> &Path {
    if is_standard_input(path) { Path::new("standard input") } else { path }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read(buffer),
            Self::StandardInput(stdin) => stdin.read(buffer),
        }
    }
}

/// Hashes all that is read through it.
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
