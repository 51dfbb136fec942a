//! What is wrong with a recipe, with the file and line of each key.

use std::{error::Error, fmt};

use attentive_data::DataError;
use attentive_decode::DecodeError;
use attentive_model::ConfigError;
use attentive_optim::OptimizerError;
use attentive_trainer::TrainError;

use super::origins::Origins;

/// How alike two names must be for one to be taken for the other misspelt, of 1.
const ALIKE: f64 = 0.5;

/// So many problems of a recipe are told; there is a number for the rest.
const SHOWN: usize = 20;

/// What is wrong with a setting, or with several beside each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The settings, `training.steps` for example; a single empty one for the recipe as a whole.
    keys: Vec<String>,
    text: String,
    /// Whether the text stands by itself, so that keys only tell where to look.
    is_whole: bool,
}

impl Problem {
    /// Of one setting, which the text does not name.
    pub(super) fn at(key: impl Into<String>, text: impl Into<String>) -> Self {
        Self { keys: vec![key.into()], text: text.into(), is_whole: false }
    }

    /// Of settings that the text names.
    pub(super) fn among(keys: impl IntoIterator<Item = impl Into<String>>, text: impl Into<String>) -> Self {
        Self { keys: keys.into_iter().map(Into::into).collect(), text: text.into(), is_whole: true }
    }

    /// What a library says of its settings, which are in a section of the recipe.
    pub(super) fn within(section: &str, keys: &[&'static str], error: impl fmt::Display) -> Self {
        let text = error.to_string();
        let text = match keys.first() {
            Some(key) if text.starts_with(key) => format!("{section}.{text}"),
            _ => format!("[{section}] {text}"),
        };
        let keys = keys.iter().map(|key| format!("{section}.{key}")).collect();
        Self { keys, text, is_whole: true }
    }

    /// In words, with the origins of its settings.
    fn describe(&self, origins: &Origins) -> String {
        if self.is_whole {
            return format!("{self}{}", origins.list(self.keys.iter().cloned()));
        }
        let origin = Some(&self.keys[0]).filter(|key| !key.is_empty()).and_then(|key| origins.of(key));
        let place = origin.map_or_else(String::new, |origin| format!("{origin}: "));
        format!("{place}{self}")
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

/// All that is wrong with a recipe; the first ones in words.
#[derive(Debug, Default)]
pub(super) struct Problems {
    first: Vec<Problem>,
    n: usize,
}

impl Problems {
    pub(super) fn add(&mut self, problem: Problem) {
        if self.first.len() < SHOWN {
            self.first.push(problem);
        }
        self.n += 1;
    }

    pub(super) fn append(&mut self, other: Self) {
        self.n += other.n - other.first.len();
        other.first.into_iter().for_each(|problem| self.add(problem));
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.n
    }

    /// An error, if there are any.
    pub(super) fn into_result(self, origins: &Origins) -> anyhow::Result<()> {
        if self.n == 0 { Ok(()) } else { Err(self.error(origins)) }
    }

    /// An error with a line for each.
    pub(super) fn error(self, origins: &Origins) -> anyhow::Error {
        let mut lines: Vec<String> = self.first.iter().map(|problem| problem.describe(origins)).collect();
        if self.n > lines.len() {
            lines.push(format!("and {} problems more", self.n - lines.len()));
        }
        anyhow::anyhow!("{}", lines.join("\n"))
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self { first: vec![problem], n: 1 }
    }
}

/// The section of a recipe and the settings in it that an error is about, if it is about some.
pub(super) fn settings_of(error: &(dyn Error + 'static)) -> Option<(&'static str, Vec<String>)> {
    let (section, keys) = if let Some(problem) = error.downcast_ref::<Problem>() {
        return Some(("", problem.keys.clone()));
    } else if let Some(error) = error.downcast_ref::<ConfigError>() {
        ("model", error.keys())
    } else if let Some(error) = error.downcast_ref::<DataError>() {
        ("batch", error.keys())
    } else if let Some(error) = error.downcast_ref::<DecodeError>() {
        ("decoding", error.keys())
    } else if let Some(error) = error.downcast_ref::<OptimizerError>() {
        (section_of(error), error.keys())
    } else {
        match error.downcast_ref::<TrainError>()? {
            TrainError::Optimizer(error) => (section_of(error), error.keys()),
            error => ("training", error.keys()),
        }
    };
    (!keys.is_empty()).then(|| (section, keys.into_iter().map(str::to_owned).collect()))
}

/// The section of a recipe that an optimizer's error is about.
pub(super) fn section_of(error: &OptimizerError) -> &'static str {
    if matches!(error, OptimizerError::LearningRate { .. }) { "schedule" } else { "optimizer" }
}

/// What to write instead of a name that is not known.
pub(super) fn advice<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    match nearest(name, &known) {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => format!("there are: {}", known.join(", ")),
    }
}

/// The known name that one is most like, if it is much like it.
pub(super) fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
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

    #[test]
    fn a_librarys_key_gets_its_section() {
        let mut origins = Origins::default();
        origins.insert("model.n_heads", super::super::origins::Origin::CommandLine("model.n_heads=5".into()));
        let problem = Problem::within("model", &["d_model", "n_heads"], "d_model = 32 and n_heads = 5 are at odds");
        let expected = "model.d_model = 32 and n_heads = 5 are at odds (model.n_heads: --set model.n_heads=5)";
        assert_eq!(problem.describe(&origins), expected);
        assert_eq!(Problem::within("model", &["head"], "no room").to_string(), "[model] no room");
    }

    #[test]
    fn a_few_of_many_problems_are_told() {
        let mut problems = Problems::default();
        (0..1000).for_each(|n| problems.add(Problem::at(format!("x{n}"), "no such setting")));
        let error = problems.into_result(&Origins::default()).unwrap_err().to_string();
        assert_eq!(error.lines().count(), SHOWN + 1);
        assert!(error.ends_with("and 980 problems more"), "{error}");
    }
}
