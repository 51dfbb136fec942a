//! English clauses.

use super::inflection::{EnglishVerb, be, indefinite_article, is_third_singular};
use super::phrase::{Role, nominal};
use crate::grammar::{Pronoun, Tense};
use crate::lexicon::{Frame, Slot};
use crate::syntax::{Adverbial, Clause, Complement, Degree, EnglishModal, Form};
use crate::text::Text;

/// `clause` as a statement, a command or a subordinate clause.
pub(crate) fn clause(clause: &Clause) -> Text {
    sentence(clause, false)
}

/// `clause` as a question.
pub(crate) fn question(clause: &Clause) -> Text {
    sentence(clause, true)
}

fn sentence(clause: &Clause, question: bool) -> Text {
    let inverted = question && !clause.subject.is_fronted();
    let group = VerbGroup::of(clause, inverted || clause.negated);
    let mut text = fronted(clause);
    let subject = match clause.form {
        Form::Imperative => Text::default(),
        _ => nominal(&clause.subject, Role::Subject),
    };
    if inverted {
        text.push(&group.auxiliary);
        text.append(subject);
    } else {
        text.append(subject);
        text.push(&group.auxiliary);
    }
    if clause.negated && group.auxiliary == "can" {
        text = text.with_suffix("not");
    } else if clause.negated {
        text.push("not");
    }
    adverbs(clause, &mut text, |adverbial| match adverbial {
        Adverbial::Adverb(adverb) => match adverb.slot {
            Slot::Frequency => true,
            Slot::Phase => !clause.negated,
            _ => false,
        },
        _ => false,
    });
    text.push(&group.rest);
    predicate(clause, &mut text);
    text
}

/// The part before the subject: a question word, a relative pronoun, an adverbial.
fn fronted(clause: &Clause) -> Text {
    if let Some(front) = &clause.front {
        return adverbial(front);
    }
    clause
        .complements
        .iter()
        .find_map(|complement| match complement {
            Complement::Accusative(object) if object.is_fronted() => Some(nominal(object, Role::Object)),
            Complement::Dative(object, _) if object.is_fronted() => {
                let receives = matches!(clause.verb.frame, Frame::Giving(_) | Frame::GivingTo(_));
                let mut text = Text::from(if receives { "to" } else { "" });
                text.append(nominal(object, Role::Object));
                Some(text)
            }
            Complement::Prepositional(preposition, object) if object.is_fronted() => {
                let mut text = Text::from(preposition.english);
                text.append(nominal(object, Role::Governed));
                Some(text)
            }
            _ => None,
        })
        .unwrap_or_default()
}

/// The part after the verb.
fn predicate(clause: &Clause, text: &mut Text) {
    text.push(clause.verb.english().particle);
    let mut to = Text::default();
    for complement in &clause.complements {
        match complement {
            Complement::Accusative(object) if !object.is_fronted() => {
                text.append(nominal(object, Role::Object));
            }
            Complement::Dative(object, false) if !object.is_fronted() => {
                text.append(nominal(object, Role::Object));
            }
            Complement::Dative(object, true) if !object.is_fronted() => {
                to.push("to");
                to.append(nominal(object, Role::Object));
            }
            Complement::Adjective(degree, adjective) => {
                let (before, other) = match degree {
                    Degree::Plain => (adjective.english.to_string(), None),
                    Degree::Very => (format!("very {}", adjective.english), None),
                    Degree::Too => (format!("too {}", adjective.english), None),
                    Degree::More(other) => (format!("{} than", adjective.english_comparative), Some(other)),
                    Degree::Same(other) => (format!("as {} as", adjective.english), Some(other)),
                };
                text.push(&before);
                if let Some(other) = other {
                    text.append(nominal(other, Role::Subject));
                }
            }
            Complement::Profession(profession, _) => {
                text.push(indefinite_article(profession.english));
                text.push(profession.english);
            }
            _ => {}
        }
    }
    text.append(to);
    slot(clause, text, Slot::Manner);
    for complement in &clause.complements {
        if let Complement::Prepositional(preposition, object) = complement
            && !object.is_fronted()
        {
            text.push(preposition.english);
            text.append(nominal(object, Role::Object));
        }
    }
    for place in [Slot::Direction, Slot::Means, Slot::Place, Slot::Cause, Slot::Time] {
        slot(clause, text, place);
    }
    if clause.negated {
        slot(clause, text, Slot::Phase);
    }
    for complement in &clause.complements {
        match complement {
            Complement::That(inner) => {
                text.push("that");
                text.append(self::clause(inner));
            }
            Complement::Infinitive(inner, _) => {
                text.push("to");
                text.push(inner.verb.english().infinitive);
                predicate(inner, text);
            }
            _ => {}
        }
    }
    adverbs(clause, text, |adverbial| matches!(adverbial, Adverbial::Clause(..)));
}

fn slot(clause: &Clause, text: &mut Text, slot: Slot) {
    adverbs(clause, text, |adverbial| adverbial.slot() == Some(slot));
}

fn adverbs(clause: &Clause, text: &mut Text, here: impl Fn(&Adverbial) -> bool) {
    for adverbial in clause.adverbials.iter().filter(|adverbial| here(adverbial)) {
        // A comma separates a subordinate clause only from the text that follows it.
        let mut words = self::adverbial(adverbial);
        words.trim_commas();
        text.append(words);
    }
}

fn adverbial(adverbial: &Adverbial) -> Text {
    match adverbial {
        Adverbial::Adverb(adverb) => adverb.english.into(),
        Adverbial::Question(english, _) => (*english).into(),
        Adverbial::Prepositional(_, preposition, object) => {
            let mut text = Text::from(preposition.english);
            text.append(nominal(object, Role::Governed));
            text
        }
        Adverbial::Clause(conjunction, inner) => {
            let mut text = Text::from(conjunction.english);
            text.append(clause(inner));
            text.comma();
            text
        }
    }
}

/// The verb in two parts: the part before *not* or the subject of a question, and the rest.
struct VerbGroup {
    auxiliary: String,
    rest: String,
}

impl VerbGroup {
    /// `supported`: a simple form needs *do*.
    fn of(clause: &Clause, supported: bool) -> Self {
        let verb = clause.verb.english();
        let subject = clause.subject.agreement();
        let group = |auxiliary: &str, rest: &str| Self { auxiliary: auxiliary.into(), rest: rest.into() };
        match clause.form {
            Form::Simple(tense) => Self::simple(verb, tense, subject, supported),
            Form::Progressive(tense) => group(be(tense, subject), verb.gerund),
            Form::Perfect(tense) => group(have(tense, subject), verb.participle),
            Form::Passive(tense) => group(be(tense, subject), verb.participle),
            Form::Future => group("will", verb.infinitive),
            Form::Imperative => group(if supported { "do" } else { "" }, verb.infinitive),
            Form::Modal(modal, tense) => match &modal.english {
                EnglishModal::Auxiliary(present, past, more) => {
                    group(if tense == Tense::Past { past } else { present }, &format!("{more} {}", verb.infinitive))
                }
                EnglishModal::Be(more) => group(be(tense, subject), &format!("{more} {}", verb.infinitive)),
                EnglishModal::Verb(line) => {
                    let modal = EnglishVerb::parse(line);
                    let Self { auxiliary, rest } = Self::simple(modal, tense, subject, supported);
                    Self { auxiliary, rest: format!("{rest} {} {}", modal.particle, verb.infinitive) }
                }
            },
        }
    }

    fn simple(verb: EnglishVerb, tense: Tense, subject: Pronoun, supported: bool) -> Self {
        if verb.is_be() {
            Self { auxiliary: verb.finite(tense, subject), rest: String::new() }
        } else if supported {
            let auxiliary = match tense {
                Tense::Past => "did",
                Tense::Present if is_third_singular(subject) => "does",
                Tense::Present => "do",
            };
            Self { auxiliary: auxiliary.to_string(), rest: verb.infinitive.to_string() }
        } else {
            Self { auxiliary: String::new(), rest: verb.finite(tense, subject) }
        }
    }
}

fn have(tense: Tense, subject: Pronoun) -> &'static str {
    match tense {
        Tense::Past => "had",
        Tense::Present if is_third_singular(subject) => "has",
        Tense::Present => "have",
    }
}
