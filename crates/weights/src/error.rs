//! What can be wrong with a file of weights.

use std::path::PathBuf;

/// A file of weights that can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// The file can't be read or written.
    #[error("{path}: {cause}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// The file is no file of weights, or it is cut short.
    #[error("{path} is damaged or no file of weights ({cause}); copy it again, or use another checkpoint", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
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

/// The first problems, a line each, and the number of the others.
fn list(problems: &[String]) -> String {
    const SHOWN: usize = 10;
    let mut text: String = problems.iter().take(SHOWN).map(|problem| format!("\n  {problem}")).collect();
    if problems.len() > SHOWN {
        text += &format!("\n  and {} more", problems.len() - SHOWN);
    }
    text
}
