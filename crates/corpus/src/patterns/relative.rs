//! Relative clauses.

use super::Draft;
use crate::grammar::{Determiner, Number, Tense};
use crate::lexicon::kinds::*;
use crate::lexicon::verbs::BE;
use crate::lexicon::{Frame, Noun, VERBS, Verb};
use crate::speaker::{Moment, Speaker};
use crate::syntax::{Clause, Complement, Form, Nominal, NounPhrase};

/// *The man who bought the car is rich.*
pub(super) fn relative(speaker: &mut Speaker) -> Draft {
    loop {
        let number = speaker.rng.weighted(&[(85, Number::Singular), (15, Number::Plural)]);
        let drawn = if speaker.rng.chance(15) { whose(speaker, number) } else { gap(speaker, number) };
        let Some((noun, inner)) = drawn else { continue };
        let mut phrase = NounPhrase::new(Determiner::Definite, noun, number);
        phrase.relative = Some(Box::new(inner));
        let nominal = Nominal::Phrase(phrase);
        let takes = |verb: &Verb| {
            verb.german().prefix.is_empty() && matches!(verb.frame, Frame::Accusative(kinds) if noun.is(kinds))
        };
        if speaker.rng.chance(45) && VERBS.iter().any(takes) {
            let verb = speaker.verb(takes);
            let (subject, form) = (speaker.person(false), speaker.form(verb, Moment::Past));
            return Draft::statement(Clause::new(subject, verb, form).with(Complement::Accusative(nominal)));
        }
        if let Some(predicate) = speaker.predicate(noun) {
            let tense = speaker.rng.pick(&[Tense::Present, Tense::Past]);
            return Draft::statement(Clause::new(nominal, &BE, Form::Simple(tense)).with(predicate));
        }
    }
}

/// A clause with a relative pronoun for its subject or one of its complements, and the noun that it describes.
fn gap(speaker: &mut Speaker, number: Number) -> Option<(&'static Noun, Clause)> {
    let mut clause = speaker.event(Moment::Past);
    let complements = clause.complements.iter_mut().rev().filter_map(|complement| match complement {
        Complement::Accusative(object) | Complement::Dative(object, _) | Complement::Prepositional(_, object) => {
            Some(object)
        }
        _ => None,
    });
    let of_subject = speaker.rng.chance(40);
    let nominals = std::iter::once(&mut clause.subject).filter(|_| of_subject).chain(complements);
    let mut nominals = nominals.filter(|nominal| matches!(nominal, Nominal::Phrase(phrase) if !phrase.noun.is_mass()));
    let nominal = nominals.next()?;
    let Nominal::Phrase(phrase) = &*nominal else {
        return None;
    };
    let noun = phrase.noun;
    *nominal = Nominal::Relative { gender: noun.gender(), number, person: noun.is(PERSON) };
    Some((noun, clause))
}

/// *whose dog was sick*
fn whose(speaker: &mut Speaker, number: Number) -> Option<(&'static Noun, Clause)> {
    let noun = speaker.noun(PERSON);
    let owned = speaker.noun(FAMILY | PET | WHEELED);
    let predicate = speaker.predicate(owned)?;
    let determiner = Determiner::Whose(noun.gender(), number);
    let subject = Nominal::Phrase(NounPhrase::new(determiner, owned, Number::Singular));
    Some((noun, Clause::new(subject, &BE, Form::Simple(Tense::Past)).with(predicate)))
}
