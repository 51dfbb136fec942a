//! English noun phrases.

use super::clause::clause;
use super::inflection::{self, indefinite_article};
use crate::grammar::{Determiner, Number};
use crate::lexicon::{Adjective, Noun, kinds};
use crate::syntax::{Nominal, NounPhrase};
use crate::text::Text;

/// The numerals from zero on.
const NUMERALS: [&str; 11] = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];

/// A noun phrase: *the old dogs*, *an old dog*.
pub fn noun_phrase(
    determiner: Determiner,
    adjective: Option<&'static Adjective>,
    noun: &'static Noun,
    number: Number,
) -> String {
    phrase_text(&NounPhrase { adjective, ..NounPhrase::new(determiner, noun, number) }).to_string()
}

/// The role of a nominal in its clause.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Subject,
    Object,
    /// After a preposition.
    Governed,
}

pub(super) fn nominal(nominal: &Nominal, role: Role) -> Text {
    match nominal {
        Nominal::Phrase(phrase) => phrase_text(phrase),
        Nominal::Name(name) => name.name.into(),
        Nominal::Personal(pronoun) => inflection::personal(*pronoun, role == Role::Subject).into(),
        Nominal::It(_) => "it".into(),
        Nominal::There(_) => "there".into(),
        Nominal::Who | Nominal::Relative { person: true, .. } if role == Role::Subject => "who".into(),
        Nominal::Who | Nominal::Relative { person: true, .. } => "whom".into(),
        Nominal::What => "what".into(),
        Nominal::Relative { .. } if role == Role::Governed => "which".into(),
        Nominal::Relative { .. } => "that".into(),
        Nominal::And(first, second) => {
            let mut text = self::nominal(first, role);
            text.push("and");
            text.append(self::nominal(second, role));
            text
        }
    }
}

fn phrase_text(phrase: &NounPhrase) -> Text {
    let mut noun = Text::default();
    noun.push(phrase.adjective.map_or("", |adjective| adjective.english));
    noun.push(&phrase.noun.english(phrase.number));
    let owner = phrase.owner.as_deref();
    let (owner_before, owner_behind) = match owner {
        Some(Nominal::Phrase(owner)) if !owner.noun.is(kinds::ANIMATE) => (None, Some(owner)),
        owner => (owner, None),
    };
    let mut text = match owner_before {
        Some(owner) => nominal(owner, Role::Subject).with_suffix("'s"),
        None => determiner(phrase, noun.first()).as_str().into(),
    };
    text.append(noun);
    if let Some(owner) = owner_behind {
        text.push("of");
        text.append(phrase_text(owner));
    }
    if let Some(relative) = &phrase.relative {
        text.append(clause(relative));
    }
    text
}

fn determiner(phrase: &NounPhrase, next: &str) -> String {
    match phrase.determiner {
        Determiner::Definite => "the",
        Determiner::Indefinite if phrase.number == Number::Plural || phrase.noun.is_mass() => "",
        Determiner::Indefinite => indefinite_article(next),
        Determiner::Means => "",
        Determiner::No => "no",
        Determiner::Possessive(owner) => inflection::possessive(owner),
        Determiner::This => inflection::this(phrase.number),
        Determiner::Every => "every",
        Determiner::Which => "which",
        Determiner::Many => "many",
        Determiner::Some => "some",
        Determiner::All => "all",
        Determiner::HowMany => "how many",
        Determiner::Numeral(count) => NUMERALS[count],
        Determiner::Whose(..) => "whose",
    }
    .to_string()
}
