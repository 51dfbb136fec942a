//! WordPiece, as BERT has it.

mod bert_words;
mod trainer;

use std::borrow::Cow;
use std::ops::Range;
use std::path::Path;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use self::bert_words::{BertWord, bert_words, is_separator};
use crate::error::{Problem, TokenizerError, UnknownId};
use crate::file::Model;
use crate::files;
use crate::place::{Place, write_all};
use crate::specials::Specials;
use crate::tokenizer::{Token, TokenId, Tokenizer};
use crate::word_cache::WordCache;

pub use self::trainer::WordPieceTrainer;

/// WordPiece: each word is cut greedily into the longest pieces of the vocabulary, from the left.
///
/// Source: Devlin et al. 2019, "BERT", §3, with the released `tokenization.py`; ids equal Hugging Face's
/// `BertTokenizer`. Text is normalised: case, accents, white space and control characters do not come back. Text that
/// looks like a special token stays text. Made by [`from_vocab`](Self::from_vocab),
/// [`WordPieceTrainer`](crate::WordPieceTrainer) or [`load`](crate::load).
#[derive(Debug)]
pub struct WordPiece {
    file: WordPieceFile,
    specials: Specials,
    unk: TokenId,
    cls: TokenId,
    sep: TokenId,
    /// The pieces that begin a word, and those that continue one, without their `##`.
    beginning: FxHashMap<Box<str>, TokenId>,
    continuing: FxHashMap<Box<str>, TokenId>,
    cache: WordCache,
}

/// The parameters of [`WordPiece`] as they stand in `tokenizer.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WordPieceFile {
    pub(crate) lowercase: bool,
    pub(crate) vocab: Vec<String>,
}

/// What BERT takes as input: ids, and for each the segment that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segments {
    /// `[CLS] first [SEP]`, and then, if there is one, `second [SEP]`.
    pub ids: Vec<TokenId>,
    /// 0 for the first segment, 1 for the second (`token_type_ids`).
    pub segment_ids: Vec<u8>,
}

/// Continues a word.
pub(crate) const CONTINUATION: &str = "##";
/// Longer words, in characters, are unknown.
pub(crate) const MAX_WORD_LEN: usize = 100;

impl WordPiece {
    /// Reads BERT's `vocab.txt`, a token a line; with `lowercase` for an uncased model.
    ///
    /// As in Hugging Face's library, white space at the end of a line is not part of the token, an empty line takes an
    /// id that no text has, and of equal tokens the last counts.
    ///
    /// # Errors
    /// [`Io`](TokenizerError::Io) if the file cannot be read, [`Unsupported`](TokenizerError::Unsupported) if `[UNK]`,
    /// `[CLS]` or `[SEP]` is missing.
    pub fn from_vocab(path: &Path, lowercase: bool) -> Result<Self, TokenizerError> {
        let vocab = parse_vocab(&files::read_text(path)?);
        Self::new(WordPieceFile { lowercase, vocab }).map_err(TokenizerError::invalid(path))
    }

    /// Checks and indexes what was read or trained.
    pub(crate) fn new(file: WordPieceFile) -> Result<Self, Problem> {
        let ids: FxHashMap<&str, TokenId> = file.vocab.iter().map(String::as_str).zip(0..).collect();
        let required =
            |name: &str| ids.get(name).copied().ok_or_else(|| Problem::Unsupported(format!("vocab lacks {name}")));
        let (unk, cls, sep) = (required("[UNK]")?, required("[CLS]")?, required("[SEP]")?);
        let specials = Specials::named(|name| ids.get(name).copied());
        let mut beginning = FxHashMap::default();
        let mut continuing = FxHashMap::default();
        for (id, token) in (0..).zip(&file.vocab).filter(|&(id, _)| !specials.contains(id)) {
            match token.strip_prefix(CONTINUATION) {
                Some(rest) if !rest.is_empty() => continuing.insert(rest.into(), id),
                _ => beginning.insert(token.as_str().into(), id),
            };
        }
        Ok(Self { unk, cls, sep, beginning, continuing, specials, cache: WordCache::default(), file })
    }

    /// One text, or two, as BERT takes them.
    ///
    /// Source: Devlin et al. 2019, §3, figure 2.
    pub fn with_segments(&self, first: &str, second: Option<&str>) -> Segments {
        let mut ids = vec![self.cls];
        ids.extend(self.encode(first));
        ids.push(self.sep);
        let mut segment_ids = vec![0; ids.len()];
        if let Some(second) = second {
            ids.extend(self.encode(second));
            ids.push(self.sep);
        }
        segment_ids.resize(ids.len(), 1);
        Segments { ids, segment_ids }
    }

    /// The pieces of `word`, each with the index of its first character and of the first after it.
    fn pieces(&self, word: &BertWord) -> Vec<(TokenId, Range<usize>)> {
        let n_chars = word.sources.len();
        let unknown = vec![(self.unk, 0..n_chars)];
        if n_chars > MAX_WORD_LEN {
            return unknown;
        }
        let byte = |index: usize| word.sources.get(index).map_or(word.text.len(), |&(byte, _)| byte);
        let mut pieces = Vec::new();
        let mut start = 0;
        while start < n_chars {
            let vocab = if start == 0 { &self.beginning } else { &self.continuing };
            let longest = (start + 1..=n_chars)
                .rev()
                .find_map(|end| vocab.get(&word.text[byte(start)..byte(end)]).map(|&id| (id, start..end)));
            let Some((id, range)) = longest else {
                return unknown;
            };
            start = range.end;
            pieces.push((id, range));
        }
        pieces
    }
}

/// The tokens of a `vocab.txt`, by id.
pub(crate) fn parse_vocab(lines: &str) -> Vec<String> {
    lines.lines().map(|line| line.trim_end().to_owned()).collect()
}

/// A token as it is written at a place: with a space before it where a word begins, except before punctuation and English
/// contractions, as Hugging Face's decoder writes it.
pub(crate) fn write(token: &str, place: Place) -> (Vec<u8>, Place) {
    const CLINGING: [&str; 9] = [".", "?", "!", ",", "n't", "'m", "'s", "'ve", "'re"];
    let text = match token.strip_prefix(CONTINUATION) {
        _ if place == Place::Start => token.to_owned(),
        Some(rest) => rest.to_owned(),
        None if CLINGING.iter().any(|clinging| token.starts_with(clinging)) => token.to_owned(),
        None => format!(" {token}"),
    };
    (text.into_bytes(), Place::Inside)
}

/// What stands between white space, with where it begins.
pub(crate) fn chunks(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut start = 0;
    text.split(is_separator).filter_map(move |chunk| {
        let at = start;
        start += chunk.len() + text[start + chunk.len()..].chars().next().map_or(0, char::len_utf8);
        (!chunk.is_empty()).then_some((at, chunk))
    })
}

impl Tokenizer for WordPiece {
    fn encode(&self, text: &str) -> Vec<TokenId> {
        let mut all = Vec::with_capacity(text.len() / 4);
        for (_, chunk) in chunks(text) {
            self.cache.extend(chunk.as_bytes(), &mut all, |ids| {
                for word in bert_words(chunk, 0, self.file.lowercase, MAX_WORD_LEN) {
                    ids.extend(self.pieces(&word).into_iter().map(|(id, _)| id));
                }
            });
        }
        all
    }

    fn encode_with_offsets(&self, text: &str) -> Vec<(TokenId, Range<usize>)> {
        self.encode_with_words(text).into_iter().map(Token::into_span).collect()
    }

    fn encode_with_words(&self, text: &str) -> Vec<Token> {
        let words = chunks(text);
        let words = words.flat_map(|(start, chunk)| bert_words(chunk, start, self.file.lowercase, MAX_WORD_LEN));
        let tokens = words.enumerate().flat_map(|(number, word)| {
            let pieces = self.pieces(&word).into_iter();
            pieces.map(move |(id, chars)| {
                let range = word.sources[chars.start].1.start..word.sources[chars.end - 1].1.end;
                Token { id, range, word: number }
            })
        });
        tokens.collect()
    }

    fn continuation(&self) -> Option<&str> {
        Some(CONTINUATION)
    }

    fn decode_bytes(&self, ids: &[TokenId]) -> Result<Vec<u8>, UnknownId> {
        write_all(self, ids)
    }

    fn written(&self, place: Place, id: TokenId) -> Option<(Vec<u8>, Place)> {
        let token = self.file.vocab.get(id as usize).filter(|_| !self.specials.contains(id));
        Some(token.map_or_else(|| (Vec::new(), place), |token| write(token, place)))
    }

    fn vocab_size(&self) -> usize {
        self.file.vocab.len()
    }

    fn specials(&self) -> &Specials {
        &self.specials
    }

    fn token(&self, id: TokenId) -> Option<Cow<'_, str>> {
        self.file.vocab.get(id as usize).map(|token| Cow::Borrowed(token.as_str()))
    }

    fn to_model(&self) -> Option<Model> {
        Some(Model::WordPiece(self.file.clone()))
    }
}
