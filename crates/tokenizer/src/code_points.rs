//! Unicode code points as tokens.

use std::borrow::Cow;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::added::AddedToken;
use crate::error::UnknownId;
use crate::file::Model;
use crate::place::Place;
use crate::specials::Specials;
use crate::tokenizer::{TokenId, Tokenizer};

/// The code points of a text, as CANINE takes them: there is no vocabulary to learn.
///
/// Source: Clark et al. 2022, "CANINE", §3.1; ids equal Hugging Face's `CanineTokenizer`. Its special tokens are code
/// points too (`[PAD]` is U+0000, `[CLS]` U+E000, `[SEP]` U+E001, `[MASK]` U+E003): these four do not come back from
/// a text that has them.
///
/// ```
/// use attentive_tokenizer::{CodePoints, Tokenizer};
///
/// assert_eq!(CodePoints::default().encode("aé☃"), [97, 233, 9731]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodePoints {
    specials: Specials,
}

/// The parameters of [`CodePoints`], which has none, as they stand in `tokenizer.json`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodePointsFile {}

const PAD: TokenId = 0;
const CLS: TokenId = 0xE000;
const SEP: TokenId = 0xE001;
const MASK: TokenId = 0xE003;

impl Default for CodePoints {
    fn default() -> Self {
        let (cls, sep) = (Some(CLS), Some(SEP));
        Self { specials: Specials { pad: Some(PAD), bos: cls, eos: sep, mask: Some(MASK), cls, sep, unk: None } }
    }
}

impl Tokenizer for CodePoints {
    fn encode(&self, text: &str) -> Vec<TokenId> {
        text.chars().map(TokenId::from).collect()
    }

    fn encode_with_offsets(&self, text: &str) -> Vec<(TokenId, Range<usize>)> {
        text.char_indices().map(|(at, c)| (TokenId::from(c), at..at + c.len_utf8())).collect()
    }

    fn decode_bytes(&self, ids: &[TokenId]) -> Result<Vec<u8>, UnknownId> {
        let mut text = String::with_capacity(ids.len());
        for &id in ids {
            if id as usize >= self.vocab_size() {
                return Err(UnknownId { id, vocab_size: self.vocab_size() });
            }
            if !self.specials.contains(id) {
                text.push(char::from_u32(id).unwrap_or(char::REPLACEMENT_CHARACTER)); // surrogates are not characters
            }
        }
        Ok(text.into_bytes())
    }

    fn written(&self, place: Place, id: TokenId) -> Option<(Vec<u8>, Place)> {
        Some((self.decode_bytes(&[id]).unwrap_or_default(), place))
    }

    fn vocab_size(&self) -> usize {
        char::MAX as usize + 1
    }

    fn specials(&self) -> &Specials {
        &self.specials
    }

    /// None: special tokens are code points like all others.
    fn added_tokens(&self) -> Vec<AddedToken> {
        Vec::new()
    }

    fn token(&self, id: TokenId) -> Option<Cow<'_, str>> {
        let name = match id {
            PAD => "[PAD]",
            CLS => "[CLS]",
            SEP => "[SEP]",
            MASK => "[MASK]",
            _ => return char::from_u32(id).map(|c| Cow::Owned(c.to_string())),
        };
        Some(Cow::Borrowed(name))
    }

    fn to_model(&self) -> Option<Model> {
        Some(Model::CodePoints(CodePointsFile {}))
    }
}
