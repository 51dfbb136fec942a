//! A corpus as token ids.

use std::borrow::Cow;

use attentive_core::TokenId;

use crate::token_file::{TokenFile, TokenFileWriter};
use crate::{CacheUse, DataError, Side};

/// Positions are kept for every `STRIDE`-th pair; those between are summed from the lengths.
const STRIDE: usize = 64;

/// The token ids of a sentence pair, without special tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedPair<'a> {
    ids: Cow<'a, [TokenId]>,
    n_source: usize,
}

impl EncodedPair<'_> {
    /// Ids of the source sentence.
    pub fn source(&self) -> &[TokenId] {
        &self.ids[..self.n_source]
    }

    /// Ids of the target sentence.
    pub fn target(&self) -> &[TokenId] {
        &self.ids[self.n_source..]
    }
}

/// Place of each pair among the ids of a corpus.
#[derive(Debug, Clone, Default)]
pub(crate) struct Index {
    lengths: Vec<[u32; 2]>,
    starts: Vec<u64>,
    shifts: Vec<(u32, u64)>,
    n_tokens: [u64; 2],
    max_id: TokenId,
}

impl Index {
    /// `None` if the pairs are too many or `shifts` do not ascend.
    pub(crate) fn new(lengths: &[[u32; 2]], shifts: Vec<(u32, u64)>, max_id: TokenId) -> Option<Self> {
        if !shifts.is_sorted() || lengths.len() > u32::MAX as usize {
            return None;
        }
        let mut index = Self { shifts, max_id, ..Self::default() };
        lengths.iter().for_each(|pair| index.push(*pair));
        Some(index)
    }

    fn push(&mut self, lengths: [u32; 2]) {
        if self.lengths.len().is_multiple_of(STRIDE) {
            self.starts.push(self.n_ids());
        }
        self.lengths.push(lengths);
        for (n_tokens, length) in self.n_tokens.iter_mut().zip(lengths) {
            *n_tokens += u64::from(length);
        }
    }

    /// Position of the first id of pair `i`.
    fn start(&self, i: usize) -> u64 {
        let near = i - i % STRIDE;
        let between = self.lengths[near..i].as_flattened();
        self.starts[i / STRIDE] + between.iter().map(|n| u64::from(*n)).sum::<u64>()
    }

    pub(crate) fn n_ids(&self) -> u64 {
        self.n_tokens.iter().sum()
    }

    pub(crate) fn lengths(&self) -> &[[u32; 2]] {
        &self.lengths
    }

    pub(crate) fn shifts(&self) -> &[(u32, u64)] {
        &self.shifts
    }

    pub(crate) fn max_id(&self) -> TokenId {
        self.max_id
    }
}

#[derive(Debug)]
enum Ids {
    Memory(Vec<TokenId>),
    Disk(TokenFile),
    Joined(Vec<Joined>),
}

/// A corpus among others.
#[derive(Debug)]
struct Joined {
    /// The number of its first pair among those of all, and that of its first id.
    first: usize,
    start: u64,
    corpus: EncodedCorpus,
}

/// Sentence pairs as token ids, in memory or in a token file, with the same contents either way.
///
/// On disk, a pair costs 8 bytes of memory, whatever its length.
///
/// ```
/// use attentive_data::EncodedCorpus;
///
/// let bytes = |_side, text: &str| text.bytes().map(u32::from).collect();
/// let corpus = EncodedCorpus::from_text([("hi", "na du"), ("a", "ein")], bytes)?;
/// assert_eq!((corpus.len(), corpus.n_tokens()), (2, [3, 8]));
/// assert_eq!(corpus.pair(1)?.target(), b"ein".map(u32::from));
/// # Ok::<(), attentive_data::DataError>(())
/// ```
#[derive(Debug)]
pub struct EncodedCorpus {
    index: Index,
    ids: Ids,
    cache_use: Option<CacheUse>,
}

impl EncodedCorpus {
    /// Encodes pairs of texts into memory.
    ///
    /// # Errors
    /// [`DataError::TooManyPairs`].
    pub fn from_text<S: AsRef<str>, T: AsRef<str>>(
        pairs: impl IntoIterator<Item = (S, T)>,
        encode: impl Fn(Side, &str) -> Vec<TokenId>,
    ) -> Result<Self, DataError> {
        let mut builder = CorpusBuilder::in_memory();
        for (line, (source, target)) in (1..).zip(pairs) {
            builder.push(line, &encode(Side::Source, source.as_ref()), &encode(Side::Target, target.as_ref()))?;
        }
        builder.finish()
    }

    pub(crate) fn from_file(file: TokenFile, index: Index) -> Self {
        Self { index, ids: Ids::Disk(file), cache_use: None }
    }

    pub(crate) fn from_memory(ids: Vec<TokenId>, index: Index) -> Self {
        Self { index, ids: Ids::Memory(ids), cache_use: None }
    }

    /// Several corpora as one, the pairs of each after those of the one before. Their ids stay where they are, in memory or on
    /// disk.
    ///
    /// # Errors
    /// [`DataError::TooManyPairs`].
    pub fn joined(corpora: impl IntoIterator<Item = Self>) -> Result<Self, DataError> {
        let mut index = Index::default();
        let mut parts = Vec::new();
        for corpus in corpora {
            let (first, start) = (index.lengths.len(), index.n_ids());
            if first + corpus.len() >= u32::MAX as usize {
                return Err(DataError::TooManyPairs);
            }
            corpus.lengths().iter().for_each(|lengths| index.push(*lengths));
            index.max_id = index.max_id.max(corpus.max_id());
            parts.push(Joined { first, start, corpus });
        }
        Ok(Self { index, ids: Ids::Joined(parts), cache_use: None })
    }

    /// The numbers of pairs of each of the corpora that this one was [joined](Self::joined) from; of another, its own.
    pub fn part_lens(&self) -> Vec<usize> {
        match &self.ids {
            Ids::Joined(parts) => parts.iter().map(|part| part.corpus.len()).collect(),
            _ => vec![self.len()],
        }
    }

    /// Which of the corpora that this one was [joined](Self::joined) from has pair `i`, from 0.
    pub fn part(&self, i: usize) -> usize {
        match &self.ids {
            Ids::Joined(parts) => parts.partition_point(|part| part.first <= i).saturating_sub(1),
            _ => 0,
        }
    }

    pub(crate) fn with_cache_use(self, cache_use: CacheUse) -> Self {
        Self { cache_use: Some(cache_use), ..self }
    }

    /// What a cache was good for, if there is one.
    pub fn cache_use(&self) -> Option<&CacheUse> {
        self.cache_use.as_ref()
    }

    pub(crate) fn index(&self) -> &Index {
        &self.index
    }

    /// Number of sentence pairs.
    pub fn len(&self) -> usize {
        self.index.lengths.len()
    }

    /// Whether there is no pair.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the ids are in a file.
    pub fn is_on_disk(&self) -> bool {
        match &self.ids {
            Ids::Memory(_) => false,
            Ids::Disk(_) => true,
            Ids::Joined(parts) => parts.iter().any(|part| part.corpus.is_on_disk()),
        }
    }

    /// Number of tokens on either side, `[source, target]`, without special ones.
    pub fn n_tokens(&self) -> [u64; 2] {
        self.index.n_tokens
    }

    /// Lengths of each pair in tokens, `[source, target]`, without special ones.
    pub fn lengths(&self) -> &[[u32; 2]] {
        &self.index.lengths
    }

    /// The largest id of all, to hold against a vocabulary.
    pub fn max_id(&self) -> TokenId {
        self.index.max_id
    }

    /// Line of pair `i` in the text that it, or its part, was encoded from, from 1.
    pub fn line(&self, i: usize) -> u64 {
        if let Ids::Joined(parts) = &self.ids
            && let Some(part) = parts.get(self.part(i))
        {
            return part.corpus.line(i - part.first);
        }
        let after = self.index.shifts.partition_point(|(first, _)| *first as usize <= i);
        let shift = after.checked_sub(1).map_or(0, |last| self.index.shifts[last].1);
        shift.saturating_add(i as u64)
    }

    /// The ids of pair `i`.
    ///
    /// # Errors
    /// [`DataError::TokenFile`] if the ids are on disk and cannot be read.
    ///
    /// # Panics
    /// If `i` is not less than [`len`](Self::len).
    pub fn pair(&self, i: usize) -> Result<EncodedPair<'_>, DataError> {
        let [n_source, n_target] = self.index.lengths[i].map(|n| n as usize);
        Ok(EncodedPair { ids: self.ids(self.index.start(i), n_source + n_target)?, n_source })
    }

    /// `n` ids from the `start`-th on, across the borders of pairs.
    pub(crate) fn ids(&self, start: u64, n: usize) -> Result<Cow<'_, [TokenId]>, DataError> {
        Ok(match &self.ids {
            Ids::Memory(ids) => Cow::Borrowed(&ids[start as usize..][..n]),
            Ids::Disk(file) => Cow::Owned(file.read(start, n, self.index.max_id)?),
            Ids::Joined(parts) => {
                // Most often, those of one pair.
                let first = parts.partition_point(|part| part.start + part.corpus.index.n_ids() <= start);
                let (mut ids, mut at) = (Vec::with_capacity(n), start);
                for part in parts.iter().skip(first) {
                    let n_here = (part.start + part.corpus.index.n_ids()).min(start + n as u64).saturating_sub(at);
                    if n_here > 0 {
                        ids.extend_from_slice(&part.corpus.ids(at - part.start, n_here as usize)?);
                        at += n_here;
                    }
                    if ids.len() == n {
                        break;
                    }
                }
                Cow::Owned(ids)
            }
        })
    }
}

/// Gathers encoded pairs, in memory as long as they fit.
#[derive(Debug)]
pub struct CorpusBuilder {
    index: Index,
    memory: Vec<TokenId>,
    disk: Option<TokenFileWriter>,
    memory_bytes: u64,
    drops: bool,
}

impl CorpusBuilder {
    /// Keeps all in memory.
    pub fn in_memory() -> Self {
        Self::spilling(u64::MAX)
    }

    /// Moves to an unnamed temporary file once the ids take more than `memory_bytes`.
    pub fn spilling(memory_bytes: u64) -> Self {
        Self { index: Index::default(), memory: Vec::new(), disk: None, memory_bytes, drops: false }
    }

    /// Keeps no id, of pairs that are not looked at.
    pub(crate) fn dropping() -> Self {
        Self { drops: true, ..Self::in_memory() }
    }

    /// Adds a pair. `line` is where it was found, from 1, and ascends.
    ///
    /// # Errors
    /// [`DataError::TooManyPairs`] and [`DataError::Write`].
    pub fn push(&mut self, line: u64, source: &[TokenId], target: &[TokenId]) -> Result<(), DataError> {
        let i =
            u32::try_from(self.index.lengths.len()).ok().filter(|i| *i < u32::MAX).ok_or(DataError::TooManyPairs)?;
        let shift = line.saturating_sub(u64::from(i));
        if self.index.shifts.last().is_none_or(|(_, last)| *last != shift) {
            self.index.shifts.push((i, shift));
        }
        for ids in [source, target] {
            self.index.max_id = ids.iter().fold(self.index.max_id, |max, id| max.max(*id));
            match &mut self.disk {
                _ if self.drops => {}
                Some(file) => file.push(ids)?,
                None => self.memory.extend_from_slice(ids),
            }
        }
        self.index.push([source.len() as u32, target.len() as u32]);
        if self.disk.is_none() && size_of_val(&*self.memory) as u64 > self.memory_bytes {
            let mut file = TokenFileWriter::create()?;
            file.push(&std::mem::take(&mut self.memory))?;
            self.disk = Some(file);
        }
        Ok(())
    }

    /// The corpus of all pairs added.
    ///
    /// # Errors
    /// [`DataError::Write`].
    pub fn finish(self) -> Result<EncodedCorpus, DataError> {
        let Self { index, mut memory, disk, .. } = self;
        let ids = match disk {
            Some(file) => Ids::Disk(file.finish()?),
            None => {
                memory.shrink_to_fit();
                Ids::Memory(memory)
            }
        };
        Ok(EncodedCorpus { index, ids, cache_use: None })
    }
}
