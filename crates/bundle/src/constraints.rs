//! What translations are held to.

use std::{collections::BTreeSet, str::FromStr};

use attentive_core::TokenId;
use attentive_decode::{Diversity, Phrase, Spelling, Typed, has_words};
use attentive_tokenizer::Tokenizer;
use unicode_normalization::UnicodeNormalization;

use crate::TranslateError;

/// What translations are held to, in words; by default nothing. It is followed by
/// [`Search::Constrained`](crate::Search::Constrained).
///
/// Words are whole where letters of scripts with spaces end: "Haus" is in "Haus-Tür" and not in "Haustür".
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TranslationConstraints {
    /// Phrases that every translation must have, in any order.
    pub required: Vec<String>,
    /// Terms that the translation must have where the source has them.
    pub terms: Vec<Term>,
    /// Phrases that no translation has, however they are cut into tokens.
    pub forbidden: Vec<String>,
    /// β: prefixes are preferred and not forced, as [`Constraints::prefix_bias`](attentive_decode::Constraints::prefix_bias) says.
    pub prefix_bias: Option<f64>,
    /// Whether the last word of a prefix, which no white space follows, may be the beginning of a longer one.
    pub completes: bool,
    /// Whether translations are those that go on with each of the most probable tokens after the prefix, as
    /// [`alternatives`](attentive_decode::alternatives) says.
    pub alternatives: bool,
    /// Groups of the beam that keep apart.
    pub diversity: Diversity,
    /// β of the coverage penalty (Wu et al. 2016), as
    /// [`Constraints::coverage_penalty`](attentive_decode::Constraints::coverage_penalty) says; 0 for none.
    pub coverage_penalty: f64,
}

/// A phrase of sources, and what it is translated by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// As [`comparable`] has it.
    source: String,
    target: String,
}

impl Term {
    /// Words of a source, in any form of their letters and spaces, and those that its translation must have.
    pub fn new(source: &str, target: &str) -> Self {
        Self { source: comparable(source), target: target.to_owned() }
    }
}

/// A line of terms that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a line of terms is words of the source, a tab, and the words of their translation")]
pub struct BadTerm;

impl FromStr for Term {
    type Err = BadTerm;

    /// Words of the source, a tab, and the words of the translation.
    fn from_str(line: &str) -> Result<Self, BadTerm> {
        let (source, target) = line.split_once('\t').ok_or(BadTerm)?;
        let (source, target) = (source.trim(), target.trim());
        let is_bad = source.is_empty() || target.is_empty() || target.contains('\t');
        if is_bad { Err(BadTerm) } else { Ok(Self::new(source, target)) }
    }
}

/// A text as the words of terms are looked for in it: with one form of each letter, and one space where there is white space.
fn comparable(text: &str) -> String {
    let text: String = text.nfc().collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl TranslationConstraints {
    /// The phrases that the translation of `source` must have, each once.
    pub fn required_of<'a>(&'a self, source: &str) -> Vec<&'a str> {
        let source = comparable(source);
        let is_there = |term: &&Term| has_words(&source, &term.source);
        let terms = self.terms.iter().filter(is_there).map(|term| &term.target);
        let mut required: Vec<&str> = Vec::new();
        for phrase in self.required.iter().chain(terms) {
            if !required.contains(&phrase.as_str()) {
                required.push(phrase);
            }
        }
        required
    }

    /// The phrases of [`required_of`](Self::required_of) that a translation lacks: they had no room, or nothing could lead
    /// to them, or the source is blank, and so is its translation.
    pub fn unmet<'a>(&'a self, tokenizer: &dyn Tokenizer, source: &str, translation: &str) -> Vec<&'a str> {
        let mut required = self.required_of(source);
        let translation = comparable(translation);
        required.retain(|phrase| !has_words(&translation, &comparable(&as_written(tokenizer, phrase))));
        required
    }

    /// Checks the constraints against a vocabulary.
    ///
    /// # Errors
    /// [`TranslateError::Unwritable`] or [`TranslateError::Contradiction`].
    pub(crate) fn validate(&self, tokenizer: &dyn Tokenizer) -> Result<(), TranslateError> {
        let forbidden: Vec<String> = self.forbidden.iter().map(|phrase| comparable(phrase)).collect();
        for phrase in self.required.iter().chain(self.terms.iter().map(|term| &term.target)) {
            let ids = tokenizer.encode_target(phrase);
            if ids.is_empty() || phrase.trim().is_empty() || has_unknown(tokenizer, &ids) {
                return Err(TranslateError::Unwritable { phrase: phrase.clone() });
            }
            let required = comparable(phrase);
            if let Some(at) = forbidden.iter().position(|forbidden| has_words(&required, forbidden)) {
                let (required, forbidden) = (phrase.clone(), self.forbidden[at].clone());
                return Err(TranslateError::Contradiction { required, forbidden });
            }
        }
        let is_blank = |phrase: &&String| phrase.trim().is_empty();
        match self.forbidden.iter().chain(self.terms.iter().map(|term| &term.source)).find(is_blank) {
            Some(phrase) => Err(TranslateError::Unwritable { phrase: phrase.clone() }),
            None => Ok(()),
        }
    }

    /// Checks that no forbidden phrase is in the forced tokens of prefixes.
    ///
    /// # Errors
    /// [`TranslateError::Contradiction`].
    pub(crate) fn validate_prefixes(
        &self,
        tokenizer: &dyn Tokenizer,
        prefixes: &[Vec<TokenId>],
    ) -> Result<(), TranslateError> {
        if self.prefix_bias.is_some() || self.forbidden.is_empty() {
            return Ok(());
        }
        let written: Vec<_> = self.forbidden.iter().map(|phrase| spellings(tokenizer, phrase)).collect();
        for prefix in prefixes {
            let required = tokenizer.decode(prefix).unwrap_or_default();
            let is_there = |phrase: &BTreeSet<String>| phrase.iter().any(|text| has_words(&required, text));
            if let Some(at) = written.iter().position(is_there) {
                return Err(TranslateError::Contradiction { required, forbidden: self.forbidden[at].clone() });
            }
        }
        Ok(())
    }

    /// Whether words decide on tokens.
    pub(crate) fn needs_spelling(&self, typed: &[Typed]) -> bool {
        let is_required = !self.required.is_empty() || !self.terms.is_empty();
        is_required || !self.forbidden.is_empty() || typed.iter().any(|typed| !typed.text.is_empty())
    }

    /// The phrases that the translation of `source` must have, as tokens.
    pub(crate) fn phrases_of(&self, tokenizer: &dyn Tokenizer, source: &str) -> Vec<Phrase> {
        self.required_of(source).into_iter().map(|phrase| forms(tokenizer, phrase)).collect()
    }

    /// The phrases that no translation has, in every spelling of the tokenizer.
    pub(crate) fn forbidden(&self, tokenizer: &dyn Tokenizer) -> Vec<String> {
        self.forbidden.iter().flat_map(|phrase| spellings(tokenizer, phrase)).collect()
    }

    /// The tokens of the whole words of a prefix, and the word after them that is not finished.
    ///
    /// # Errors
    /// [`TranslateError::Unwritable`].
    pub(crate) fn prefix(
        &self,
        tokenizer: &dyn Tokenizer,
        prefix: &str,
    ) -> Result<(Vec<TokenId>, Typed), TranslateError> {
        let start =
            if self.completes { prefix.trim_end_matches(|c: char| !c.is_whitespace()).len() } else { prefix.len() };
        let (whole, word) = prefix.split_at(start);
        let tokens = tokenizer.encode_target(whole.trim_end());
        if has_unknown(tokenizer, &tokens) {
            return Err(TranslateError::Unwritable { phrase: prefix.to_owned() });
        }
        let written = as_written(tokenizer, word);
        // Some tokenizers have no capitals, for example, or spaces beside marks.
        let n_letters = written.chars().filter(|c| !c.is_whitespace()).count();
        let text = if n_letters == word.chars().count() { written } else { word.to_owned() };
        let typed = Typed { n_before: tokens.len(), text };
        Ok((tokens, typed))
    }
}

/// Typed words as tokens spell them: at the beginning of a text, some tokenizers write a space that texts do not show.
///
/// # Errors
/// [`TranslateError::Unwritable`].
pub(crate) fn as_spelled(
    typed: &[Typed],
    spelling: &Spelling,
    tokenizer: &dyn Tokenizer,
) -> Result<Vec<Typed>, TranslateError> {
    let spelled = |Typed { n_before, text }: &Typed| {
        if !spelling.can_write(text) {
            return Err(TranslateError::Unwritable { phrase: text.clone() });
        }
        let first = tokenizer.encode_target(text).first().copied().filter(|_| *n_before == 0);
        let space = if first.is_some_and(|id| spelling.begins_with_space(id)) { " " } else { "" };
        Ok(Typed { n_before: *n_before, text: format!("{space}{text}") })
    };
    typed.iter().map(spelled).collect()
}

/// A phrase at the beginning of a text, and after a word.
fn forms(tokenizer: &dyn Tokenizer, phrase: &str) -> Phrase {
    const WORD: &str = "a";
    let first = tokenizer.encode_target(phrase);
    let (word, both) = (tokenizer.encode_target(WORD), tokenizer.encode_target(&format!("{WORD} {phrase}")));
    let after = both.strip_prefix(&word[..]).filter(|after| !after.is_empty() && **after != first[..]);
    Phrase { forms: std::iter::once(first.clone()).chain(after.map(<[TokenId]>::to_vec)).collect() }
}

/// Whether tokens are of a text with characters that the vocabulary lacks.
fn has_unknown(tokenizer: &dyn Tokenizer, ids: &[TokenId]) -> bool {
    tokenizer.specials().unk.is_some_and(|unk| ids.contains(&unk))
}

/// Words as they are in texts of the tokenizer, which may normalise them; as they are given, if it can't write them.
fn as_written(tokenizer: &dyn Tokenizer, phrase: &str) -> String {
    let ids = tokenizer.encode_target(phrase);
    let text = if has_unknown(tokenizer, &ids) { String::new() } else { tokenizer.decode(&ids).unwrap_or_default() };
    let text = text.trim();
    if text.is_empty() { phrase.trim().to_owned() } else { text.to_owned() }
}

/// A phrase as the tokenizer writes it, with its letters composed and decomposed: some keep both forms.
fn spellings(tokenizer: &dyn Tokenizer, phrase: &str) -> BTreeSet<String> {
    let forms = BTreeSet::from([phrase.to_owned(), phrase.nfc().collect(), phrase.nfd().collect()]);
    forms.iter().map(|form| as_written(tokenizer, form)).collect()
}
