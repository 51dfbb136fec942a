//! From text files to token ids.

use attentive_core::TokenId;
use rayon::prelude::*;

use crate::{
    CorpusBuilder, CorpusReport, CorpusRules, DataError, EncodedCorpus, FileReport, LabeledText, ParallelFiles, Side,
    TokenCache, TsvLayout,
};

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
        let make = || Self::encode_files(files, rules, storage.memory_bytes, encode);
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
        let make = || {
            let mut builder = CorpusBuilder::spilling(storage.memory_bytes);
            for chunk in texts.chunks(CHUNK_PAIRS) {
                let encoded: Vec<Vec<TokenId>> = chunk.par_iter().map(|text| encode(&text.text)).collect();
                for (text, ids) in chunk.iter().zip(encoded) {
                    builder.push(text.line, &ids, &[])?;
                }
            }
            Ok((builder.finish()?, CorpusReport { source: files.to_vec(), ..CorpusReport::default() }))
        };
        Ok(storage.fetch(|| Ok(vec![files.to_vec()]), &format!("labelled {layout:?}"), make)?.0)
    }

    fn encode_files(
        files: &ParallelFiles,
        rules: &CorpusRules,
        memory_bytes: u64,
        encode: impl Fn(Side, &str) -> Vec<TokenId> + Sync,
    ) -> Result<(Self, CorpusReport), DataError> {
        let mut builder = CorpusBuilder::spilling(memory_bytes);
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
        let mut next = || chunk(&mut items, 3, 6, |text| text.len());
        assert_eq!(next().unwrap(), ["a", "bbbb", "cc"]);
        assert_eq!(next().unwrap(), ["d", "eeeeeeee"]);
        assert!(matches!(next(), Err(DataError::NoText)));
        assert!(next().unwrap().is_empty());
    }
}
