//! Bytes as tokens.

use std::borrow::Cow;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::added::{self, AddedToken, Finder};
use crate::error::UnknownId;
use crate::file::Model;
use crate::place::Place;
use crate::specials::Specials;
use crate::tokenizer::{TokenId, Tokenizer, push_spans};

/// The UTF-8 bytes of a text, as ByT5 takes them: the id of a byte is its value plus 3.
///
/// Source: Xue et al. 2022, "ByT5", §3.1; ids equal Hugging Face's `ByT5Tokenizer`: `<pad>` 0, `</s>` 1, `<unk>` 2, the
/// bytes, and 125 entries `<extra_id_0>` …, which the released models never use: their sentinels are the last 100 bytes,
/// counted down from 0xFF, the first eleven of which no UTF-8 text has.
///
/// ```
/// use attentive_tokenizer::{Bytes, Tokenizer};
///
/// assert_eq!(Bytes::default().encode("aé"), [100, 198, 172]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bytes {
    specials: Specials,
}

/// The parameters of [`Bytes`], which has none, as they stand in `tokenizer.json`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BytesFile {}

const SPECIAL_TOKENS: [&str; 3] = ["<pad>", "</s>", "<unk>"];
const FIRST_BYTE: TokenId = SPECIAL_TOKENS.len() as TokenId;
const FIRST_EXTRA: TokenId = FIRST_BYTE + 256;
const N_EXTRA: TokenId = 125;
/// Bytes that are sentinels too.
const N_SENTINELS: TokenId = 100;

impl Default for Bytes {
    fn default() -> Self {
        Self { specials: Specials { pad: Some(0), eos: Some(1), unk: Some(2), ..Specials::default() } }
    }
}

impl Bytes {
    /// The id of `<extra_id_index>`; there are 125.
    pub fn extra_id(&self, index: usize) -> Option<TokenId> {
        let index = TokenId::try_from(index).ok().filter(|&index| index < N_EXTRA)?;
        Some(FIRST_EXTRA + index)
    }
}

impl Tokenizer for Bytes {
    fn encode(&self, text: &str) -> Vec<TokenId> {
        text.bytes().map(|byte| FIRST_BYTE + TokenId::from(byte)).collect()
    }

    fn encode_with_specials(&self, text: &str) -> Vec<TokenId> {
        let finder = Finder::new(self.added_tokens()).of_python();
        added::encode_around(&finder, text, |part| self.encode(part))
    }

    fn encode_with_offsets(&self, text: &str) -> Vec<(TokenId, Range<usize>)> {
        let mut spans = Vec::with_capacity(text.len());
        push_spans(text, 0, self.encode(text).into_iter().map(|id| (id, 1)), &mut spans);
        spans
    }

    fn decode_bytes(&self, ids: &[TokenId]) -> Result<Vec<u8>, UnknownId> {
        if let Some(&id) = ids.iter().find(|&&id| id as usize >= self.vocab_size()) {
            return Err(UnknownId { id, vocab_size: self.vocab_size() });
        }
        Ok(ids.iter().filter_map(|id| u8::try_from(id.checked_sub(FIRST_BYTE)?).ok()).collect())
    }

    fn written(&self, place: Place, id: TokenId) -> Option<(Vec<u8>, Place)> {
        let byte = id.checked_sub(FIRST_BYTE).and_then(|byte| u8::try_from(byte).ok());
        Some((byte.into_iter().collect(), place))
    }

    fn vocab_size(&self) -> usize {
        (FIRST_EXTRA + N_EXTRA) as usize
    }

    fn specials(&self) -> &Specials {
        &self.specials
    }

    fn sentinel(&self, index: usize) -> Option<TokenId> {
        let index = TokenId::try_from(index).ok().filter(|&index| index < N_SENTINELS)?;
        Some(FIRST_EXTRA - 1 - index)
    }

    fn token(&self, id: TokenId) -> Option<Cow<'_, str>> {
        if let Some(name) = SPECIAL_TOKENS.get(id as usize) {
            return Some(Cow::Borrowed(name));
        }
        match u8::try_from(id - FIRST_BYTE) {
            Ok(byte) => Some(Cow::Owned(byte_token(byte))),
            Err(_) if (id as usize) < self.vocab_size() => Some(Cow::Owned(format!("<extra_id_{}>", id - FIRST_EXTRA))),
            Err(_) => None,
        }
    }

    /// The special tokens, which white space around them belongs to, and `<extra_id_0>` …
    fn added_tokens(&self) -> Vec<AddedToken> {
        let named = (0..).zip(SPECIAL_TOKENS);
        let named = named.map(|(id, name)| AddedToken { lstrip: true, rstrip: true, ..AddedToken::special(id, name) });
        let extra = (0..N_EXTRA).map(|n| AddedToken::special(FIRST_EXTRA + n, format!("<extra_id_{n}>")));
        named.chain(extra).collect()
    }

    fn to_model(&self) -> Option<Model> {
        Some(Model::Bytes(BytesFile {}))
    }
}

/// The spelling of the byte token of `byte`.
pub(crate) fn byte_token(byte: u8) -> String {
    format!("<0x{byte:02X}>")
}

/// The byte that a byte token of this spelling stands for.
pub(crate) fn parse_byte_token(spelling: &str) -> Option<u8> {
    let hex = spelling.strip_prefix("<0x")?.strip_suffix('>')?;
    let byte = u8::from_str_radix(hex, 16).ok()?;
    (byte_token(byte) == spelling).then_some(byte)
}
