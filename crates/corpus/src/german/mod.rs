//! German: word forms, and the order of words by topological fields.

pub mod article;
mod clause;
mod phrase;
mod verb;

pub use clause::Order;
pub(super) use clause::clause;
pub use phrase::noun_phrase;
pub use verb::GermanVerb;
