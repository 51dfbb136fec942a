//! The rules of a filter.

use serde::{Deserialize, Serialize};

use crate::{DataError, Language};

/// What lengths of texts are counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LengthUnit {
    /// Words between white space, those of marks alone not counted; in Han, kana, Thai, Lao, Burmese and Khmer, which are
    /// written without spaces, each letter is one.
    Words,
    /// Characters other than white space.
    Characters,
}

/// Which lines are one line that is there again. The first stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Duplicates {
    /// None: all stay.
    Keep,
    /// Those with both sides the same.
    Pair,
    /// Those with the same source.
    Source,
    /// Those with the same target.
    Target,
    /// Those with the same source or the same target.
    Either,
}

/// Rules by which lines are left out of a corpus, and their usual limits.
///
/// The limits on ratio, words and letters are of the kind of OpusFilter's (Aulamo et al. 2020, "OpusFilter: A Configurable
/// Parallel Corpus Filtering Toolbox").
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FilterConfig {
    /// What the lengths below are counted in.
    pub unit: LengthUnit,
    /// The shortest side.
    pub min_length: usize,
    /// The longest side.
    pub max_length: usize,
    /// How many times as long as the other a side may be.
    pub max_ratio: f64,
    /// Characters of the longest word.
    pub max_word: usize,
    /// The least share of letters among the characters of a side that are not white space.
    pub min_letters: f64,
    /// Whether pairs stay whose sides are the same.
    pub identical: bool,
    /// Which lines are there again.
    pub duplicates: Duplicates,
    /// MiB of a Bloom filter that remembers lines, in place of their hashes; 0 for hashes. Hashes take 16 bytes each, and 19
    /// to 39 in their table.
    pub bloom_mib: usize,
    /// The language of sources, or of a text; not looked at without it.
    pub source_language: Option<String>,
    /// The language of targets.
    pub target_language: Option<String>,
    /// How sure it must be that a side is in another language: from 0 to 1. What can't be told stays.
    pub min_confidence: f64,
    /// The longest line that is read, in bytes.
    pub max_bytes: usize,
}

impl Default for FilterConfig {
    fn default() -> Self {
        Self {
            unit: LengthUnit::Words,
            min_length: 1,
            max_length: 200,
            max_ratio: 3.0,
            max_word: 40,
            min_letters: 0.5,
            identical: false,
            duplicates: Duplicates::Pair,
            bloom_mib: 0,
            source_language: None,
            target_language: None,
            min_confidence: 0.5,
            max_bytes: 1 << 16,
        }
    }
}

impl FilterConfig {
    /// The settings, and what each may be.
    pub const SETTINGS: [(&str, &str); 13] = [
        ("unit", "one of: words, characters"),
        ("min_length", "an integer of at least 0"),
        ("max_length", "an integer of at least 0"),
        ("max_ratio", "a number"),
        ("max_word", "an integer of at least 0"),
        ("min_letters", "a number"),
        ("identical", "true or false"),
        ("duplicates", "one of: keep, pair, source, target, either"),
        ("bloom_mib", "an integer of at least 0"),
        ("source_language", "a string"),
        ("target_language", "a string"),
        ("min_confidence", "a number"),
        ("max_bytes", "an integer of at least 0"),
    ];

    /// Checks the settings.
    ///
    /// # Errors
    /// [`DataError::Setting`], [`DataError::Number`] and [`DataError::Language`].
    pub fn validate(&self) -> Result<(), DataError> {
        let number = |key, value: f64, is_right: bool, expected| {
            if is_right { Ok(()) } else { Err(DataError::Number { key, value, expected }) }
        };
        let size = |key, value: usize, is_right: bool, expected| {
            if is_right { Ok(()) } else { Err(DataError::Setting { key, value, expected }) }
        };
        let share = |value: f64| (0.0..=1.0).contains(&value);
        size("max_length", self.max_length, self.max_length >= self.min_length, "at least min_length")?;
        number("max_ratio", self.max_ratio, self.max_ratio >= 1.0, "at least 1")?;
        size("max_word", self.max_word, self.max_word > 0, "above 0")?;
        number("min_letters", self.min_letters, share(self.min_letters), "from 0 to 1")?;
        size("bloom_mib", self.bloom_mib, self.bloom_mib <= 1 << 20, "at most 1048576")?;
        number("min_confidence", self.min_confidence, share(self.min_confidence), "from 0 to 1")?;
        size("max_bytes", self.max_bytes, (1..=1 << 24).contains(&self.max_bytes), "from 1 to 16777216")?;
        self.languages().map(drop)
    }

    /// The languages that sides are to be in.
    pub(super) fn languages(&self) -> Result<[Option<Language>; 2], DataError> {
        let read = |name: &Option<String>| match name {
            None => Ok(None),
            Some(name) => Language::named(name).map(Some).ok_or_else(|| DataError::Language { name: name.clone() }),
        };
        Ok([read(&self.source_language)?, read(&self.target_language)?])
    }
}
