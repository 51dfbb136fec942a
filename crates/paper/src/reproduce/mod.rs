//! The paper's experiments, made again.

mod claims;
mod plan;
mod table3;

pub use plan::{Length, Reproduction};
