//! Reasons why something is done or not: the weather, feelings, properties of a thing.

use crate::grammar::{Number, Pronoun, Tense};
use crate::lexicon::adjectives::adjective_named;
use crate::lexicon::kinds::*;
use crate::lexicon::verbs::{BE, RAIN, SNOW};
use crate::speaker::{Moment, Speaker, refer};
use crate::syntax::{Clause, Complement, Degree, Form, Nominal};

/// A hindrance of `subject`: the weather, or a weakness, in which it is named `who`.
pub(super) fn obstacle(speaker: &mut Speaker, subject: &Nominal, who: Option<Nominal>, tense: Tense) -> Clause {
    match who {
        Some(who) if is_animate(subject) && speaker.rng.chance(75) => {
            let moods = ["tired", "sick", "weak", "nervous", "angry", "lazy", "hungry", "thirsty"];
            state(speaker, who, &moods, tense)
        }
        _ => weather(speaker, tense),
    }
}

/// *it was raining*
fn weather(speaker: &mut Speaker, tense: Tense) -> Clause {
    let verb = speaker.rng.pick(&[&RAIN, &SNOW]);
    Clause::new(Nominal::Personal(Pronoun::It), verb, Form::Progressive(tense))
}

/// *it rains*
pub(super) fn weather_in_general(speaker: &mut Speaker) -> Clause {
    Clause { form: Form::Simple(Tense::Present), ..weather(speaker, Tense::Present) }
}

/// *he was very tired*
pub(super) fn state(speaker: &mut Speaker, who: Nominal, moods: &[&str], tense: Tense) -> Clause {
    let mood = adjective_named(speaker.rng.pick(moods));
    let degree = if speaker.rng.chance(70) { Degree::Plain } else { Degree::Very };
    Clause::new(who, &BE, Form::Simple(tense)).with(Complement::Adjective(degree, mood))
}

/// Whether `nominal` is a living being.
pub(super) fn is_animate(nominal: &Nominal) -> bool {
    match nominal {
        Nominal::Phrase(phrase) => phrase.noun.is(ANIMATE),
        Nominal::And(..) | Nominal::Name(_) | Nominal::Personal(_) => true,
        _ => false,
    }
}

/// Whether `nominal` is human.
pub(super) fn is_person(nominal: &Nominal) -> bool {
    match nominal {
        Nominal::Phrase(phrase) => phrase.noun.is(PERSON),
        _ => is_animate(nominal),
    }
}

/// *because it was too old*, said of a thing that a person acted on.
pub(super) fn quality_of_object(speaker: &mut Speaker, main: &Clause, moment: Moment, most: Degree) -> Option<Clause> {
    let object = main.complements.iter().find_map(|complement| match complement {
        Complement::Accusative(Nominal::Phrase(phrase)) if !phrase.noun.is(PERSON) => Some(phrase),
        _ => None,
    })?;
    if object.adjective.is_some() {
        return None;
    }
    // With another thing in the sentence, *it* and *they* would not be clear.
    if matches!(main.subject.agreement(), Pronoun::They | Pronoun::It) && !is_single_person(&main.subject) {
        return None;
    }
    let pronoun = refer(&Nominal::Phrase(object.clone()))?;
    let adjective = speaker.adjective(object.noun).filter(|adjective| adjective.gradable)?;
    let degree = if speaker.rng.chance(50) { most } else { Degree::Plain };
    Some(Clause::new(pronoun, &BE, Form::Simple(tense(moment))).with(Complement::Adjective(degree, adjective)))
}

fn is_single_person(nominal: &Nominal) -> bool {
    matches!(nominal, Nominal::Phrase(phrase) if phrase.noun.is(PERSON) && phrase.number == Number::Singular)
}

/// Makes the object known: not *kein Auto, weil es alt war*, since only a known thing can be described.
pub(super) fn define(complement: &mut Complement) {
    if let Complement::Accusative(object) = complement {
        object.define();
    }
}

/// The tense of a circumstance of `moment`.
pub(super) fn tense(moment: Moment) -> Tense {
    if moment == Moment::Past { Tense::Past } else { Tense::Present }
}
