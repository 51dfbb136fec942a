//! What is wrong with a recipe, with the file and line of each key.

use attentive_data::DataError;
use attentive_optim::OptimizerError;
use attentive_task::{Error, Result, config::Problem};
use attentive_trainer::TrainError;

use super::origins::Origins;

/// So many problems of a recipe are told; there is a number for the rest.
const SHOWN: usize = 20;

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
    pub(super) fn into_result(self, origins: &Origins) -> Result<()> {
        if self.n == 0 { Ok(()) } else { Err(self.error(origins)) }
    }

    /// An error with a line for each.
    pub(super) fn error(self, origins: &Origins) -> Error {
        let mut lines: Vec<String> = self.first.iter().map(|problem| describe(problem, origins)).collect();
        if self.n > lines.len() {
            lines.push(format!("and {} problems more", self.n - lines.len()));
        }
        Error::Refused(lines.join("\n"))
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self { first: vec![problem], n: 1 }
    }
}

/// The section of a recipe and the settings in it that an error is about, if it is about some.
pub(super) fn settings_of(error: &Error) -> Option<(&'static str, Vec<String>)> {
    let (section, keys) = match error {
        Error::Setting(problem) => return Some(("", problem.keys().to_vec())),
        Error::Model(error) => ("model", error.keys()),
        Error::Data(error) => ("batch", error.keys()),
        Error::While { cause, .. } => ("batch", cause.downcast_ref::<DataError>()?.keys()),
        Error::Decode(error) => ("decoding", error.keys()),
        Error::Optimizer(error) | Error::Train(TrainError::Optimizer(error)) => (section_of(error), error.keys()),
        Error::Train(error) => ("training", error.keys()),
        _ => return None,
    };
    (!keys.is_empty()).then(|| (section, keys.into_iter().map(str::to_owned).collect()))
}

/// The section of a recipe that an optimizer's error is about.
fn section_of(error: &OptimizerError) -> &'static str {
    if matches!(error, OptimizerError::LearningRate { .. }) { "schedule" } else { "optimizer" }
}

/// A problem in words, with the origins of its settings.
fn describe(problem: &Problem, origins: &Origins) -> String {
    if problem.names_its_settings() {
        return format!("{problem}{}", origins.list(problem.keys().iter().cloned()));
    }
    let origin = Some(&problem.keys()[0]).filter(|key| !key.is_empty()).and_then(|key| origins.of(key));
    let place = origin.map_or_else(String::new, |origin| format!("{origin}: "));
    format!("{place}{problem}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_librarys_key_gets_its_section() {
        let mut origins = Origins::default();
        origins.insert("model.n_heads", super::super::origins::Origin::CommandLine("model.n_heads=5".into()));
        let problem = Problem::within("model", &["d_model", "n_heads"], "d_model = 32 and n_heads = 5 are at odds");
        let expected = "model.d_model = 32 and n_heads = 5 are at odds (model.n_heads: --set model.n_heads=5)";
        assert_eq!(describe(&problem, &origins), expected);
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
