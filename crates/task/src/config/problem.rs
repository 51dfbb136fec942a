//! What is wrong with a setting.

use std::{error::Error, fmt};

/// How alike two names must be for one to be taken for the other misspelt, of 1.
const ALIKE: f64 = 0.5;

/// What is wrong with a setting, or with several beside each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The settings, `training.steps` for example; a single empty one for the recipe as a whole.
    keys: Vec<String>,
    text: String,
    /// Whether the text stands by itself, so that keys only tell where to look.
    is_whole: bool,
}

impl Problem {
    /// Of one setting, which the text does not name.
    pub fn at(key: impl Into<String>, text: impl Into<String>) -> Self {
        Self { keys: vec![key.into()], text: text.into(), is_whole: false }
    }

    /// Of settings that the text names.
    pub fn among(keys: impl IntoIterator<Item = impl Into<String>>, text: impl Into<String>) -> Self {
        Self { keys: keys.into_iter().map(Into::into).collect(), text: text.into(), is_whole: true }
    }

    /// What a library says of its settings, which are in a section of the recipe.
    pub fn within(section: &str, keys: &[&'static str], error: impl fmt::Display) -> Self {
        let text = error.to_string();
        let text = match keys.first() {
            Some(key) if text.starts_with(key) => format!("{section}.{text}"),
            _ => format!("[{section}] {text}"),
        };
        let keys = keys.iter().map(|key| format!("{section}.{key}")).collect();
        Self { keys, text, is_whole: true }
    }

    /// The settings, `training.steps` for example; a single empty one for the recipe as a whole.
    pub fn keys(&self) -> &[String] {
        &self.keys
    }

    /// Whether the text names the settings itself.
    pub fn names_its_settings(&self) -> bool {
        self.is_whole
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.keys.first().filter(|key| !self.is_whole && !key.is_empty()) {
            Some(key) => write!(f, "{key}: {}", self.text),
            None => f.write_str(&self.text),
        }
    }
}

impl Error for Problem {}

/// What to write instead of a name that is not known.
pub fn advice<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    match nearest(name, &known) {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => format!("there are: {}", known.join(", ")),
    }
}

/// The known name that one is most like, if it is much like it.
pub fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let likeness = |known: &str| strsim::normalized_damerau_levenshtein(known, name);
    // Twice as long is less than half alike: long names cost nothing.
    let near = known.iter().filter(|known| name.len() <= 8 * known.len());
    let best = near.map(|&known| (likeness(known), known)).max_by(|a, b| a.0.total_cmp(&b.0));
    best.filter(|(likeness, _)| *likeness >= ALIKE).map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_name_is_told_from_an_unknown_one() {
        assert_eq!(advice("gpt2", ["bert-base", "gpt-2"]), "did you mean `gpt-2`?");
        assert_eq!(advice("llama", ["bert-base", "gpt-2"]), "there are: bert-base, gpt-2");
        assert_eq!(nearest(&"x".repeat(1 << 20), &["gpt-2"]), None);
    }
}
