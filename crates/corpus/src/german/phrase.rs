//! German noun phrases and prepositional phrases.

use super::article::{self, Declension};
use super::clause::{Order, clause};
use crate::grammar::{Case, Determiner, Gender, Number, Pronoun};
use crate::lexicon::{Adjective, Noun, Preposition};
use crate::syntax::{Nominal, NounPhrase};
use crate::text::Text;

/// The numerals from zero on.
const NUMERALS: [&str; 11] = ["null", "ein", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun", "zehn"];

/// A noun phrase in `case`: *des alten Hundes*.
pub fn noun_phrase(
    determiner: Determiner,
    adjective: Option<&'static Adjective>,
    noun: &'static Noun,
    case: Case,
    number: Number,
) -> String {
    let phrase = NounPhrase { adjective, ..NounPhrase::new(determiner, noun, number) };
    phrase_text(&phrase, case).to_string()
}

/// `nominal` in `case`.
pub(super) fn nominal(nominal: &Nominal, case: Case) -> Text {
    match nominal {
        Nominal::Phrase(phrase) => phrase_text(phrase, case),
        Nominal::Name(name) if case == Case::Genitive => format!("{}s", name.name).as_str().into(),
        Nominal::Name(name) => name.name.into(),
        Nominal::Personal(pronoun) => article::personal(*pronoun, case).into(),
        Nominal::It(Gender::Masculine) => article::personal(Pronoun::He, case).into(),
        Nominal::It(Gender::Feminine) => article::personal(Pronoun::She, case).into(),
        Nominal::It(Gender::Neuter) | Nominal::There(_) => article::personal(Pronoun::It, case).into(),
        Nominal::Who => match case {
            Case::Nominative => "wer",
            Case::Accusative => "wen",
            Case::Dative => "wem",
            Case::Genitive => "wessen",
        }
        .into(),
        Nominal::What => "was".into(),
        Nominal::Relative { gender, number, .. } => article::relative(case, *gender, *number).into(),
        Nominal::And(first, second) => {
            let mut text = self::nominal(first, case);
            text.push("und");
            text.append(self::nominal(second, case));
            text
        }
    }
}

/// `nominal` after `preposition`, contracted where German does so: *im Garten*, *zur Schule*.
pub(super) fn prepositional(preposition: &Preposition, nominal: &Nominal) -> Text {
    let phrase = self::nominal(nominal, preposition.case);
    // A restrictive relative clause keeps the article whole: *in dem Haus, das …*.
    let contracts =
        matches!(nominal, Nominal::Phrase(NounPhrase { determiner: Determiner::Definite, relative: None, .. }));
    let contracted = match (preposition.german, phrase.first()) {
        ("in", "dem") => "im",
        ("in", "das") => "ins",
        ("an", "dem") => "am",
        ("an", "das") => "ans",
        ("von", "dem") => "vom",
        ("zu", "dem") => "zum",
        ("zu", "der") => "zur",
        _ => "",
    };
    if contracts && !contracted.is_empty() {
        phrase.with_first(contracted)
    } else {
        let mut text = Text::from(preposition.german);
        text.append(phrase);
        text
    }
}

fn phrase_text(phrase: &NounPhrase, case: Case) -> Text {
    let (gender, number) = (phrase.noun.gender(), phrase.number);
    let mut text = Text::default();
    // A name is before the noun that it owns and replaces the article; other owners are after it.
    let owner = phrase.owner.as_deref();
    let declension = match owner {
        Some(name @ Nominal::Name(_)) => {
            text.append(nominal(name, Case::Genitive));
            Declension::Strong
        }
        _ => {
            let (word, declension) = determiner(phrase, case);
            text.push(&word);
            declension
        }
    };
    if let Some(adjective) = phrase.adjective {
        text.push(&article::adjective(adjective.german, declension, case, gender, number));
    }
    text.push(&phrase.noun.german(case, number));
    if let Some(owner) = owner.filter(|owner| !matches!(owner, Nominal::Name(_))) {
        text.append(nominal(owner, Case::Genitive));
    }
    if let Some(relative) = &phrase.relative {
        text.comma();
        text.append(clause(relative, Order::Final));
        text.comma();
    }
    text
}

fn determiner(phrase: &NounPhrase, case: Case) -> (String, Declension) {
    let (gender, number) = (phrase.noun.gender(), phrase.number);
    let strong = |stem: &str| format!("{stem}{}", article::strong_ending(case, gender, number));
    let ein = |stem: &str| format!("{stem}{}", article::ein_ending(case, gender, number));
    match phrase.determiner {
        Determiner::Definite | Determiner::Means => {
            (article::definite(case, gender, number).to_string(), Declension::Weak)
        }
        Determiner::Indefinite if number == Number::Plural || phrase.noun.is_mass() => {
            (String::new(), Declension::Strong)
        }
        Determiner::Indefinite => (ein("ein"), Declension::Mixed),
        Determiner::No => (ein("kein"), Declension::Mixed),
        Determiner::Possessive(owner) => (ein(article::possessive(owner)), Declension::Mixed),
        Determiner::This => (strong("dies"), Declension::Weak),
        Determiner::Every => (strong("jed"), Declension::Weak),
        Determiner::Which => (strong("welch"), Declension::Weak),
        Determiner::All => (strong("all"), Declension::Weak),
        Determiner::Many => (strong("viel"), Declension::Strong),
        Determiner::Some => (strong("einig"), Declension::Strong),
        Determiner::HowMany => (strong("wie viel"), Declension::Strong),
        Determiner::Numeral(count) => (NUMERALS[count].to_string(), Declension::Strong),
        Determiner::Whose(gender, number) => {
            (article::relative(Case::Genitive, gender, number).to_string(), Declension::Strong)
        }
    }
}
