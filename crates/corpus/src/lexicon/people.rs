//! Names and professions.

use crate::grammar::Pronoun;

/// A first name, the same in both languages.
#[derive(Debug, PartialEq, Eq)]
pub struct Name {
    /// The name; none ends in an s, so that its German genitive is plain.
    pub name: &'static str,
    /// Its gender.
    pub pronoun: Pronoun,
}

const fn name(name: &'static str, pronoun: Pronoun) -> Name {
    Name { name, pronoun }
}

/// The names.
pub static NAMES: &[Name] = &[
    name("Anna", Pronoun::She),
    name("Julia", Pronoun::She),
    name("Lena", Pronoun::She),
    name("Maria", Pronoun::She),
    name("Sophie", Pronoun::She),
    name("David", Pronoun::He),
    name("Martin", Pronoun::He),
    name("Paul", Pronoun::He),
    name("Peter", Pronoun::He),
    name("Simon", Pronoun::He),
];

/// A profession: English has one word, German one for men and one for women, and no article before either.
#[derive(Debug, PartialEq, Eq)]
pub struct Profession {
    /// The English word.
    pub english: &'static str,
    /// The German word for a man.
    pub he: &'static str,
    /// The German word for a woman.
    pub she: &'static str,
}

const fn profession(english: &'static str, he: &'static str, she: &'static str) -> Profession {
    Profession { english, he, she }
}

/// The professions.
pub static PROFESSIONS: &[Profession] = &[
    profession("teacher", "Lehrer", "Lehrerin"),
    profession("doctor", "Arzt", "Ärztin"),
    profession("student", "Student", "Studentin"),
    profession("baker", "Bäcker", "Bäckerin"),
    profession("farmer", "Bauer", "Bäuerin"),
    profession("chef", "Koch", "Köchin"),
    profession("artist", "Künstler", "Künstlerin"),
    profession("gardener", "Gärtner", "Gärtnerin"),
    profession("lawyer", "Anwalt", "Anwältin"),
    profession("pilot", "Pilot", "Pilotin"),
    profession("dentist", "Zahnarzt", "Zahnärztin"),
    profession("journalist", "Journalist", "Journalistin"),
];
