//! What can be wrong with a file of weights.

use std::{borrow::Cow, path::PathBuf};

/// A file of weights that can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// The file can't be read or written.
    #[error("{path}: {cause}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        #[source]
        cause: std::io::Error,
    },
    /// The file is not one of weights, or it is cut short.
    #[error("{path} is damaged or not a file of weights ({cause}); copy it again, or use another checkpoint", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        cause: FormatError,
    },
    /// A tensor of the file can't be used.
    #[error("{path}: {name}: {problem}", path = path.display())]
    Tensor {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Why.
        #[source]
        problem: TensorProblem,
    },
    /// Tensors that would take far more memory than their file has bytes: they show the same values again and again.
    #[error("{path}: with {name}, its tensors take more than {growth} times the file's size; save them without sharing storages", path = path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The tensor that is one too many.
        name: String,
        /// How many times as large as the file tensors may be.
        growth: u64,
    },
    /// A parameter that has values which are not numbers, or infinite.
    #[error(
        "{name}: value {index} is {value}, not a finite number; the training diverged or the file is damaged: use an \
         earlier checkpoint, or copy it again"
    )]
    NotFinite {
        /// The parameter.
        name: String,
        /// Place of the first such value, row by row.
        index: usize,
        /// That value.
        value: f32,
    },
    /// The tensors are of another model.
    #[error("the weights do not fit the model's configuration:{}", list(.problems))]
    Mismatch {
        /// Tensors missing, left over, or of another shape, a line each.
        problems: Vec<String>,
    },
    /// Nothing to average.
    #[error("no checkpoint was given to average")]
    NothingToAverage,
}

/// What is wrong with the content of a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FormatError(Cow<'static, str>);

impl From<&'static str> for FormatError {
    fn from(problem: &'static str) -> Self {
        Self(problem.into())
    }
}

impl From<String> for FormatError {
    fn from(problem: String) -> Self {
        Self(problem.into())
    }
}

/// Why a tensor of a file can't be used; the others can.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TensorProblem {
    /// There is no such tensor.
    #[error("it is missing")]
    Missing,
    /// Its numbers are of a kind that can't be read.
    #[error("it holds {0}, a kind of number that can't be read here")]
    Kind(String),
    /// A call that makes it is not one of those that make tensors.
    #[error("it is made by {0}, which is not called here")]
    Call(String),
    /// It is something else, or it is not written as PyTorch writes tensors.
    #[error("it is not a tensor ({0})")]
    Other(&'static str),
    /// Its storage is missing.
    #[error("its storage {0} is missing")]
    Storage(String),
    /// It reaches beyond its storage.
    #[error("it reaches beyond its storage")]
    Outside,
    /// It shows few of the many values that it reaches over.
    #[error("it shows {n_values} values out of {span}: save a copy of it")]
    Sparse {
        /// Values that it shows.
        n_values: usize,
        /// Values from its first to its last.
        span: usize,
    },
    /// It holds bytes whose scales do not fit.
    #[error("it holds bytes {shape:?} and its scales are {scales:?}")]
    Scales {
        /// Shape of the bytes.
        shape: Vec<usize>,
        /// Shape of the scales.
        scales: Vec<usize>,
    },
}

/// The first problems, a line each, and the number of the others.
fn list(problems: &[String]) -> String {
    const SHOWN: usize = 10;
    let mut text: String = problems.iter().take(SHOWN).map(|problem| format!("\n  {problem}")).collect();
    if problems.len() > SHOWN {
        text += &format!("\n  and {} more", problems.len() - SHOWN);
    }
    text
}
