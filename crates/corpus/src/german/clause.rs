//! German clauses by topological fields: front, finite verb, middle, verbal bracket, end.

use super::phrase::{nominal, prepositional};
use super::{GermanVerb, article};
use crate::grammar::{Case, Determiner, Pronoun, Tense};
use crate::lexicon::{Aspect, Slot};
use crate::syntax::{Adverbial, Clause, Complement, Degree, Form, Nominal, NounPhrase};
use crate::text::Text;

/// Position of the finite verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// First, in questions and commands.
    First,
    /// Second, in statements: exactly one constituent is in front of it.
    Second,
    /// Last, in subordinate clauses.
    Final,
}

/// `clause` with its finite verb where `order` puts it.
pub(crate) fn clause(clause: &Clause, order: Order) -> Text {
    let Fields { front, middle, end } = Fields::of(clause, order);
    let VerbalComplex { finite, prefix, rest } = VerbalComplex::of(clause);
    let mut text = front;
    if order == Order::Final {
        text.append(middle);
        text.push(&rest);
        text.push(&format!("{prefix}{finite}"));
    } else {
        text.push(&finite);
        text.append(middle);
        text.push(&rest);
        text.push(prefix);
    }
    text.append(end);
    text
}

/// `clause` without its subject, its verb an infinitive with *zu*.
fn infinitive_clause(clause: &Clause, purpose: bool) -> Text {
    let Fields { middle, end, .. } = Fields::of(clause, Order::Second);
    let mut text = Text::from(if purpose { "um" } else { "" });
    text.append(middle);
    text.push(&clause.verb.german().zu_infinitive());
    text.append(end);
    text
}

/// The finite verb, and the verbal bracket that closes the clause.
struct VerbalComplex {
    finite: String,
    prefix: &'static str,
    rest: String,
}

impl VerbalComplex {
    fn of(clause: &Clause) -> Self {
        let verb = clause.verb.german();
        let subject = clause.subject.german_agreement();
        let finite = |line, tense| GermanVerb::parse(line).finite(tense, subject);
        let (finite, prefix, rest) = match clause.form {
            Form::Simple(tense) | Form::Progressive(tense) => (verb.finite(tense, subject), verb.prefix, String::new()),
            Form::Imperative => (verb.imperative(), verb.prefix, String::new()),
            Form::Perfect(tense) => {
                let auxiliary = if verb.with_sein { SEIN } else { HABEN };
                (finite(auxiliary, tense), "", verb.participle.to_string())
            }
            Form::Passive(tense) => (finite(WERDEN, tense), "", verb.participle.to_string()),
            Form::Future => (finite(WERDEN, Tense::Present), "", verb.infinitive()),
            Form::Modal(modal, tense) => (finite(modal.german, tense), "", verb.infinitive()),
        };
        Self { finite, prefix, rest }
    }
}

const SEIN: &str = "sein ist war ist gewesen";
const HABEN: &str = "haben hat hatte hat gehabt";
const WERDEN: &str = "werden wird wurde ist geworden";

/// A place in the middle field: constituents follow this order, known ones before new ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    ReflexiveBeforeSubject,
    Subject,
    Reflexive,
    AccusativePronoun,
    DativePronoun,
    Time,
    Frequency,
    Cause,
    KnownDative,
    KnownAccusative,
    Phase,
    Not,
    Manner,
    Means,
    Place,
    NewDative,
    NewAccusative,
    Prepositional,
    Predicate,
}

impl From<Slot> for Rank {
    fn from(slot: Slot) -> Self {
        match slot {
            Slot::Time => Self::Time,
            Slot::Frequency => Self::Frequency,
            Slot::Cause => Self::Cause,
            Slot::Phase => Self::Phase,
            Slot::Manner => Self::Manner,
            Slot::Means => Self::Means,
            Slot::Place => Self::Place,
            Slot::Direction => Self::Prepositional,
        }
    }
}

/// The parts before, between and after the two parts of the verb.
struct Fields {
    front: Text,
    middle: Text,
    end: Text,
}

impl Fields {
    fn of(clause: &Clause, order: Order) -> Self {
        let mut fields = Builder::default();
        fields.complements(clause);
        fields.adverbials(clause);
        if let Some(front) = &clause.front {
            fields.front = Some(adverbial(front));
        }
        fields.subject(clause, order);
        fields.middle.sort_by_key(|&(rank, _)| rank);
        let mut middle = Text::default();
        fields.middle.into_iter().for_each(|(_, text)| middle.append(text));
        Self { front: fields.front.unwrap_or_default(), middle, end: fields.end }
    }
}

#[derive(Default)]
struct Builder {
    front: Option<Text>,
    middle: Vec<(Rank, Text)>,
    end: Text,
}

impl Builder {
    /// Puts `text` in front if its `nominal` asks or relates, else in the middle.
    fn place(&mut self, nominal: &Nominal, rank: Rank, text: Text) {
        if nominal.is_fronted() {
            self.front = Some(text);
        } else {
            self.middle.push((rank, text));
        }
    }

    fn complements(&mut self, clause: &Clause) {
        let mut negation = clause.negated;
        for complement in &clause.complements {
            match complement {
                Complement::Accusative(object) => {
                    let rank = match object {
                        _ if object.is_pronoun() => Rank::AccusativePronoun,
                        _ if object.is_new() => Rank::NewAccusative,
                        _ => Rank::KnownAccusative,
                    };
                    self.place(object, rank, denied(object, Case::Accusative, &mut negation));
                }
                Complement::Dative(object, _) => {
                    let rank = match object {
                        _ if object.is_pronoun() => Rank::DativePronoun,
                        _ if object.is_new() => Rank::NewDative,
                        _ => Rank::KnownDative,
                    };
                    self.place(object, rank, denied(object, Case::Dative, &mut negation));
                }
                Complement::Prepositional(preposition, object) => {
                    self.place(object, Rank::Prepositional, prepositional(preposition, object));
                }
                Complement::Adjective(degree, adjective) => {
                    let text = match degree {
                        Degree::Plain => adjective.german.into(),
                        Degree::Very => format!("sehr {}", adjective.german).as_str().into(),
                        Degree::Too => format!("zu {}", adjective.german).as_str().into(),
                        Degree::More(other) => {
                            let mut text = Text::from(adjective.german_comparative);
                            text.push("als");
                            text.append(nominal(other, Case::Nominative));
                            text
                        }
                        Degree::Same(other) => {
                            let mut text = Text::from(format!("so {} wie", adjective.german).as_str());
                            text.append(nominal(other, Case::Nominative));
                            text
                        }
                    };
                    self.middle.push((Rank::Predicate, text));
                }
                Complement::Profession(profession, pronoun) => {
                    let woman = *pronoun == Pronoun::She;
                    let mut text = Text::default();
                    if std::mem::take(&mut negation) {
                        text.push(if woman { "keine" } else { "kein" });
                    }
                    text.push(if woman { profession.she } else { profession.he });
                    self.middle.push((Rank::Predicate, text));
                }
                Complement::That(inner) => {
                    self.end.comma();
                    self.end.push("dass");
                    self.end.append(self::clause(inner, Order::Final));
                    self.end.comma();
                }
                Complement::Infinitive(inner, purpose) => {
                    self.end.comma();
                    self.end.append(infinitive_clause(inner, *purpose));
                    self.end.comma();
                }
            }
        }
        if negation {
            self.middle.push((Rank::Not, "nicht".into()));
        }
    }

    fn adverbials(&mut self, clause: &Clause) {
        for adverbial in &clause.adverbials {
            let text = self::adverbial(adverbial);
            match adverbial.slot() {
                Some(slot) => self.middle.push((slot.into(), text)),
                None => self.end.append(text),
            }
        }
        if matches!(clause.form, Form::Progressive(_)) && clause.verb.aspect != Aspect::Posture {
            self.middle.push((Rank::Time, "gerade".into()));
        }
    }

    fn subject(&mut self, clause: &Clause, order: Order) {
        let subject = &clause.subject;
        let text = nominal(subject, Case::Nominative);
        let leads = subject.is_fronted() || (order == Order::Second && self.front.is_none());
        if leads {
            self.front = Some(text);
        } else if clause.form != Form::Imperative {
            self.middle.push((Rank::Subject, text));
        }
        if clause.verb.german().reflexive {
            // *Gestern freute sich der Mann*, but *gestern freute er sich*.
            let inverted = !leads && !subject.is_pronoun();
            let rank = if inverted { Rank::ReflexiveBeforeSubject } else { Rank::Reflexive };
            self.middle.push((rank, article::reflexive(subject.german_agreement()).into()));
        }
    }
}

/// `object`, which absorbs the `negation` if it can: *nicht ein* is *kein*.
fn denied(object: &Nominal, case: Case, negation: &mut bool) -> Text {
    match object {
        Nominal::Phrase(phrase) if *negation && object.is_negatable() => {
            *negation = false;
            let phrase = NounPhrase { determiner: Determiner::No, ..phrase.clone() };
            nominal(&Nominal::Phrase(phrase), case)
        }
        _ => nominal(object, case),
    }
}

fn adverbial(adverbial: &Adverbial) -> Text {
    match adverbial {
        Adverbial::Adverb(adverb) => adverb.german.into(),
        Adverbial::Question(_, german) => (*german).into(),
        Adverbial::Prepositional(_, preposition, object) => prepositional(preposition, object),
        Adverbial::Clause(conjunction, inner) => {
            let mut text = Text::default();
            text.comma();
            text.push(conjunction.german);
            text.append(clause(inner, Order::Final));
            text.comma();
            text
        }
    }
}
