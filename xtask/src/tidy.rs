//! The rules of the repository, as tests: `cargo test -p xtask tidy`.
//!
//! Each rule lists every place that breaks it, with a remedy. The tables are the design of the repository: change
//! them only together with `ARCHITECTURE.md`.

use std::{collections::BTreeSet, fmt::Display};

mod docs;
mod layering;
mod sources;
mod tree;

/// The places that break one rule.
#[derive(Default)]
struct Breaches(BTreeSet<String>);

impl Breaches {
    fn add(&mut self, place: impl Display, what: impl Display) {
        self.0.insert(format!("{place}: {what}"));
    }

    /// Fails the test with all of them, if there are any.
    #[track_caller]
    fn none(self, rule: &str) {
        let list: String = self.0.iter().map(|breach| format!("\n  {breach}")).collect();
        assert!(list.is_empty(), "{rule}{list}");
    }
}
