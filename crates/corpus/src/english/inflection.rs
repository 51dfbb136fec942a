//! English word forms.

use crate::grammar::{Number, Pronoun, Tense};

/// The forms of an English verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EnglishVerb {
    /// *take*
    pub infinitive: &'static str,
    past: &'static str,
    /// *taken*
    pub participle: &'static str,
    /// *taking*
    pub gerund: &'static str,
    /// *off*, or nothing.
    pub particle: &'static str,
}

impl EnglishVerb {
    /// Reads the four principal parts and the particle.
    pub(crate) fn parse(line: &'static str) -> Self {
        let mut parts = line.splitn(5, ' ');
        let mut next = || parts.next().unwrap_or_default();
        Self { infinitive: next(), past: next(), participle: next(), gerund: next(), particle: next() }
    }

    /// Whether it is *be*, which needs no *do*.
    pub fn is_be(self) -> bool {
        self.infinitive == "be"
    }

    /// The finite form.
    pub fn finite(self, tense: Tense, subject: Pronoun) -> String {
        if self.is_be() {
            return be(tense, subject).to_string();
        }
        match tense {
            Tense::Past => self.past.to_string(),
            Tense::Present if is_third_singular(subject) => match self.infinitive {
                "have" => "has".to_string(),
                verb => with_s(verb),
            },
            Tense::Present => self.infinitive.to_string(),
        }
    }
}

/// The form of *be*.
pub fn be(tense: Tense, subject: Pronoun) -> &'static str {
    use Pronoun::{He, I, It, She, They, We, You};
    match (tense, subject) {
        (Tense::Present, I) => "am",
        (Tense::Present, He | She | It) => "is",
        (Tense::Past, I | He | She | It) => "was",
        (Tense::Present, You | We | They) => "are",
        (Tense::Past, You | We | They) => "were",
    }
}

/// Whether the subject takes a verb in *-s*.
pub fn is_third_singular(subject: Pronoun) -> bool {
    matches!(subject, Pronoun::He | Pronoun::She | Pronoun::It)
}

/// `word` with the *-s* of a plural or a third person.
pub fn with_s(word: &str) -> String {
    let vowel_before_last = word.chars().rev().nth(1).is_some_and(is_vowel);
    if ["s", "x", "z", "ch", "sh", "o"].iter().any(|end| word.ends_with(end)) && !vowel_before_last_o(word) {
        format!("{word}es")
    } else if let (Some(stem), false) = (word.strip_suffix('y'), vowel_before_last) {
        format!("{stem}ies")
    } else {
        format!("{word}s")
    }
}

/// Radios, not radioes.
fn vowel_before_last_o(word: &str) -> bool {
    word.ends_with('o') && word.chars().rev().nth(1).is_some_and(is_vowel)
}

fn is_vowel(letter: char) -> bool {
    "aeiou".contains(letter)
}

/// *a* or *an*, by the sound that `next` begins with.
pub fn indefinite_article(next: &str) -> &'static str {
    let vowel = next.chars().next().is_some_and(|first| is_vowel(first.to_ascii_lowercase()));
    if vowel && !next.starts_with("uni") && !next.starts_with("use") { "an" } else { "a" }
}

/// The personal pronoun, as a subject or as an object.
pub fn personal(pronoun: Pronoun, subject: bool) -> &'static str {
    match (pronoun, subject) {
        (Pronoun::I, true) => "I",
        (Pronoun::I, false) => "me",
        (Pronoun::You, _) => "you",
        (Pronoun::He, true) => "he",
        (Pronoun::He, false) => "him",
        (Pronoun::She, true) => "she",
        (Pronoun::She, false) => "her",
        (Pronoun::It, _) => "it",
        (Pronoun::We, true) => "we",
        (Pronoun::We, false) => "us",
        (Pronoun::They, true) => "they",
        (Pronoun::They, false) => "them",
    }
}

/// *my*, *your*, ...
pub fn possessive(owner: Pronoun) -> &'static str {
    match owner {
        Pronoun::I => "my",
        Pronoun::You => "your",
        Pronoun::He => "his",
        Pronoun::She => "her",
        Pronoun::It => "its",
        Pronoun::We => "our",
        Pronoun::They => "their",
    }
}

/// *this* or *these*.
pub fn this(number: Number) -> &'static str {
    match number {
        Number::Singular => "this",
        Number::Plural => "these",
    }
}
