//! A parallel corpus that needs no download: English sentences and their German translations, made by a grammar.
//!
//! Each sentence is one thing said in two languages: a clause of [the lexicon](lexicon)'s words (some 460 of them), in
//! one of 23 [patterns](Pattern), is drawn at random, then put into English and into German by a grammar of each. The
//! translation follows from the source: no source has two targets. The difficulty is the kind that attention solves.
//! The German verb is second, first or last; participles, infinitives and separable prefixes come at the end; articles,
//! adjectives and nouns agree in gender, case and number; and *it* is *er*, *sie* or *es*, depending on the noun that
//! it refers to:
//!
//! > The animal did not cross the street because it was too tired. → Das Tier überquerte die Straße nicht, weil **es** zu
//! > müde war.
//! >
//! > The animal did not cross the street because it was too wide. → Das Tier überquerte die Straße nicht, weil **sie** zu
//! > breit war.

#[cfg(test)]
mod clause_tests;
mod content;
mod corpus;
pub mod english;
pub mod german;
pub mod grammar;
pub mod lexicon;
mod patterns;
mod random;
mod speaker;
mod syntax;
mod tasks;
mod text;

pub use corpus::{BuiltinConfig, BuiltinCorpus, PronounSentence, SentencePair, TestNote};
pub use patterns::Pattern;
pub use tasks::{LabeledSentence, documents, reference_sentences};
