//! Two main clauses.

use super::Draft;
use super::circumstance::obstacle;
use crate::english::inflection::personal;
use crate::grammar::Tense;
use crate::lexicon::verbs::BE;
use crate::speaker::{Moment, Speaker, refer};
use crate::syntax::{Clause, Complement, Nominal};

/// A word between two main clauses.
pub(super) struct Link {
    pub(super) english: &'static str,
    pub(super) german: &'static str,
    /// Whether German has a comma before it.
    pub(super) comma: bool,
    /// Whether it takes the place before the second verb.
    pub(super) inverts: bool,
}

static AND: Link = Link { english: "and", german: "und", comma: false, inverts: false };
static BUT: Link = Link { english: "but", german: "aber", comma: true, inverts: false };
static SO: Link = Link { english: "so", german: "deshalb", comma: true, inverts: true };

/// *The man cooked the soup, and the woman cooked rice.* *The man was sick, so he did not work.*
pub(super) fn coordination(speaker: &mut Speaker) -> Draft {
    match speaker.rng.below(4) {
        0 | 1 => {
            let [first, second] = alike(speaker);
            Draft::coordination(first, second, &AND)
        }
        2 => {
            let [first, second] = alike(speaker);
            Draft::coordination(first, second.denied(), &BUT)
        }
        _ => {
            let mut second = speaker.act(Moment::Past).denied();
            let subject = second.subject.clone();
            let first = obstacle(speaker, &subject, Some(subject.clone()), Tense::Past);
            if first.verb == &BE {
                second.subject = refer(&subject).unwrap_or(subject);
            }
            Draft::coordination(first, second, &SO)
        }
    }
}

/// Two subjects who do the same to two objects.
fn alike(speaker: &mut Speaker) -> [Clause; 2] {
    loop {
        let first = speaker.event(Moment::Past);
        let second = speaker.clause(first.verb, Moment::Past);
        let [one, two] = [&first, &second].map(|clause| (topic(&clause.subject), object(clause).map(topic)));
        if one.0 != two.0 && one.1.is_some() && one.1 != two.1 {
            return [first, second];
        }
    }
}

/// The identity of a nominal.
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
