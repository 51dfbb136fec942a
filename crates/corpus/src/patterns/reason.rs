//! Subordinate clauses of reason and of concession.

use super::Draft;
use super::circumstance::{define, obstacle, quality_of_object, state, tense};
use crate::grammar::Tense;
use crate::lexicon::kinds::*;
use crate::lexicon::{Aspect, Frame};
use crate::speaker::{Moment, Speaker, has_moment, refer};
use crate::syntax::{Adverbial, Clause, Conjunction, Degree};

pub(super) static BECAUSE: Conjunction = Conjunction::new("because", "weil");
pub(super) static ALTHOUGH: Conjunction = Conjunction::new("although", "obwohl");

/// *The man did not work because he was sick.*
pub(super) fn reason(speaker: &mut Speaker) -> Draft {
    let moment = speaker.rng.weighted(&[(70, Moment::Past), (30, Moment::Habit)]);
    let (main, conjunction, sub) = match speaker.rng.below(100) {
        0..45 => hindrance(speaker, moment),
        45..70 => feeling(speaker),
        _ => loop {
            let mut main = speaker.event(moment);
            let Some(sub) = quality_of_object(speaker, &main, moment, Degree::Very) else {
                continue;
            };
            main.complements.iter_mut().for_each(define);
            if moment == Moment::Habit && main.verb.aspect == Aspect::Event {
                main.adverbials.push(speaker.habit());
            }
            break (main, speaker.rng.pick(&[&BECAUSE, &BECAUSE, &ALTHOUGH]), sub);
        },
    };
    Draft::statement(main.and(Adverbial::Clause(conjunction, Box::new(sub))))
}

/// *did not … because he was sick*, *… although it was raining*: reasons against an action.
fn hindrance(speaker: &mut Speaker, moment: Moment) -> (Clause, &'static Conjunction, Clause) {
    let mut main = speaker.act(moment);
    if speaker.rng.chance(50) {
        let sub = match quality_of_object(speaker, &main, moment, Degree::Too) {
            Some(sub) if speaker.rng.chance(50) => {
                main.complements.iter_mut().for_each(define);
                sub
            }
            _ => obstacle(speaker, &main.subject, refer(&main.subject), tense(moment)),
        };
        return (main.denied(), &BECAUSE, sub);
    }
    if moment == Moment::Habit {
        main.adverbials.push(speaker.habit());
    }
    let sub = obstacle(speaker, &main.subject, refer(&main.subject), tense(moment));
    (main, &ALTHOUGH, sub)
}

/// *The man was sad because he had lost the key.*
fn feeling(speaker: &mut Speaker) -> (Clause, &'static Conjunction, Clause) {
    let (subject, who) = loop {
        let subject = speaker.person(true);
        if let Some(who) = refer(&subject) {
            break (subject, who);
        }
    };
    let (tense, before) = speaker.rng.pick(&[(Tense::Past, Moment::Pluperfect), (Tense::Present, Moment::Perfect)]);
    let main = state(speaker, subject, &["happy", "sad", "angry", "tired", "nervous"], tense);
    let verb = speaker.verb(|verb| {
        verb.subject & PERSON != 0
            && has_moment(verb, before)
            && matches!(verb.frame, Frame::Accusative(_) | Frame::Dative(_) | Frame::Prepositional(..))
    });
    let sub = speaker.clause_about(who, verb, before);
    (main, &BECAUSE, sub)
}
