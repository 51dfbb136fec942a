//! Clauses that are the object of a verb.

use super::Draft;
use super::circumstance::tense;
use crate::grammar::{Determiner, Number};
use crate::lexicon::kinds::*;
use crate::lexicon::verbs::{BE, DRIVE, GO};
use crate::lexicon::{Aspect, Frame};
use crate::speaker::{Moment, Speaker};
use crate::syntax::{Clause, Complement, Form, Nominal, NounPhrase};

/// *The man said that the woman had bought a car.*
pub(super) fn reported(speaker: &mut Speaker) -> Draft {
    let verb = speaker.verb(|verb| verb.frame == Frame::That);
    let past = verb.aspect != Aspect::State || speaker.rng.chance(40);
    let (moment, inner) = if past {
        (Moment::Past, speaker.rng.pick(&[Moment::Past, Moment::Past, Moment::Pluperfect]))
    } else {
        (Moment::Habit, speaker.rng.pick(&[Moment::Past, Moment::Perfect, Moment::Future, Moment::Modal]))
    };
    let mut inner = if speaker.rng.chance(25) {
        let subject = speaker.noun(VISIBLE);
        match speaker.predicate(subject) {
            Some(predicate) => {
                let subject = NounPhrase::new(Determiner::Definite, subject, Number::Singular);
                Clause::new(Nominal::Phrase(subject), &BE, Form::Simple(tense(moment))).with(predicate)
            }
            None => speaker.event(inner),
        }
    } else {
        speaker.event(inner)
    };
    if speaker.rng.chance(12) {
        inner = inner.denied();
    }
    let clause = speaker.clause(verb, moment).with(Complement::That(Box::new(inner)));
    Draft::statement(clause)
}

/// *The man tried to open the door.* *She went to the market to buy apples.*
pub(super) fn infinitive(speaker: &mut Speaker) -> Draft {
    let purpose = speaker.rng.chance(45);
    let verb = speaker.verb(|verb| match verb.frame {
        Frame::Infinitive => !purpose,
        Frame::Motion(directions) => purpose && [GO, DRIVE].contains(&directions),
        _ => false,
    });
    let subject = speaker.person(false);
    let inner = speaker.verb(|verb| {
        verb.subject & PERSON != 0
            && match verb.frame {
                Frame::Accusative(_) | Frame::Dative(_) => verb.errand || (!purpose && verb.aspect == Aspect::Event),
                Frame::Giving(_) | Frame::Prepositional(..) | Frame::Moving(_) => {
                    !purpose && verb.aspect == Aspect::Event
                }
                _ => false,
            }
    });
    let moment = if !purpose && speaker.rng.chance(30) { Moment::Perfect } else { Moment::Past };
    let inner = speaker.clause_about(subject.clone(), inner, Moment::Past);
    let clause = speaker.clause_about(subject, verb, moment);
    Draft::statement(clause.with(Complement::Infinitive(Box::new(inner), purpose)))
}
