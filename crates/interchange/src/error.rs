//! Why a model can't be brought in or out.

use std::path::PathBuf;

use attentive_bundle::{AdapterMismatch, BundleError};
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
        /// The system's error.
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
    /// A path that leads to something else than a model's folder, or a folder that is not a whole one.
    #[error("{path}: {problem}", path = path.display())]
    NotAModel {
        /// The path.
        path: PathBuf,
        /// What it leads to, and what to do.
        problem: String,
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
    #[error(
        "{path}: model_type is {found:?} and architectures is {classes:?}; {}what can be imported is {known}",
        nearest.map(|nearest| format!("the nearest is {nearest}; ")).unwrap_or_default(),
        path = path.display()
    )]
    UnknownArchitecture {
        /// The configuration.
        path: PathBuf,
        /// Its `model_type`, empty where there is none.
        found: String,
        /// Its `architectures`.
        classes: Vec<String>,
        /// What can be imported that has the most similar name.
        nearest: Option<&'static str>,
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
        /// Whether the model has tensors that are not in the file.
        lacks: bool,
        /// Whether the file has tensors that are not in the model.
        exceeds: bool,
    },
    /// A folder without an adapter.
    #[error("{path} has no adapter: it is the folder of a model that was trained as a whole", path = path.display())]
    NoAdapter {
        /// The folder.
        path: PathBuf,
    },
    /// An adapter of another model.
    #[error("{path}: {cause}", path = path.display())]
    Adapter {
        /// The adapter's folder.
        path: PathBuf,
        /// What does not fit.
        #[source]
        cause: AdapterMismatch,
    },
    /// A tokenizer that the model can't be used with.
    #[error("{path}: {problem}", path = path.display())]
    Vocabulary {
        /// The tokenizer's file, or the folder.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// What stands in a file's place when a download or a checkout went wrong.
    #[error("{path} is {format}: {remedy}", path = path.display())]
    StandIn {
        /// The file.
        path: PathBuf,
        /// What it is.
        format: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// A model that the format has no equal of.
    #[error("{format} can't express this model:{}", list(.problems))]
    Inexpressible {
        /// The format.
        format: &'static str,
        /// What it lacks, a line each.
        problems: Vec<String>,
    },
    /// An address that is not a model's.
    #[cfg(feature = "hub")]
    #[error("`{address}` is not a model's address: write hf://owner/name or hf://owner/name@revision")]
    HubAddress {
        /// The address.
        address: String,
    },
    /// A variable of the environment that the hub can't be used with.
    #[cfg(feature = "hub")]
    #[error("{name}: {problem}")]
    HubSetting {
        /// The variable.
        name: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The hub answers with an error.
    #[cfg(feature = "hub")]
    #[error("{url}: the hub answers {status}: {advice}")]
    Refused {
        /// What was asked for.
        url: String,
        /// HTTP's status.
        status: u16,
        /// What to do.
        advice: &'static str,
    },
    /// The hub can't be reached.
    #[cfg(feature = "hub")]
    #[error("{url} can't be reached: {cause}; HF_HUB_OFFLINE=1 uses what is cached")]
    Unreachable {
        /// What was asked for.
        url: String,
        /// The system's error.
        #[source]
        cause: std::io::Error,
    },
    /// The hub's answer is not what it should be.
    #[cfg(feature = "hub")]
    #[error("{url}: {problem}")]
    HubAnswer {
        /// What was asked for.
        url: String,
        /// What is wrong with the answer.
        problem: String,
    },
    /// A model that is not in the cache, while nothing may be downloaded.
    #[cfg(feature = "hub")]
    #[error("{model} is not in the cache {cache}, and HF_HUB_OFFLINE keeps it from being downloaded", cache = cache.display())]
    NotCached {
        /// The model.
        model: String,
        /// The cache.
        cache: PathBuf,
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

    /// Tensors that do not fit, none of which is missing or left over.
    pub(crate) fn misshapen(path: &std::path::Path, problems: Vec<String>) -> Self {
        Self::Mismatch { path: path.to_owned(), problems, lacks: false, exceeds: false }
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
