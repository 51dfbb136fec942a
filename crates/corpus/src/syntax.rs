//! The content of both languages: phrases and clauses before they become words.

use super::grammar::{Determiner, Gender, Number, Pronoun, Tense};
use super::lexicon::{Adjective, Adverb, Name, Noun, Preposition, Profession, Slot, Verb};

/// A noun with its attributes.
#[derive(Clone, Debug)]
pub(super) struct NounPhrase {
    pub(super) determiner: Determiner,
    pub(super) adjective: Option<&'static Adjective>,
    pub(super) noun: &'static Noun,
    pub(super) number: Number,
    /// *the man's*, *des Mannes*; *of the house*, *des Hauses*.
    pub(super) owner: Option<Box<Nominal>>,
    /// *who lives here*, *der hier wohnt*.
    pub(super) relative: Option<Box<Clause>>,
}

impl NounPhrase {
    /// `noun` alone after `determiner`.
    pub(super) fn new(determiner: Determiner, noun: &'static Noun, number: Number) -> Self {
        Self { determiner, adjective: None, noun, number, owner: None, relative: None }
    }

    /// Whether it is new to the listener, and so late in a German clause.
    pub(super) fn is_new(&self) -> bool {
        use Determiner::{HowMany, Indefinite, Many, No, Numeral, Some};
        matches!(self.determiner, Indefinite | No | Many | Some | Numeral(_) | HowMany)
    }
}

/// A subject, an object.
#[derive(Clone, Debug)]
pub(super) enum Nominal {
    /// *the old dog*
    Phrase(NounPhrase),
    /// *Anna*
    Name(&'static Name),
    /// *she*
    Personal(Pronoun),
    /// *it*, which refers to a noun of this gender.
    It(Gender),
    /// *there*, before one or many; German *es*.
    There(Number),
    /// *who*, *whom*
    Who,
    /// *what*
    What,
    /// *who*, *that*, which refers to a person or a thing of this gender and number.
    Relative { gender: Gender, number: Number, person: bool },
    /// *the dog and the cat*
    And(Box<Nominal>, Box<Nominal>),
}

impl Nominal {
    /// The pronoun that the English verb agrees with.
    pub(super) fn agreement(&self) -> Pronoun {
        let third = |number| {
            if number == Number::Plural { Pronoun::They } else { Pronoun::It }
        };
        match self {
            Self::Phrase(phrase) => third(phrase.number),
            Self::Name(name) => name.pronoun,
            Self::Personal(pronoun) => *pronoun,
            Self::There(number) | Self::Relative { number, .. } => third(*number),
            Self::It(_) | Self::Who | Self::What => Pronoun::It,
            Self::And(..) => Pronoun::They,
        }
    }

    /// The pronoun that the German verb agrees with: *es gibt* even before many.
    pub(super) fn german_agreement(&self) -> Pronoun {
        match self {
            Self::There(_) => Pronoun::It,
            other => other.agreement(),
        }
    }

    /// Whether it asks or relates, and so begins its clause.
    pub(super) fn is_fronted(&self) -> bool {
        match self {
            Self::Who | Self::What | Self::Relative { .. } => true,
            Self::Phrase(phrase) => {
                matches!(phrase.determiner, Determiner::Which | Determiner::HowMany | Determiner::Whose(..))
            }
            _ => false,
        }
    }

    /// Whether it is a personal pronoun, and so early in a German clause.
    pub(super) fn is_pronoun(&self) -> bool {
        matches!(self, Self::Personal(_) | Self::It(_) | Self::There(_))
    }

    /// Whether it is new to the listener.
    pub(super) fn is_new(&self) -> bool {
        match self {
            Self::Phrase(phrase) => phrase.is_new(),
            Self::And(first, _) => first.is_new(),
            _ => false,
        }
    }

    /// Makes it known to the listener.
    pub(super) fn define(&mut self) {
        if let Self::Phrase(phrase) = self
            && phrase.is_new()
        {
            phrase.determiner = Determiner::Definite;
        }
    }

    /// Whether English *not* with it is German *kein*.
    pub(super) fn is_negatable(&self) -> bool {
        matches!(self, Self::Phrase(NounPhrase { determiner: Determiner::Indefinite, .. }))
    }
}

/// A verb that takes an infinitive.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Modal {
    /// Its English form.
    pub(super) english: EnglishModal,
    /// The principal parts of the German modal.
    pub(super) german: &'static str,
    /// Whether it is used in the past.
    pub(super) has_past: bool,
}

/// The three forms of English modals.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum EnglishModal {
    /// *can*, *could*; more words may follow: *would like to*.
    Auxiliary(&'static str, &'static str, &'static str),
    /// *want to*, *wanted to*: takes *do*.
    Verb(&'static str),
    /// *be allowed to*
    Be(&'static str),
}

/// The modals.
pub(super) static MODALS: &[Modal] = &[
    Modal {
        english: EnglishModal::Auxiliary("can", "could", ""),
        german: "können kann konnte hat gekonnt",
        has_past: true,
    },
    Modal {
        english: EnglishModal::Verb("have had had having to"),
        german: "müssen muss musste hat gemusst",
        has_past: true,
    },
    Modal {
        english: EnglishModal::Verb("want wanted wanted wanting to"),
        german: "wollen will wollte hat gewollt",
        has_past: true,
    },
    Modal { english: EnglishModal::Be("allowed to"), german: "dürfen darf durfte hat gedurft", has_past: true },
    Modal {
        english: EnglishModal::Auxiliary("should", "", ""),
        german: "sollten sollte sollte hat gesollt",
        has_past: false,
    },
    Modal {
        english: EnglishModal::Auxiliary("would", "", "like to"),
        german: "möchten möchte mochte hat gemocht",
        has_past: false,
    },
];

/// Tense, aspect, mood and voice of a clause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// *buys*; *bought*, German Präteritum.
    Simple(Tense),
    /// *is buying*, *kauft gerade*; *is hanging*, *hängt*.
    Progressive(Tense),
    /// *has bought*, *hat gekauft*; *had bought*, *hatte gekauft*.
    Perfect(Tense),
    /// *will buy*, *wird kaufen*
    Future,
    /// *can buy*, *kann kaufen*
    Modal(&'static Modal, Tense),
    /// *was bought*, *wurde gekauft*
    Passive(Tense),
    /// *buy!*
    Imperative,
}

/// Complements of a verb.
#[derive(Clone, Debug)]
pub(super) enum Complement {
    /// The accusative object.
    Accusative(Nominal),
    /// The dative object; `true` if English marks it with *to*.
    Dative(Nominal, bool),
    /// A prepositional object or a direction.
    Prepositional(&'static Preposition, Nominal),
    /// A predicate adjective.
    Adjective(Degree, &'static Adjective),
    /// *a teacher*, *Lehrerin*
    Profession(&'static Profession, Pronoun),
    /// *that* and a clause.
    That(Box<Clause>),
    /// *to* and a clause without its subject; `true` for *um ... zu*.
    Infinitive(Box<Clause>, bool),
}

/// Degree of a quality.
#[derive(Clone, Debug)]
pub(super) enum Degree {
    /// *tired*
    Plain,
    /// *very tired*
    Very,
    /// *too tired*
    Too,
    /// *older than*
    More(Nominal),
    /// *as old as*
    Same(Nominal),
}

/// A subordinating conjunction of both languages.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Conjunction {
    /// The English one.
    pub(super) english: &'static str,
    /// The German one; the verb is last after it.
    pub(super) german: &'static str,
}

impl Conjunction {
    /// The English and the German one.
    pub(super) const fn new(english: &'static str, german: &'static str) -> Self {
        Self { english, german }
    }
}

/// An adverbial of a clause.
#[derive(Clone, Debug)]
pub(super) enum Adverbial {
    /// An adverb or a phrase that is learned whole.
    Adverb(&'static Adverb),
    /// A preposition and its nominal.
    Prepositional(Slot, &'static Preposition, Nominal),
    /// A subordinate clause.
    Clause(&'static Conjunction, Box<Clause>),
    /// *where*, *wo*
    Question(&'static str, &'static str),
}

impl Adverbial {
    /// Its position; none outside the middle of a clause.
    pub(super) fn slot(&self) -> Option<Slot> {
        match self {
            Self::Adverb(adverb) => Some(adverb.slot),
            Self::Prepositional(slot, ..) => Some(*slot),
            Self::Clause(..) | Self::Question(..) => None,
        }
    }
}

/// A clause.
#[derive(Clone, Debug)]
pub(super) struct Clause {
    pub(super) subject: Nominal,
    pub(super) verb: &'static Verb,
    pub(super) form: Form,
    pub(super) negated: bool,
    pub(super) complements: Vec<Complement>,
    pub(super) adverbials: Vec<Adverbial>,
    /// The part before the subject.
    pub(super) front: Option<Adverbial>,
}

impl Clause {
    /// `subject` and `verb` with nothing else.
    pub(super) fn new(subject: Nominal, verb: &'static Verb, form: Form) -> Self {
        Self { subject, verb, form, negated: false, complements: vec![], adverbials: vec![], front: None }
    }

    /// The same clause with one more complement.
    pub(super) fn with(mut self, complement: Complement) -> Self {
        self.complements.push(complement);
        self
    }

    /// The same clause with one more adverbial.
    pub(super) fn and(mut self, adverbial: Adverbial) -> Self {
        self.adverbials.push(adverbial);
        self
    }

    /// The same clause with `adverbial` before everything else.
    pub(super) fn led_by(mut self, adverbial: Adverbial) -> Self {
        self.front = Some(adverbial);
        self
    }

    /// The same clause, denied.
    ///
    /// At most one object stays indefinite, which German denies with *kein*; all else becomes definite, so that the
    /// scope of *not* is clear.
    pub(super) fn denied(mut self) -> Self {
        self.negated = true;
        self.subject.define();
        let mut may_be_new = true;
        for complement in self.complements.iter_mut().rev() {
            match complement {
                Complement::Accusative(object) | Complement::Dative(object, _) => {
                    if may_be_new && object.is_negatable() {
                        may_be_new = false;
                    } else {
                        object.define();
                    }
                }
                Complement::Prepositional(_, object) => object.define(),
                _ => {}
            }
        }
        self
    }
}
