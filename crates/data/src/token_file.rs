//! Token files: the ids of a corpus on disk.
//!
//! Little-endian: the magic (16 bytes), the key (32 bytes), the number of pairs and of ids (u64 each), the ids
//! (u32 each; a pair's source, then its target), the lengths of each pair's source and target (u32 each), and
//! the rest of [`Footer`] as JSON. An unnamed file holds the ids alone, at the same place.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use attentive_core::TokenId;
use serde::{Deserialize, Serialize};
use tempfile::{NamedTempFile, TempPath};

use crate::encoded::Index;
use crate::{CorpusReport, DataError};

const MAGIC: &[u8; 16] = b"attentive-tok 1\n";
const HEADER_BYTES: u64 = 64;
const ID_BYTES: u64 = size_of::<TokenId>() as u64;
const LENGTHS_BYTES: u64 = size_of::<[u32; 2]>() as u64;

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
    /// Opens the file at `path` if there is one.
    pub(crate) fn open(path: &Path, key: &Key) -> Result<Option<(Self, Index, CorpusReport)>, DataError> {
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(|cause| DataError::Open { path: path.to_owned(), cause })?,
        };
        let (index, report) = read_index(&file, key)
            .map_err(|error| DataError::TokenFile { path: path.to_owned(), reason: error.to_string() })?;
        Ok(Some((Self { file: Mutex::new(file), path: path.to_owned() }, index, report)))
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

fn u32s(bytes: &[u8]) -> impl Iterator<Item = u32> {
    bytes.as_chunks().0.iter().map(|bytes| u32::from_le_bytes(*bytes))
}

/// Reads all but the ids, and checks that it fits the file.
fn read_index(file: &File, key: &Key) -> io::Result<(Index, CorpusReport)> {
    let invalid = |reason: &str| io::Error::new(io::ErrorKind::InvalidData, reason.to_owned());
    let n_bytes = file.metadata()?.len();
    let mut reader = BufReader::new(file);

    let mut header = [0; HEADER_BYTES as usize];
    reader.read_exact(&mut header)?;
    let (magic, rest) = header.split_at(MAGIC.len());
    let (file_key, counts) = rest.split_at(key.len());
    if magic != MAGIC {
        return Err(invalid("it is no token file, or one of another version"));
    }
    if file_key != key {
        return Err(invalid("it was made from other text, rules or another tokenizer"));
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

/// Writes a token file; a named one gets its name only when it is whole.
#[derive(Debug)]
pub(crate) struct TokenFileWriter {
    out: BufWriter<File>,
    /// The temporary and the final name, and the key.
    named: Option<(TempPath, PathBuf, Key)>,
    path: PathBuf,
}

impl TokenFileWriter {
    /// A file that will be called `name`, or an unnamed one that goes with its last handle.
    pub(crate) fn create(name: Option<(&Path, Key)>) -> Result<Self, DataError> {
        let path = name.map_or_else(std::env::temp_dir, |(path, _)| path.to_owned());
        let create = || -> io::Result<_> {
            let (file, named) = match name {
                Some((path, key)) => {
                    let dir = path.parent().unwrap_or(Path::new("."));
                    std::fs::create_dir_all(dir)?;
                    let (file, temporary) = NamedTempFile::new_in(dir)?.into_parts();
                    (file, Some((temporary, path.to_owned(), key)))
                }
                None => (tempfile::tempfile()?, None),
            };
            let mut out = BufWriter::with_capacity(1 << 18, file);
            out.write_all(&[0; HEADER_BYTES as usize])?;
            Ok((out, named))
        };
        match create() {
            Ok((out, named)) => Ok(Self { out, named, path }),
            Err(cause) => Err(DataError::Write { path, cause }),
        }
    }

    pub(crate) fn push(&mut self, ids: &[TokenId]) -> Result<(), DataError> {
        ids.iter()
            .try_for_each(|id| self.out.write_all(&id.to_le_bytes()))
            .map_err(|cause| DataError::Write { path: self.path.clone(), cause })
    }

    pub(crate) fn finish(self, index: &Index, report: &CorpusReport) -> Result<TokenFile, DataError> {
        let Self { out, named, path } = self;
        match finish(out, named, index, report) {
            Ok(file) => Ok(TokenFile { file: Mutex::new(file), path }),
            Err(cause) => Err(DataError::Write { path, cause }),
        }
    }
}

fn finish(
    mut out: BufWriter<File>,
    named: Option<(TempPath, PathBuf, Key)>,
    index: &Index,
    report: &CorpusReport,
) -> io::Result<File> {
    let Some((temporary, path, key)) = named else {
        return Ok(out.into_inner()?);
    };
    for length in index.lengths().as_flattened() {
        out.write_all(&length.to_le_bytes())?;
    }
    let footer = Footer { shifts: index.shifts().to_vec(), max_id: index.max_id(), report: report.clone() };
    serde_json::to_writer(&mut out, &footer)?;
    out.seek(SeekFrom::Start(0))?;
    out.write_all(MAGIC)?;
    out.write_all(&key)?;
    out.write_all(&(index.lengths().len() as u64).to_le_bytes())?;
    out.write_all(&index.n_ids().to_le_bytes())?;
    let file = out.into_inner()?;
    file.sync_all()?;
    temporary.persist(path)?;
    Ok(file)
}
