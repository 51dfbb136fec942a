//! The tokenizer of M2M100.

use std::borrow::Cow;
use std::ops::Range;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Problem, TokenizerError, UnknownId};
use crate::file::Model;
use crate::marian::Side;
use crate::sentencepiece::{PieceKind, SentencePiece, SentencePieceFile};
use crate::specials::Specials;
use crate::tokenizer::{TokenId, Tokenizer};
use crate::vocabulary;
use crate::white_space::{is_python_space, trim_python};

/// A SentencePiece model whose pieces have the ids of a vocabulary of its own, with languages after it.
///
/// Ids and text are those of `M2M100Tokenizer` in transformers, but that ids of languages are never text.
#[derive(Debug)]
pub struct M2m100 {
    file: M2m100File,
    side: Side,
    /// The kind of each entry's piece.
    kinds: Vec<PieceKind>,
}

/// The parameters of [`M2m100`] as they stand in `tokenizer.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct M2m100File {
    pub(crate) model: SentencePieceFile,
    pub(crate) specials: Specials,
    pub(crate) vocab: Vec<String>,
    /// The tokens of languages, whose ids follow those of the vocabulary.
    pub(crate) languages: Vec<String>,
}

impl M2m100 {
    /// Reads `sentencepiece.bpe.model` and `vocab.json`; `languages` are the tokens of languages, `__en__`.
    ///
    /// # Errors
    /// [`TokenizerError`] names the file that can't be read or is damaged.
    pub fn from_files(model: &Path, vocab: &Path, languages: Vec<String>) -> Result<Self, TokenizerError> {
        let entries = vocabulary::read(vocab)?;
        let ids = vocabulary::index(&entries).map_err(TokenizerError::invalid(vocab))?;
        let specials = Specials::named(|name| ids.get(name).copied());
        let model = SentencePiece::from_model(model)?.file;
        let file = M2m100File { model, specials, vocab: entries, languages };
        Self::new(file).map_err(TokenizerError::invalid(vocab))
    }

    /// Checks and indexes what was read.
    pub(crate) fn new(file: M2m100File) -> Result<Self, Problem> {
        file.specials.check(file.vocab.len())?;
        vocabulary::index(&[&file.vocab[..], &file.languages].concat())?;
        let kinds = vocabulary::kinds(&file.vocab, &file.model.pieces);
        Ok(Self { side: Side::new(&file.model, &file.vocab)?, kinds, file })
    }

    /// The content of `sentencepiece.bpe.model`, and the entries of `vocab.json` by id.
    pub(crate) fn parts(file: &M2m100File) -> (Vec<u8>, &[String]) {
        (file.model.to_model_bytes(), &file.vocab)
    }

    fn language(&self, id: TokenId) -> Option<&str> {
        let index = (id as usize).checked_sub(self.file.vocab.len())?;
        self.file.languages.get(index).map(String::as_str)
    }

    /// The pieces that are not special, nor languages.
    fn pieces(&self, ids: &[TokenId]) -> Result<Vec<(&str, PieceKind)>, UnknownId> {
        let mut pieces = Vec::with_capacity(ids.len());
        for &id in ids {
            match self.file.vocab.get(id as usize) {
                Some(_) if self.file.specials.contains(id) => {}
                Some(piece) => pieces.push((piece.as_str(), self.kinds[id as usize])),
                None if self.language(id).is_some() => {}
                None => return Err(UnknownId { id, vocab_size: self.vocab_size() }),
            }
        }
        Ok(pieces)
    }
}

impl Tokenizer for M2m100 {
    fn encode(&self, text: &str) -> Vec<TokenId> {
        self.encode_with_offsets(text).into_iter().map(|(id, _)| id).collect()
    }

    fn encode_with_offsets(&self, text: &str) -> Vec<(TokenId, Range<usize>)> {
        self.side.encode_pieces(text)
    }

    fn decode_bytes(&self, ids: &[TokenId]) -> Result<Vec<u8>, UnknownId> {
        Ok(trim_python(self.side.model.decode_pieces(self.pieces(ids)?).concat()))
    }

    /// Of bytes that are not characters as [`SentencePiece`] gives it; white space is trimmed after that.
    fn decode(&self, ids: &[TokenId]) -> Result<String, UnknownId> {
        let text = self.side.model.text_of(self.pieces(ids)?);
        Ok(text.trim_matches(is_python_space).to_owned())
    }

    fn vocab_size(&self) -> usize {
        self.file.vocab.len() + self.file.languages.len()
    }

    fn specials(&self) -> &Specials {
        &self.file.specials
    }

    fn token(&self, id: TokenId) -> Option<Cow<'_, str>> {
        let piece = self.file.vocab.get(id as usize).map(String::as_str);
        piece.or_else(|| self.language(id)).map(Cow::Borrowed)
    }

    fn to_model(&self) -> Option<Model> {
        Some(Model::M2m100(Box::new(self.file.clone())))
    }
}
