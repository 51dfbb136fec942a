//! Errors of files of weights.

use std::{borrow::Cow, path::PathBuf};

/// An error of a file of weights.
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
        /// The defect.
        #[source]
        cause: FormatError,
    },
    /// The file is valid, and of a form that is not read here.
    #[error("{path}: {cause}", path = path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What is not supported, and what to do.
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
        /// The reason.
        #[source]
        problem: TensorProblem,
    },
    /// Tensors that would take far more memory than their file has bytes, as they show the same values again and again.
    #[error("{path}: with {name}, its tensors take more than {growth} times the file's size; save them without sharing storages", path = path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The tensor that exceeds the limit.
        name: String,
        /// Largest size of the tensors relative to the file's.
        growth: u64,
    },
    /// A parameter with values that are infinite or not numbers.
    #[error(
        "{name}: value {index} is {value}, not a finite number; the training diverged or the file is damaged: use an \
         earlier checkpoint, or copy it again"
    )]
    NotFinite {
        /// The parameter.
        name: String,
        /// Index of the first such value, row by row.
        index: usize,
        /// That value.
        value: f32,
    },
    /// The tensors belong to another model.
    #[error("the weights do not fit the model's configuration:{}", list(.problems))]
    Mismatch {
        /// Tensors that are missing, left over, or of another shape, one per line.
        problems: Vec<String>,
    },
    /// A matrix that the format asked for can't hold.
    #[error("{format} holds whole blocks of 32 inputs, and {name} has {d_in}: take the precision int8 or f32")]
    Blocks {
        /// The layer.
        name: String,
        /// The format.
        format: String,
        /// Its inputs.
        d_in: usize,
    },
    /// A model that is to be used in the blocks of its file, which has none.
    #[error("the weights are not in blocks: take the precision f32, int8, q8_0 or q4_0")]
    NoBlocks,
    /// Nothing to average.
    #[error("no checkpoint was given to average")]
    NothingToAverage,
}

/// Error in the content of a file.
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

/// The reason why a tensor of a file can't be used; the others can.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TensorProblem {
    /// The tensor is missing.
    #[error("it is missing")]
    Missing,
    /// Its numbers are of a kind that can't be read.
    #[error("it holds {0}, a kind of number that can't be read here")]
    Kind(String),
    /// It is made by a call that is not one of those that make tensors.
    #[error("it is made by {0}, which is not called here")]
    Call(String),
    /// It is not a tensor, or not written as PyTorch writes tensors.
    #[error("it is not a tensor ({0})")]
    Other(&'static str),
    /// Its storage is missing.
    #[error("its storage {0} is missing")]
    Storage(String),
    /// It reaches beyond its storage.
    #[error("it reaches beyond its storage")]
    Outside,
    /// It shows only few of the values that it spans.
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

/// The first problems, one per line, and the number of the others.
fn list(problems: &[String]) -> String {
    const SHOWN: usize = 10;
    let mut text: String = problems.iter().take(SHOWN).map(|problem| format!("\n  {problem}")).collect();
    if problems.len() > SHOWN {
        text += &format!("\n  and {} more", problems.len() - SHOWN);
    }
    text
}
