//! SentencePiece's normalisation.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::error::Problem;
use crate::trie::Trie;

/// Stands for a space inside pieces: U+2581.
pub(crate) const SPACE: char = '▁';

/// The longest replacement of a character map that is read, in bytes: normalised text is at most this many times as
/// long as the text. Unicode's longest compatibility form has 33.
const MAX_REPLACEMENT_LEN: usize = 256;
/// How far a rule of a character map reaches, in bytes; a damaged map may lead in circles.
const MAX_RULE_LEN: usize = 256;

/// The normaliser of a model, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NormalizerSpec {
    /// What replaces what: the length of a double-array trie, the trie, and the replacements, each ended by a zero.
    #[serde(with = "hex", default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) charsmap: Vec<u8>,
    pub(crate) add_dummy_prefix: bool,
    pub(crate) remove_extra_whitespaces: bool,
    pub(crate) escape_whitespaces: bool,
}

/// Puts text in the form that the pieces of a model are written in.
///
/// Source: Kudo and Richardson 2018, "SentencePiece", §3.2; equals `Normalizer::Normalize` of the library.
#[derive(Clone, Debug)]
pub(crate) struct Normalizer {
    spec: NormalizerSpec,
    /// The units of a double array, as Darts-clone lays them out.
    units: Vec<u32>,
    /// Where the replacements begin in the character map.
    replacements: usize,
    whitespace_as_suffix: bool,
    /// Entries that are left as they are.
    untouched: Trie,
}

/// A normalised text, and for each of its bytes, and its end, where it comes from.
#[derive(Debug, Default)]
pub(crate) struct Normalized {
    pub(crate) text: String,
    pub(crate) sources: Vec<usize>,
}

impl Normalizer {
    pub(crate) fn new(spec: NormalizerSpec, whitespace_as_suffix: bool, untouched: Trie) -> Result<Self, Problem> {
        let mut units = Vec::new();
        let mut replacements = 0;
        if let Some((len, rest)) = spec.charsmap.split_first_chunk() {
            let len = u32::from_le_bytes(*len) as usize;
            let trie = rest.get(..len).ok_or("the trie of the character map is cut short")?;
            units = trie.as_chunks().0.iter().map(|unit| u32::from_le_bytes(*unit)).collect();
            replacements = 4 + len;
            let longest = rest[len..].split(|&byte| byte == 0).map(<[u8]>::len).max().unwrap_or(0);
            if longest > MAX_REPLACEMENT_LEN {
                return Err(Problem::Unsupported(format!(
                    "the character map has a replacement of {longest} bytes, and at most {MAX_REPLACEMENT_LEN} are read"
                )));
            }
        }
        Ok(Self { spec, units, replacements, whitespace_as_suffix, untouched })
    }

    pub(crate) fn spec(&self) -> &NormalizerSpec {
        &self.spec
    }

    /// Source: `Normalizer::Normalize` of the SentencePiece library.
    pub(crate) fn normalize(&self, text: &str) -> Normalized {
        let mut out =
            Normalized { text: String::with_capacity(text.len() + 8), sources: Vec::with_capacity(text.len() + 8) };
        let mut at = 0;
        if self.spec.remove_extra_whitespaces {
            while let Some((" ", len)) = self.first(&text[at..]).as_ref().map(|(new, len)| (&**new, *len)) {
                at += len;
            }
        }
        if at == text.len() {
            out.sources.push(at);
            return out;
        }
        if self.spec.add_dummy_prefix && !self.whitespace_as_suffix {
            self.push(&mut out, " ", at);
        }
        let mut after_space = self.spec.remove_extra_whitespaces;
        while let Some((new, len)) = self.first(&text[at..]) {
            let kept = if after_space { new.trim_start_matches(' ') } else { &new };
            self.push(&mut out, kept, at);
            if !kept.is_empty() {
                after_space = kept.ends_with(' ');
            }
            after_space &= self.spec.remove_extra_whitespaces;
            at += len;
        }
        if self.spec.remove_extra_whitespaces {
            let space = if self.spec.escape_whitespaces { SPACE } else { ' ' };
            let len = out.text.trim_end_matches(space).len();
            if len < out.text.len() {
                at = out.sources[len];
                out.text.truncate(len);
                out.sources.truncate(len);
            }
        }
        if self.spec.add_dummy_prefix && self.whitespace_as_suffix {
            self.push(&mut out, " ", at);
        }
        out.sources.push(at);
        out
    }

    fn push(&self, out: &mut Normalized, text: &str, source: usize) {
        for c in text.chars() {
            out.text.push(if c == ' ' && self.spec.escape_whitespaces { SPACE } else { c });
        }
        out.sources.resize(out.text.len(), source);
    }

    /// What the beginning of `text` is replaced by, and the length of that beginning.
    fn first<'a>(&'a self, text: &'a str) -> Option<(Cow<'a, str>, usize)> {
        let first = text.chars().next()?;
        if let Some(len) = self.untouched.longest(text.as_bytes()) {
            return Some((Cow::Borrowed(&text[..len]), len));
        }
        match self.longest_rule(text.as_bytes()) {
            Some((len, value)) if text.is_char_boundary(len) => Some((self.replacement(value), len)),
            _ => Some((Cow::Borrowed(&text[..first.len_utf8()]), first.len_utf8())),
        }
    }

    /// The longest key of the double array that `text` begins with, and its value, in at most [`MAX_RULE_LEN`] steps.
    ///
    /// Source: `commonPrefixSearch` of Darts-clone.
    fn longest_rule(&self, text: &[u8]) -> Option<(usize, usize)> {
        let offset = |unit: u32| ((unit >> 10) << ((unit & 1 << 9) >> 6)) as usize;
        let mut node = offset(*self.units.first()?);
        let mut longest = None;
        for (&byte, len) in text.iter().zip(1..=MAX_RULE_LEN) {
            node ^= usize::from(byte);
            let Some(&unit) = self.units.get(node) else {
                break;
            };
            if unit & (1 << 31 | 0xFF) != u32::from(byte) {
                break;
            }
            node ^= offset(unit);
            let has_value = unit >> 8 & 1 == 1;
            if has_value && let Some(leaf) = self.units.get(node) {
                longest = Some((len, (leaf & 0x7FFF_FFFF) as usize));
            }
        }
        longest
    }

    fn replacement(&self, value: usize) -> Cow<'_, str> {
        let rest = self.spec.charsmap.get(self.replacements + value..).unwrap_or_default();
        String::from_utf8_lossy(rest.split(|&byte| byte == 0).next().unwrap_or_default())
    }
}

/// Bytes as hexadecimal digits.
mod hex {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        let text: String = digits.filter_map(|digit| char::from_digit(u32::from(digit), 16)).collect();
        serializer.serialize_str(&text)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        let digit = |byte: u8| char::from(byte).to_digit(16);
        let bytes = pairs.iter().map(|&[high, low]| Some((digit(high)? << 4 | digit(low)?) as u8));
        let bytes = bytes.collect::<Option<Vec<_>>>().filter(|_| rest.is_empty());
        bytes.ok_or_else(|| D::Error::custom("expected pairs of hexadecimal digits"))
    }
}
