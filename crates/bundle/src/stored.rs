//! Parameters that stay in their file until a model is made of them.

use std::{
    borrow::Cow,
    sync::{Mutex, PoisonError},
    thread::{self, JoinHandle},
};

use attentive_weights::{HostTensor, Source, Tensors, WeightsError, WeightsFile};

use crate::{
    BundleError, Dense,
    embedding::DENSE,
    folder::{Folder, WEIGHTS},
};

/// The parameters of a bundle, wherever they are.
pub trait Params: Source {
    /// Whether they are those that were written. It is asked when a model is made of them.
    ///
    /// # Errors
    /// [`BundleError::Changed`] if the file is another than the one that was written; [`BundleError::Io`] if it can't be read.
    fn verify(&self) -> Result<(), BundleError> {
        Ok(())
    }
}

impl Params for Tensors {}

/// The parameters of a bundle's file of weights, which is held against its sum by another thread.
#[derive(Debug)]
pub struct Stored {
    file: WeightsFile,
    check: Mutex<Option<JoinHandle<Result<(), BundleError>>>>,
}

impl Stored {
    /// The parameters of a folder, its dense layers, and the number of values that its file holds.
    pub(crate) fn open(folder: &Folder<'_>, n_dense: usize) -> Result<(Self, Vec<Dense>, usize), BundleError> {
        let path = folder.place(WEIGHTS);
        let check = thread::spawn(folder.check(WEIGHTS)?);
        let file = match WeightsFile::open(&path) {
            Ok(file) => file,
            // A file that is cut short is first of all another file.
            Err(cause) => return Err(joined(check).err().unwrap_or(cause.into())),
        };
        let mut dense: Tensors = Source::names(&file)
            .into_iter()
            .filter(|name| name.starts_with(DENSE))
            .map(|name| Ok((name.to_owned(), Source::tensor(&file, name)?.into_owned())))
            .collect::<Result<_, WeightsError>>()?;
        let dense = Dense::take(n_dense, &mut dense).map_err(|problem| BundleError::Damaged { path, problem })?;
        let stored = Self { file, check: Mutex::new(Some(check)) };
        let sizes = stored.names().into_iter().filter_map(|name| Some(stored.shape(name)?.iter().product::<usize>()));
        let n_held = sizes.sum();
        Ok((stored, dense, n_held))
    }
}

impl Source for Stored {
    fn names(&self) -> Vec<&str> {
        Source::names(&self.file).into_iter().filter(|name| !name.starts_with(DENSE)).collect()
    }

    fn shape(&self, name: &str) -> Option<&[usize]> {
        Source::shape(&self.file, name)
    }

    fn tensor(&self, name: &str) -> Result<Cow<'_, HostTensor>, WeightsError> {
        Source::tensor(&self.file, name)
    }
}

impl Params for Stored {
    fn verify(&self) -> Result<(), BundleError> {
        let check = self.check.lock().unwrap_or_else(PoisonError::into_inner).take();
        check.map_or(Ok(()), joined)
    }
}

fn joined(check: JoinHandle<Result<(), BundleError>>) -> Result<(), BundleError> {
    check.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
