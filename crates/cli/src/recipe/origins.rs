//! Where each setting of a recipe was made.

use std::{collections::BTreeMap, fmt, path::PathBuf};

/// Where a setting was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A line of a file, from 1.
    File(PathBuf, usize),
    /// A line of the recipe that is built in.
    Builtin(usize),
    /// `--set` of the command line.
    CommandLine(String),
    /// A variable of the environment.
    Environment(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Builtin(line) => write!(f, "the built-in recipe, line {line}"),
            Self::CommandLine(setting) => write!(f, "--set {setting}"),
            Self::Environment(name) => write!(f, "{name} of the environment"),
        }
    }
}

/// The origin of every setting and table, by its key, `training.steps` for one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Origins(BTreeMap<String, Origin>);

impl Origins {
    pub(super) fn insert(&mut self, key: String, origin: Origin) {
        self.0.insert(key, origin);
    }

    /// Lays those of another layer over these.
    pub(super) fn lay_over(&mut self, upper: Self) {
        self.0.extend(upper.0);
    }

    /// The origin of `key`, or of what is in that table, or of the table around it.
    pub(super) fn of(&self, key: &str) -> Option<&Origin> {
        let around = |key: &str| key.rsplit_once('.').map(|(table, _)| table.to_owned());
        let inside =
            || self.0.iter().find(|(other, _)| other.strip_prefix(key).is_some_and(|rest| rest.starts_with('.')));
        let own = self.0.get(key).or_else(|| inside().map(|(_, origin)| origin));
        own.or_else(|| std::iter::successors(around(key), |key| around(key)).find_map(|key| self.0.get(&key)))
    }

    /// Adds to an error where the settings that it speaks of were made.
    pub(crate) fn locate(&self, error: anyhow::Error) -> anyhow::Error {
        let named = self.named_in(&format!("{error:#}"));
        if named.is_empty() { error } else { anyhow::anyhow!("{error:#} ({})", named.join("; ")) }
    }

    /// The origins of the settings that a message speaks of, in its order: `training.steps: a.toml:7`.
    fn named_in(&self, message: &str) -> Vec<String> {
        let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
        let words = message.split(|c: char| !is_part(c)).map(|word| word.trim_matches('.'));
        let mut named: Vec<String> = Vec::new();
        for word in words.filter(|word| word.contains('.')) {
            if let Some(origin) = self.0.get(word) {
                let place = format!("{word}: {origin}");
                if !named.contains(&place) {
                    named.push(place);
                }
            }
        }
        named
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_in_a_message_are_found() {
        let mut origins = Origins::default();
        origins.insert("model".into(), Origin::Builtin(3));
        origins.insert("model.d_model".into(), Origin::File("a.toml".into(), 7));
        origins.insert("model.n_heads".into(), Origin::CommandLine("model.n_heads=5".into()));
        let message = "model.d_model = 32 is not divisible by model.n_heads = 5; change model.n_heads.";
        assert_eq!(origins.named_in(message), ["model.d_model: a.toml:7", "model.n_heads: --set model.n_heads=5"]);
        assert_eq!(origins.of("model.d_ff"), Some(&Origin::Builtin(3)));
        origins.insert("optimizer.beta_1".into(), Origin::Builtin(9));
        assert_eq!(origins.of("optimizer"), Some(&Origin::Builtin(9)));
        assert_eq!(origins.of("training.steps"), None);
    }
}
