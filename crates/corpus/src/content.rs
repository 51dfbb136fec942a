//! The content words of a clause, and the pairs of them that belong together.

use super::lexicon::Frame;
use super::syntax::{Adverbial, Clause, Complement, Degree, Form, Nominal};

/// A verb and its object, or an adjective and its noun, by their lemmas.
pub(super) type Pair = (&'static str, &'static str);

/// The content words of a sentence.
#[derive(Debug, Default)]
pub(super) struct Content {
    /// The lemmas of its adjectives, and of its verbs that take objects.
    pub(super) heads: Vec<&'static str>,
    /// The lemmas of its nouns.
    pub(super) nouns: Vec<&'static str>,
    /// Those of them that belong together.
    pub(super) pairs: Vec<Pair>,
}

impl Content {
    /// The content of `clauses`.
    pub(super) fn of(clauses: &[Clause]) -> Self {
        let mut content = Self::default();
        clauses.iter().for_each(|clause| content.clause(clause));
        content
    }

    /// The first pair that `is_held`.
    pub(super) fn pair(&self, is_held: impl Fn(Pair) -> bool) -> Option<Pair> {
        self.pairs.iter().copied().find(|&pair| is_held(pair))
    }

    /// All possible pairs, in any relation of the words.
    pub(super) fn meetings(&self) -> impl Iterator<Item = Pair> {
        self.heads.iter().flat_map(|&head| self.nouns.iter().map(move |&noun| (head, noun)))
    }

    /// All possible triples of antecedent, other noun and adjective of a pronoun.
    pub(super) fn triples(&self) -> impl Iterator<Item = [&'static str; 3]> {
        let nouns = || self.nouns.iter();
        self.heads.iter().flat_map(move |&head| {
            nouns().flat_map(move |&antecedent| nouns().map(move |&other| [antecedent, other, head]))
        })
    }

    fn clause(&mut self, clause: &Clause) {
        let verb = clause.verb.lemma();
        if let Frame::Accusative(_) | Frame::Dative(_) | Frame::Giving(_) | Frame::GivingTo(_) = clause.verb.frame {
            self.heads.push(verb);
        }
        if let (Form::Passive(_), Nominal::Phrase(patient)) = (clause.form, &clause.subject) {
            self.pairs.push((verb, patient.noun.lemma()));
        }
        self.nominal(&clause.subject);
        for complement in &clause.complements {
            match complement {
                Complement::Accusative(object) | Complement::Dative(object, _) => {
                    if let Nominal::Phrase(phrase) = object {
                        self.pairs.push((verb, phrase.noun.lemma()));
                    }
                    self.nominal(object);
                }
                Complement::Prepositional(_, object) => self.nominal(object),
                Complement::Adjective(degree, adjective) => {
                    self.heads.push(adjective.german);
                    if let Nominal::Phrase(phrase) = &clause.subject {
                        self.pairs.push((adjective.german, phrase.noun.lemma()));
                    }
                    if let Degree::More(other) | Degree::Same(other) = degree {
                        self.nominal(other);
                    }
                }
                Complement::Profession(..) => {}
                Complement::That(inner) | Complement::Infinitive(inner, _) => self.clause(inner),
            }
        }
        for adverbial in clause.adverbials.iter().chain(&clause.front) {
            match adverbial {
                Adverbial::Prepositional(_, _, object) => self.nominal(object),
                Adverbial::Clause(_, inner) => self.clause(inner),
                Adverbial::Adverb(_) | Adverbial::Question(..) => {}
            }
        }
    }

    fn nominal(&mut self, nominal: &Nominal) {
        match nominal {
            Nominal::Phrase(phrase) => {
                let noun = phrase.noun.lemma();
                self.nouns.push(noun);
                if let Some(adjective) = phrase.adjective {
                    self.heads.push(adjective.german);
                    self.pairs.push((adjective.german, noun));
                }
                if let Some(owner) = &phrase.owner {
                    self.nominal(owner);
                }
                if let Some(relative) = &phrase.relative {
                    self.clause(relative);
                }
            }
            Nominal::And(first, second) => {
                self.nominal(first);
                self.nominal(second);
            }
            _ => {}
        }
    }
}
