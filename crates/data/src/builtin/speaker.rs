//! Chance in the service of sense: phrases and clauses drawn so that they could be meant.

use super::grammar::{Determiner, Gender, Number, Pronoun, Tense};
use super::lexicon::adverbs::{self, FREQUENCIES, HABIT, MANNERS, TIMES};
use super::lexicon::kinds::*;
use super::lexicon::verbs::{Direction, TRAVEL};
use super::lexicon::{
    ADJECTIVES, Adjective, Aspect, Frame, Kinds, NAMES, NOUNS, Noun, Preposition, Slot, VERBS, Verb,
    prepositions as prep,
};
use super::random::SplitMix64;
use super::syntax::{Adverbial, Clause, Complement, Degree, Form, MODALS, Nominal, NounPhrase};

/// When a clause plays, from which follow its forms and its adverbials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
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
pub(super) struct Speaker {
    pub(super) rng: SplitMix64,
}

impl Speaker {
    /// A noun of one of `kinds`.
    pub(super) fn noun(&mut self, kinds: Kinds) -> &'static Noun {
        self.choose(NOUNS, |noun| noun.is(kinds))
    }

    /// An adjective that can be said of `noun`.
    pub(super) fn adjective(&mut self, noun: &Noun) -> Option<&'static Adjective> {
        let fits = |adjective: &Adjective| noun.is(adjective.kinds);
        ADJECTIVES.iter().any(fits).then(|| self.choose(ADJECTIVES, fits))
    }

    /// One of `items` that `fits`.
    ///
    /// # Panics
    /// If none does.
    pub(super) fn choose<T>(&mut self, items: &'static [T], fits: impl Fn(&T) -> bool) -> &'static T {
        let count = items.iter().filter(|item| fits(item)).count();
        let chosen = self.rng.below(count);
        items.iter().filter(|item| fits(item)).nth(chosen).expect("fewer than there are")
    }

    /// A verb whose frame `fits`.
    pub(super) fn verb(&mut self, fits: impl Fn(&Verb) -> bool) -> &'static Verb {
        self.choose(VERBS, fits)
    }

    /// *the old dog*, *many apples*; what can be owned may be that of `owner`.
    pub(super) fn phrase(&mut self, noun: &'static Noun, owner: Option<Pronoun>) -> NounPhrase {
        use Determiner::{Definite, Indefinite, Many, Numeral, Some as Several, This};
        use Number::{Plural, Singular};
        let choice = self.rng.weighted(&[
            (45, (Definite, Singular)),
            (26, (Indefinite, Singular)),
            (10, (Definite, Plural)),
            (6, (This, Singular)),
            (2, (This, Plural)),
            (4, (Indefinite, Plural)),
            (2, (Several, Plural)),
            (2, (Many, Plural)),
            (3, (Numeral(2), Plural)),
        ]);
        self.determined(noun, choice, owner)
    }

    /// A phrase that is spoken about, so mostly known.
    pub(super) fn subject_phrase(&mut self, noun: &'static Noun) -> NounPhrase {
        use Determiner::{Definite, Indefinite, Many, Numeral, This};
        use Number::{Plural, Singular};
        let choice = self.rng.weighted(&[
            (65, (Definite, Singular)),
            (14, (Definite, Plural)),
            (8, (This, Singular)),
            (2, (This, Plural)),
            (7, (Indefinite, Singular)),
            (2, (Many, Plural)),
            (2, (Numeral(2), Plural)),
        ]);
        let owners = [Pronoun::I, Pronoun::You, Pronoun::He, Pronoun::She, Pronoun::We, Pronoun::They];
        let owner = self.rng.pick(&owners);
        self.determined(noun, choice, noun.is(KIN | FAMILY | PET).then_some(owner))
    }

    fn determined(
        &mut self,
        noun: &'static Noun,
        (mut determiner, mut number): (Determiner, Number),
        owner: Option<Pronoun>,
    ) -> NounPhrase {
        if let Determiner::Numeral(_) = determiner {
            determiner = Determiner::Numeral(2 + self.rng.below(9));
        }
        if noun.is_mass() {
            number = Number::Singular;
            if !matches!(determiner, Determiner::Definite | Determiner::This) {
                determiner = Determiner::Indefinite;
            }
        }
        if noun.is(FAMILY) {
            determiner = Determiner::Definite;
        }
        if noun.is(SOLE) {
            number = Number::Singular;
        }
        let owned = match noun.kinds {
            kinds if kinds & FAMILY != 0 => 75,
            kinds if kinds & KIN != 0 => 40,
            kinds if kinds & PERSON != 0 => 0,
            kinds if kinds & OWNED != 0 => 14,
            _ => 0,
        };
        if let Some(owner) = owner
            && self.rng.chance(owned)
        {
            determiner = Determiner::Possessive(owner);
        }
        let mut phrase = NounPhrase::new(determiner, noun, number);
        if self.rng.chance(24) {
            phrase.adjective = self.adjective(noun);
        }
        phrase
    }

    /// An object of one of `kinds`, not the noun of `but`.
    pub(super) fn object(&mut self, kinds: Kinds, but: &Nominal) -> Nominal {
        if kinds & PERSON != 0 && self.rng.chance(if kinds == PERSON { 25 } else { 6 }) {
            return self.acquaintance(but);
        }
        let noun = loop {
            let noun = self.noun(kinds);
            if !mentions(but, noun) {
                break noun;
            }
        };
        let owner = owner(but);
        let phrase = self.phrase(noun, owner);
        Nominal::Phrase(phrase)
    }

    /// A name or a pronoun, not that of `but`.
    fn acquaintance(&mut self, but: &Nominal) -> Nominal {
        if self.rng.chance(45) {
            let name = loop {
                let name = self.choose(NAMES, |_| true);
                if !matches!(but, Nominal::Name(other) if *other == name) {
                    break name;
                }
            };
            return Nominal::Name(name);
        }
        let taken = but.agreement();
        let pronoun = loop {
            let pronoun = self.rng.pick(&[
                Pronoun::I,
                Pronoun::You,
                Pronoun::He,
                Pronoun::She,
                Pronoun::We,
                Pronoun::They,
            ]);
            // *I saw me*, *we saw me* and *they saw them* would not be said.
            let both_speak = matches!(pronoun, Pronoun::I | Pronoun::We) && matches!(taken, Pronoun::I | Pronoun::We);
            if pronoun != taken && !both_speak {
                break pronoun;
            }
        };
        Nominal::Personal(pronoun)
    }

    /// A subject of one of `kinds`; `you` only where the form of *du* is said.
    pub(super) fn subject(&mut self, kinds: Kinds, you: bool) -> Nominal {
        if kinds & PERSON != 0 && (kinds == PERSON || self.rng.chance(65)) {
            return self.person(you);
        }
        let rest = if kinds & !PERSON == 0 { kinds } else { kinds & !PERSON };
        let noun = self.noun(rest);
        Nominal::Phrase(self.subject_phrase(noun))
    }

    /// A person as a subject.
    pub(super) fn person(&mut self, you: bool) -> Nominal {
        match self.rng.below(100) {
            0..18 => Nominal::Name(self.choose(NAMES, |_| true)),
            18..44 => {
                let pronouns = [
                    Pronoun::I,
                    Pronoun::He,
                    Pronoun::She,
                    Pronoun::We,
                    Pronoun::They,
                    Pronoun::You,
                ];
                let count = if you { 6 } else { 5 };
                Nominal::Personal(self.rng.pick(&pronouns[..count]))
            }
            44..49 => {
                let (first, second) = (self.noun(PERSON), self.noun(PERSON));
                if first == second || first.is(FAMILY) || second.is(FAMILY) {
                    return self.person(you);
                }
                let definite =
                    |noun| Box::new(Nominal::Phrase(NounPhrase::new(Determiner::Definite, noun, Number::Singular)));
                Nominal::And(definite(first), definite(second))
            }
            _ => {
                let noun = self.noun(PERSON);
                Nominal::Phrase(self.subject_phrase(noun))
            }
        }
    }

    /// *the kitchen*: a place, mostly known.
    pub(super) fn place(&mut self, noun: &'static Noun) -> Nominal {
        let determiner = self.rng.weighted(&[
            (80, Determiner::Definite),
            (12, Determiner::Indefinite),
            (8, Determiner::This),
        ]);
        let mut phrase = NounPhrase::new(determiner, noun, Number::Singular);
        if self.rng.chance(18) {
            phrase.adjective = self.adjective(noun);
        }
        Nominal::Phrase(phrase)
    }

    /// *in the kitchen*, *on the roof*: somewhere in `kinds`.
    pub(super) fn whereabouts(&mut self, kinds: Kinds) -> (&'static Preposition, Nominal) {
        let noun = self.noun(kinds);
        let preposition = where_one_is(noun, kinds);
        (preposition, self.place(noun))
    }

    /// One of `directions`.
    pub(super) fn direction(&mut self, directions: &[Direction]) -> Complement {
        let (preposition, kinds) = self.rng.pick(directions);
        let noun = self.noun(kinds);
        Complement::Prepositional(preposition, self.place(noun))
    }

    /// Any clause of `moment`, its verb of one of the common frames.
    pub(super) fn event(&mut self, moment: Moment) -> Clause {
        self.clause_with(moment, |_| true)
    }

    /// As [`Speaker::event`], but something is done.
    pub(super) fn act(&mut self, moment: Moment) -> Clause {
        self.clause_with(moment, |verb| !matches!(verb.aspect, Aspect::State | Aspect::Posture))
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
            Frame::That | Frame::Infinitive | Frame::Copula => 7,
        };
        let frame = self.rng.weighted(&[(46, 0), (10, 1), (8, 2), (12, 3), (9, 4), (8, 5), (6, 6)]);
        let verb = self.verb(|verb| share(verb) == frame && has_moment(verb, moment) && fits(verb));
        self.clause(verb, moment)
    }

    /// A clause of `verb` with the subject that it asks for.
    pub(super) fn clause(&mut self, verb: &'static Verb, moment: Moment) -> Clause {
        let you = !matches!(moment, Moment::Past | Moment::Ongoing | Moment::Pluperfect);
        let subject = self.subject(verb.subject, you);
        self.clause_about(subject, verb, moment)
    }

    /// A clause of `verb` about `subject`.
    pub(super) fn clause_about(&mut self, subject: Nominal, verb: &'static Verb, moment: Moment) -> Clause {
        let form = self.form(verb, moment);
        let mut clause = Clause::new(subject, verb, form);
        self.complete(&mut clause);
        clause
    }

    /// The form that `verb` takes at `moment`.
    pub(super) fn form(&mut self, verb: &Verb, moment: Moment) -> Form {
        let posture = verb.aspect == Aspect::Posture;
        match moment {
            Moment::Past if posture => Form::Progressive(Tense::Past),
            Moment::Past => Form::Simple(Tense::Past),
            Moment::Habit if posture => Form::Progressive(Tense::Present),
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

    /// Gives the verb of `clause` what it takes.
    pub(super) fn complete(&mut self, clause: &mut Clause) {
        let subject = clause.subject.clone();
        let complements = &mut clause.complements;
        match clause.verb.frame {
            Frame::Accusative(kinds) => complements.push(Complement::Accusative(self.object(kinds, &subject))),
            Frame::Dative(kinds) => complements.push(Complement::Dative(self.object(kinds, &subject), false)),
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
            Frame::Intransitive | Frame::That | Frame::Infinitive | Frame::Copula => {}
        }
    }

    /// Adds when, how, where, as far as they fit; a habit is always told as one.
    pub(super) fn adorn(&mut self, clause: &mut Clause, moment: Moment) {
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
            Moment::Future if self.rng.chance(50) => clause.adverbials.push(self.time(adverbs::FUTURE)),
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
        } else if verb.manners != 0 && moment != Moment::Now && self.rng.chance(22) {
            let manner = self.choose(MANNERS, |manner| manner.fits & verb.manners != 0);
            clause.adverbials.push(Adverbial::Adverb(manner));
        } else if verb.places != 0 && self.rng.chance(if clause.complements.is_empty() { 55 } else { 22 }) {
            let (preposition, place) = self.whereabouts(verb.places);
            clause.adverbials.push(Adverbial::Prepositional(Slot::Place, preposition, place));
        }
    }

    /// *often*, *every day*.
    pub(super) fn habit(&mut self) -> Adverbial {
        if self.rng.chance(60) {
            Adverbial::Adverb(self.choose(FREQUENCIES, |adverb| adverb.fits & HABIT != 0))
        } else {
            self.time(HABIT)
        }
    }

    /// A time that `fits`.
    pub(super) fn time(&mut self, fits: u8) -> Adverbial {
        if fits == adverbs::PAST && self.rng.chance(15) {
            let preposition = self.rng.pick(&[&prep::AFTER, &prep::BEFORE, &prep::DURING]);
            let event = NounPhrase::new(Determiner::Definite, self.noun(EVENT), Number::Singular);
            return Adverbial::Prepositional(Slot::Time, preposition, Nominal::Phrase(event));
        }
        Adverbial::Adverb(self.choose(TIMES, |time| time.fits & fits != 0))
    }

    /// A copula and an adjective that can be said of `noun`.
    pub(super) fn predicate(&mut self, noun: &Noun) -> Option<Complement> {
        let adjective = self.adjective(noun)?;
        let degree = match self.rng.below(100) {
            0..35 if adjective.gradable => Degree::Very,
            _ => Degree::Plain,
        };
        Some(Complement::Adjective(degree, adjective))
    }
}

/// Whether what `verb` says can be told of `moment`.
pub(super) fn has_moment(verb: &Verb, moment: Moment) -> bool {
    match verb.aspect {
        Aspect::Event => true,
        Aspect::Project => moment != Moment::Habit,
        Aspect::Mishap => matches!(moment, Moment::Past | Moment::Perfect | Moment::Pluperfect),
        Aspect::Once => !matches!(moment, Moment::Habit | Moment::Now | Moment::Ongoing),
        Aspect::State => matches!(moment, Moment::Past | Moment::Habit | Moment::Now),
        Aspect::Posture => matches!(moment, Moment::Past | Moment::Habit | Moment::Now | Moment::Ongoing),
    }
}

/// Where one is with respect to `noun`.
pub(super) fn where_one_is(noun: &Noun, kinds: Kinds) -> &'static Preposition {
    if noun.is(WALL) {
        &prep::ON_WALL
    } else if noun.is(SITE) && kinds & SITE != 0 {
        &prep::AT
    } else if noun.is(SURFACE | GROUND) {
        &prep::ON
    } else {
        &prep::IN
    }
}

/// Whether `nominal` speaks of `noun`.
pub(super) fn mentions(nominal: &Nominal, noun: &Noun) -> bool {
    match nominal {
        Nominal::Phrase(phrase) => phrase.noun == noun,
        Nominal::And(first, second) => mentions(first, noun) || mentions(second, noun),
        _ => false,
    }
}

/// Whose things are, if they are those of `subject`; unsaid where natural and grammatical gender differ.
pub(super) fn owner(subject: &Nominal) -> Option<Pronoun> {
    match refer(subject)? {
        Nominal::Personal(pronoun) => Some(pronoun),
        _ => None,
    }
}

/// The pronoun that takes up `nominal`; none where natural and grammatical gender differ.
pub(super) fn refer(nominal: &Nominal) -> Option<Nominal> {
    match nominal {
        Nominal::Phrase(phrase) if phrase.number == Number::Plural => Some(Nominal::Personal(Pronoun::They)),
        Nominal::Phrase(phrase) if phrase.noun.is(PERSON) => match phrase.noun.gender() {
            Gender::Masculine => Some(Nominal::Personal(Pronoun::He)),
            Gender::Feminine => Some(Nominal::Personal(Pronoun::She)),
            Gender::Neuter => None,
        },
        Nominal::Phrase(phrase) => Some(Nominal::It(phrase.noun.gender())),
        Nominal::Name(name) => Some(Nominal::Personal(name.pronoun)),
        Nominal::Personal(pronoun) => Some(Nominal::Personal(*pronoun)),
        Nominal::It(gender) => Some(Nominal::It(*gender)),
        Nominal::And(..) => Some(Nominal::Personal(Pronoun::They)),
        Nominal::There(_) | Nominal::Who | Nominal::What | Nominal::Relative { .. } => None,
    }
}
