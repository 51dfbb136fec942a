//! Byte-level byte-pair encoding, as GPT-2 and RoBERTa have it.

pub(crate) mod gpt2_split;
mod trainer;

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;
use std::path::Path;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use self::gpt2_split::gpt2_split;
use crate::added::{self, AddedToken};
use crate::error::{Problem, TokenizerError, UnknownId};
use crate::file::Model;
use crate::files;
use crate::merges::Merges;
use crate::place::Place;
use crate::sampling::{SampleStrength, SplitMix64};
use crate::specials::Specials;
use crate::tokenizer::{Token, TokenId, Tokenizer, push_spans};
use crate::vocabulary;
use crate::word_cache::WordCache;

pub use self::trainer::ByteLevelBpeTrainer;

/// Byte-pair encoding of bytes: every text has a segmentation, and comes back byte for byte.
///
/// Source: Radford et al. 2019, "Language Models are Unsupervised Multitask Learners", §2.2; equals tiktoken's `gpt2`
/// with GPT-2's files. Made by [`from_files`](Self::from_files), [`ByteLevelBpeTrainer`](crate::ByteLevelBpeTrainer)
/// or [`load`](crate::load). Text that looks like a special token stays text.
#[derive(Debug)]
pub struct ByteLevelBpe {
    file: ByteLevelFile,
    /// What the ids stand for; nothing for special tokens.
    tokens: Vec<Box<[u8]>>,
    bytes: [TokenId; 256],
    merges: Merges,
    cache: WordCache,
}

/// The parameters of [`ByteLevelBpe`] as they stand in `tokenizer.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ByteLevelFile {
    pub(crate) specials: Specials,
    pub(crate) vocab: Vec<String>,
    pub(crate) merges: Vec<(String, String)>,
}

impl ByteLevelFile {
    /// Of a vocabulary and its merges; special tokens are found as [`ByteLevelBpe::from_files`] says.
    pub(crate) fn of(ids: FxHashMap<String, TokenId>, merges: Vec<(String, String)>) -> Result<Self, String> {
        let merged: HashSet<String> = merges.iter().map(|(left, right)| format!("{left}{right}")).collect();
        let specials = Specials::named(|name| ids.get(name).copied().filter(|_| !merged.contains(name)));
        Ok(Self { specials, vocab: vocabulary::in_order(ids)?, merges })
    }
}

impl ByteLevelBpe {
    /// Reads the two files of GPT-2's release: the ids of the tokens (`encoder.json`, `vocab.json`) and the merges
    /// (`vocab.bpe`, `merges.txt`).
    ///
    /// Special tokens are entries that no merge makes and that have one of the usual names: `<|endoftext|>`, or
    /// RoBERTa's `<s>`, `<pad>`, `</s>`, `<unk>`, `<mask>`.
    ///
    /// # Errors
    /// [`Io`](TokenizerError::Io) if a file cannot be read, [`Json`](TokenizerError::Json) or
    /// [`Invalid`](TokenizerError::Invalid) if it is damaged or the two do not belong together.
    pub fn from_files(vocab: &Path, merges: &Path) -> Result<Self, TokenizerError> {
        let json = files::read_text(vocab)?;
        let ids: FxHashMap<String, TokenId> = serde_json::from_str(&json).map_err(TokenizerError::json(vocab))?;
        let lines = files::read_text(merges)?;
        let merge_list = parse_merges(&lines).map_err(TokenizerError::invalid(merges))?;
        let file = ByteLevelFile::of(ids, merge_list).map_err(TokenizerError::invalid(vocab))?;
        Self::new(file).map_err(TokenizerError::invalid(merges))
    }

    /// Checks and indexes what was read or trained.
    pub(crate) fn new(file: ByteLevelFile) -> Result<Self, Problem> {
        let ids = vocabulary::index(&file.vocab)?;
        let merges = vocabulary::merge_table(&file.merges, &ids, |left, right| format!("{left}{right}"))?;
        file.specials.check(file.vocab.len())?;
        let byte_of: FxHashMap<char, u8> = (0..=255).map(|byte| (byte_char(byte), byte)).collect();
        let tokens = (0..).zip(&file.vocab).map(|(id, token)| {
            if file.specials.contains(id) {
                return Ok(Box::default());
            }
            let bytes: Option<_> = token.chars().map(|c| byte_of.get(&c).copied()).collect();
            let problem = || format!("vocab[{id}] is {token:?}, which is neither bytes nor a special token");
            bytes.ok_or_else(|| Problem::Unsupported(problem()))
        });
        let tokens = tokens.collect::<Result<Vec<Box<[u8]>>, Problem>>()?;
        let mut bytes = [0; 256];
        for byte in 0..=255 {
            let token = byte_char(byte).to_string();
            let missing = || Problem::Unsupported(format!("vocab lacks {token:?} for the byte {byte}"));
            let id = ids.get(token.as_str()).ok_or_else(missing)?;
            bytes[usize::from(byte)] = *id;
        }
        Ok(Self { file, tokens, bytes, merges, cache: WordCache::default() })
    }

    fn for_each_word(&self, text: &str, mut visit: impl FnMut(&[TokenId])) {
        let mut ids = Vec::new();
        for word in gpt2_split(text) {
            ids.clear();
            self.cache.extend(word.as_bytes(), &mut ids, |ids| {
                ids.extend(self.bytes_of(word));
                self.merges.apply(ids);
            });
            visit(&ids);
        }
    }

    fn bytes_of(&self, word: &str) -> impl Iterator<Item = TokenId> {
        word.bytes().map(|byte| self.bytes[usize::from(byte)])
    }
}

pub(crate) fn parse_merges(lines: &str) -> Result<Vec<(String, String)>, String> {
    // A first line of another sort is a merge, that of `#` and `#` among them.
    let is_header = |at: usize, line: &str| at == 0 && line.starts_with("#version");
    let merges = lines.lines().enumerate().filter(|&(at, line)| !line.is_empty() && !is_header(at, line));
    merges
        .map(|(at, line)| match line.split_once(' ') {
            Some((left, right)) if !right.contains(' ') => Ok((left.to_owned(), right.to_owned())),
            _ => Err(format!("line {} is {line:?}, expected two tokens with a space between", at + 1)),
        })
        .collect()
}

/// The printable character that stands for `byte` in vocabulary files: itself where it has one in Latin-1, and the
/// characters from U+0100 on for the others, in order.
///
/// Source: `bytes_to_unicode` of GPT-2's released `encoder.py`.
pub(crate) fn byte_char(byte: u8) -> char {
    let is_printable = |byte: u8| matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    if is_printable(byte) {
        return char::from(byte);
    }
    let n_before = (0..byte).filter(|&before| !is_printable(before)).count();
    char::from_u32(0x100 + n_before as u32).unwrap_or(char::REPLACEMENT_CHARACTER)
}

impl Tokenizer for ByteLevelBpe {
    fn encode(&self, text: &str) -> Vec<TokenId> {
        let mut all = Vec::with_capacity(text.len() / 4);
        self.for_each_word(text, |ids| all.extend_from_slice(ids));
        all
    }

    fn encode_with_offsets(&self, text: &str) -> Vec<(TokenId, Range<usize>)> {
        self.encode_with_words(text).into_iter().map(Token::into_span).collect()
    }

    fn encode_with_words(&self, text: &str) -> Vec<Token> {
        let mut all = Vec::with_capacity(text.len() / 4);
        let (mut start, mut word, mut spans) = (0, 0, Vec::new());
        self.for_each_word(text, |ids| {
            start = push_spans(text, start, ids.iter().map(|&id| (id, self.tokens[id as usize].len())), &mut spans);
            all.extend(spans.drain(..).map(|(id, range)| Token { id, range, word }));
            word += 1;
        });
        all
    }

    fn sample(&self, text: &str, strength: f64, seed: u64) -> Vec<TokenId> {
        let mut rng = SplitMix64::new(seed);
        let mut all = Vec::with_capacity(text.len() / 3);
        for word in gpt2_split(text) {
            let mut ids: Vec<_> = self.bytes_of(word).collect();
            self.merges.apply_unless(&mut ids, || rng.next_f64() < strength);
            all.extend(ids);
        }
        all
    }

    fn sample_strength(&self) -> Option<SampleStrength> {
        Some(SampleStrength::Dropout)
    }

    fn decode_bytes(&self, ids: &[TokenId]) -> Result<Vec<u8>, UnknownId> {
        let mut bytes = Vec::with_capacity(ids.len() * 4);
        for &id in ids {
            let token = self.tokens.get(id as usize).ok_or(UnknownId { id, vocab_size: self.tokens.len() })?;
            bytes.extend_from_slice(token);
        }
        Ok(bytes)
    }

    fn written(&self, place: Place, id: TokenId) -> Option<(Vec<u8>, Place)> {
        Some((self.tokens.get(id as usize).map_or(Vec::new(), |token| token.to_vec()), place))
    }

    fn vocab_size(&self) -> usize {
        self.tokens.len()
    }

    fn specials(&self) -> &Specials {
        &self.file.specials
    }

    fn token(&self, id: TokenId) -> Option<Cow<'_, str>> {
        self.file.vocab.get(id as usize).map(|token| Cow::Borrowed(token.as_str()))
    }

    /// The special tokens; the space before the mask belongs to it, as in RoBERTa: a space is part of the word after it.
    fn added_tokens(&self) -> Vec<AddedToken> {
        let mask = self.file.specials.mask;
        let of_mask = |token: AddedToken| AddedToken { lstrip: Some(token.id) == mask, ..token };
        added::of_specials(self).into_iter().map(of_mask).collect()
    }

    fn to_model(&self) -> Option<Model> {
        Some(Model::ByteLevelBpe(self.file.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_a_printable_character_of_its_own() {
        let chars: std::collections::BTreeSet<_> = (0..=255).map(byte_char).collect();
        assert_eq!(chars.len(), 256);
        assert_eq!((byte_char(b' '), byte_char(b'\n'), byte_char(b'a'), byte_char(0xAD)), ('Ġ', 'Ċ', 'a', 'Ń'));
    }
}
