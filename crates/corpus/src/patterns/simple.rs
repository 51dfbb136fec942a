//! Patterns of one main clause.

use super::Draft;
use crate::grammar::{Determiner, Number, Pronoun, Tense};
use crate::lexicon::adverbs::{self, PHASES, Slot, YET};
use crate::lexicon::kinds::*;
use crate::lexicon::verbs::{BE, EXIST};
use crate::lexicon::{ADJECTIVES, Aspect, Frame, NAMES, PROFESSIONS, prepositions as prep};
use crate::speaker::{Moment, Speaker, has_moment, mentions};
use crate::syntax::{Adverbial, Clause, Complement, Degree, Form, Nominal, NounPhrase};

const COMMON: &[(usize, Moment)] = &[(60, Moment::Past), (25, Moment::Habit), (15, Moment::Now)];

pub(super) fn statement(speaker: &mut Speaker) -> Draft {
    let moment = speaker.rng.weighted(COMMON);
    let mut clause = speaker.event(moment);
    speaker.adorn(&mut clause, moment);
    if let Nominal::Phrase(phrase) = &mut clause.subject
        && phrase.noun.is(PERSON)
        && phrase.determiner == Determiner::Definite
        && moment == Moment::Past
        && speaker.rng.chance(8)
    {
        // *every child*, *all children*
        phrase.determiner = match phrase.number {
            Number::Singular => Determiner::Every,
            Number::Plural => Determiner::All,
        };
    }
    Draft::statement(clause)
}

pub(super) fn fronted(speaker: &mut Speaker) -> Draft {
    let moment = speaker.rng.weighted(&[(70, Moment::Past), (15, Moment::Habit), (15, Moment::Future)]);
    let mut clause = speaker.event(moment);
    let verb = clause.verb;
    clause.front = Some(match moment {
        Moment::Habit => speaker.time(adverbs::HABIT),
        Moment::Future => speaker.time(adverbs::FUTURE),
        _ if verb.places != 0 && speaker.rng.chance(35) => {
            let (preposition, place) = speaker.whereabouts(verb.places);
            Adverbial::Prepositional(Slot::Place, preposition, place)
        }
        _ if verb.aspect == Aspect::Event && speaker.rng.chance(25) => weather(speaker),
        _ => speaker.time(adverbs::PAST),
    });
    Draft::statement(clause)
}

/// *because of the rain*, *despite the storm*
fn weather(speaker: &mut Speaker) -> Adverbial {
    let noun = speaker.noun(WEATHER);
    let preposition = speaker.rng.pick(&[&prep::BECAUSE_OF, &prep::DESPITE]);
    let phrase = NounPhrase::new(Determiner::Definite, noun, Number::Singular);
    Adverbial::Prepositional(Slot::Cause, preposition, Nominal::Phrase(phrase))
}

pub(super) fn negation(speaker: &mut Speaker) -> Draft {
    let moment = speaker.rng.weighted(&[(70, Moment::Past), (30, Moment::Habit)]);
    let mut clause = speaker.event(moment).denied();
    if moment == Moment::Past && clause.verb.aspect != Aspect::State && speaker.rng.chance(20) {
        clause.front = Some(speaker.time(adverbs::PAST));
    }
    Draft::statement(clause)
}

pub(super) fn perfect(speaker: &mut Speaker) -> Draft {
    let mut clause = speaker.event(Moment::Perfect);
    match speaker.rng.below(100) {
        0..40 => clause.adverbials.push(Adverbial::Adverb(speaker.choose(PHASES, |_| true))),
        40..60 => {
            clause = clause.denied().and(Adverbial::Adverb(&YET));
        }
        60..75 => clause.adverbials.push(speaker.time(adverbs::PERFECT)),
        _ => {}
    }
    Draft::statement(clause)
}

pub(super) fn modal(speaker: &mut Speaker) -> Draft {
    let mut clause = speaker.event(Moment::Modal);
    if speaker.rng.chance(25) {
        clause = clause.denied();
    } else {
        speaker.adorn(&mut clause, Moment::Modal);
    }
    Draft::statement(clause)
}

pub(super) fn future(speaker: &mut Speaker) -> Draft {
    let mut clause = speaker.event(Moment::Future);
    if speaker.rng.chance(15) {
        clause = clause.denied();
    } else {
        speaker.adorn(&mut clause, Moment::Future);
    }
    Draft::statement(clause)
}

pub(super) fn passive(speaker: &mut Speaker) -> Draft {
    let verb = speaker.verb(|verb| {
        matches!(verb.frame, Frame::Accusative(kinds) if kinds != PERSON)
            && has_moment(verb, Moment::Perfect)
            && verb.subject == PERSON
            && verb.english().particle != "for"
    });
    let Frame::Accusative(kinds) = verb.frame else { unreachable!("chosen so") };
    let noun = speaker.noun(kinds);
    let patient = Nominal::Phrase(speaker.subject_phrase(noun));
    let mut clause = Clause::new(patient.clone(), verb, Form::Passive(Tense::Past));
    if speaker.rng.chance(60) {
        let agent = speaker.noun(PERSON);
        let agent = Nominal::Phrase(speaker.subject_phrase(agent));
        clause.complements.push(Complement::Prepositional(&prep::AGENT, agent));
    } else if speaker.rng.chance(60) {
        clause.adverbials.push(speaker.time(adverbs::PAST));
    }
    Draft::statement(clause)
}

pub(super) fn giving(speaker: &mut Speaker) -> Draft {
    let verb = speaker.verb(|verb| matches!(verb.frame, Frame::Giving(_) | Frame::GivingTo(_)));
    let moment =
        speaker.rng.weighted(&[(50, Moment::Past), (20, Moment::Perfect), (15, Moment::Modal), (15, Moment::Future)]);
    let mut clause = speaker.clause(verb, moment);
    if moment == Moment::Past {
        speaker.adorn(&mut clause, moment);
    }
    Draft::statement(clause)
}

pub(super) fn space(speaker: &mut Speaker) -> Draft {
    let verb = speaker.verb(|verb| matches!(verb.frame, Frame::Motion(_) | Frame::Place(_) | Frame::Moving(_)));
    let moment = speaker.rng.weighted(&[(65, Moment::Past), (35, Moment::Now)]);
    let mut clause = speaker.clause(verb, moment);
    speaker.adorn(&mut clause, moment);
    Draft::statement(clause)
}

pub(super) fn predicate(speaker: &mut Speaker) -> Draft {
    let tense = if speaker.rng.chance(55) { Tense::Present } else { Tense::Past };
    if speaker.rng.chance(25) {
        return Draft::statement(profession(speaker, tense));
    }
    loop {
        let noun = speaker.noun(VISIBLE | WAY | THOUGHT | ROOM | AREA | FOOD | DRINK | EVENT);
        let mut phrase = speaker.subject_phrase(noun);
        phrase.adjective = None;
        if let Some(predicate) = speaker.predicate(noun) {
            let mut clause = Clause::new(Nominal::Phrase(phrase), &BE, Form::Simple(tense)).with(predicate);
            if speaker.rng.chance(20) {
                clause = clause.denied();
            }
            return Draft::statement(clause);
        }
    }
}

/// *Anna is a teacher.*
fn profession(speaker: &mut Speaker, tense: Tense) -> Clause {
    let profession = speaker.choose(PROFESSIONS, |_| true);
    let (subject, pronoun) = if speaker.rng.chance(50) {
        let name = speaker.choose(NAMES, |_| true);
        (Nominal::Name(name), name.pronoun)
    } else {
        let kin = speaker.choose(crate::lexicon::NOUNS, |noun| noun.is(FAMILY));
        let owner =
            speaker.rng.pick(&[Pronoun::I, Pronoun::You, Pronoun::He, Pronoun::She, Pronoun::We, Pronoun::They]);
        let phrase = NounPhrase::new(Determiner::Possessive(owner), kin, Number::Singular);
        let woman = kin.gender() == crate::grammar::Gender::Feminine;
        (Nominal::Phrase(phrase), if woman { Pronoun::She } else { Pronoun::He })
    };
    let mut clause = Clause::new(subject, &BE, Form::Simple(tense)).with(Complement::Profession(profession, pronoun));
    clause.negated = speaker.rng.chance(20);
    clause
}

pub(super) fn comparison(speaker: &mut Speaker) -> Draft {
    let adjective = speaker.choose(ADJECTIVES, |adjective| !adjective.english_comparative.is_empty());
    // Comparisons are between things of the same kind.
    let (first, second) = loop {
        let (first, second) = (speaker.noun(adjective.kinds), speaker.noun(adjective.kinds));
        if first != second && first.kinds & second.kinds & adjective.kinds != 0 {
            break (first, second);
        }
    };
    let mut subject = speaker.subject_phrase(first);
    subject.adjective = None;
    let other = Nominal::Phrase(NounPhrase::new(Determiner::Definite, second, subject.number));
    let degree = if speaker.rng.chance(65) { Degree::More(other) } else { Degree::Same(other) };
    let tense = if speaker.rng.chance(70) { Tense::Present } else { Tense::Past };
    let mut clause =
        Clause::new(Nominal::Phrase(subject), &BE, Form::Simple(tense)).with(Complement::Adjective(degree, adjective));
    if speaker.rng.chance(20) {
        clause = clause.denied();
    }
    Draft::statement(clause)
}

pub(super) fn existence(speaker: &mut Speaker) -> Draft {
    let (what, whereto) = speaker.rng.pick(&[
        (FURNITURE, ROOM),
        (PLANT | WATERS, AREA),
        (FOOD | DRINK, ROOM),
        (BUILDING, AREA),
        (SITE, TOWN),
        (ANIMAL, AREA),
    ]);
    let noun = speaker.noun(what);
    let (preposition, place) = speaker.whereabouts(whereto);
    let phrase = loop {
        let phrase = speaker.phrase(noun, None);
        if phrase.is_new() {
            break phrase;
        }
    };
    let phrase = if speaker.rng.chance(25) { NounPhrase { determiner: Determiner::No, ..phrase } } else { phrase };
    let tense = if speaker.rng.chance(60) { Tense::Present } else { Tense::Past };
    let clause = Clause::new(Nominal::There(phrase.number), &EXIST, Form::Simple(tense))
        .with(Complement::Accusative(Nominal::Phrase(phrase)));
    Draft::statement(if speaker.rng.chance(30) {
        clause.led_by(Adverbial::Prepositional(Slot::Place, preposition, place))
    } else {
        clause.with(Complement::Prepositional(preposition, place))
    })
}

pub(super) fn possession(speaker: &mut Speaker) -> Draft {
    let moment = speaker.rng.weighted(COMMON);
    let mut clause = loop {
        let clause = speaker.event(moment);
        if clause.complements.iter().any(|complement| ownable(complement).is_some()) {
            break clause;
        }
    };
    let whose = loop {
        let whose = owner(speaker);
        if !is_about(&clause, &whose) {
            break whose;
        }
    };
    if let Some(phrase) = clause.complements.iter_mut().find_map(ownable_mut) {
        phrase.determiner = Determiner::Definite;
        phrase.owner = Some(Box::new(whose));
    }
    if moment == Moment::Habit && clause.verb.aspect == Aspect::Event {
        clause.adverbials.push(speaker.habit());
    }
    Draft::statement(clause)
}

/// Whether `clause` already mentions `owner`.
fn is_about(clause: &Clause, owner: &Nominal) -> bool {
    match (&clause.subject, owner) {
        (Nominal::Name(subject), Nominal::Name(owner)) => subject == owner,
        (subject, Nominal::Phrase(owner)) => mentions(subject, owner.noun),
        _ => false,
    }
}

/// *Anna*, *the teacher*, *my brother*
fn owner(speaker: &mut Speaker) -> Nominal {
    if speaker.rng.chance(40) {
        return Nominal::Name(speaker.choose(NAMES, |_| true));
    }
    let noun = speaker.noun(PERSON);
    let determiner = if noun.is(KIN | FAMILY) {
        Determiner::Possessive(speaker.rng.pick(&[Pronoun::I, Pronoun::You, Pronoun::We]))
    } else {
        Determiner::Definite
    };
    Nominal::Phrase(NounPhrase::new(determiner, noun, Number::Singular))
}

fn ownable(complement: &Complement) -> Option<&NounPhrase> {
    match complement {
        Complement::Accusative(Nominal::Phrase(phrase)) if phrase.noun.is(GOODS | PET) => Some(phrase),
        _ => None,
    }
}

fn ownable_mut(complement: &mut Complement) -> Option<&mut NounPhrase> {
    ownable(complement)?;
    match complement {
        Complement::Accusative(Nominal::Phrase(phrase)) => Some(phrase),
        _ => None,
    }
}
