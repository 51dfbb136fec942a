//! Random phrases and clauses that make sense.

mod phrase;

use super::grammar::{Determiner, Number, Tense};
use super::lexicon::adverbs::{self, FREQUENCIES, HABIT, MANNERS, TIMES};
use super::lexicon::kinds::*;
use super::lexicon::verbs::TRAVEL;
use super::lexicon::{
    ADJECTIVES, Adjective, Aspect, Frame, Kinds, NOUNS, Noun, Slot, VERBS, Verb, prepositions as prep,
};
use super::random::SplitMix64;
use super::syntax::{Adverbial, Clause, Complement, Degree, Form, MODALS, Nominal, NounPhrase};
pub(crate) use phrase::{mentions, refer};

/// The time of a clause, which decides its forms and its adverbials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// *bought*
    Past,
    /// *often buys*; *knows*
    Habit,
    /// *is buying*
    Now,
    /// *was buying*
    Ongoing,
    /// *has bought*
    Perfect,
    /// *had bought*
    Pluperfect,
    /// *will buy*
    Future,
    /// *can buy*, *had to buy*
    Modal,
}

/// Draws phrases and clauses.
pub(crate) struct Speaker {
    pub(crate) rng: SplitMix64,
}

impl Speaker {
    /// A noun of one of `kinds`.
    pub(crate) fn noun(&mut self, kinds: Kinds) -> &'static Noun {
        self.choose(NOUNS, |noun| noun.is(kinds))
    }

    /// An adjective that can be said of `noun`.
    pub(crate) fn adjective(&mut self, noun: &Noun) -> Option<&'static Adjective> {
        let fits = |adjective: &Adjective| noun.is(adjective.kinds);
        ADJECTIVES.iter().any(fits).then(|| self.choose(ADJECTIVES, fits))
    }

    /// One of `items` that `fits`.
    ///
    /// # Panics
    /// If none does.
    pub(crate) fn choose<T>(&mut self, items: &'static [T], fits: impl Fn(&T) -> bool) -> &'static T {
        let count = items.iter().filter(|item| fits(item)).count();
        let chosen = self.rng.below(count);
        items.iter().filter(|item| fits(item)).nth(chosen).expect("fewer than there are")
    }

    /// A verb whose frame `fits`.
    pub(crate) fn verb(&mut self, fits: impl Fn(&Verb) -> bool) -> &'static Verb {
        self.choose(VERBS, fits)
    }

    /// Any clause of `moment`, its verb of one of the common frames.
    pub(crate) fn event(&mut self, moment: Moment) -> Clause {
        self.clause_with(moment, |_| true)
    }

    /// As [`Speaker::event`], but something is done, and on purpose.
    pub(crate) fn act(&mut self, moment: Moment) -> Clause {
        self.clause_with(moment, |verb| !matches!(verb.aspect, Aspect::State | Aspect::Posture | Aspect::Mishap))
    }

    /// Any clause of `moment`, its verb of one of the common frames and one that `fits`.
    fn clause_with(&mut self, moment: Moment, fits: impl Fn(&Verb) -> bool) -> Clause {
        let share = |verb: &Verb| match verb.frame {
            Frame::Accusative(_) => 0,
            Frame::Intransitive => 1,
            Frame::Dative(_) => 2,
            Frame::Giving(_) | Frame::GivingTo(_) => 3,
            Frame::Prepositional(..) => 4,
            Frame::Motion(_) => 5,
            Frame::Place(_) | Frame::Moving(_) => 6,
            Frame::That | Frame::Infinitive | Frame::Copula | Frame::Existence => 7,
        };
        let frame = self.rng.weighted(&[(46, 0), (10, 1), (8, 2), (12, 3), (9, 4), (8, 5), (6, 6)]);
        let verb = self.verb(|verb| share(verb) == frame && has_moment(verb, moment) && fits(verb));
        self.clause(verb, moment)
    }

    /// A clause of `verb` with a subject that it allows.
    pub(crate) fn clause(&mut self, verb: &'static Verb, moment: Moment) -> Clause {
        let you = !matches!(moment, Moment::Past | Moment::Ongoing | Moment::Pluperfect);
        let subject = self.subject(verb.subject, you);
        self.clause_about(subject, verb, moment)
    }

    /// A clause of `verb` about `subject`.
    pub(crate) fn clause_about(&mut self, subject: Nominal, verb: &'static Verb, moment: Moment) -> Clause {
        let form = self.form(verb, moment);
        let mut clause = Clause::new(subject, verb, form);
        self.complete(&mut clause);
        clause
    }

    /// The form that `verb` takes at `moment`.
    pub(crate) fn form(&mut self, verb: &Verb, moment: Moment) -> Form {
        let posture = verb.aspect == Aspect::Posture;
        match moment {
            Moment::Past if posture => Form::Progressive(Tense::Past),
            Moment::Past => Form::Simple(Tense::Past),
            Moment::Habit => Form::Simple(Tense::Present),
            Moment::Now if verb.aspect == Aspect::State => Form::Simple(Tense::Present),
            Moment::Now => Form::Progressive(Tense::Present),
            Moment::Ongoing => Form::Progressive(Tense::Past),
            Moment::Perfect => Form::Perfect(Tense::Present),
            Moment::Pluperfect => Form::Perfect(Tense::Past),
            Moment::Future => Form::Future,
            Moment::Modal => {
                let modal = self.choose(MODALS, |_| true);
                let past = modal.has_past && self.rng.chance(40);
                Form::Modal(modal, if past { Tense::Past } else { Tense::Present })
            }
        }
    }

    /// Adds the complements of the verb of `clause`.
    pub(crate) fn complete(&mut self, clause: &mut Clause) {
        let subject = clause.subject.clone();
        let complements = &mut clause.complements;
        match clause.verb.frame {
            Frame::Accusative(kinds) => {
                complements.push(Complement::Accusative(self.object(kinds, &subject)));
            }
            Frame::Dative(kinds) => {
                complements.push(Complement::Dative(self.object(kinds, &subject), false));
            }
            Frame::Giving(kinds) | Frame::GivingTo(kinds) => {
                let to = matches!(clause.verb.frame, Frame::GivingTo(_));
                let receiver = self.object(PERSON, &subject);
                complements.push(Complement::Dative(receiver, to));
                complements.push(Complement::Accusative(self.object(kinds, &subject)));
            }
            Frame::Prepositional(preposition, kinds) => {
                let object = self.object(kinds, &subject);
                complements.push(Complement::Prepositional(preposition, object));
            }
            Frame::Motion(directions) => complements.push(self.direction(directions)),
            Frame::Place(kinds) => {
                let (preposition, place) = self.whereabouts(kinds);
                complements.push(Complement::Prepositional(preposition, place));
            }
            Frame::Moving(kinds) => {
                complements.push(Complement::Accusative(self.object(kinds, &subject)));
                complements.push(self.direction(&[(&prep::ONTO_WALL, WALL)]));
            }
            Frame::Intransitive | Frame::That | Frame::Infinitive | Frame::Copula | Frame::Existence => {}
        }
    }

    /// Adds time, manner and place, as far as they fit; a habit always has its adverbial.
    pub(crate) fn adorn(&mut self, clause: &mut Clause, moment: Moment) {
        let verb = clause.verb;
        let event = verb.aspect == Aspect::Event;
        match moment {
            Moment::Habit if event => {
                let adverbial = self.habit();
                clause.adverbials.push(adverbial);
            }
            Moment::Past if self.rng.chance(if verb.aspect == Aspect::State { 10 } else { 30 }) => {
                clause.adverbials.push(self.time(adverbs::PAST));
            }
            Moment::Habit if verb.aspect == Aspect::State && self.rng.chance(40) => {
                clause.adverbials.push(self.time(adverbs::NOW));
            }
            Moment::Future if self.rng.chance(50) => {
                clause.adverbials.push(self.time(adverbs::FUTURE));
            }
            _ => {}
        }
        if verb.errand && matches!(verb.frame, Frame::Accusative(kinds) if kinds & PERSON == 0) && self.rng.chance(25) {
            let whom = self.object(PERSON, &clause.subject);
            clause.complements.push(Complement::Prepositional(&prep::FOR, whom));
        } else if verb.frame == Frame::Motion(TRAVEL) && self.rng.chance(50) {
            let means = NounPhrase::new(Determiner::Means, self.noun(TRANSIT), Number::Singular);
            clause.adverbials.push(Adverbial::Prepositional(Slot::Means, &prep::BY, Nominal::Phrase(means)));
        } else if verb.aspect == Aspect::Once && clause.complements.is_empty() && self.rng.chance(20) {
            let what = self.object(CLOTHES | TOOL | CONTAINER, &clause.subject);
            clause.adverbials.push(Adverbial::Prepositional(Slot::Means, &prep::WITHOUT, what));
        } else if verb.manners != 0 && moment != Moment::Now && self.rng.chance(26) {
            let manner = self.choose(MANNERS, |manner| manner.fits & verb.manners != 0);
            clause.adverbials.push(Adverbial::Adverb(manner));
        } else if verb.places != 0 && self.rng.chance(if clause.complements.is_empty() { 55 } else { 22 }) {
            let (preposition, place) = self.whereabouts(verb.places);
            clause.adverbials.push(Adverbial::Prepositional(Slot::Place, preposition, place));
        }
    }

    /// *often*, *every day*.
    pub(crate) fn habit(&mut self) -> Adverbial {
        if self.rng.chance(60) {
            Adverbial::Adverb(self.choose(FREQUENCIES, |adverb| adverb.fits & HABIT != 0))
        } else {
            self.time(HABIT)
        }
    }

    /// A time that `fits`.
    pub(crate) fn time(&mut self, fits: u8) -> Adverbial {
        if fits == adverbs::PAST && self.rng.chance(15) {
            let preposition = self.rng.pick(&[&prep::AFTER, &prep::BEFORE, &prep::DURING]);
            let event = NounPhrase::new(Determiner::Definite, self.noun(EVENT), Number::Singular);
            return Adverbial::Prepositional(Slot::Time, preposition, Nominal::Phrase(event));
        }
        Adverbial::Adverb(self.choose(TIMES, |time| time.fits & fits != 0))
    }

    /// A copula and an adjective that can be said of `noun`.
    pub(crate) fn predicate(&mut self, noun: &Noun) -> Option<Complement> {
        let adjective = self.adjective(noun)?;
        let degree = match self.rng.below(100) {
            0..35 if adjective.gradable => Degree::Very,
            _ => Degree::Plain,
        };
        Some(Complement::Adjective(degree, adjective))
    }
}

/// Whether `verb` can be used at `moment`.
pub(crate) fn has_moment(verb: &Verb, moment: Moment) -> bool {
    match verb.aspect {
        Aspect::Event => true,
        Aspect::Project => moment != Moment::Habit,
        Aspect::Mishap => matches!(moment, Moment::Past | Moment::Perfect | Moment::Pluperfect),
        Aspect::Once => !matches!(moment, Moment::Habit | Moment::Now | Moment::Ongoing),
        Aspect::State => matches!(moment, Moment::Past | Moment::Habit | Moment::Now),
        Aspect::Posture => matches!(moment, Moment::Past | Moment::Now | Moment::Ongoing),
    }
}
