//! Splitting text into the pieces that merges never cross.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use unicode_normalization::char::is_combining_mark;

/// Where text is split before byte-pair encoding.
///
/// Either way the split is reversible. A word is always written with its end-of-word mark `</w>`, which stands for
/// the single space after it and costs nothing; what is *glued* to a word, a full stop for instance, says so itself
/// with a joiner `￭` in front (as in the OpenNMT Tokenizer), which takes that space back. So a word is the same token before a space, before a
/// full stop and at the end of the text.
///
/// | text | pre-tokens |
/// |---|---|
/// | `too tired.` | `too</w>` `tired</w>` `￭.</w>` |
/// | `too tired .` | `too</w>` `tired</w>` `.</w>` |
/// | `say "no"` | `say</w>` `"` `no</w>` `￭"</w>` |
/// | `two  spaces` | `two</w>` `￭ </w>` `spaces</w>` |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PreTokenization {
    /// At spaces (U+0020) only, as subword-nmt does: for text in which punctuation stands apart already.
    Spaces,
    /// At white space and between words and punctuation: for text as people write it.
    ///
    /// Words are runs of letters, digits, combining marks and joiners, with an apostrophe between letters inside.
    #[default]
    Punctuation,
}

impl FromStr for PreTokenization {
    type Err = String;

    /// `spaces` or `punctuation`.
    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "spaces" => Ok(Self::Spaces),
            "punctuation" => Ok(Self::Punctuation),
            _ => Err("choose from punctuation, spaces".to_owned()),
        }
    }
}

/// A piece of text that merges do not cross, and how it hangs together with its neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PreToken<'a> {
    /// The text, never empty.
    pub text: &'a str,
    /// Where `text` begins, in bytes.
    pub start: usize,
    /// Follows a word without the space that the word's `</w>` stands for; written `￭` in front.
    pub glued: bool,
    /// A space is due before what follows; written `</w>` after it.
    pub ends_word: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Word,
    Space,
    Other,
}

impl PreTokenization {
    /// Splits `text`.
    ///
    /// ```
    /// use attentive_tokenizer::PreTokenization;
    ///
    /// let words: Vec<&str> = PreTokenization::Punctuation.split("It's  late.").map(|word| word.text).collect();
    /// assert_eq!(words, ["It's", " ", "late", "."]);
    /// ```
    pub fn split(self, text: &str) -> impl Iterator<Item = PreToken<'_>> {
        let mut start = 0;
        let mut after_word = false; // the word's `</w>` is still due: what comes next must be glued
        std::iter::from_fn(move || {
            let rest = &text[start..];
            let first = rest.chars().next()?;
            let class = self.class(first);
            let run = self.run(rest, class);
            // Of a run of white space that ends in a space, that space becomes the mark `</w>`. The end of the text
            // counts as a space, so that its last word looks like any other.
            let (len, ends_word, skip) = match class {
                Class::Word => (run, true, self.lone_space(&rest[run..])),
                Class::Other => {
                    let skip = self.lone_space(&rest[run..]);
                    (run, skip || run == rest.len(), skip)
                }
                Class::Space if run == rest.len() => (run, true, false),
                Class::Space if run > 1 && rest[..run].ends_with(' ') => (run - 1, true, true),
                Class::Space => (run, false, false),
            };
            let word = PreToken { text: &rest[..len], start, glued: after_word, ends_word };
            start += len + usize::from(skip);
            after_word = class == Class::Word && !skip;
            Some(word)
        })
    }

    /// Whether `rest` begins with white space that is one space and no more, before a further piece.
    fn lone_space(self, rest: &str) -> bool {
        let mut chars = rest.chars();
        chars.next() == Some(' ') && chars.next().is_some_and(|c| self.class(c) != Class::Space)
    }

    /// The length in bytes of the run of `class` that `text` begins with.
    fn run(self, text: &str, class: Class) -> usize {
        let mut previous = ' ';
        let mut chars = text.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            let next = chars.peek().map(|&(_, next)| next);
            let apostrophe = class == Class::Word
                && matches!(c, '\'' | '’')
                && previous.is_alphabetic()
                && next.is_some_and(char::is_alphabetic);
            if self.class(c) != class && !apostrophe {
                return at;
            }
            previous = c;
        }
        text.len()
    }

    fn class(self, c: char) -> Class {
        match self {
            Self::Spaces if c == ' ' => Class::Space,
            Self::Spaces => Class::Word,
            Self::Punctuation if c.is_whitespace() => Class::Space,
            Self::Punctuation
                if c.is_alphanumeric() || matches!(c, '\u{200c}' | '\u{200d}') || is_combining_mark(c) =>
            {
                Class::Word
            }
            Self::Punctuation => Class::Other,
        }
    }
}
