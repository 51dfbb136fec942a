//! Documents as sentences of tokens.

use std::{collections::BTreeMap, ops::Range};

use attentive_core::TokenId;

use crate::{
    CacheUse, CorpusBuilder, CorpusReport, DataError, EncodedCorpus, FileReport, Piece, Storage, TextFiles,
    encode::{CHUNK_BYTES, CHUNK_TEXTS, Making, chunk},
};

/// Documents of sentences, as token ids in memory, with an end-of-segment token after each document.
///
/// ```
/// use attentive_data::SentenceCorpus;
///
/// let mut corpus = SentenceCorpus::new(9);
/// corpus.push_document([vec![1, 2], vec![], vec![3]]);
/// corpus.push_document([vec![4]]);
/// assert_eq!(corpus.ids(), [1, 2, 3, 9, 4, 9]);
/// assert_eq!((corpus.n_documents(), corpus.n_sentences()), (2, 3));
/// ```
#[derive(Debug, Clone)]
pub struct SentenceCorpus {
    end: TokenId,
    ids: Vec<TokenId>,
    sentences: Vec<Range<usize>>,
    /// Sentences of each document.
    documents: Vec<Range<usize>>,
}

impl SentenceCorpus {
    /// No document yet; `end` will follow each.
    pub fn new(end: TokenId) -> Self {
        Self { end, ids: Vec::new(), sentences: Vec::new(), documents: Vec::new() }
    }

    /// Reads and encodes documents, a sentence a line, or finds them encoded in the cache; tells what a cache was good for.
    ///
    /// # Errors
    /// Those of reading and of writing a temporary file.
    pub fn from_files(
        files: &TextFiles,
        storage: &Storage,
        end: TokenId,
        encode: impl Fn(&str) -> Vec<TokenId> + Sync,
    ) -> Result<(Self, Option<CacheUse>), DataError> {
        let how = format!("sentences {:?} {end}", files.unit);
        let make = |making: &Making<'_>| {
            let (corpus, files) = Self::encode_files(files, end, making, &encode)?;
            Ok((corpus.to_encoded()?, CorpusReport { source: files, ..CorpusReport::default() }))
        };
        if storage.cache.is_none() {
            return Ok((Self::encode_files(files, end, &storage.alone(), &encode)?.0, None));
        }
        let (encoded, _) = storage.fetch(|| Ok(vec![files.documents().finish()?]), &how, make)?;
        Ok((Self::of_encoded(&encoded, end)?, encoded.cache_use().cloned()))
    }

    fn encode_files(
        files: &TextFiles,
        end: TokenId,
        making: &Making<'_>,
        encode: &(impl Fn(&str) -> Vec<TokenId> + Sync),
    ) -> Result<(Self, Vec<FileReport>), DataError> {
        let mut corpus = Self::new(end);
        let (mut documents, mut document) = (files.documents(), Vec::new());
        loop {
            let pieces = chunk(&mut documents, (CHUNK_TEXTS, CHUNK_BYTES), |piece| piece.text.len())?;
            if pieces.is_empty() {
                return Ok((corpus, documents.finish()?));
            }
            let encode = |piece: &Piece| piece.text.lines().map(encode).collect::<Vec<_>>();
            for (piece, sentences) in pieces.iter().zip(making.encode(&pieces, encode)?) {
                document.extend(sentences);
                if piece.ends_document {
                    corpus.push_document(document.drain(..));
                }
            }
        }
    }

    /// Sentences as sources, with a target after the last one of each document.
    fn to_encoded(&self) -> Result<EncodedCorpus, DataError> {
        let mut builder = CorpusBuilder::in_memory();
        let mut line = 0;
        for document in &self.documents {
            for sentence in document.clone() {
                line += 1;
                let ends = sentence + 1 == document.end;
                builder.push(line, &self.ids[self.sentences[sentence].clone()], &[self.end][..usize::from(ends)])?;
            }
        }
        builder.finish()
    }

    fn of_encoded(encoded: &EncodedCorpus, end: TokenId) -> Result<Self, DataError> {
        let (mut corpus, mut document) = (Self::new(end), Vec::new());
        for i in 0..encoded.len() {
            let pair = encoded.pair(i)?;
            document.push(pair.source().to_vec());
            if !pair.target().is_empty() {
                corpus.push_document(document.drain(..));
            }
        }
        Ok(corpus)
    }

    /// Appends a document, sentences without tokens left out.
    pub fn push_document<S: AsRef<[TokenId]>>(&mut self, sentences: impl IntoIterator<Item = S>) {
        let first = self.sentences.len();
        for sentence in sentences {
            let start = self.ids.len();
            self.ids.extend_from_slice(sentence.as_ref());
            if self.ids.len() > start {
                self.sentences.push(start..self.ids.len());
            }
        }
        if self.sentences.len() > first {
            self.ids.push(self.end);
            self.documents.push(first..self.sentences.len());
        }
    }

    /// The first documents, which hold at least `fraction` of the sentences, and the rest.
    pub fn split(&self, fraction: f64) -> [Self; 2] {
        let mut parts = [Self::new(self.end), Self::new(self.end)];
        let first = (self.n_sentences() as f64 * fraction) as usize;
        for document in &self.documents {
            let sentences = self.sentences[document.clone()].iter().map(|sentence| &self.ids[sentence.clone()]);
            parts[usize::from(document.start >= first)].push_document(sentences);
        }
        parts
    }

    /// All tokens.
    pub fn ids(&self) -> &[TokenId] {
        &self.ids
    }

    /// Number of tokens, ends of documents left out.
    pub fn n_tokens(&self) -> usize {
        self.ids.len() - self.documents.len()
    }

    /// Number of sentences.
    pub fn n_sentences(&self) -> usize {
        self.sentences.len()
    }

    /// Number of documents.
    pub fn n_documents(&self) -> usize {
        self.documents.len()
    }

    /// The sentences.
    pub fn sentences(&self) -> impl ExactSizeIterator<Item = &[TokenId]> {
        self.sentences.iter().map(|sentence| &self.ids[sentence.clone()])
    }

    /// Range of each sentence in [`ids`](Self::ids).
    pub(crate) fn places(&self) -> &[Range<usize>] {
        &self.sentences
    }

    /// Which sentences each document has.
    pub(crate) fn documents(&self) -> &[Range<usize>] {
        &self.documents
    }

    /// Number of occurrences of each token, ends of documents left out.
    pub fn counts(&self) -> BTreeMap<TokenId, u64> {
        let mut counts = BTreeMap::new();
        for id in self.sentences().flatten() {
            *counts.entry(*id).or_default() += 1;
        }
        counts
    }
}
