//! Token files that later runs read in place of encoding the same text again.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::SystemTime;

use sha2::{Digest, Sha256};

use crate::encode::Making;
use crate::token_file::{self, EXTENSION, Key, TokenFile};
use crate::{CorpusReport, DataError, EncodedCorpus, EncodingPeers, FileReport, Storage};

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
    /// Processes that encode together what not all of them find here, if they have the same text.
    pub peers: Option<Rc<dyn EncodingPeers>>,
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
        Self { dir: dir.into(), tokenizer: tokenizer.into(), max_bytes: 8 << 30, peers: None }
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

    /// The others, if all have the same text and one lacks its tokens: all make them together.
    fn lacking(&self, key: &Key, is_found: bool) -> Result<Option<&dyn EncodingPeers>, DataError> {
        let Some(peers) = self.peers.as_deref() else { return Ok(None) };
        let all = peers.gather(&[&key[..], &[u8::from(is_found)]].concat())?;
        let have_same_text = all.iter().all(|theirs| theirs.starts_with(key));
        Ok((have_same_text && all.iter().any(|theirs| theirs.last() == Some(&0))).then_some(peers))
    }

    /// Whether this process sees the folder in which the first one, another, keeps the file at `path`.
    fn is_shared(&self, peers: &dyn EncodingPeers, path: &Path) -> Result<bool, DataError> {
        let (is_first, sign) = (peers.place().0 == 0, path.with_extension("sign"));
        if is_first {
            let _ = fs::create_dir_all(&self.dir).and_then(|()| fs::write(&sign, []));
        }
        peers.gather(&[])?;
        let sees = sign.exists();
        peers.gather(&[])?;
        if is_first {
            let _ = fs::remove_file(&sign);
        }
        Ok(sees && !is_first)
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

/// Ids of a text, and what was found in it.
type Made = (EncodedCorpus, CorpusReport);

impl Storage {
    /// Ids that this process makes without others.
    pub(crate) fn alone(&self) -> Making<'_> {
        Making { memory_bytes: self.memory_bytes, peers: None, drops: false }
    }

    /// The tokens of `text` from the cache, or those that `make` makes, which are kept there.
    ///
    /// `text` reads the files to their ends; `how` says what decides their tokens beside the tokenizer.
    pub(crate) fn fetch(
        &self,
        text: impl FnOnce() -> Result<Vec<Vec<FileReport>>, DataError>,
        how: &str,
        make: impl Fn(&Making<'_>) -> Result<Made, DataError>,
    ) -> Result<Made, DataError> {
        let Some(cache) = &self.cache else { return make(&self.alone()) };
        let text = text()?;
        let key = cache.key(&text, how);
        let name: String = key[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        let path = cache.dir.join(name).with_extension(EXTENSION);
        let open = || TokenFile::open(&path, &key, self.memory_bytes);
        let read = |(corpus, mut report): Made| {
            report.move_to(&text);
            (corpus.with_cache_use(CacheUse::Read(path.clone())), report)
        };
        let (found, reason) = match open() {
            Ok(found) => (found, None),
            Err(error) => (None, Some(error.to_string())),
        };
        let keep = |(corpus, report): Made| -> Result<Made, DataError> {
            let of_text = report.source.iter().chain(&report.target);
            let changed = text.iter().flatten().zip(of_text).find(|(before, now)| before.sha256 != now.sha256);
            if let Some((file, _)) = changed {
                return Err(DataError::Changed { path: file.path.clone() });
            }
            let path = path.clone();
            let cache_use = match (cache.keep(&path, &key, &corpus, &report), reason.clone()) {
                (Err(error), _) => CacheUse::NotKept { path, reason: error.to_string() },
                (Ok(()), Some(reason)) => CacheUse::Replaced { path, reason },
                (Ok(()), None) => CacheUse::Written(path),
            };
            Ok((corpus.with_cache_use(cache_use), report))
        };
        let Some(peers) = cache.lacking(&key, found.is_some())? else {
            return match found {
                Some(found) => Ok(read(found)),
                None => keep(make(&self.alone())?),
            };
        };
        let drops = cache.is_shared(peers, &path)?;
        let made = make(&Making { peers: Some(peers), drops, ..self.alone() })?;
        if peers.place().0 == 0 {
            let kept = keep(made)?;
            peers.gather(&[])?;
            return Ok(kept);
        }
        // Those of the first one are there now, if it has the same folder and could keep them.
        peers.gather(&[])?;
        match open() {
            Ok(Some(found)) => Ok(read(found)),
            _ if drops => keep(make(&self.alone())?),
            _ => keep(made),
        }
    }
}
