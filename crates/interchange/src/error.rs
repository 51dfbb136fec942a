//! Why a model can't be brought in or out.

use std::path::PathBuf;

use attentive_bundle::BundleError;
use attentive_model::ConfigError;
use attentive_tokenizer::TokenizerError;
use attentive_weights::WeightsError;

/// A model that can't be imported or exported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InterchangeError {
    /// A file can't be read or written.
    #[error("{path}: {cause}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// A file is missing that a model's folder must have.
    #[error("{path} has no {wanted}; a model's folder has config.json, weights and the tokenizer's files", path = path.display())]
    Missing {
        /// The folder.
        path: PathBuf,
        /// What it should have.
        wanted: &'static str,
    },
    /// A file is not what it should be.
    #[error("{path} is damaged or of another kind: {problem}", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A model of a kind that can't be imported.
    #[error("{path}: model_type is {found:?}; what can be imported is {known}", path = path.display())]
    UnknownArchitecture {
        /// The configuration.
        path: PathBuf,
        /// What it says.
        found: String,
        /// What can be imported.
        known: String,
    },
    /// Settings that our model has no equal of.
    #[error("{path} asks for what this model can't do:{}", list(.problems))]
    Unsupported {
        /// The configuration.
        path: PathBuf,
        /// The settings, a line each.
        problems: Vec<String>,
    },
    /// Tensors that are not those of the configuration.
    #[error("the weights in {path} do not fit its config.json:{}", list(.problems))]
    Mismatch {
        /// The folder.
        path: PathBuf,
        /// Tensors missing, left over, or of another shape, a line each.
        problems: Vec<String>,
    },
    /// A model that the format has no equal of.
    #[error("{format} can't express this model:{}", list(.problems))]
    Inexpressible {
        /// The format.
        format: &'static str,
        /// What it lacks, a line each.
        problems: Vec<String>,
    },
    /// The configuration is of no model.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The bundle can't be read or written.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The tokenizer can't be read or written.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The weights can't be read or written.
    #[error(transparent)]
    Weights(#[from] WeightsError),
}

impl InterchangeError {
    /// For `map_err` of what the system refuses.
    pub(crate) fn io(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |cause| Self::Io { path, cause }
    }

    /// For `map_err` of what can't be understood.
    pub(crate) fn damaged<E: ToString>(path: &std::path::Path) -> impl FnOnce(E) -> Self {
        let path = path.to_owned();
        move |problem| Self::Damaged { path, problem: problem.to_string() }
    }
}

/// All problems, a line each.
fn list(problems: &[String]) -> String {
    problems.iter().map(|problem| format!("\n  {problem}")).collect()
}
