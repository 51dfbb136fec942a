//! Drawing noun phrases: who, what, where.

use super::Speaker;
use crate::grammar::{Determiner, Gender, Number, Pronoun};
use crate::lexicon::kinds::*;
use crate::lexicon::verbs::Direction;
use crate::lexicon::{Kinds, NAMES, Noun, Preposition, prepositions as prep};
use crate::syntax::{Complement, Nominal, NounPhrase};

impl Speaker {
    /// *the old dog*, *many apples*; a thing that can be owned may be that of `owner`.
    pub(crate) fn phrase(&mut self, noun: &'static Noun, owner: Option<Pronoun>) -> NounPhrase {
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

    /// A phrase as a topic, so mostly known.
    pub(crate) fn subject_phrase(&mut self, noun: &'static Noun) -> NounPhrase {
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
    pub(crate) fn object(&mut self, kinds: Kinds, but: &Nominal) -> Nominal {
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
            let pronoun =
                self.rng.pick(&[Pronoun::I, Pronoun::You, Pronoun::He, Pronoun::She, Pronoun::We, Pronoun::They]);
            // *I saw me*, *we saw me* and *they saw them* would not be said.
            let both_speak = matches!(pronoun, Pronoun::I | Pronoun::We) && matches!(taken, Pronoun::I | Pronoun::We);
            if pronoun != taken && !both_speak {
                break pronoun;
            }
        };
        Nominal::Personal(pronoun)
    }

    /// A subject of one of `kinds`; `you` only if the form of *du* is in use.
    pub(crate) fn subject(&mut self, kinds: Kinds, you: bool) -> Nominal {
        if kinds & PERSON != 0 && (kinds == PERSON || self.rng.chance(65)) {
            return self.person(you);
        }
        let rest = if kinds & !PERSON == 0 { kinds } else { kinds & !PERSON };
        let noun = self.noun(rest);
        Nominal::Phrase(self.subject_phrase(noun))
    }

    /// A person as a subject.
    pub(crate) fn person(&mut self, you: bool) -> Nominal {
        match self.rng.below(100) {
            0..18 => Nominal::Name(self.choose(NAMES, |_| true)),
            18..44 => {
                let pronouns = [Pronoun::I, Pronoun::He, Pronoun::She, Pronoun::We, Pronoun::They, Pronoun::You];
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
    pub(crate) fn place(&mut self, noun: &'static Noun) -> Nominal {
        let determiner =
            self.rng.weighted(&[(80, Determiner::Definite), (12, Determiner::Indefinite), (8, Determiner::This)]);
        let mut phrase = NounPhrase::new(determiner, noun, Number::Singular);
        if self.rng.chance(18) {
            phrase.adjective = self.adjective(noun);
        }
        Nominal::Phrase(phrase)
    }

    /// *in the kitchen*, *on the roof*: somewhere in `kinds`.
    pub(crate) fn whereabouts(&mut self, kinds: Kinds) -> (&'static Preposition, Nominal) {
        let noun = self.noun(kinds);
        let preposition = where_one_is(noun, kinds);
        (preposition, self.place(noun))
    }

    /// One of `directions`.
    pub(crate) fn direction(&mut self, directions: &[Direction]) -> Complement {
        let (preposition, kinds) = self.rng.pick(directions);
        let noun = self.noun(kinds);
        Complement::Prepositional(preposition, self.place(noun))
    }
}

/// A position relative to `noun`.
fn where_one_is(noun: &Noun, kinds: Kinds) -> &'static Preposition {
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

/// Whether `nominal` mentions `noun`.
pub(crate) fn mentions(nominal: &Nominal, noun: &Noun) -> bool {
    match nominal {
        Nominal::Phrase(phrase) => phrase.noun == noun,
        Nominal::And(first, second) => mentions(first, noun) || mentions(second, noun),
        _ => false,
    }
}

/// The owner of things of `subject`; none if natural and grammatical gender differ.
fn owner(subject: &Nominal) -> Option<Pronoun> {
    match refer(subject)? {
        Nominal::Personal(pronoun) => Some(pronoun),
        _ => None,
    }
}

/// The pronoun that refers to `nominal`; none if natural and grammatical gender differ.
pub(crate) fn refer(nominal: &Nominal) -> Option<Nominal> {
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
