//! What is measured of a text.

use serde::{Deserialize, Serialize};

use super::{FilterConfig, LengthUnit};
use crate::{Detected, Language, LanguageDetector};

/// Why a line is left out. The first rule that a line breaks is the one that counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FilterRule {
    /// It is not UTF-8.
    InvalidUtf8,
    /// A tab-separated line does not have the columns that are wanted.
    Columns,
    /// It has more bytes than are read of a line.
    TooManyBytes,
    /// A side is empty, or white space.
    Empty,
    /// A side is too short.
    TooShort,
    /// A side is too long.
    TooLong,
    /// A side is too many times as long as the other.
    Ratio,
    /// Both sides are the same.
    Identical,
    /// A word is too long.
    LongWord,
    /// A side has too few letters.
    Letters,
    /// A side is in another language.
    Language,
    /// It was there before.
    Duplicate,
    /// The model can't read it: it has no positions for it, or no tokens.
    Unreadable,
    /// The model finds it improbable.
    Score,
}

impl FilterRule {
    /// What it is, in words.
    pub fn describe(self) -> &'static str {
        match self {
            Self::InvalidUtf8 => "not UTF-8",
            Self::Columns => "without the columns that are wanted",
            Self::TooManyBytes => "of too many bytes",
            Self::Empty => "empty",
            Self::TooShort => "too short",
            Self::TooLong => "too long",
            Self::Ratio => "of unlike lengths",
            Self::Identical => "with identical sides",
            Self::LongWord => "with too long a word",
            Self::Letters => "with too few letters",
            Self::Language => "in another language",
            Self::Duplicate => "there before",
            Self::Unreadable => "that the model can't read",
            Self::Score => "improbable",
        }
    }
}

/// The rule that a line breaks, and what was measured of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Rejection {
    /// The rule.
    pub rule: FilterRule,
    /// What was measured, in words; may be empty.
    pub measured: String,
}

impl Rejection {
    pub(super) fn of(rule: FilterRule) -> Self {
        Self { rule, measured: String::new() }
    }
}

/// What is counted of a text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counts {
    words: usize,
    /// Characters of the longest word.
    longest: usize,
    characters: usize,
    letters: usize,
}

impl Counts {
    fn of(text: &str) -> Self {
        let mut counts = Self::default();
        let (mut len, mut has_letter) = (0, false);
        let end = |counts: &mut Self, len: &mut usize, has_letter: &mut bool| {
            counts.longest = counts.longest.max(std::mem::take(len));
            counts.words += usize::from(std::mem::take(has_letter));
        };
        for c in text.chars() {
            if c.is_whitespace() {
                end(&mut counts, &mut len, &mut has_letter);
                continue;
            }
            counts.characters += 1;
            counts.letters += usize::from(c.is_alphabetic());
            if is_unspaced(c) {
                end(&mut counts, &mut len, &mut has_letter);
                counts.words += usize::from(c.is_alphanumeric());
            } else {
                len += 1;
                has_letter |= c.is_alphanumeric();
            }
        }
        end(&mut counts, &mut len, &mut has_letter);
        counts
    }

    fn length(self, unit: LengthUnit) -> usize {
        match unit {
            LengthUnit::Words => self.words,
            LengthUnit::Characters => self.characters,
        }
    }
}

/// Whether a character is of a script without spaces between words: Thai, Lao, Burmese, Khmer, kana, Han.
fn is_unspaced(c: char) -> bool {
    matches!(c, '\u{E00}'..='\u{EFF}' | '\u{1000}'..='\u{109F}' | '\u{1780}'..='\u{17FF}')
        || matches!(c, '\u{3000}'..='\u{30FF}' | '\u{3400}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}')
        || matches!(c, '\u{20000}'..='\u{3FFFF}')
}

/// The language that a side is to be in, and what tells whether it is.
#[derive(Debug, Clone)]
pub(super) struct LanguageCheck {
    expected: Language,
    all: LanguageDetector,
    /// Between this side's language and the other's, which are told apart with fewer words, and confused most.
    between: Option<LanguageDetector>,
}

impl LanguageCheck {
    pub(super) fn new(expected: Language, other: Option<Language>) -> Self {
        let between = other.filter(|&other| other != expected).map(|other| LanguageDetector::among(&[expected, other]));
        Self { expected, all: LanguageDetector::new(), between }
    }

    /// Another language that a text is in.
    fn other(&self, text: &str, min_confidence: f64) -> Option<Detected> {
        let is_other = |found: &Detected| found.language != self.expected && found.confidence >= min_confidence;
        let of_all = self.all.detect(text).filter(is_other);
        of_all.or_else(|| self.between.as_ref()?.detect(text).filter(is_other))
    }
}

/// The first rule of texts that a text or a pair breaks.
pub(super) fn broken(texts: &[&str], config: &FilterConfig, checks: &[Option<LanguageCheck>; 2]) -> Option<Rejection> {
    use FilterRule as Rule;
    let broken = |rule, measured: String| Some(Rejection { rule, measured });
    if texts.iter().any(|text| text.trim().is_empty()) {
        return Some(Rejection::of(Rule::Empty));
    }
    let counts: Vec<Counts> = texts.iter().map(|text| Counts::of(text)).collect();
    let unit = match config.unit {
        LengthUnit::Words => "words",
        LengthUnit::Characters => "characters",
    };
    let lengths = || counts.iter().map(|counts| counts.length(config.unit));
    let (shortest, longest) = (lengths().min().unwrap_or(0), lengths().max().unwrap_or(0));
    if shortest < config.min_length {
        return broken(Rule::TooShort, format!("{shortest} {unit}"));
    }
    if longest > config.max_length {
        return broken(Rule::TooLong, format!("{longest} {unit}"));
    }
    if longest as f64 > config.max_ratio * shortest as f64 {
        return broken(Rule::Ratio, format!("{longest} {unit} and {shortest}"));
    }
    if let [source, target] = texts
        && !config.identical
        && source.trim() == target.trim()
    {
        return Some(Rejection::of(Rule::Identical));
    }
    if let Some(longest) = counts.iter().map(|counts| counts.longest).max().filter(|&len| len > config.max_word) {
        return broken(Rule::LongWord, format!("{longest} characters"));
    }
    let shares = counts.iter().map(|counts| counts.letters as f64 / counts.characters.max(1) as f64);
    if let Some(share) = shares.min_by(f64::total_cmp).filter(|&share| share < config.min_letters) {
        return broken(Rule::Letters, format!("{:.0} % letters", 100.0 * share));
    }
    let other = |(text, check): (&&str, &Option<LanguageCheck>)| check.as_ref()?.other(text, config.min_confidence);
    let Detected { language, confidence } = texts.iter().zip(checks).find_map(other)?;
    broken(Rule::Language, format!("{language}, confidence {confidence:.2}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule_of(texts: &[&str], config: &FilterConfig) -> Option<FilterRule> {
        broken(texts, config, &[None, None]).map(|rejection| rejection.rule)
    }

    #[test]
    fn words_are_counted_as_they_are_written() {
        let counts = |text: &str| {
            let Counts { words, longest, characters, letters } = Counts::of(text);
            [words, longest, characters, letters]
        };
        assert_eq!(counts(" A dog - 2 cats . "), [4, 4, 11, 8]);
        assert_eq!(counts("我爱猫。"), [3, 0, 4, 3]);
        assert_eq!(counts("猫 is cat猫"), [4, 3, 7, 7]);
        assert_eq!(counts(""), [0; 4]);
    }

    #[test]
    fn each_rule_leaves_out_what_it_names_and_no_less() {
        let config = FilterConfig { max_length: 6, max_word: 9, ..FilterConfig::default() };
        for (texts, rule) in [
            (&["a dog", "ein Hund"][..], None),
            (&["a dog"], None),
            (&["", "ein Hund"], Some(FilterRule::Empty)),
            (&["a dog", " \u{a0}"], Some(FilterRule::Empty)),
            (&["...", "ein Hund"], Some(FilterRule::TooShort)),
            (&["a b c d e f", "a b c d e g"], None),
            (&["a b c d e f g", "a b c d e f"], Some(FilterRule::TooLong)),
            (&["a b c", "a"], None),
            (&["a b c d", "a"], Some(FilterRule::Ratio)),
            (&["a dog ", " a dog"], Some(FilterRule::Identical)),
            (&["Haustiere", "pets a b"], None),
            (&["Haustieren", "pets a b"], Some(FilterRule::LongWord)),
            (&["ab12", "ab"], None),
            (&["ab123", "ab"], Some(FilterRule::Letters)),
        ] {
            assert_eq!(rule_of(texts, &config), rule, "{texts:?}");
        }
        let characters = FilterConfig { unit: LengthUnit::Characters, min_length: 3, ..config.clone() };
        assert_eq!(rule_of(&["ab c", "abcd"], &characters), None);
        assert_eq!(rule_of(&["ab", "abcd"], &characters), Some(FilterRule::TooShort));
        assert_eq!(rule_of(&["a dog", "a dog"], &FilterConfig { identical: true, ..config }), None);
    }

    #[test]
    fn another_language_is_left_out_and_what_cannot_be_told_stays() {
        let [english, german] = ["en", "de"].map(|name| Language::named(name).unwrap());
        let checks = [Some(LanguageCheck::new(english, Some(german))), Some(LanguageCheck::new(german, Some(english)))];
        let config = FilterConfig { identical: true, ..FilterConfig::default() };
        let rule = |texts: &[&str]| broken(texts, &config, &checks).map(|rejection| rejection.rule);
        let [en, de, fr] = [
            "Two young people are talking to each other in front of the house.",
            "Zwei junge Leute unterhalten sich vor dem Haus miteinander.",
            "Deux jeunes gens se parlent devant la maison de leurs parents.",
        ];
        assert_eq!((rule(&[en, de]), rule(&["OK", "Tag"])), (None, None));
        for wrong in [[de, de], [en, en], [de, en], [fr, de], [en, fr]] {
            assert_eq!(rule(&wrong), Some(FilterRule::Language), "{wrong:?}");
        }
    }
}
