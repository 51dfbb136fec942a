//! Where each setting of a recipe was made.

use std::{collections::BTreeMap, fmt, path::Path, sync::Arc};

use attentive_task::{Error, with_causes};

use super::{BUILTIN, problems::settings_of};

/// Where a setting was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A line of a file, from 1.
    File(Arc<Path>, usize),
    /// A line, from 1, of a recipe that the command has with it, by its name.
    Builtin(&'static str, usize),
    /// `--set` of the command line.
    CommandLine(String),
    /// A variable of the environment.
    Environment(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Builtin(BUILTIN, line) => write!(f, "the built-in recipe, line {line}"),
            Self::Builtin(name, line) => write!(f, "the built-in recipe {name}, line {line}"),
            Self::CommandLine(setting) => write!(f, "--set {setting}"),
            Self::Environment(name) => write!(f, "{name} of the environment"),
        }
    }
}

/// The origins of settings: of a table, and of what is in it.
///
/// A tree, so that no name is held more than once, however long it is and however many settings its table has.
#[derive(Debug, Clone, Default)]
pub struct Origins {
    own: Option<Origin>,
    inside: BTreeMap<String, Origins>,
}

impl Origins {
    /// Of a table or value.
    pub(super) fn new(own: Option<Origin>, inside: BTreeMap<String, Self>) -> Self {
        Self { own, inside }
    }

    /// Notes the origin of `key`, `training.steps` for example, and so of all that is in it.
    pub(super) fn insert(&mut self, key: &str, origin: Origin) {
        let node = key.split('.').fold(self, |node, part| node.inside.entry(part.to_owned()).or_default());
        *node = Self::new(Some(origin), BTreeMap::new());
    }

    /// Lays those of another layer over these.
    pub(super) fn lay_over(&mut self, upper: Self) {
        self.own = upper.own.or(self.own.take());
        for (key, upper) in upper.inside {
            self.inside.entry(key).or_default().lay_over(upper);
        }
    }

    /// The origin of `key`, or of the first setting in that table, or of the table around it.
    pub(super) fn of(&self, key: &str) -> Option<&Origin> {
        let mut around = self.own.as_ref();
        let mut node = self;
        for part in key.split('.').filter(|part| !part.is_empty()) {
            // What is said of one of several tables is nearer than what is said of all.
            let all = node.inside.get(table_of(part));
            around = all.and_then(|all| all.own.as_ref()).or(around);
            match node.inside.get(part).or(all) {
                Some(inner) => node = inner,
                None => return around,
            }
            around = node.own.as_ref().or(around);
        }
        node.own.as_ref().or_else(|| node.first_inside()).or(around)
    }

    /// The origin of `key` itself, if it was set.
    fn exactly(&self, key: &str) -> Option<&Origin> {
        let mut parts = key.split('.');
        let found =
            parts.try_fold(self, |node, part| node.inside.get(part).or_else(|| node.inside.get(table_of(part))));
        found?.own.as_ref()
    }

    fn first_inside(&self) -> Option<&Origin> {
        self.inside.values().find_map(|inner| inner.own.as_ref().or_else(|| inner.first_inside()))
    }

    /// Adds to an error where the settings that it names were made.
    pub fn locate(&self, error: Error) -> Error {
        let Some((section, keys)) = settings_of(&error) else { return error };
        let text = with_causes(&error);
        if section.is_empty() {
            return Error::Refused(format!("{text}{}", self.list(keys)));
        }
        let dot = if text.starts_with(&keys[0]) { format!("{section}.") } else { String::new() };
        Error::Refused(format!("{dot}{text}{}", self.list(keys.iter().map(|key| format!("{section}.{key}")))))
    }

    /// ` (training.steps: a.toml:7; …)` of the settings among `keys` that were made.
    pub(super) fn list(&self, keys: impl IntoIterator<Item = String>) -> String {
        let place = |key: String| self.exactly(&key).map(|origin| format!("{key}: {origin}"));
        let places: Vec<String> = keys.into_iter().filter_map(place).collect();
        if places.is_empty() { String::new() } else { format!(" ({})", places.join("; ")) }
    }
}

/// The name in `train[0]`, one of several tables.
fn table_of(part: &str) -> &str {
    part.split_once('[').map_or(part, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_has_the_origin_of_what_is_nearest() {
        let mut origins = Origins::default();
        origins.insert("model", Origin::Builtin(BUILTIN, 3));
        origins.insert("model.d_model", Origin::File(Path::new("a.toml").into(), 7));
        origins.insert("model.n_heads", Origin::CommandLine("model.n_heads=5".into()));
        let keys = ["model.d_model", "model.d_ff", "model.n_heads"].map(str::to_owned);
        assert_eq!(origins.list(keys), " (model.d_model: a.toml:7; model.n_heads: --set model.n_heads=5)");
        let builtin = |line| Some(Origin::Builtin(BUILTIN, line));
        assert_eq!(origins.of("model.d_ff").cloned(), builtin(3));
        origins.insert("optimizer.beta_1", builtin(9).unwrap());
        assert_eq!(origins.of("optimizer").cloned(), builtin(9));
        assert_eq!(origins.of("training.steps"), None);
        origins.insert("data.train", builtin(5).unwrap());
        assert_eq!(origins.of("data.train[1].tsv").cloned(), builtin(5));
    }
}
