//! English: word forms and the order of words.

mod clause;
pub mod inflection;
mod phrase;

pub(super) use clause::{clause, question};
pub use inflection::{EnglishVerb, with_s};
pub use phrase::noun_phrase;
