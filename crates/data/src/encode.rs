//! From text files to token ids.

use std::path::PathBuf;

use attentive_core::TokenId;
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::token_file::{Key, TokenFile};
use crate::{CorpusBuilder, CorpusReport, CorpusRules, DataError, EncodedCorpus, FileReport, ParallelFiles, Side};

/// Pairs encoded at a time, in parallel; fewer of long ones.
const CHUNK_PAIRS: usize = 1024;
const CHUNK_BYTES: usize = 1 << 24;

/// The next items: at most `n`, and no more after their sizes have reached `bytes`.
pub(crate) fn chunk<T, E>(
    items: &mut impl Iterator<Item = Result<T, E>>,
    n: usize,
    bytes: usize,
    size: impl Fn(&T) -> usize,
) -> Result<Vec<T>, E> {
    let (mut chunk, mut n_bytes) = (Vec::new(), 0);
    while chunk.len() < n && n_bytes < bytes {
        let Some(item) = items.next().transpose()? else { break };
        n_bytes += size(&item);
        chunk.push(item);
    }
    Ok(chunk)
}

/// Where token ids are kept.
#[derive(Debug, Clone)]
pub struct Storage {
    /// Ids that take more bytes than these go to disk.
    pub memory_bytes: u64,
    /// Keeps what goes to disk for later runs. Without it, an unnamed file in the system's temporary folder
    /// (`TMPDIR`) is used, which is in memory on some systems.
    pub cache: Option<TokenCache>,
}

impl Default for Storage {
    /// 1 GiB of memory, then a temporary file.
    fn default() -> Self {
        Self { memory_bytes: 1 << 30, cache: None }
    }
}

/// A folder of token files, each named after the text, the rules and the tokenizer that it was made from.
#[derive(Debug, Clone)]
pub struct TokenCache {
    /// The folder; made when it is needed.
    pub dir: PathBuf,
    /// Tells tokenizers apart: a hash of the tokenizer's file.
    pub tokenizer: String,
}

impl EncodedCorpus {
    /// Reads, checks and encodes `files`, or finds them encoded in the cache.
    ///
    /// # Errors
    /// Those of reading, [`DataError::Refused`] by the `rules`, and those of writing and reading a token file.
    pub fn from_files(
        files: &ParallelFiles,
        rules: &CorpusRules,
        storage: &Storage,
        encode: impl Fn(Side, &str) -> Vec<TokenId> + Sync,
    ) -> Result<(Self, CorpusReport), DataError> {
        let mut builder = CorpusBuilder::spilling(storage.memory_bytes);
        let mut digests = None;
        if let Some(TokenCache { dir, tokenizer }) = &storage.cache {
            let found = files.digests()?;
            let key = key(files, &found, rules, tokenizer);
            let name: String = key[..8].iter().map(|byte| format!("{byte:02x}")).collect();
            let path = dir.join(name + ".tokens");
            if let Some((file, index, report)) = TokenFile::open(&path, &key)? {
                return Ok((Self::from_file(file, index), report));
            }
            builder = builder.named(path, key);
            digests = Some(found);
        }

        let mut pairs = files.pairs(rules)?;
        loop {
            let chunk = chunk(&mut pairs, CHUNK_PAIRS, CHUNK_BYTES, |pair| pair.source.len() + pair.target.len())?;
            if chunk.is_empty() {
                break;
            }
            let encoded: Vec<[Vec<TokenId>; 2]> =
                chunk.par_iter().map(|pair| Side::BOTH.map(|side| encode(side, pair.side(side)))).collect();
            for (pair, mut ids) in chunk.iter().zip(encoded) {
                if pairs.admit(&mut ids, &pair.places) {
                    builder.push(pair.line, &ids[0], &ids[1])?;
                }
            }
        }
        let report = pairs.finish()?;
        if let Some(digests) = digests {
            let read = report.source.iter().chain(&report.target);
            let changed = digests.iter().flatten().zip(read).find(|(before, now)| before != now);
            if let Some((file, _)) = changed {
                return Err(DataError::Changed { path: file.path.clone() });
            }
        }
        Ok((builder.finish_with(&report)?, report))
    }
}

fn key(files: &ParallelFiles, digests: &[Vec<FileReport>; 2], rules: &CorpusRules, tokenizer: &str) -> Key {
    let mut sha = Sha256::new();
    if let ParallelFiles::Tsv { layout, .. } = files {
        sha.update(format!("{layout:?}"));
    }
    for files in digests {
        sha.update((files.len() as u64).to_le_bytes());
        files.iter().for_each(|file| sha.update(&file.sha256));
    }
    sha.update(format!("{rules:?}"));
    sha.update(tokenizer);
    sha.finalize().into()
}
