//! The tokenizers of OPUS-MT's models.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs;
use std::ops::Range;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{TokenizerError, UnknownId};
use crate::file::Model;
use crate::sentencepiece::{SentencePiece, SentencePieceFile};
use crate::specials::Specials;
use crate::tokenizer::{TokenId, Tokenizer};
use crate::vocabulary;

/// Two SentencePiece models, one that segments sources and one that segments targets, over one vocabulary with ids of
/// its own.
///
/// Ids and text are those of `MarianTokenizer` in transformers: a piece that the vocabulary lacks is `<unk>`, and a
/// language code `>>de<<` before the text is one token.
#[derive(Debug)]
pub struct Marian {
    file: MarianFile,
    source: Side,
    target: Side,
    ids: HashMap<String, TokenId>,
    unk: TokenId,
}

/// The parameters of [`Marian`] as they stand in `tokenizer.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MarianFile {
    pub(crate) source: SentencePieceFile,
    pub(crate) target: SentencePieceFile,
    pub(crate) specials: Specials,
    pub(crate) vocab: Vec<String>,
}

/// A model, and the vocabulary's id of each of its pieces.
#[derive(Debug)]
struct Side {
    model: SentencePiece,
    ids: Vec<TokenId>,
}

/// Stands for a space in a piece.
const SPACE: char = '\u{2581}';

impl Marian {
    /// Reads `source.spm`, `target.spm` and `vocab.json`; `bos` is the id that targets begin with, for OPUS-MT the one of
    /// `<pad>`.
    ///
    /// # Errors
    /// [`TokenizerError`] names the file that can't be read or is damaged.
    pub fn from_files(source: &Path, target: &Path, vocab: &Path, bos: TokenId) -> Result<Self, TokenizerError> {
        let json = fs::read_to_string(vocab).map_err(TokenizerError::io(vocab))?;
        let ids: HashMap<String, TokenId> = serde_json::from_str(&json).map_err(TokenizerError::json(vocab))?;
        let specials = Specials { bos: Some(bos), ..Specials::named(|name| ids.get(name).copied()) };
        let entries = vocabulary::in_order(ids).map_err(TokenizerError::invalid(vocab))?;
        let [source, target] = [source, target].map(|path| SentencePiece::from_model(path).map(|model| model.file));
        let file = MarianFile { source: source?, target: target?, specials, vocab: entries };
        Self::new(file).map_err(TokenizerError::invalid(vocab))
    }

    /// Checks and indexes what was read.
    pub(crate) fn new(file: MarianFile) -> Result<Self, String> {
        file.specials.check(file.vocab.len())?;
        let ids = vocabulary::index(&file.vocab)?;
        let ids: HashMap<String, TokenId> = ids.into_iter().map(|(token, id)| (token.to_owned(), id)).collect();
        let unk = file.specials.unk.ok_or("vocab has no <unk>")?;
        let side = |spm: &SentencePieceFile| -> Result<Side, String> {
            let model = SentencePiece::new(spm.clone())?;
            let id_of = |(piece, _, _): &(String, f32, _)| ids.get(piece).copied().unwrap_or(unk);
            let ids = spm.pieces.iter().map(id_of).collect();
            Ok(Side { model, ids })
        };
        Ok(Self { source: side(&file.source)?, target: side(&file.target)?, ids, unk, file })
    }

    /// The ids of a target text, without special tokens; [`encode`](Tokenizer::encode) is for sources.
    pub fn encode_target(&self, text: &str) -> Vec<TokenId> {
        self.ids_of(&self.target, text).into_iter().map(|(id, _)| id).collect()
    }

    fn ids_of(&self, side: &Side, text: &str) -> Vec<(TokenId, Range<usize>)> {
        let code = text.strip_prefix(">>").and_then(|rest| Some(rest.find("<<")? + 4)).unwrap_or(0);
        let mut ids = Vec::new();
        if code > 0 {
            ids.push((self.ids.get(&text[..code]).copied().unwrap_or(self.unk), 0..code));
        }
        let unknown = side.model.specials().unk;
        ids.extend(side.model.encode_with_offsets(&text[code..]).into_iter().map(|(id, range)| {
            let range = range.start + code..range.end + code;
            // What the model does not know, the vocabulary may: it has the other model's pieces too.
            let known = self.ids.get(&text[range.clone()]).filter(|_| Some(id) == unknown);
            (known.copied().unwrap_or(side.ids[id as usize]), range)
        }));
        ids
    }
}

impl Tokenizer for Marian {
    fn encode(&self, text: &str) -> Vec<TokenId> {
        self.encode_with_offsets(text).into_iter().map(|(id, _)| id).collect()
    }

    fn encode_with_offsets(&self, text: &str) -> Vec<(TokenId, Range<usize>)> {
        self.ids_of(&self.source, text)
    }

    fn decode_bytes(&self, ids: &[TokenId]) -> Result<Vec<u8>, UnknownId> {
        let mut text = String::new();
        for &id in ids {
            let unknown = UnknownId { id, vocab_size: self.vocab_size() };
            let token = self.file.vocab.get(id as usize).ok_or(unknown)?;
            if !self.file.specials.contains(id) {
                text.extend(token.chars().map(|c| if c == SPACE { ' ' } else { c }));
            }
        }
        Ok(text.trim().as_bytes().to_vec())
    }

    fn vocab_size(&self) -> usize {
        self.file.vocab.len()
    }

    fn specials(&self) -> &Specials {
        &self.file.specials
    }

    fn token(&self, id: TokenId) -> Option<Cow<'_, str>> {
        self.file.vocab.get(id as usize).map(|token| Cow::Borrowed(token.as_str()))
    }

    fn to_model(&self) -> Option<Model> {
        Some(Model::Marian(Box::new(self.file.clone())))
    }
}
