//! Byte-pair encoding of words with an end-of-word mark.

mod codes;
mod piece;
mod pre_tokenization;
mod trainer;

use std::borrow::Cow;
use std::ops::Range;

use rustc_hash::{FxHashMap, FxHashSet};
use serde::{Deserialize, Serialize};

use self::piece::{Piece, SPECIAL_TOKENS};
use crate::bytes::byte_token;
use crate::error::UnknownId;
use crate::file::Model;
use crate::merges::Merges;
use crate::place::Place;
use crate::sampling::{SampleStrength, SplitMix64};
use crate::specials::Specials;
use crate::tokenizer::{TokenId, Tokenizer, push_spans};
use crate::vocabulary;
use crate::word_cache::WordCache;

pub(crate) use self::codes::MergeList;
pub(crate) use self::piece::END_OF_WORD;
pub use self::pre_tokenization::{PreToken, PreTokenization};
pub use self::trainer::BpeTrainer;

/// Byte-pair encoding with `</w>`: frequent words are one token, rare words several, unknown characters their bytes.
///
/// Source: Sennrich et al. 2016, "Neural Machine Translation of Rare Words with Subword Units", §3.2. Ours: the marks
/// of [`PreTokenization`] make it reversible for raw text, and 256 byte tokens stand by for characters that training
/// never saw. Made by [`BpeTrainer`](crate::BpeTrainer), [`load`](crate::load) or [`Bpe::from_codes`].
///
/// Ids are, in this order: `<pad>` `<s>` `</s>` `<unk>` (which is never needed), the bytes `<0x00>` to `<0xFF>`, the
/// lone marks `￭` and `</w>`, the characters (each plain, and with the marks that training saw on it), the merges.
#[derive(Debug)]
pub struct Bpe {
    file: BpeFile,
    specials: Specials,
    /// By id, past the specials and bytes: what the entries of `file.vocab` mean.
    pieces: Vec<Piece>,
    characters: FxHashMap<(bool, char, bool), TokenId>,
    merges: Merges,
    cache: WordCache,
}

/// The parameters of [`Bpe`] as they stand in `tokenizer.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BpeFile {
    pub(crate) pre_tokenization: PreTokenization,
    pub(crate) vocab: Vec<String>,
    pub(crate) merges: Vec<(String, String)>,
}

const FIRST_BYTE: usize = SPECIAL_TOKENS.len();
const FIRST_PIECE: usize = FIRST_BYTE + 256;
/// The lone mark `￭`.
const GLUE: TokenId = FIRST_PIECE as TokenId;
/// The lone mark `</w>`.
const LONE_END: TokenId = GLUE + 1;

impl BpeFile {
    /// The vocabulary that every [`Bpe`] begins with: special tokens, bytes, lone marks.
    pub(crate) fn base_vocab() -> impl Iterator<Item = String> {
        let marks = [Piece::new(true, "", false), Piece::new(false, "", true)];
        let specials = SPECIAL_TOKENS.map(String::from).into_iter();
        specials.chain((0..=255).map(byte_token)).chain(marks.map(|mark| mark.to_string()))
    }
}

impl Bpe {
    /// Checks and indexes what was read or trained.
    pub(crate) fn new(file: BpeFile) -> Result<Self, String> {
        for (id, expected) in BpeFile::base_vocab().enumerate() {
            match file.vocab.get(id) {
                Some(found) if *found == expected => {}
                Some(found) => {
                    return Err(format!("vocab[{id}] is {found:?}, expected {expected:?}"));
                }
                None => {
                    return Err(format!("vocab has {id} entries, expected {expected:?} at {id}"));
                }
            }
        }
        let ids = vocabulary::index(&file.vocab)?;
        let merges = vocabulary::merge_table(&file.merges, &ids, |left, right| {
            Piece::join(&Piece::parse(left), &Piece::parse(right)).to_string()
        })?;
        let pieces: Vec<_> = file.vocab[FIRST_PIECE..].iter().map(|token| Piece::parse(token)).collect();
        // A character that gets its mark by a merge does not have it before.
        let marking = file.merges.iter().filter(|(_, right)| right == END_OF_WORD);
        let late: FxHashSet<_> = marking.map(|(left, _)| Piece { ends_word: true, ..Piece::parse(left) }).collect();
        let mut characters = FxHashMap::default();
        for (id, piece) in (GLUE..).zip(&pieces).filter(|(_, piece)| !late.contains(piece)) {
            let mut chars = piece.text.chars();
            if let (Some(c), None) = (chars.next(), chars.next()) {
                characters.insert((piece.glued, c, piece.ends_word), id);
            }
        }
        let specials = Specials { pad: Some(0), bos: Some(1), eos: Some(2), unk: Some(3), ..Specials::default() };
        Ok(Self { file, specials, pieces, characters, merges, cache: WordCache::default() })
    }

    /// How text is split into words.
    pub fn pre_tokenization(&self) -> PreTokenization {
        self.file.pre_tokenization
    }

    /// The merges, first learned first, as they are written.
    pub fn merges(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.file.merges.iter().map(|(left, right)| (left.as_str(), right.as_str()))
    }

    /// Calls `visit` with each word of `text` and its ids.
    fn for_each_word(&self, text: &str, mut visit: impl FnMut(&PreToken<'_>, &[TokenId])) {
        let mut key = Vec::new();
        let mut ids = Vec::new();
        for word in self.file.pre_tokenization.split(text) {
            key.clear();
            key.extend_from_slice(word.text.as_bytes());
            key.push(u8::from(word.glued) << 1 | u8::from(word.ends_word));
            ids.clear();
            self.cache.extend(&key, &mut ids, |ids| {
                self.characters_of(&word, ids);
                self.merges.apply(ids);
            });
            visit(&word, &ids);
        }
    }

    /// The ids of the characters of `word`. Marks that no token has together with its character stand alone, and
    /// unknown characters are written as bytes.
    fn characters_of(&self, word: &PreToken<'_>, ids: &mut Vec<TokenId>) {
        for Piece { glued, text, ends_word } in Piece::characters(word) {
            for c in text.chars() {
                let id = |glued, ends_word| self.characters.get(&(glued, c, ends_word)).copied();
                if let Some(marked) = id(glued, ends_word) {
                    ids.push(marked);
                    continue;
                }
                if glued {
                    ids.push(GLUE);
                }
                if let Some(marked) = id(false, ends_word) {
                    ids.push(marked);
                    continue;
                }
                match id(false, false) {
                    Some(plain) => ids.push(plain),
                    None => ids.extend(c.encode_utf8(&mut [0; 4]).bytes().map(byte_id)),
                }
                if ends_word {
                    ids.push(LONE_END);
                }
            }
        }
    }

    fn text_len(&self, id: TokenId) -> usize {
        (id as usize).checked_sub(FIRST_PIECE).map_or(1, |index| self.pieces[index].text.len())
    }
}

fn byte_id(byte: u8) -> TokenId {
    FIRST_BYTE as TokenId + TokenId::from(byte)
}

impl Tokenizer for Bpe {
    fn encode(&self, text: &str) -> Vec<TokenId> {
        let mut all = Vec::with_capacity(text.len() / 4);
        self.for_each_word(text, |_, ids| all.extend_from_slice(ids));
        all
    }

    fn encode_with_offsets(&self, text: &str) -> Vec<(TokenId, Range<usize>)> {
        let mut all = Vec::with_capacity(text.len() / 4);
        self.for_each_word(text, |word, ids| {
            push_spans(text, word.start, ids.iter().map(|&id| (id, self.text_len(id))), &mut all);
        });
        all
    }

    fn sample(&self, text: &str, strength: f64, seed: u64) -> Vec<TokenId> {
        let mut rng = SplitMix64::new(seed);
        let mut all = Vec::with_capacity(text.len() / 3);
        for word in self.file.pre_tokenization.split(text) {
            let mut ids = Vec::new();
            self.characters_of(&word, &mut ids);
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
        let mut space_due = false;
        for &id in ids {
            let index = id as usize;
            if index < FIRST_BYTE {
                continue;
            }
            if index < FIRST_PIECE {
                if std::mem::take(&mut space_due) {
                    bytes.push(b' ');
                }
                bytes.push((index - FIRST_BYTE) as u8);
                continue;
            }
            let piece = self.pieces.get(index - FIRST_PIECE).ok_or(UnknownId { id, vocab_size: self.vocab_size() })?;
            if piece.glued {
                space_due = false;
            }
            if !piece.text.is_empty() {
                if std::mem::take(&mut space_due) {
                    bytes.push(b' ');
                }
                bytes.extend_from_slice(piece.text.as_bytes());
            }
            space_due |= piece.ends_word;
        }
        Ok(bytes)
    }

    fn written(&self, place: Place, id: TokenId) -> Option<(Vec<u8>, Place)> {
        let space = |is_due: bool| if is_due { b" ".to_vec() } else { Vec::new() };
        let is_due = place == Place::AfterWord;
        let Some(index) = (id as usize).checked_sub(FIRST_BYTE) else { return Some((Vec::new(), place)) };
        let Some(index) = index.checked_sub(256) else {
            return Some(([space(is_due), vec![index as u8]].concat(), Place::Start));
        };
        let Some(piece) = self.pieces.get(index) else { return Some((Vec::new(), place)) };
        let is_due = is_due && !piece.glued;
        let is_mark = piece.text.is_empty();
        let bytes = if is_mark { Vec::new() } else { [&space(is_due)[..], piece.text.as_bytes()].concat() };
        let ends_word = piece.ends_word || is_mark && is_due;
        Some((bytes, if ends_word { Place::AfterWord } else { Place::Start }))
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
        Some(Model::Bpe(self.file.clone()))
    }
}
