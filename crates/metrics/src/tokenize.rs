//! The tokenizations that sacreBLEU applies before it counts n-grams.

use std::{borrow::Cow, fmt, str::FromStr, sync::Arc};

use unicode_properties::{GeneralCategoryGroup as Group, UnicodeGeneralCategory};

use crate::{
    MetricError,
    text::{is_space, part, replace_each, set_off},
};

/// Cuts a line into tokens for [`Bleu`](crate::Bleu).
///
/// Implement it to score with a SentencePiece model, as sacreBLEU's `flores200` does: join the pieces with spaces.
pub trait Tokenize: Send + Sync {
    /// Its name in the signature, after `tok:`.
    fn name(&self) -> &str;

    /// The line with its tokens separated by white space.
    fn tokenize<'a>(&self, line: &'a str) -> Cow<'a, str>;
}

/// The tokenizers of sacreBLEU, or one of the caller's.
///
/// # Examples
/// ```
/// use attentive_metrics::{BleuTokenizer, Tokenize};
///
/// let tokenized = BleuTokenizer::V13a.tokenize("It's $1,000.50!");
/// assert_eq!(tokenized.split_whitespace().collect::<Vec<_>>(), ["It's", "$", "1,000.50", "!"]);
/// assert_eq!("zh".parse::<BleuTokenizer>()?.name(), "zh");
/// # Ok::<(), attentive_metrics::MetricError>(())
/// ```
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum BleuTokenizer {
    /// `13a`: mteval-v13a, WMT's own and the default.
    #[default]
    V13a,
    /// `intl`: mteval-v14's `--international-tokenization`, by Unicode's punctuation and symbols.
    Intl,
    /// `zh`: every Chinese character is a token, the rest is cut as in `13a`.
    Zh,
    /// `char`: every character is a token.
    Char,
    /// `none`: the text is tokenized already.
    None,
    /// A tokenizer of the caller's, such as a SentencePiece model.
    Custom(Arc<dyn Tokenize>),
}

impl fmt::Debug for BleuTokenizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BleuTokenizer").field(&self.name()).finish()
    }
}

impl FromStr for BleuTokenizer {
    type Err = MetricError;

    fn from_str(name: &str) -> Result<Self, MetricError> {
        match name {
            "13a" => Ok(Self::V13a),
            "intl" => Ok(Self::Intl),
            "zh" => Ok(Self::Zh),
            "char" => Ok(Self::Char),
            "none" => Ok(Self::None),
            _ => Err(MetricError::UnknownName {
                option: "tokenizer",
                name: name.into(),
                choices: "13a, intl, zh, char, none; or, with a SentencePiece model, flores101, flores200, spBLEU-1K, spm",
            }),
        }
    }
}

impl Tokenize for BleuTokenizer {
    fn name(&self) -> &str {
        match self {
            Self::V13a => "13a",
            Self::Intl => "intl",
            Self::Zh => "zh",
            Self::Char => "char",
            Self::None => "none",
            Self::Custom(tokenizer) => tokenizer.name(),
        }
    }

    fn tokenize<'a>(&self, line: &'a str) -> Cow<'a, str> {
        match self {
            Self::V13a => v13a(line).into(),
            Self::Intl => intl(line).into(),
            Self::Zh => zh(line).into(),
            Self::Char => set_off(line, |_| true).into(),
            Self::None => line.into(),
            Self::Custom(tokenizer) => tokenizer.tokenize(line),
        }
    }
}

/// The entities that mteval decodes, in its order.
pub(crate) const ENTITIES: [(&str, &str); 4] = [("&quot;", "\""), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">")];

fn v13a(line: &str) -> String {
    let line = replace_each(line, &[("<skipped>", ""), ("-\n", ""), ("\n", " ")]);
    let line = replace_each(&line, &ENTITIES);
    part_numbers(&set_off_punctuation(&format!(" {line} ")))
}

fn intl(line: &str) -> String {
    let is = |group| move |c: char| c.general_category_group() == group;
    let is_not = |group| move |c: char| c.general_category_group() != group;
    let line = part(line, is_not(Group::Number), is(Group::Punctuation), ["", " "]);
    let line = part(&line, is(Group::Punctuation), is_not(Group::Number), [" ", ""]);
    set_off(&line, is(Group::Symbol))
}

fn zh(line: &str) -> String {
    part_numbers(&set_off_punctuation(&set_off(line.trim_matches(is_space), is_chinese)))
}

/// ASCII punctuation except the apostrophe, comma, hyphen and full stop.
pub(crate) fn set_off_punctuation(line: &str) -> String {
    set_off(line, |c| matches!(c, '{'..='~' | '['..='`' | ' '..='&' | '('..='+' | ':'..='@' | '/'))
}

/// Commas and full stops that are not within a number, and hyphens after one.
pub(crate) fn part_numbers(line: &str) -> String {
    let is_digit = |c: char| c.is_ascii_digit();
    let is_no_digit = |c: char| !c.is_ascii_digit();
    let is_point = |c| matches!(c, '.' | ',');
    let line = part(line, is_no_digit, is_point, ["", " "]);
    let line = part(&line, is_point, is_no_digit, [" ", ""]);
    part(&line, is_digit, |c| c == '-', ["", " "])
}

/// The ranges that sacreBLEU takes for Chinese.
///
/// Its two ranges beyond the basic plane are written `'\u20000'` to `'\u2a6d6'` and `'\u2f800'` to `'\u2fa1d'`, which
/// Python reads as two characters each: they compare as U+2001 to U+2A6D and U+2F81 to U+2FA1, and so they do here.
fn is_chinese(c: char) -> bool {
    matches!(c,
        '\u{2001}'..='\u{2a6d}'
        | '\u{2e80}'..='\u{2eff}'
        | '\u{2f00}'..='\u{2fdf}'
        | '\u{2ff0}'..='\u{303f}'
        | '\u{3100}'..='\u{312f}'
        | '\u{31a0}'..='\u{31bf}'
        | '\u{31c0}'..='\u{31ef}'
        | '\u{3200}'..='\u{33ff}'
        | '\u{3400}'..='\u{4db5}'
        | '\u{4e00}'..='\u{9fbb}'
        | '\u{f900}'..='\u{fa2d}'
        | '\u{fa30}'..='\u{fa6a}'
        | '\u{fa70}'..='\u{fad9}'
        | '\u{fe10}'..='\u{fe1f}'
        | '\u{fe30}'..='\u{fe4f}'
        | '\u{ff00}'..='\u{ffef}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::words;

    fn tokens(tokenizer: &BleuTokenizer, line: &str) -> Vec<String> {
        words(&tokenizer.tokenize(line)).map(String::from).collect()
    }

    #[test]
    fn numbers_keep_their_points() {
        let line = "It's 3.5, not 1-2: &quot;4.&quot;";
        assert_eq!(
            tokens(&BleuTokenizer::V13a, line),
            ["It's", "3.5", ",", "not", "1", "-", "2", ":", "\"", "4", ".", "\""]
        );
    }

    #[test]
    fn a_callers_tokenizer_is_named_in_the_signature() {
        struct Halves;
        impl Tokenize for Halves {
            fn name(&self) -> &str {
                "halves"
            }
            fn tokenize<'a>(&self, line: &'a str) -> Cow<'a, str> {
                line.replace('-', " ").into()
            }
        }
        let tokenizer = BleuTokenizer::Custom(Arc::new(Halves));
        assert_eq!(tokens(&tokenizer, "one-half"), ["one", "half"]);
        assert_eq!(format!("{tokenizer:?}"), "BleuTokenizer(\"halves\")");
    }
}
