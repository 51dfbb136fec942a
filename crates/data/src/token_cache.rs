//! Token files that later runs read in place of encoding the same text again.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sha2::{Digest, Sha256};

use crate::token_file::{self, EXTENSION, Key, TokenFile};
use crate::{CorpusReport, DataError, EncodedCorpus, FileReport, Storage};

/// A folder of token files, each named after the text, the rules and the tokenizer that it was made from.
///
/// A file that is damaged is never used: the text is encoded again, and the file is written again. Token files that were not
/// used for longest are deleted where all together would take more than `max_bytes`; other files are left alone.
#[derive(Debug, Clone)]
pub struct TokenCache {
    /// The folder; made when it is needed.
    pub dir: PathBuf,
    /// Tells tokenizers apart: a hash of the tokenizer's file, and of what else decides how it is used.
    pub tokenizer: String,
    /// Bytes that all token files of the folder may take.
    pub max_bytes: u64,
}

/// What a [`TokenCache`] was good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CacheUse {
    /// The tokens are those of an earlier run.
    Read(PathBuf),
    /// The text was encoded, and its tokens are there for later runs.
    Written(PathBuf),
    /// The file was damaged, and is made again.
    Replaced {
        /// The file.
        path: PathBuf,
        /// What was wrong with it.
        reason: String,
    },
    /// The text was encoded, and its tokens could not be kept.
    NotKept {
        /// The file that was to be.
        path: PathBuf,
        /// What was wrong.
        reason: String,
    },
}

impl CacheUse {
    /// Whether a user should look at it.
    pub fn is_warning(&self) -> bool {
        matches!(self, Self::Replaced { .. } | Self::NotKept { .. })
    }
}

impl fmt::Display for CacheUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(path) => write!(f, "tokens of an earlier run are read from {}", path.display()),
            Self::Written(path) => write!(f, "tokens are kept for later runs in {}", path.display()),
            Self::Replaced { path, reason } => {
                write!(f, "{} is not usable ({reason}): the text is encoded again", path.display())
            }
            Self::NotKept { path, reason } => write!(f, "tokens are not kept in {}: {reason}", path.display()),
        }
    }
}

impl TokenCache {
    /// A folder of at most 8 GiB.
    pub fn new(dir: impl Into<PathBuf>, tokenizer: impl Into<String>) -> Self {
        Self { dir: dir.into(), tokenizer: tokenizer.into(), max_bytes: 8 << 30 }
    }

    /// Names the tokens of files that hold `text`, of which `how` says what decides their tokens beside the tokenizer.
    fn key(&self, text: &[Vec<FileReport>], how: &str) -> Key {
        let mut sha = Sha256::new();
        for part in [env!("CARGO_PKG_VERSION"), how, &self.tokenizer] {
            sha.update((part.len() as u64).to_le_bytes());
            sha.update(part);
        }
        for files in text {
            sha.update((files.len() as u64).to_le_bytes());
            files.iter().for_each(|file| sha.update(&file.sha256));
        }
        sha.finalize().into()
    }

    /// Writes a token file and makes room for it.
    fn keep(&self, path: &Path, key: &Key, corpus: &EncodedCorpus, report: &CorpusReport) -> io::Result<()> {
        let n_bytes = token_file::n_bytes(corpus);
        if n_bytes > self.max_bytes {
            return Err(io::Error::other(format!("they take {n_bytes} bytes of {} at the most", self.max_bytes)));
        }
        token_file::write(path, key, corpus, report)?;
        self.make_room(path)
    }

    /// Deletes what was not used for longest, but for `new`, until the rest fits.
    fn make_room(&self, new: &Path) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.dir)?.filter_map(Result::ok) {
            // Another run may have deleted it.
            let Ok(metadata) = entry.metadata() else { continue };
            let path = entry.path();
            let is_ours = path.extension().is_some_and(|extension| extension == EXTENSION);
            if metadata.is_file() && is_ours && path != new {
                files.push((metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH), metadata.len(), path));
            }
        }
        files.sort_unstable();
        let n_new = fs::metadata(new).map_or(0, |metadata| metadata.len());
        let mut n_bytes = n_new + files.iter().map(|(_, n, _)| n).sum::<u64>();
        for (_, n, path) in files {
            if n_bytes <= self.max_bytes {
                break;
            }
            n_bytes -= n;
            let _ = fs::remove_file(path);
        }
        Ok(())
    }
}

impl Storage {
    /// The tokens of `text` from the cache, or those that `make` makes, which are kept there.
    ///
    /// `text` reads the files to their ends; `how` says what decides their tokens beside the tokenizer.
    pub(crate) fn fetch(
        &self,
        text: impl FnOnce() -> Result<Vec<Vec<FileReport>>, DataError>,
        how: &str,
        make: impl FnOnce() -> Result<(EncodedCorpus, CorpusReport), DataError>,
    ) -> Result<(EncodedCorpus, CorpusReport), DataError> {
        let Some(cache) = &self.cache else { return make() };
        let text = text()?;
        let key = cache.key(&text, how);
        let name: String = key[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        let path = cache.dir.join(name).with_extension(EXTENSION);
        let found = TokenFile::open(&path, &key, self.memory_bytes);
        let reason = match found {
            Ok(Some((corpus, mut report))) => {
                report.move_to(&text);
                return Ok((corpus.with_cache_use(CacheUse::Read(path)), report));
            }
            Ok(None) => None,
            Err(error) => Some(error.to_string()),
        };
        let (corpus, report) = make()?;
        let read = report.source.iter().chain(&report.target);
        if let Some((file, _)) = text.iter().flatten().zip(read).find(|(before, now)| before.sha256 != now.sha256) {
            return Err(DataError::Changed { path: file.path.clone() });
        }
        let cache_use = match (cache.keep(&path, &key, &corpus, &report), reason) {
            (Err(error), _) => CacheUse::NotKept { path, reason: error.to_string() },
            (Ok(()), Some(reason)) => CacheUse::Replaced { path, reason },
            (Ok(()), None) => CacheUse::Written(path),
        };
        Ok((corpus.with_cache_use(cache_use), report))
    }
}
