//! Subordinate clauses of time and of condition.

use super::Draft;
use super::circumstance::{is_animate, is_person, state, weather_in_general};
use crate::grammar::Tense;
use crate::lexicon::kinds::*;
use crate::lexicon::{Aspect, Frame, Slot};
use crate::speaker::{Moment, Speaker, has_moment, refer};
use crate::syntax::{Adverbial, Clause, Conjunction, Nominal};

static IF: Conjunction = Conjunction::new("if", "wenn");
static WHENEVER: Conjunction = Conjunction::new("whenever", "wenn");
static WHEN: Conjunction = Conjunction::new("when", "als");
static WHILE: Conjunction = Conjunction::new("while", "während");
static BEFORE: Conjunction = Conjunction::new("before", "bevor");
static AFTER: Conjunction = Conjunction::new("after", "nachdem");
static UNTIL: Conjunction = Conjunction::new("until", "bis");

/// *When the man came back, the child was sleeping.*
pub(super) fn when(speaker: &mut Speaker) -> Draft {
    match speaker.rng.below(8) {
        0 | 1 => {
            let (main, sub) = (speaker.act(Moment::Ongoing), happening(speaker));
            join(speaker, main, &WHEN, sub)
        }
        2 => in_order(speaker, Moment::Pluperfect, &AFTER),
        3 => in_order(speaker, Moment::Past, &BEFORE),
        4 => {
            let (main, sub) = (lasting(speaker), lasting(speaker));
            join(speaker, main, &WHILE, sub)
        }
        5 => {
            let (main, sub) = (lasting(speaker), happening(speaker));
            join(speaker, main, &UNTIL, sub)
        }
        6 => condition(speaker),
        _ => custom(speaker),
    }
}

/// *After he had read the letter, the man fell asleep.*
fn in_order(speaker: &mut Speaker, moment: Moment, conjunction: &'static Conjunction) -> Draft {
    let main = speaker.act(Moment::Past);
    let sub = match refer(&main.subject) {
        Some(subject) if is_person(&main.subject) => deed(speaker, subject, moment),
        _ => happening(speaker),
    };
    let sub = Clause { form: speaker.form(sub.verb, moment), ..sub };
    join(speaker, main, conjunction, sub)
}

/// *The woman will not work if she is sick.* *If it rains, the woman will work.*
fn condition(speaker: &mut Speaker) -> Draft {
    let main = speaker.act(Moment::Future);
    match refer(&main.subject).filter(|_| is_animate(&main.subject)) {
        Some(who) if speaker.rng.chance(50) => {
            let sub = state(speaker, who, &["tired", "sick", "weak", "angry"], Tense::Present);
            join(speaker, main.denied(), &IF, sub)
        }
        _ => {
            let sub = weather_in_general(speaker);
            join(speaker, main, &IF, sub)
        }
    }
}

/// *Whenever she is happy, the woman sings.*
fn custom(speaker: &mut Speaker) -> Draft {
    let main = speaker.act(Moment::Habit);
    let sub = match refer(&main.subject).filter(|_| is_person(&main.subject)) {
        Some(who) if speaker.rng.chance(50) => {
            state(speaker, who, &["happy", "sad", "nervous", "tired"], Tense::Present)
        }
        _ => weather_in_general(speaker),
    };
    join(speaker, main, &WHENEVER, sub)
}

/// Joins `main` and `sub`; the subordinate clause is sometimes first.
fn join(speaker: &mut Speaker, main: Clause, conjunction: &'static Conjunction, sub: Clause) -> Draft {
    let sub = Adverbial::Clause(conjunction, Box::new(sub));
    Draft::statement(if speaker.rng.chance(30) { main.led_by(sub) } else { main.and(sub) })
}

/// Something that somebody does to something.
fn deed(speaker: &mut Speaker, who: Nominal, moment: Moment) -> Clause {
    let verb = speaker.verb(|verb| {
        verb.subject & PERSON != 0 && matches!(verb.frame, Frame::Accusative(_)) && has_moment(verb, Moment::Pluperfect)
    });
    speaker.clause_about(who, verb, moment)
}

/// Something that goes on for a while.
fn lasting(speaker: &mut Speaker) -> Clause {
    let verb = speaker.verb(|verb| verb.frame == Frame::Intransitive && verb.aspect == Aspect::Event);
    let mut clause = speaker.clause(verb, Moment::Past);
    if verb.places != 0 && speaker.rng.chance(60) {
        let (preposition, place) = speaker.whereabouts(verb.places);
        clause.adverbials.push(Adverbial::Prepositional(Slot::Place, preposition, place));
    }
    clause
}

/// Something that happens in a moment.
fn happening(speaker: &mut Speaker) -> Clause {
    let verb = speaker.verb(|verb| {
        verb.aspect == Aspect::Once
            && matches!(verb.frame, Frame::Intransitive | Frame::Motion(_) | Frame::Accusative(_))
    });
    speaker.clause(verb, Moment::Past)
}
