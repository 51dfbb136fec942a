//! What is wrong with a recipe, with the file and line of each key.

use anyhow::{Result, anyhow};
use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::{origins::Origins, schema::PROBE};

/// How alike two keys must be for one to be taken for the other misspelt, of 1.
const ALIKE: f64 = 0.5;

/// Reads a table as a `T`; beside its keys there are others in a recipe, `elsewhere`.
///
/// # Errors
/// Every key that a `T` has not, a line each, with the nearest that there is; else the first value that does not fit.
pub(super) fn read<T: DeserializeOwned>(table: &Table, origins: &Origins, elsewhere: &[&str]) -> Result<T> {
    let mut table = table.clone();
    let mut unknown = Vec::new();
    loop {
        let error = match table.clone().try_into::<T>() {
            Ok(value) if unknown.is_empty() => return Ok(value),
            Ok(_) => break,
            Err(error) => error,
        };
        match UnknownKey::of(&error) {
            // Without it, the next one shows.
            Some(mut key) if take(&mut table, &key.path).is_some() => {
                if key.path == key.name {
                    key.known.extend(elsewhere.iter().map(|&key| key.to_owned()));
                }
                unknown.push(key);
            }
            _ if unknown.is_empty() => {
                let path = culprit::<T>(&table, path_of(&error), error.message());
                return Err(anyhow!("{}{}", at(origins, &path), error.message()));
            }
            // What follows may be due to a key misspelt.
            _ => break,
        }
    }
    let lines: Vec<String> = unknown.iter().map(|key| key.describe(origins)).collect();
    Err(anyhow!("{}", lines.join("\n")))
}

/// `a.toml:7: training.steps: `, as far as it is known.
fn at(origins: &Origins, path: &str) -> String {
    let place = origins.of(path).map_or_else(String::new, |origin| format!("{origin}: "));
    if path.is_empty() { place } else { format!("{place}{path}: ") }
}

/// The key that an error is about: the deserializer tells it in words alone.
fn path_of(error: &toml::de::Error) -> String {
    let text = error.to_string();
    let path = text.trim_end().rsplit_once("\nin `").and_then(|(_, path)| path.strip_suffix('`'));
    path.unwrap_or_default().to_owned()
}

/// The key in the table at `path` that is refused with `message`: a table that is read by its tag, `[model]` for one, is
/// told of as a whole. It is the key without which something else is said, unless it is the tag and known.
fn culprit<T: DeserializeOwned>(table: &Table, path: String, message: &str) -> String {
    let Some(inner) = path.split('.').try_fold(table, |table, key| table.get(key)?.as_table()) else { return path };
    let answer =
        |table: Table| table.try_into::<T>().err().map_or_else(String::new, |error| error.message().to_owned());
    let is_culprit = |path: &String| {
        let mut rest = table.clone();
        let Some(value) = take(&mut rest, path) else { return false };
        if answer(rest) == message {
            return false;
        }
        let mut probed = table.clone();
        replace(&mut probed, path, PROBE.into());
        let known = names_in(&answer(probed), "unknown variant `").unwrap_or_default();
        !known.iter().any(|name| value.as_str() == Some(name))
    };
    match inner.keys().map(|key| format!("{path}.{key}")).find(is_culprit) {
        Some(path) => culprit::<T>(table, path, message),
        None => path,
    }
}

/// The names that serde's words offer instead: `a` and `b` of "unknown field `x`, expected `a` or `b`".
pub(super) fn names_in(message: &str, prefix: &str) -> Option<Vec<String>> {
    let quoted = message.strip_prefix(prefix)?.split('`').step_by(2).skip(1);
    Some(quoted.filter(|name| !name.is_empty()).map(str::to_owned).collect())
}

/// A key that is no setting.
struct UnknownKey {
    path: String,
    name: String,
    /// What there is instead.
    known: Vec<String>,
}

impl UnknownKey {
    fn of(error: &toml::de::Error) -> Option<Self> {
        const PREFIX: &str = "unknown field `";
        let known = names_in(error.message(), PREFIX)?;
        let name = error.message().strip_prefix(PREFIX)?.split('`').next()?.to_owned();
        let table = path_of(error);
        let path = if table.is_empty() { name.clone() } else { format!("{table}.{name}") };
        Some(Self { path, name, known })
    }

    fn describe(&self, origins: &Origins) -> String {
        let likeness = |known: &&String| strsim::normalized_damerau_levenshtein(known, &self.name);
        let nearest = self.known.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
        let advice = match nearest.filter(|nearest| likeness(nearest) >= ALIKE) {
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None => format!("there are: {}", self.known.join(", ")),
        };
        format!("{}no such setting; {advice}", at(origins, &self.path))
    }
}

/// Takes the value of a dotted path out, if it is there.
fn take(table: &mut Table, path: &str) -> Option<Value> {
    match path.split_once('.') {
        None => table.remove(path),
        Some((first, rest)) => take(table.get_mut(first)?.as_table_mut()?, rest),
    }
}

/// Puts another value in the place of the one at a dotted path.
fn replace(table: &mut Table, path: &str, value: Value) {
    let (tables, key) = path.rsplit_once('.').unwrap_or(("", path));
    let inner = tables
        .split('.')
        .filter(|key| !key.is_empty())
        .try_fold(table, |table, key| table.get_mut(key)?.as_table_mut());
    if let Some(inner) = inner {
        inner.insert(key.to_owned(), value);
    }
}
