//! *The animal did not cross the street because it was too tired*: a pronoun that must be understood.

use super::Draft;
use super::reason::{ALTHOUGH, BECAUSE};
use crate::grammar::{Determiner, Gender, Number, Tense};
use crate::lexicon::adjectives::adjective_named;
use crate::lexicon::adverbs;
use crate::lexicon::kinds::*;
use crate::lexicon::verbs::BE;
use crate::lexicon::{
    ADJECTIVES, Adjective, Aspect, Frame, Kinds, NOUNS, Noun, Preposition, Verb, prepositions as prep,
};
use crate::speaker::Speaker;
use crate::syntax::{Adverbial, Clause, Complement, Degree, Form, MODALS, Nominal, NounPhrase};

/// The reference of a sentence's pronoun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    /// The noun that *it* refers to.
    pub(crate) antecedent: &'static Noun,
    /// The noun that it does not refer to.
    pub(crate) other: &'static Noun,
    /// The adjective that is said of it.
    pub(crate) adjective: &'static Adjective,
    /// Whether the antecedent is the subject.
    pub(crate) is_subject: bool,
}

/// Two things, an event between them, and adjectives that fit one but not the other.
struct Scene {
    first: Kinds,
    /// The English infinitive.
    verb: &'static str,
    preposition: Option<&'static Preposition>,
    second: Kinds,
    /// Reasons against it: *because it was too …*, *although it was very …*, of the first and of the second.
    against: [&'static [&'static str]; 2],
    /// Reasons for it: *because it was …*.
    in_favor: [&'static [&'static str]; 2],
}

const WEARY: &[&str] = &["tired", "weak", "sick", "lazy", "hungry", "thirsty", "nervous"];
const WAYS: &[&str] = &["wide", "narrow", "steep", "slippery", "busy", "deep"];

static SCENES: &[Scene] = &[
    Scene {
        first: ANIMAL,
        verb: "cross",
        preposition: None,
        second: WAY,
        against: [WEARY, WAYS],
        in_favor: [&["brave", "hungry"], &["narrow"]],
    },
    Scene {
        first: WHEELED,
        verb: "cross",
        preposition: None,
        second: TRAFFIC | PATH,
        against: [&["heavy", "slow"], &["narrow", "steep", "slippery", "busy"]],
        in_favor: [&["fast"], &["wide"]],
    },
    Scene {
        first: ANIMAL,
        verb: "jump",
        preposition: Some(&prep::OVER),
        second: BARRIER,
        against: [&["tired", "weak", "sick", "lazy", "nervous"], &["high", "deep"]],
        in_favor: [&["brave", "strong"], &[]],
    },
    Scene {
        first: ANIMAL,
        verb: "sleep",
        preposition: Some(&prep::ON),
        second: BED,
        against: [&["nervous", "hungry", "thirsty", "sick"], &["hard", "narrow"]],
        in_favor: [&["tired", "lazy", "weak", "sick"], &["soft", "comfortable", "warm"]],
    },
    Scene {
        first: ANIMAL,
        verb: "eat",
        preposition: None,
        second: FODDER,
        against: [&["tired", "sick", "nervous", "weak"], &["sour", "bitter", "salty", "hard", "hot"]],
        in_favor: [&["hungry"], &["delicious", "fresh", "sweet"]],
    },
    Scene {
        first: DRAFT,
        verb: "pull",
        preposition: None,
        second: LOAD,
        against: [WEARY, &["heavy", "full"]],
        in_favor: [&["strong"], &[]],
    },
    // A thing that does not fit is big, and the thing that it does not fit into is small.
    Scene {
        first: BIG,
        verb: "fit",
        preposition: Some(&prep::INTO),
        second: HOLDER,
        against: [&["big"], &["small", "full"]],
        in_favor: [&["small"], &["big"]],
    },
];

/// The clause with *it*.
#[derive(Clone, Copy)]
enum Stance {
    /// *did not … because it was too …*
    Hindered,
    /// *… although it was very …*
    Despite,
    /// *… because it was …*
    Helped,
}

pub(super) fn reference(speaker: &mut Speaker) -> Draft {
    let is_subject = speaker.rng.chance(50);
    let gender = speaker.rng.pick(&Gender::ALL);
    loop {
        let scene = speaker.choose(SCENES, |_| true);
        let stance = speaker.rng.weighted(&[(60, Stance::Hindered), (20, Stance::Despite), (20, Stance::Helped)]);
        let qualities = match stance {
            Stance::Hindered | Stance::Despite => scene.against,
            Stance::Helped => scene.in_favor,
        };
        let (antecedents, others, qualities) = if is_subject {
            (scene.first, scene.second, qualities[0])
        } else {
            (scene.second, scene.first, qualities[1])
        };
        if qualities.is_empty() {
            continue;
        }
        let adjective = adjective_named(speaker.rng.pick(qualities));
        let is_antecedent = |noun: &Noun| noun.is(antecedents) && noun.is(adjective.kinds) && noun.gender() == gender;
        if !NOUNS.iter().any(is_antecedent) {
            continue;
        }
        let antecedent = speaker.choose(NOUNS, is_antecedent);
        let other = speaker.choose(NOUNS, |noun| noun.is(others) && noun.gender() != gender);
        return tell(speaker, scene, stance, &Reference { antecedent, other, adjective, is_subject });
    }
}

fn tell(speaker: &mut Speaker, scene: &Scene, stance: Stance, it: &Reference) -> Draft {
    let (first, second) = if it.is_subject { (it.antecedent, it.other) } else { (it.other, it.antecedent) };
    let tense = if speaker.rng.chance(75) { Tense::Past } else { Tense::Present };
    let verb = speaker.verb(|verb| is_named(verb, scene));
    // *can*, which heads the list of modals
    let able = verb.aspect != Aspect::State && speaker.rng.chance(20);
    let form = if able { Form::Modal(&MODALS[0], tense) } else { Form::Simple(tense) };
    let [first, object] = [first, second].map(|noun| colored(speaker, noun));
    let mut main = Clause::new(first, verb, form);
    main.complements.push(match scene.preposition {
        None => Complement::Accusative(object),
        // *on the sofa*, but *in the bed*
        Some(preposition) if preposition == &prep::ON && !second.is(SURFACE) => {
            Complement::Prepositional(&prep::IN, object)
        }
        Some(preposition) => Complement::Prepositional(preposition, object),
    });
    main.negated = matches!(stance, Stance::Hindered);
    main.adverbials.push(it_was(it, tense, stance));
    if tense == Tense::Past && speaker.rng.chance(15) {
        main.front = Some(speaker.time(adverbs::PAST));
    }
    Draft { reference: Some(*it), ..Draft::statement(main) }
}

/// `noun` after *the*, sometimes with an adjective that is not a reason for anything.
fn colored(speaker: &mut Speaker, noun: &'static Noun) -> Nominal {
    let fits = |adjective: &Adjective| !adjective.gradable && noun.is(adjective.kinds);
    let mut phrase = NounPhrase::new(Determiner::Definite, noun, Number::Singular);
    if speaker.rng.chance(15) && ADJECTIVES.iter().any(fits) {
        phrase.adjective = Some(speaker.choose(ADJECTIVES, fits));
    }
    Nominal::Phrase(phrase)
}

fn the(noun: &'static Noun) -> Nominal {
    Nominal::Phrase(NounPhrase::new(Determiner::Definite, noun, Number::Singular))
}

/// *because it was too tired*, *although it was very tired*
fn it_was(it: &Reference, tense: Tense, stance: Stance) -> Adverbial {
    let (conjunction, degree) = match stance {
        Stance::Hindered => (&BECAUSE, Degree::Too),
        Stance::Despite => (&ALTHOUGH, Degree::Very),
        Stance::Helped => (&BECAUSE, Degree::Plain),
    };
    let clause = Clause::new(Nominal::It(it.antecedent.gender()), &BE, Form::Simple(tense))
        .with(Complement::Adjective(degree, it.adjective));
    Adverbial::Clause(conjunction, Box::new(clause))
}

/// The two sentences of the lecture: *The animal did not cross the street because it was too tired*, *too wide*.
pub(crate) fn lecture(speaker: &mut Speaker) -> [Draft; 2] {
    let noun = |english: &str| {
        NOUNS.iter().find(|noun| noun.english(Number::Singular) == english).expect("a noun of the lexicon")
    };
    let (animal, street) = (noun("animal"), noun("street"));
    let verb = speaker.verb(|verb| is_named(verb, &SCENES[0]));
    [(animal, street, "tired"), (street, animal, "wide")].map(|(antecedent, other, adjective)| {
        let adjective = adjective_named(adjective);
        let it = Reference { antecedent, other, adjective, is_subject: antecedent == animal };
        let main = Clause::new(the(animal), verb, Form::Simple(Tense::Past))
            .denied()
            .with(Complement::Accusative(the(street)))
            .and(it_was(&it, Tense::Past, Stance::Hindered));
        Draft { reference: Some(it), ..Draft::statement(main) }
    })
}

fn is_named(verb: &Verb, scene: &Scene) -> bool {
    let takes_object = matches!(verb.frame, Frame::Accusative(_));
    verb.subject & scene.first != 0
        && takes_object == scene.preposition.is_none()
        && matches!(verb.frame, Frame::Accusative(_) | Frame::Motion(_) | Frame::Intransitive)
        && verb.english().infinitive == scene.verb
}
