//! A text as one long row of tokens.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use attentive_core::TokenId;

use crate::documents::Piece;
use crate::encode::{CHUNK_BYTES, CHUNK_TEXTS, Making, chunk};
use crate::{CacheUse, CorpusBuilder, CorpusReport, DataError, EncodedCorpus, FileReport, Storage, TextFiles};

/// Documents as token ids, one after another with a separator between them, or a part of such a row.
///
/// Ids stay in memory or go to a temporary file, as [`Storage::memory_bytes`] says. Copies share them.
///
/// ```
/// use attentive_data::TokenStream;
///
/// let bytes = |text: &str| text.bytes().map(u32::from).collect();
/// let stream = TokenStream::from_texts(["to", "be"], Some(0), bytes)?;
/// assert_eq!(*stream.read(0..stream.len())?, [116, 111, 0, 98, 101]);
/// let [first, second] = stream.split(0.6);
/// assert_eq!(*second.read(0..second.len())?, [98, 101]);
/// # Ok::<(), attentive_data::DataError>(())
/// ```
#[derive(Debug, Clone)]
pub struct TokenStream {
    corpus: Arc<EncodedCorpus>,
    range: Range<u64>,
}

impl TokenStream {
    /// Reads and encodes documents, with `separator` between them, or finds them encoded in the cache.
    ///
    /// # Errors
    /// Those of reading and of writing a temporary file; [`DataError::NoSeparator`] where there are several documents
    /// and no separator, [`DataError::NoText`] where there is nothing to read.
    pub fn from_files(
        files: &TextFiles,
        storage: &Storage,
        separator: Option<TokenId>,
        encode: impl Fn(&str) -> Vec<TokenId> + Sync,
    ) -> Result<(Self, Vec<FileReport>), DataError> {
        let how = format!("text {:?} {separator:?}", files.unit);
        let make = |making: &Making<'_>| Self::encode_files(files, making, separator, &encode);
        let (corpus, report) = storage.fetch(|| Ok(vec![files.documents().finish()?]), &how, make)?;
        Ok((Self::of(corpus)?, report.source))
    }

    fn encode_files(
        files: &TextFiles,
        making: &Making<'_>,
        separator: Option<TokenId>,
        encode: &(impl Fn(&str) -> Vec<TokenId> + Sync),
    ) -> Result<(EncodedCorpus, CorpusReport), DataError> {
        let mut documents = files.documents();
        let mut writer = Writer::new(making.builder(), separator);
        loop {
            let pieces: Vec<Piece> = chunk(&mut documents, (CHUNK_TEXTS, CHUNK_BYTES), |piece| piece.text.len())?;
            if pieces.is_empty() {
                break;
            }
            let ids = making.encode(&pieces, |piece| vec![encode(&piece.text)])?;
            for (piece, ids) in pieces.iter().zip(ids) {
                writer.push(piece.line, &ids.concat(), piece.ends_document)?;
            }
        }
        let report = CorpusReport { source: documents.finish()?, ..CorpusReport::default() };
        Ok((writer.builder.finish()?, report))
    }

    /// All of a corpus in a row.
    fn of(corpus: EncodedCorpus) -> Result<Self, DataError> {
        let end = corpus.n_tokens().iter().sum();
        if end == 0 {
            return Err(DataError::NoText);
        }
        Ok(Self { corpus: Arc::new(corpus), range: 0..end })
    }

    /// What a cache was good for, if there is one.
    pub fn cache_use(&self) -> Option<&CacheUse> {
        self.corpus.cache_use()
    }

    /// Encodes documents, with `separator` between them.
    ///
    /// # Errors
    /// [`DataError::NoSeparator`] where there are several documents and no separator, [`DataError::NoText`] where there
    /// are none.
    pub fn from_texts<T: AsRef<str>>(
        documents: impl IntoIterator<Item = T>,
        separator: Option<TokenId>,
        encode: impl Fn(&str) -> Vec<TokenId>,
    ) -> Result<Self, DataError> {
        let mut writer = Writer::new(CorpusBuilder::in_memory(), separator);
        for (line, text) in (1..).zip(documents) {
            writer.push(line, &encode(text.as_ref()), true)?;
        }
        Self::of(writer.builder.finish()?)
    }

    /// Number of tokens.
    pub fn len(&self) -> u64 {
        self.range.end - self.range.start
    }

    /// Whether there is no token.
    pub fn is_empty(&self) -> bool {
        self.range.is_empty()
    }

    /// The largest id.
    pub fn max_id(&self) -> TokenId {
        self.corpus.max_id()
    }

    /// Some of the tokens.
    ///
    /// # Errors
    /// [`DataError::TokenFile`] where a temporary file cannot be read any more.
    ///
    /// # Panics
    /// If the range goes beyond the end.
    pub fn read(&self, range: Range<u64>) -> Result<Cow<'_, [TokenId]>, DataError> {
        assert!(range.end <= self.len(), "tokens {range:?} of {}", self.len());
        self.corpus.ids(self.range.start + range.start, (range.end - range.start) as usize)
    }

    /// The first `fraction` of the tokens, and the rest.
    ///
    /// # Panics
    /// If `fraction` is not between 0 and 1.
    pub fn split(&self, fraction: f64) -> [Self; 2] {
        assert!((0.0..=1.0).contains(&fraction), "a fraction of {fraction}");
        let middle = self.range.start + (self.len() as f64 * fraction) as u64;
        [self.range.start..middle, middle..self.range.end].map(|range| Self { corpus: self.corpus.clone(), range })
    }
}

/// Writes documents with separators between them.
struct Writer {
    builder: CorpusBuilder,
    separator: Option<TokenId>,
    /// Whether the next piece begins another document.
    is_between: bool,
}

impl Writer {
    fn new(builder: CorpusBuilder, separator: Option<TokenId>) -> Self {
        Self { builder, separator, is_between: false }
    }

    fn push(&mut self, line: u64, ids: &[TokenId], ends_document: bool) -> Result<(), DataError> {
        if self.is_between {
            let separator = self.separator.ok_or(DataError::NoSeparator)?;
            self.builder.push(line, &[separator], ids)?;
        } else {
            self.builder.push(line, ids, &[])?;
        }
        self.is_between = ends_document;
        Ok(())
    }
}
