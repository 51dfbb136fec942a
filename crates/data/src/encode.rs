//! From text files to token ids.

use std::fmt;

use attentive_core::TokenId;
use rayon::prelude::*;

use crate::{
    CorpusBuilder, CorpusReport, CorpusRules, DataError, EncodedCorpus, FileReport, LabeledText, ParallelFiles, Side,
    TextPair, TokenCache, TsvLayout, token_file::u32s,
};

/// Texts encoded at a time, in parallel, by all processes together; fewer of long ones.
pub(crate) const CHUNK_TEXTS: usize = 1 << 13;
pub(crate) const CHUNK_BYTES: usize = 1 << 24;

/// The next items: at most `n`, and no more after their sizes have reached `bytes`.
pub(crate) fn chunk<T, E>(
    items: &mut impl Iterator<Item = Result<T, E>>,
    (n, bytes): (usize, usize),
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

/// Processes that encode the same texts at the same time, this one among them: each encodes a part, and all get all.
pub trait EncodingPeers: fmt::Debug {
    /// The number of this process, from 0, and how many there are.
    fn place(&self) -> (usize, usize);

    /// The bytes of all processes, in their order; each of them calls it.
    ///
    /// # Errors
    /// [`DataError::Peer`] if another process can't go on.
    fn gather(&self, mine: &[u8]) -> Result<Vec<Vec<u8>>, DataError>;
}

/// How the ids of a text are made.
#[derive(Debug)]
pub(crate) struct Making<'a> {
    pub(crate) memory_bytes: u64,
    /// The processes that make them together, if there are several.
    pub(crate) peers: Option<&'a dyn EncodingPeers>,
    /// Whether they are found where another process keeps them, and not kept here.
    pub(crate) drops: bool,
}

impl Making<'_> {
    pub(crate) fn builder(&self) -> CorpusBuilder {
        if self.drops { CorpusBuilder::dropping() } else { CorpusBuilder::spilling(self.memory_bytes) }
    }

    /// What `encode` makes of each item, rows of ids.
    ///
    /// # Errors
    /// [`DataError::Peer`].
    pub(crate) fn encode<T: Sync>(
        &self,
        items: &[T],
        encode: impl Fn(&T) -> Vec<Vec<TokenId>> + Sync,
    ) -> Result<Vec<Vec<Vec<TokenId>>>, DataError> {
        let Some(peers) = self.peers else { return Ok(items.par_iter().map(&encode).collect()) };
        let (rank, size) = peers.place();
        let cut = |rank: usize| items.len() * rank / size;
        let ours: Vec<Vec<Vec<TokenId>>> = items[cut(rank)..cut(rank + 1)].par_iter().map(&encode).collect();
        let of_all = peers.gather(&to_bytes(&ours))?;
        let mut words = of_all.iter().flat_map(|bytes| u32s(bytes));
        let all: Option<Vec<_>> = items.iter().map(|_| rows(&mut words)).collect();
        all.ok_or_else(|| DataError::Peer("another process has encoded another text: give all the same files".into()))
    }
}

/// Rows of ids of some items: for each item their number, and for each row its length and its ids.
fn to_bytes(items: &[Vec<Vec<TokenId>>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut push = |word: u32| bytes.extend(word.to_le_bytes());
    for rows in items {
        push(rows.len() as u32);
        for row in rows {
            push(row.len() as u32);
            row.iter().for_each(|&id| push(id));
        }
    }
    bytes
}

/// The rows of the next item, as [`to_bytes`] has written them.
fn rows(words: &mut impl Iterator<Item = u32>) -> Option<Vec<Vec<TokenId>>> {
    let n_rows = words.next()?;
    let row = |_| {
        let n = words.next()? as usize;
        let row: Vec<TokenId> = words.by_ref().take(n).collect();
        (row.len() == n).then_some(row)
    };
    (0..n_rows).map(row).collect()
}

/// Where token ids are kept.
#[derive(Debug, Clone)]
pub struct Storage {
    /// Ids that take more bytes than these go to disk: to an unnamed file in the system's temporary folder (`TMPDIR`), which
    /// is in memory on some systems, or to the cache's file.
    pub memory_bytes: u64,
    /// Where later runs find the ids again.
    pub cache: Option<TokenCache>,
}

impl Default for Storage {
    /// 1 GiB of memory, then a temporary file.
    fn default() -> Self {
        Self { memory_bytes: 1 << 30, cache: None }
    }
}

impl EncodedCorpus {
    /// Reads, checks and encodes `files`, or finds them encoded in the cache.
    ///
    /// # Errors
    /// Those of reading, [`DataError::Refused`] by the `rules`, and those of writing and reading a temporary file.
    pub fn from_files(
        files: &ParallelFiles,
        rules: &CorpusRules,
        storage: &Storage,
        encode: impl Fn(Side, &str) -> Vec<TokenId> + Sync,
    ) -> Result<(Self, CorpusReport), DataError> {
        let layout = match files {
            ParallelFiles::Sides { .. } => None,
            ParallelFiles::Tsv { layout, .. } => Some(layout),
        };
        let how = format!("pairs {layout:?} {rules:?}");
        let make = |making: &Making<'_>| Self::encode_files(files, rules, making, &encode);
        storage.fetch(|| files.digests().map(Vec::from), &how, make)
    }

    /// Encodes labelled texts as sources without targets, or finds them encoded in the cache; `files` are what they were
    /// read from, as `layout` says.
    ///
    /// # Errors
    /// Those of writing and reading a temporary file.
    pub fn from_labeled(
        texts: &[LabeledText],
        files: &[FileReport],
        layout: TsvLayout,
        storage: &Storage,
        encode: impl Fn(&str) -> Vec<TokenId> + Sync,
    ) -> Result<Self, DataError> {
        let make = |making: &Making<'_>| {
            let mut builder = making.builder();
            for chunk in texts.chunks(CHUNK_TEXTS) {
                let encoded = making.encode(chunk, |text| vec![encode(&text.text)])?;
                for (text, ids) in chunk.iter().zip(encoded) {
                    builder.push(text.line, &ids.concat(), &[])?;
                }
            }
            Ok((builder.finish()?, CorpusReport { source: files.to_vec(), ..CorpusReport::default() }))
        };
        Ok(storage.fetch(|| Ok(vec![files.to_vec()]), &format!("labelled {layout:?}"), make)?.0)
    }

    fn encode_files(
        files: &ParallelFiles,
        rules: &CorpusRules,
        making: &Making<'_>,
        encode: &(impl Fn(Side, &str) -> Vec<TokenId> + Sync),
    ) -> Result<(Self, CorpusReport), DataError> {
        let mut builder = making.builder();
        let mut pairs = files.pairs(rules)?;
        loop {
            let limits = (CHUNK_TEXTS, CHUNK_BYTES);
            let chunk = chunk(&mut pairs, limits, |pair| pair.source.len() + pair.target.len())?;
            if chunk.is_empty() {
                break;
            }
            let both = |pair: &TextPair| Side::BOTH.map(|side| encode(side, pair.side(side))).to_vec();
            for (pair, ids) in chunk.iter().zip(making.encode(&chunk, both)?) {
                let mut sides = ids.into_iter();
                let mut ids = [(); 2].map(|()| sides.next().unwrap_or_default());
                if pairs.admit(&mut ids, &pair.places) {
                    builder.push(pair.line, &ids[0], &ids[1])?;
                }
            }
        }
        let report = pairs.finish()?;
        Ok((builder.finish()?, report))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_has_few_items_or_few_bytes() {
        let texts = ["a", "bbbb", "cc", "d", "eeeeeeee", "f"];
        let mut items = texts.into_iter().map(Ok::<_, DataError>).chain([Err(DataError::NoText)]);
        let mut next = || chunk(&mut items, (3, 6), |text| text.len());
        assert_eq!(next().unwrap(), ["a", "bbbb", "cc"]);
        assert_eq!(next().unwrap(), ["d", "eeeeeeee"]);
        assert!(matches!(next(), Err(DataError::NoText)));
        assert!(next().unwrap().is_empty());
    }
}
