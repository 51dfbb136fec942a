//! The paper's experiments, made again.

mod claims;
mod growth;
mod plan;
mod table3;

pub use growth::{Growth, LayerCost};
pub use plan::{Length, Reproduction};
