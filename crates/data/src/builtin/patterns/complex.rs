//! Patterns of more than one clause.

use super::{Draft, Link};
use crate::builtin::english::inflection::personal;
use crate::builtin::grammar::{Determiner, Number, Tense};
use crate::builtin::lexicon::adjectives::adjective_named;
use crate::builtin::lexicon::kinds::*;
use crate::builtin::lexicon::verbs::{BE, DRIVE, GO, RAIN, SNOW};
use crate::builtin::lexicon::{Aspect, Frame, Noun, Slot, VERBS, Verb};
use crate::builtin::speaker::{Moment, Speaker, has_moment, refer};
use crate::builtin::syntax::{
    Adverbial, Clause, Complement, Conjunction, Degree, Form, Nominal, NounPhrase,
};
use crate::builtin::grammar::Pronoun;

pub(super) static BECAUSE: Conjunction = Conjunction { english: "because", german: "weil" };
pub(super) static ALTHOUGH: Conjunction = Conjunction { english: "although", german: "obwohl" };
static IF: Conjunction = Conjunction { english: "if", german: "wenn" };
static WHENEVER: Conjunction = Conjunction { english: "whenever", german: "wenn" };
static WHEN: Conjunction = Conjunction { english: "when", german: "als" };
static WHILE: Conjunction = Conjunction { english: "while", german: "während" };
static BEFORE: Conjunction = Conjunction { english: "before", german: "bevor" };
static AFTER: Conjunction = Conjunction { english: "after", german: "nachdem" };
static UNTIL: Conjunction = Conjunction { english: "until", german: "bis" };

static LINKS: [Link; 3] = [
    Link { english: "and", german: "und", comma: false, inverts: false },
    Link { english: "but", german: "aber", comma: true, inverts: false },
    Link { english: "so", german: "deshalb", comma: true, inverts: true },
];

/// *The man cooked the soup, and the woman cooked rice.* *The man was sick, so he did not work.*
pub(super) fn coordination(speaker: &mut Speaker) -> Draft {
    let link = &LINKS[speaker.rng.pick(&[0, 0, 1, 2])];
    if link.inverts {
        let mut second = speaker.act(Moment::Past).denied();
        let first = obstacle(speaker, &second.subject, Some(second.subject.clone()), Tense::Past);
        if first.verb == &BE {
            second.subject = refer(&second.subject).unwrap_or(second.subject);
        }
        return Draft::coordination(first, second, link);
    }
    loop {
        let first = speaker.event(Moment::Past);
        let second = speaker.clause(first.verb, Moment::Past);
        // Two do the same to two.
        let [one, two] = [&first, &second].map(|clause| (topic(&clause.subject), object(clause).map(topic)));
        if one.0 != two.0 && one.1.is_some() && one.1 != two.1 {
            return Draft::coordination(first, if link.english == "but" { second.denied() } else { second }, link);
        }
    }
}

/// What tells one nominal from another.
fn topic(nominal: &Nominal) -> &'static str {
    match nominal {
        Nominal::Phrase(phrase) => phrase.noun.lemma(),
        Nominal::Name(name) => name.name,
        Nominal::And(first, _) => topic(first),
        other => personal(other.agreement(), true),
    }
}

fn object(clause: &Clause) -> Option<&Nominal> {
    clause.complements.iter().rev().find_map(|complement| match complement {
        Complement::Accusative(object) | Complement::Dative(object, _) | Complement::Prepositional(_, object) => {
            Some(object)
        }
        _ => None,
    })
}

/// Joins `main` and `sub`; the subordinate clause now and then goes first.
fn join(speaker: &mut Speaker, main: Clause, conjunction: &'static Conjunction, sub: Clause) -> Draft {
    let sub = Adverbial::Clause(conjunction, Box::new(sub));
    Draft::statement(if speaker.rng.chance(30) { main.led_by(sub) } else { main.and(sub) })
}

/// *The man did not work because he was sick.*
pub(super) fn reason(speaker: &mut Speaker) -> Draft {
    let moment = speaker.rng.weighted(&[(70, Moment::Past), (30, Moment::Habit)]);
    let (main, conjunction, sub) = match speaker.rng.below(100) {
        0..45 => hindrance(speaker, moment),
        45..70 => feeling(speaker),
        _ => loop {
            let mut main = speaker.event(moment);
            let Some(sub) = quality_of_object(speaker, &main, moment, Degree::Very) else { continue };
            // Only of a known thing can be said what it is like: not *kein Auto, weil es alt war*.
            main.complements.iter_mut().for_each(define);
            if moment == Moment::Habit && main.verb.aspect == Aspect::Event {
                main.adverbials.push(speaker.habit());
            }
            break (main, speaker.rng.pick(&[&BECAUSE, &BECAUSE, &ALTHOUGH]), sub);
        },
    };
    Draft::statement(main.and(Adverbial::Clause(conjunction, Box::new(sub))))
}

/// *did not … because he was sick*, *… although it was raining*: what speaks against doing something.
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
    let (tense, before) =
        speaker.rng.pick(&[(Tense::Past, Moment::Pluperfect), (Tense::Present, Moment::Perfect)]);
    let main = state(speaker, subject, &["happy", "sad", "angry", "tired", "nervous"], tense);
    let verb = speaker.verb(|verb| {
        verb.subject & PERSON != 0
            && has_moment(verb, before)
            && matches!(verb.frame, Frame::Accusative(_) | Frame::Dative(_) | Frame::Prepositional(..))
    });
    let sub = speaker.clause_about(who, verb, before);
    (main, &BECAUSE, sub)
}

fn define(complement: &mut Complement) {
    if let Complement::Accusative(object) = complement {
        object.define();
    }
}

/// *because it was too old*, said of a thing that a person has done something with.
fn quality_of_object(speaker: &mut Speaker, main: &Clause, moment: Moment, most: Degree) -> Option<Clause> {
    let object = main.complements.iter().find_map(|complement| match complement {
        Complement::Accusative(Nominal::Phrase(phrase)) if !phrase.noun.is(PERSON) => Some(phrase),
        _ => None,
    })?;
    if object.adjective.is_some() {
        return None;
    }
    // With another thing about, *it* and *they* would not be clear.
    if matches!(main.subject.agreement(), Pronoun::They | Pronoun::It) && !is_single_person(&main.subject) {
        return None;
    }
    let pronoun = refer(&Nominal::Phrase(object.clone()))?;
    let adjective = speaker.adjective(object.noun).filter(|adjective| adjective.gradable)?;
    let degree = if speaker.rng.chance(50) { most } else { Degree::Plain };
    Some(
        Clause::new(pronoun, &BE, Form::Simple(tense(moment)))
            .with(Complement::Adjective(degree, adjective)),
    )
}

fn is_single_person(nominal: &Nominal) -> bool {
    matches!(nominal, Nominal::Phrase(phrase) if phrase.noun.is(PERSON) && phrase.number == Number::Singular)
}

fn tense(moment: Moment) -> Tense {
    if moment == Moment::Past { Tense::Past } else { Tense::Present }
}

/// What keeps `subject` from doing things: the weather, or a weakness, told of it by the name `who`.
fn obstacle(speaker: &mut Speaker, subject: &Nominal, who: Option<Nominal>, tense: Tense) -> Clause {
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

/// *he was very tired*
fn state(speaker: &mut Speaker, who: Nominal, moods: &[&str], tense: Tense) -> Clause {
    let mood = adjective_named(speaker.rng.pick(moods));
    let degree = if speaker.rng.chance(70) { Degree::Plain } else { Degree::Very };
    Clause::new(who, &BE, Form::Simple(tense)).with(Complement::Adjective(degree, mood))
}

fn is_animate(nominal: &Nominal) -> bool {
    match nominal {
        Nominal::Phrase(phrase) => phrase.noun.is(ANIMATE),
        Nominal::And(..) | Nominal::Name(_) | Nominal::Personal(_) => true,
        _ => false,
    }
}

fn is_person(nominal: &Nominal) -> bool {
    match nominal {
        Nominal::Phrase(phrase) => phrase.noun.is(PERSON),
        _ => is_animate(nominal),
    }
}

/// *When the man came back, the child was sleeping.*
pub(super) fn when(speaker: &mut Speaker) -> Draft {
    match speaker.rng.below(8) {
        0 | 1 => {
            let ongoing = speaker.act(Moment::Ongoing);
            let sub = happening(speaker);
            join(speaker, ongoing, &WHEN, sub)
        }
        2 | 3 => {
            let (moment, conjunction) =
                speaker.rng.pick(&[(Moment::Pluperfect, &AFTER), (Moment::Past, &BEFORE)]);
            let main = speaker.act(Moment::Past);
            let sub = match refer(&main.subject) {
                Some(subject) if is_person(&main.subject) => deed(speaker, subject, moment),
                _ => happening(speaker),
            };
            // What is over before is told in the pluperfect.
            let sub = Clause { form: speaker.form(sub.verb, moment), ..sub };
            join(speaker, main, conjunction, sub)
        }
        4 => {
            let (main, sub) = (lasting(speaker), lasting(speaker));
            join(speaker, main, &WHILE, sub)
        }
        5 => {
            let (main, sub) = (lasting(speaker), happening(speaker));
            join(speaker, main, &UNTIL, sub)
        }
        6 => {
            let main = speaker.act(Moment::Future);
            let who = refer(&main.subject).filter(|_| is_animate(&main.subject));
            match who {
                Some(who) if speaker.rng.chance(50) => {
                    let sub = state(speaker, who, &["tired", "sick", "weak", "angry"], Tense::Present);
                    join(speaker, main.denied(), &IF, sub)
                }
                _ => {
                    let sub = Clause { form: Form::Simple(Tense::Present), ..weather(speaker, Tense::Present) };
                    join(speaker, main, &IF, sub)
                }
            }
        }
        _ => {
            let main = speaker.act(Moment::Habit);
            let who = refer(&main.subject).filter(|_| is_person(&main.subject));
            let sub = match who {
                Some(who) if speaker.rng.chance(50) => {
                    state(speaker, who, &["happy", "sad", "nervous", "tired"], Tense::Present)
                }
                _ => Clause { form: Form::Simple(Tense::Present), ..weather(speaker, Tense::Present) },
            };
            join(speaker, main, &WHENEVER, sub)
        }
    }
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

/// A clause with a relative pronoun for its subject or one of its complements, and the noun that it tells of.
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
    let Nominal::Phrase(phrase) = &*nominal else { return None };
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
