//! The tensors of another system's file, taken one by one.

use std::path::Path;

use attentive_weights::{HostTensor, Tensors};

use crate::InterchangeError;

/// The tensors of a file, and what is wrong with them.
pub(crate) struct Source {
    pub(crate) tensors: Tensors,
    pub(crate) problems: Vec<String>,
}

impl Source {
    pub(crate) fn new(tensors: Tensors) -> Self {
        Self { tensors, problems: Vec::new() }
    }

    /// Takes a tensor out, if it is there and has its shape.
    pub(crate) fn take(&mut self, name: &str, shape: &[usize]) -> Option<HostTensor> {
        match self.tensors.remove(name) {
            None => self.problems.push(format!("missing: {name} {shape:?}")),
            Some(tensor) if tensor.shape != shape => {
                self.problems.push(format!("{name}: {shape:?} by config.json, {:?} in the file", tensor.shape));
            }
            found => return found,
        }
        None
    }

    /// Ends the taking.
    ///
    /// # Errors
    /// [`InterchangeError::Mismatch`] lists what was missing, of another shape, or is left.
    pub(crate) fn finish(mut self, folder: &Path) -> Result<(), InterchangeError> {
        self.problems.extend(self.tensors.keys().map(|name| format!("not in the model: {name}")));
        match self.problems.is_empty() {
            true => Ok(()),
            false => Err(InterchangeError::Mismatch { path: folder.to_owned(), problems: self.problems }),
        }
    }
}
