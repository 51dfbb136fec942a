//! Questions and commands.

use super::Draft;
use crate::german::Order;
use crate::grammar::{Determiner, Number, Pronoun};
use crate::lexicon::Frame;
use crate::lexicon::kinds::*;
use crate::speaker::{Moment, Speaker, has_moment};
use crate::syntax::{Adverbial, Clause, Complement, Form, Nominal, NounPhrase};

const ASKED: &[(usize, Moment)] =
    &[(45, Moment::Past), (15, Moment::Now), (20, Moment::Perfect), (12, Moment::Modal), (8, Moment::Future)];

pub(super) fn yes_no(speaker: &mut Speaker) -> Draft {
    let moment = speaker.rng.weighted(ASKED);
    let mut clause = asked(speaker, moment);
    if speaker.rng.chance(40) {
        speaker.adorn(&mut clause, moment);
    }
    Draft::question(clause, Order::First)
}

/// A clause for a question: nobody asks about his own actions.
fn asked(speaker: &mut Speaker, moment: Moment) -> Clause {
    loop {
        let clause = speaker.event(moment);
        if !matches!(clause.subject, Nominal::Personal(Pronoun::I | Pronoun::We)) {
            return clause;
        }
    }
}

pub(super) fn wh(speaker: &mut Speaker) -> Draft {
    let moment = speaker.rng.weighted(ASKED);
    let mut clause = asked(speaker, moment);
    match speaker.rng.below(100) {
        0..25 if clause.verb.subject & PERSON != 0 => clause.subject = Nominal::Who,
        25..70 if ask_object(speaker, &mut clause.complements) => {}
        70..85 if clause.verb.places != 0 => {
            clause.front = Some(Adverbial::Question("where", "wo"));
        }
        _ => {
            let past = matches!(moment, Moment::Past | Moment::Future);
            let (english, german) = if past && speaker.rng.chance(50) { ("when", "wann") } else { ("why", "warum") };
            clause.front = Some(Adverbial::Question(english, german));
        }
    }
    Draft::question(clause, Order::Second)
}

/// Puts a question word in the place of an object, if there is one.
fn ask_object(speaker: &mut Speaker, complements: &mut [Complement]) -> bool {
    let asked = complements.iter_mut().find_map(|complement| match complement {
        Complement::Accusative(object) | Complement::Dative(object, false) => Some(object),
        _ => None,
    });
    let Some(object) = asked else { return false };
    let person = match object {
        Nominal::Phrase(phrase) => phrase.noun.is(PERSON),
        _ => true,
    };
    match object {
        Nominal::Phrase(phrase) if speaker.rng.chance(55) => {
            let (determiner, number) = match phrase.number {
                Number::Plural if speaker.rng.chance(60) => (Determiner::HowMany, Number::Plural),
                number => (Determiner::Which, number),
            };
            let adjective = phrase.adjective;
            *phrase = NounPhrase { adjective, ..NounPhrase::new(determiner, phrase.noun, number) };
        }
        _ if person => *object = Nominal::Who,
        _ => *object = Nominal::What,
    }
    true
}

pub(super) fn command(speaker: &mut Speaker) -> Draft {
    let verb = speaker.verb(|verb| match verb.frame {
        Frame::Accusative(_) | Frame::Dative(_) | Frame::Giving(_) | Frame::Prepositional(..) => {
            verb.subject & PERSON != 0 && has_moment(verb, Moment::Modal)
        }
        _ => false,
    });
    let mut clause = speaker.clause_about(Nominal::Personal(Pronoun::You), verb, Moment::Now);
    clause.form = Form::Imperative;
    if speaker.rng.chance(30) {
        clause = clause.denied();
    }
    Draft::command(clause)
}
