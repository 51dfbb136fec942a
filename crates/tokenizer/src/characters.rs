//! The characters of a text as tokens.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use crate::error::UnknownId;
use crate::file::Model;
use crate::place::Place;
use crate::specials::Specials;
use crate::tokenizer::{TokenId, Tokenizer};
use crate::training::{TrainingReport, covered};

/// The characters that a text has, in code point order, and `<unk>` after them for all others.
///
/// The ids are those of nanoGPT's character-level data. An unknown character is decoded as U+FFFD.
/// [`framed`](Self::framed) adds what batches and translations need.
///
/// ```
/// use attentive_tokenizer::{Characters, Tokenizer};
///
/// let tokenizer = Characters::train(["to be"]);
/// assert_eq!(tokenizer.encode("bet?"), [1, 2, 4, 5]); // of " beot"
/// assert_eq!(tokenizer.vocab_size(), 6);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Characters {
    specials: Specials,
    characters: Vec<char>,
    ids: FxHashMap<char, TokenId>,
}

/// The parameters of [`Characters`] as they stand in `tokenizer.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CharactersFile {
    characters: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    framed: bool,
}

/// In the order of their ids, after the characters; the last three if the vocabulary is framed.
const SPECIAL_TOKENS: [&str; 4] = ["<unk>", "<pad>", "<s>", "</s>"];

impl Characters {
    /// The characters of `texts`.
    pub fn train<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Self {
        let mut characters = BTreeSet::new();
        for text in texts {
            characters.extend(text.as_ref().chars());
        }
        Self::from_sorted(characters.into_iter().collect())
    }

    /// The most frequent characters of `texts` that together make up `coverage` of them, from 0 to 1; the others are
    /// `<unk>`. Tells how many these are.
    ///
    /// Source: `character_coverage` of the SentencePiece library.
    ///
    /// ```
    /// use attentive_tokenizer::{Characters, Tokenizer};
    ///
    /// let (tokenizer, report) = Characters::train_covering(["to be, to be"], 0.9);
    /// assert_eq!(tokenizer.encode("o,"), [3, 5]); // of " beot"
    /// assert_eq!(report.n_uncovered_characters, 1);
    /// ```
    pub fn train_covering<T: AsRef<str>>(texts: impl IntoIterator<Item = T>, coverage: f64) -> (Self, TrainingReport) {
        let mut report = TrainingReport::default();
        let mut counts: FxHashMap<char, u64> = FxHashMap::default();
        for text in report.lines(texts, usize::MAX) {
            text.as_ref().chars().for_each(|c| *counts.entry(c).or_insert(0) += 1);
        }
        let mut characters = covered(&counts, coverage);
        characters.sort_unstable();
        report.n_uncovered_characters = counts.len() - characters.len();
        (Self::from_sorted(characters), report)
    }

    /// The same vocabulary with `<pad>`, `<s>` and `</s>` after `<unk>`.
    ///
    /// ```
    /// use attentive_tokenizer::{Characters, Tokenizer};
    ///
    /// let tokenizer = Characters::train(["ab"]).framed();
    /// assert_eq!(tokenizer.specials().eos, Some(5));
    /// assert_eq!(tokenizer.decode(&[4, 0, 1, 5])?, "ab");
    /// # Ok::<(), attentive_tokenizer::UnknownId>(())
    /// ```
    pub fn framed(self) -> Self {
        let unk = self.characters.len() as TokenId;
        let [pad, bos, eos] = [1, 2, 3].map(|offset| Some(unk + offset));
        Self { specials: Specials { pad, bos, eos, ..self.specials }, ..self }
    }

    pub(crate) fn new(file: &CharactersFile) -> Result<Self, String> {
        let characters: Vec<_> = file.characters.chars().collect();
        if let Some(pair) = characters.windows(2).find(|pair| pair[0] >= pair[1]) {
            return Err(format!("characters has {:?} before {:?}, expected code point order", pair[0], pair[1]));
        }
        let unframed = Self::from_sorted(characters);
        Ok(if file.framed { unframed.framed() } else { unframed })
    }

    fn from_sorted(characters: Vec<char>) -> Self {
        let specials = Specials { unk: Some(characters.len() as TokenId), ..Specials::default() };
        let ids = characters.iter().copied().zip(0..).collect();
        Self { specials, characters, ids }
    }

    fn id(&self, c: char) -> TokenId {
        self.ids.get(&c).copied().unwrap_or(self.characters.len() as TokenId)
    }
}

impl Tokenizer for Characters {
    fn encode(&self, text: &str) -> Vec<TokenId> {
        text.chars().map(|c| self.id(c)).collect()
    }

    fn encode_with_offsets(&self, text: &str) -> Vec<(TokenId, Range<usize>)> {
        text.char_indices().map(|(at, c)| (self.id(c), at..at + c.len_utf8())).collect()
    }

    fn decode_bytes(&self, ids: &[TokenId]) -> Result<Vec<u8>, UnknownId> {
        let character = |&id: &TokenId| match self.characters.get(id as usize) {
            Some(&c) => Ok(Some(c)),
            None if self.specials.unk == Some(id) => Ok(Some(char::REPLACEMENT_CHARACTER)),
            None if self.specials.contains(id) => Ok(None),
            None => Err(UnknownId { id, vocab_size: self.vocab_size() }),
        };
        let text = ids.iter().filter_map(|id| character(id).transpose());
        Ok(text.collect::<Result<String, _>>()?.into_bytes())
    }

    fn written(&self, place: Place, id: TokenId) -> Option<(Vec<u8>, Place)> {
        Some((self.decode_bytes(&[id]).unwrap_or_default(), place))
    }

    fn vocab_size(&self) -> usize {
        self.characters.len() + self.specials.iter().count()
    }

    fn specials(&self) -> &Specials {
        &self.specials
    }

    fn token(&self, id: TokenId) -> Option<Cow<'_, str>> {
        match self.characters.get(id as usize) {
            Some(c) => Some(Cow::Owned(c.to_string())),
            None if self.specials.contains(id) => {
                Some(Cow::Borrowed(SPECIAL_TOKENS[id as usize - self.characters.len()]))
            }
            None => None,
        }
    }

    fn to_model(&self) -> Option<Model> {
        Some(Model::Characters(CharactersFile {
            characters: self.characters.iter().collect(),
            framed: self.specials.eos.is_some(),
        }))
    }
}
