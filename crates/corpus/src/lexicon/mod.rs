//! The words of both languages.

pub mod adjectives;
pub mod adverbs;
pub mod kinds;
pub mod nouns;
pub mod people;
pub mod prepositions;
pub mod verbs;

pub use adjectives::{ADJECTIVES, Adjective};
pub use adverbs::{Adverb, Slot};
pub use kinds::Kinds;
pub use nouns::{NOUNS, Noun};
pub use people::{NAMES, Name, PROFESSIONS, Profession};
pub use prepositions::{PREPOSITIONS, Preposition};
pub use verbs::{Aspect, Frame, VERBS, Verb};
