//! Token files: the ids of a corpus on disk.
//!
//! Little-endian: the magic (16 bytes), the key (32 bytes), the SHA-256 of all that follows (32 bytes), the number of pairs
//! and of ids (u64 each), the ids (u32 each; a pair's source, then its target), the lengths of each pair's source and
//! target (u32 each), and the rest of [`Footer`] as JSON. An unnamed file holds the ids alone, at the same place.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use attentive_core::TokenId;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use crate::encoded::Index;
use crate::{CorpusReport, DataError, EncodedCorpus};

const MAGIC: &[u8; 16] = b"attentive-tok 2\n";
/// Ends the name of a token file, and of one that is being written, which a killed run leaves behind.
pub(crate) const EXTENSION: &str = "tokens";

/// Where the bytes begin that the hash is of.
const HASHED_AT: u64 = 80;
const HEADER_BYTES: u64 = 96;
const ID_BYTES: u64 = size_of::<TokenId>() as u64;
const LENGTHS_BYTES: u64 = size_of::<[u32; 2]>() as u64;
/// Ids that are written at a time.
const IDS_AT_ONCE: u64 = 1 << 16;

/// Names the text, the rules and the tokenizer that ids were made from.
pub(crate) type Key = [u8; 32];

/// The metadata of a token file.
#[derive(Debug, Serialize, Deserialize)]
struct Footer {
    /// The line of pair `i` is `i + shift` from each `(i, shift)` on.
    shifts: Vec<(u32, u64)>,
    max_id: TokenId,
    report: CorpusReport,
}

/// A token file open for reading.
#[derive(Debug)]
pub(crate) struct TokenFile {
    file: Mutex<File>,
    path: PathBuf,
}

impl TokenFile {
    /// The corpus in the file at `path`, if there is one; its ids are read into memory if they take at most `memory_bytes`.
    pub(crate) fn open(
        path: &Path,
        key: &Key,
        memory_bytes: u64,
    ) -> Result<Option<(EncodedCorpus, CorpusReport)>, io::Error> {
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        let (index, report) = read_index(&file, key)?;
        // It is the files unused for longest that are deleted; where it can't be told, it is the oldest.
        let _ = file.set_modified(SystemTime::now());
        let (n_ids, max_id) = (index.n_ids(), index.max_id());
        let file = Self { file: Mutex::new(file), path: path.to_owned() };
        let corpus = if n_ids.saturating_mul(ID_BYTES) <= memory_bytes {
            let ids = file.read(0, n_ids as usize, max_id).map_err(io::Error::other)?;
            EncodedCorpus::from_memory(ids, index)
        } else {
            EncodedCorpus::from_file(file, index)
        };
        Ok(Some((corpus, report)))
    }

    /// Reads `n` ids from the `start`-th on.
    pub(crate) fn read(&self, start: u64, n: usize, max_id: TokenId) -> Result<Vec<TokenId>, DataError> {
        let mut bytes = vec![0; n * ID_BYTES as usize];
        {
            // The position is set before each use, so a panic elsewhere does no harm.
            let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
            file.seek(SeekFrom::Start(HEADER_BYTES + start * ID_BYTES))
                .and_then(|_| file.read_exact(&mut bytes))
                .map_err(|error| self.unusable(error.to_string()))?;
        }
        let ids: Vec<TokenId> = u32s(&bytes).collect();
        match ids.iter().find(|id| **id > max_id) {
            Some(id) => Err(self.unusable(format!("it holds the id {id}, over its largest, {max_id}"))),
            None => Ok(ids),
        }
    }

    fn unusable(&self, reason: String) -> DataError {
        DataError::TokenFile { path: self.path.clone(), reason }
    }
}

pub(crate) fn u32s(bytes: &[u8]) -> impl Iterator<Item = u32> {
    bytes.as_chunks().0.iter().map(|bytes| u32::from_le_bytes(*bytes))
}

/// Reads all but the ids, and checks the whole file.
fn read_index(file: &File, key: &Key) -> io::Result<(Index, CorpusReport)> {
    let invalid = |reason: &str| io::Error::new(io::ErrorKind::InvalidData, reason.to_owned());
    let n_bytes = file.metadata()?.len();
    let mut reader = BufReader::with_capacity(1 << 18, file);

    let mut header = [0; HEADER_BYTES as usize];
    reader.read_exact(&mut header).map_err(|_| invalid("it is cut off"))?;
    let (magic, rest) = header.split_at(MAGIC.len());
    let (file_key, rest) = rest.split_at(key.len());
    let (hash, counts) = rest.split_at(32);
    if magic != MAGIC {
        return Err(invalid("it is not a token file, or one of another version"));
    }
    if file_key != key {
        return Err(invalid("it was made from other text, rules or another tokenizer"));
    }
    reader.seek(SeekFrom::Start(HASHED_AT))?;
    let mut sha = Sha256::new();
    io::copy(&mut reader, &mut sha)?;
    if sha.finalize()[..] != *hash {
        return Err(invalid("it is damaged or cut off"));
    }
    let counts: Vec<u64> = counts.as_chunks().0.iter().map(|count| u64::from_le_bytes(*count)).collect();
    let [n_pairs, n_ids] = counts[..] else {
        return Err(invalid("its header is damaged"));
    };

    // Sizes are checked before memory is taken for them.
    let lengths_at = n_ids.checked_mul(ID_BYTES).and_then(|n| n.checked_add(HEADER_BYTES));
    let lengths_bytes = n_pairs.checked_mul(LENGTHS_BYTES);
    let (Some(lengths_at), Some(lengths_bytes)) = (lengths_at, lengths_bytes) else {
        return Err(invalid("its header is damaged"));
    };
    if lengths_at.checked_add(lengths_bytes).is_none_or(|end| end > n_bytes) {
        return Err(invalid("it is cut off"));
    }
    reader.seek(SeekFrom::Start(lengths_at))?;
    let mut lengths = vec![0; lengths_bytes as usize];
    reader.read_exact(&mut lengths)?;
    let footer: Footer = serde_json::from_reader(reader)?;

    let lengths: Vec<u32> = u32s(&lengths).collect();
    let index = Index::new(lengths.as_chunks().0, footer.shifts, footer.max_id)
        .filter(|index| index.n_ids() == n_ids)
        .ok_or_else(|| invalid("its lengths do not add up"))?;
    Ok((index, footer.report))
}

/// Bytes of the file of a corpus, but for what its footer takes.
pub(crate) fn n_bytes(corpus: &EncodedCorpus) -> u64 {
    HEADER_BYTES + corpus.n_tokens().iter().sum::<u64>() * ID_BYTES + corpus.len() as u64 * LENGTHS_BYTES
}

/// A file that others may read as far as the user's mask lets them.
fn temporary_in(dir: &Path) -> io::Result<NamedTempFile> {
    let suffix = format!(".{EXTENSION}");
    let mut builder = tempfile::Builder::new();
    builder.suffix(&suffix);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(dir)
}

/// Writes a token file, which gets its name only when it is whole.
pub(crate) fn write(path: &Path, key: &Key, corpus: &EncodedCorpus, report: &CorpusReport) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(dir)?;
    let (file, temporary) = temporary_in(dir)?.into_parts();
    let mut out = Hashing { out: BufWriter::with_capacity(1 << 18, file), sha: Sha256::new() };
    out.out.write_all(&[0; HASHED_AT as usize])?;

    let index = corpus.index();
    out.write_all(&(index.lengths().len() as u64).to_le_bytes())?;
    out.write_all(&index.n_ids().to_le_bytes())?;
    for start in (0..index.n_ids()).step_by(IDS_AT_ONCE as usize) {
        let n = IDS_AT_ONCE.min(index.n_ids() - start);
        write_u32s(&mut out, &corpus.ids(start, n as usize).map_err(io::Error::other)?)?;
    }
    write_u32s(&mut out, index.lengths().as_flattened())?;
    let footer = Footer { shifts: index.shifts().to_vec(), max_id: index.max_id(), report: report.clone() };
    serde_json::to_writer(&mut out, &footer)?;

    let Hashing { mut out, sha } = out;
    out.seek(SeekFrom::Start(0))?;
    out.write_all(MAGIC)?;
    out.write_all(key)?;
    out.write_all(&sha.finalize())?;
    let file = out.into_inner()?;
    file.sync_all()?;
    temporary.persist(path)?;
    Ok(())
}

fn write_u32s(out: &mut impl Write, numbers: &[u32]) -> io::Result<()> {
    numbers.chunks(1 << 12).try_for_each(|some| {
        let bytes: Vec<u8> = some.iter().flat_map(|number| number.to_le_bytes()).collect();
        out.write_all(&bytes)
    })
}

/// Hashes all that is written through it.
struct Hashing<W> {
    out: W,
    sha: Sha256,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.out.write(bytes)?;
        self.sha.update(&bytes[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Writes ids to an unnamed file that goes with its last handle.
#[derive(Debug)]
pub(crate) struct TokenFileWriter {
    out: BufWriter<File>,
    path: PathBuf,
}

impl TokenFileWriter {
    pub(crate) fn create() -> Result<Self, DataError> {
        let path = std::env::temp_dir();
        let create = || -> io::Result<_> {
            let mut out = BufWriter::with_capacity(1 << 18, tempfile::tempfile()?);
            out.write_all(&[0; HEADER_BYTES as usize])?;
            Ok(out)
        };
        match create() {
            Ok(out) => Ok(Self { out, path }),
            Err(cause) => Err(DataError::Write { path, cause }),
        }
    }

    pub(crate) fn push(&mut self, ids: &[TokenId]) -> Result<(), DataError> {
        write_u32s(&mut self.out, ids).map_err(|cause| DataError::Write { path: self.path.clone(), cause })
    }

    pub(crate) fn finish(self) -> Result<TokenFile, DataError> {
        let Self { out, path } = self;
        match out.into_inner() {
            Ok(file) => Ok(TokenFile { file: Mutex::new(file), path }),
            Err(error) => Err(DataError::Write { path, cause: error.into_error() }),
        }
    }
}
