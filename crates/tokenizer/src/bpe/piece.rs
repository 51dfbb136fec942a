//! How entries of a `</w>` vocabulary are written.

use std::fmt;

use super::pre_tokenization::PreToken;
use crate::bytes::parse_byte_token;

/// Glued to the word before: takes back the space that the word's [`END_OF_WORD`] stands for. It is the joiner of the
/// OpenNMT Tokenizer.
pub(crate) const GLUE: &str = "￭";
/// The end-of-word mark of Sennrich et al. 2016, §3.2.
pub(crate) const END_OF_WORD: &str = "</w>";

/// A piece of a word, and whether it carries the marks before and after it. Either mark can stand alone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Piece {
    pub(crate) glued: bool,
    pub(crate) text: String,
    pub(crate) ends_word: bool,
}

impl Piece {
    pub(crate) fn new(glued: bool, text: impl Into<String>, ends_word: bool) -> Self {
        Self { glued, text: text.into(), ends_word }
    }

    /// Reads what `Display` writes. Text that looks like a mark is taken for the mark, so a piece whose spelling
    /// reads differently must not be in a vocabulary: see [`is_spellable`](Self::is_spellable).
    pub(crate) fn parse(spelling: &str) -> Self {
        let (glued, rest) = spelling.strip_prefix(GLUE).map_or((false, spelling), |rest| (true, rest));
        let (text, ends_word) = rest.strip_suffix(END_OF_WORD).map_or((rest, false), |text| (text, true));
        Self::new(glued, text, ends_word)
    }

    /// Whether the spelling can only mean this piece: no mark, special token or byte token looks like it.
    pub(crate) fn is_spellable(&self) -> bool {
        let spelling = self.to_string();
        Self::parse(&spelling) == *self && !(spelling.starts_with('<') && is_reserved(&spelling))
    }

    /// `left` and `right` as one piece.
    pub(crate) fn join(left: &Self, right: &Self) -> Self {
        Self::new(left.glued, format!("{}{}", left.text, right.text), right.ends_word)
    }

    /// The pieces of one character each that a pre-token consists of, carrying its marks.
    pub(crate) fn characters(word: &PreToken<'_>) -> impl Iterator<Item = Self> {
        let last = word.text.chars().next_back().map_or(0, |c| word.text.len() - c.len_utf8());
        let (glued, ends_word) = (word.glued, word.ends_word);
        word.text.char_indices().map(move |(at, c)| Self::new(glued && at == 0, c, ends_word && at == last))
    }
}

impl fmt::Display for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let glue = if self.glued { GLUE } else { "" };
        let end = if self.ends_word { END_OF_WORD } else { "" };
        write!(f, "{glue}{}{end}", self.text)
    }
}

/// The names of the special tokens that every vocabulary trained here begins with, in the order of their ids.
pub(crate) const SPECIAL_TOKENS: [&str; 4] = ["<pad>", "<s>", "</s>", "<unk>"];

fn is_reserved(spelling: &str) -> bool {
    SPECIAL_TOKENS.contains(&spelling) || parse_byte_token(spelling).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_are_read_back() {
        for piece in [Piece::new(true, ".", true), Piece::new(false, "a", true), Piece::new(true, "", false)] {
            assert_eq!(Piece::parse(&piece.to_string()), piece);
            assert!(piece.is_spellable());
        }
    }

    #[test]
    fn text_that_looks_like_a_mark_or_a_special_token_is_not_spellable() {
        for text in ["￭", "￭.", "</w>", "a</w>", "<s>", "<0x41>"] {
            assert!(!Piece::new(false, text, false).is_spellable(), "{text}");
        }
        assert!(Piece::new(false, "<0x4g>", false).is_spellable());
        assert!(Piece::new(false, "<s>", true).is_spellable());
    }
}
