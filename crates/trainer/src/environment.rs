//! The environment of a run.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Version, backend and instructions that a run uses, as far as its numbers depend on them.
///
/// The caller of a trainer fills it in, and checkpoints keep it. A run that continues in another environment reports the
/// differences, because its result may differ from that of a run that stayed: other instructions add in another order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Environment {
    /// Version of the program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Name of the backend.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backend: Option<String>,
    /// Instructions of the CPU that the kernels use, if the backend has kernels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub simd: Option<String>,
    /// Number type that matrix products multiply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub precision: Option<String>,
}

/// A part of the environment that is not what it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvironmentChange {
    /// The part, by name.
    pub part: &'static str,
    /// Its value before.
    pub before: String,
    /// Its value now.
    pub now: String,
}

impl Environment {
    /// Whether nothing is known of it.
    pub fn is_unknown(&self) -> bool {
        *self == Self::default()
    }

    /// The parts that differ from `before`, of those that both know.
    pub fn changes_since(&self, before: &Self) -> Vec<EnvironmentChange> {
        let parts = [
            ("version", &before.version, &self.version),
            ("backend", &before.backend, &self.backend),
            ("SIMD level", &before.simd, &self.simd),
            ("precision", &before.precision, &self.precision),
        ];
        let change = |(part, before, now): (&'static str, &Option<String>, &Option<String>)| {
            let (before, now) = (before.clone()?, now.clone()?);
            (before != now).then_some(EnvironmentChange { part, before, now })
        };
        parts.into_iter().filter_map(change).collect()
    }
}

impl fmt::Display for EnvironmentChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { part, before, now } = self;
        write!(f, "{part} was {before} and is {now}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_both_know_can_differ() {
        let environment = |version: &str, simd: Option<&str>| Environment {
            version: Some(version.into()),
            simd: simd.map(str::to_owned),
            ..Environment::default()
        };
        let before = environment("0.1.0", Some("avx2"));
        assert_eq!(before.changes_since(&Environment::default()), []);
        assert_eq!(environment("0.1.0", None).changes_since(&before), []);
        let changes = environment("0.1.0", Some("portable")).changes_since(&before);
        assert_eq!(changes[0].to_string(), "SIMD level was avx2 and is portable");
        assert_eq!(environment("0.2.0", Some("portable")).changes_since(&before).len(), 2);
    }
}
