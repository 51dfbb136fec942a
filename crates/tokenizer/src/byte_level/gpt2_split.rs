//! GPT-2's pre-tokenisation.

use std::sync::LazyLock;

use regex_syntax::hir::{Class, HirKind};

/// Splits `text` as GPT-2 does, in one pass and without a regular expression engine; nothing is left out.
///
/// Equals `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`. Source: Radford et al. 2019,
/// the released `encoder.py`; `\p{L}` and `\p{N}` are Unicode 16's, as in the `regex` crate that tiktoken uses.
pub(crate) fn gpt2_split(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (word, after) = rest.split_at(first_len(rest)?);
        rest = after;
        Some(word)
    })
}

const CONTRACTIONS: [&str; 7] = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Letter,
    Number,
    Space,
    Other,
}

/// The length of the first piece of `text` in bytes.
fn first_len(text: &str) -> Option<usize> {
    let first = text.chars().next()?;
    if let Some(contraction) = CONTRACTIONS.iter().find(|&&contraction| text.starts_with(contraction)) {
        return Some(contraction.len());
    }
    let skipped = usize::from(first == ' ');
    let body = &text[skipped..];
    Some(match body.chars().next().map(kind) {
        Some(kind) if kind != Kind::Space => skipped + run_len(body, kind),
        _ => {
            // White space before a word leaves its last character to the word, unless it is all there is.
            let run = run_len(text, Kind::Space);
            let last = text[..run].chars().next_back().map_or(0, char::len_utf8);
            if run == text.len() || run == last { run } else { run - last }
        }
    })
}

fn run_len(text: &str, of: Kind) -> usize {
    text.char_indices().find(|&(_, c)| kind(c) != of).map_or(text.len(), |(at, _)| at)
}

fn kind(c: char) -> Kind {
    match c {
        'a'..='z' | 'A'..='Z' => Kind::Letter,
        '0'..='9' => Kind::Number,
        _ if c.is_whitespace() => Kind::Space,
        _ if c.is_ascii() => Kind::Other,
        _ if LETTERS.contains(c) => Kind::Letter,
        _ if NUMBERS.contains(c) => Kind::Number,
        _ => Kind::Other,
    }
}

static LETTERS: LazyLock<CharacterSet> = LazyLock::new(|| CharacterSet::new(r"\p{L}"));
static NUMBERS: LazyLock<CharacterSet> = LazyLock::new(|| CharacterSet::new(r"\p{N}"));

static WORD_CHARACTERS: LazyLock<CharacterSet> = LazyLock::new(|| CharacterSet::new(r"\w"));

/// Whether `c` is part of a word as regular expressions have it: `\w`.
pub(crate) fn is_word_character(c: char) -> bool {
    WORD_CHARACTERS.contains(c)
}

/// Sorted ranges of characters.
struct CharacterSet(Vec<(char, char)>);

impl CharacterSet {
    /// The characters of a Unicode class in the syntax of regular expressions.
    fn new(class: &str) -> Self {
        let parsed = regex_syntax::parse(class).map(regex_syntax::hir::Hir::into_kind);
        let Ok(HirKind::Class(Class::Unicode(class))) = parsed else {
            unreachable!("{class} is a class of characters")
        };
        Self(class.ranges().iter().map(|range| (range.start(), range.end())).collect())
    }

    fn contains(&self, c: char) -> bool {
        let after = self.0.partition_point(|&(start, _)| start <= c);
        after > 0 && c <= self.0[after - 1].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_as_the_regular_expression_does() {
        let cases: [(&str, &[&str]); 6] = [
            ("it's 12,5m", &["it", "'s", " 12", ",", "5", "m"]),
            ("  two\n\nlines \t", &[" ", " two", "\n", "\n", "lines", " \t"]),
            (" '  'll'x", &[" '", " ", " '", "ll", "'", "x"]),
            ("\u{a0}\u{a0}ß", &["\u{a0}", "\u{a0}", "ß"]),
            ("e\u{301}½Ⅻ", &["e", "\u{301}", "½Ⅻ"]),
            ("", &[]),
        ];
        for (text, expected) in cases {
            assert_eq!(gpt2_split(text).collect::<Vec<_>>(), expected, "{text:?}");
        }
    }
}
