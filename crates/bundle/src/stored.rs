//! Parameters that stay in their file until a model is made of them.

use std::{
    borrow::Cow,
    collections::BTreeSet,
    mem,
    path::PathBuf,
    sync::{Mutex, PoisonError},
    thread::{self, JoinHandle},
};

use attentive_engine::SharedWeights;
use attentive_weights::{Blocks, HostTensor, Int8Rows, Rows, Source, Tensors, WeightsError, WeightsFile};

use crate::{
    BundleError, Dense,
    bundle::bad_weights,
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

    /// What models of the same parameters have packed of them.
    fn packed(&self) -> SharedWeights {
        SharedWeights::default()
    }
}

impl Params for Tensors {}

/// The parameters of a bundle's file of weights, which is held against its sum by another thread.
#[derive(Debug)]
pub struct Stored {
    path: PathBuf,
    file: WeightsFile,
    /// The names of its dense layers' tensors.
    dense: BTreeSet<String>,
    check: Mutex<Check>,
}

/// The comparison of a file with its sum.
#[derive(Debug)]
enum Check {
    Running(JoinHandle<Result<(), BundleError>>),
    Passed,
    Failed,
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
        let names = (0..n_dense).flat_map(Dense::names).filter(|name| Source::shape(&file, name).is_some());
        let tensor = |name: String| Ok((name.clone(), Source::tensor(&file, &name)?.into_owned()));
        let mut tensors =
            names.map(tensor).collect::<Result<Tensors, _>>().map_err(|cause| bad_weights(&path, cause))?;
        let names = tensors.keys().cloned().collect();
        let damaged = |problem| BundleError::Damaged { path: path.clone(), problem };
        let dense = Dense::take(n_dense, &mut tensors).map_err(damaged)?;
        let stored = Self { path, file, dense: names, check: Mutex::new(Check::Running(check)) };
        let sizes = stored.names().into_iter().filter_map(|name| Some(stored.shape(name)?.iter().product::<usize>()));
        let n_held = sizes.sum();
        Ok((stored, dense, n_held))
    }
}

impl Source for Stored {
    fn names(&self) -> Vec<&str> {
        Source::names(&self.file).into_iter().filter(|&name| !self.dense.contains(name)).collect()
    }

    fn shape(&self, name: &str) -> Option<&[usize]> {
        Source::shape(&self.file, name)
    }

    fn tensor(&self, name: &str) -> Result<Cow<'_, HostTensor>, WeightsError> {
        Source::tensor(&self.file, name)
    }

    fn rows(&self, name: &str) -> Result<Rows<'_>, WeightsError> {
        self.file.rows(name)
    }

    fn blocks(&self, name: &str) -> Result<Option<Cow<'_, Blocks>>, WeightsError> {
        Source::blocks(&self.file, name)
    }

    fn int8(&self, name: &str) -> Result<Option<Int8Rows<'_>>, WeightsError> {
        Source::int8(&self.file, name)
    }
}

impl Params for Stored {
    fn verify(&self) -> Result<(), BundleError> {
        let mut check = self.check.lock().unwrap_or_else(PoisonError::into_inner);
        match mem::replace(&mut *check, Check::Failed) {
            Check::Running(running) => joined(running)?,
            Check::Passed => {}
            Check::Failed => {
                let problem = "it is not known to be the file that was saved: open the model again".into();
                return Err(BundleError::Damaged { path: self.path.clone(), problem });
            }
        }
        *check = Check::Passed;
        // Models may be made of it long after it was read for its sum.
        if self.file.is_unchanged() {
            return Ok(());
        }
        let problem = "it was written over after it was opened: open the model again".into();
        Err(BundleError::Damaged { path: self.path.clone(), problem })
    }
}

fn joined(check: JoinHandle<Result<(), BundleError>>) -> Result<(), BundleError> {
    check.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
