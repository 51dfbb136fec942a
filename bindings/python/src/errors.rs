//! Errors of the library as exceptions.

use std::{error::Error as StdError, io, iter};

use attentive::{
    bundle::{BundleError, EncodeError, TranslateError},
    decode::DecodeError,
    interchange::InterchangeError,
    task,
};
use pyo3::{
    create_exception,
    exceptions::{PyException, PyValueError},
    prelude::*,
};

create_exception!(
    attentive,
    Error,
    PyException,
    "What the library could not do: a damaged model, one of another kind, a training that failed.\n\n\
     A file that can't be read or written is an OSError, and a setting or a text that is out of range a ValueError."
);

create_exception!(
    attentive,
    StopTraining,
    PyException,
    "Raised by a training's on_event, it saves a checkpoint and ends the training, which returns as usual."
);

/// The exception of an error: `OSError` where the system's is among its causes, `ValueError` where what was given is at
/// fault, else [`Error`].
pub(crate) fn raised(error: &task::Error) -> PyErr {
    use task::Error as E;
    if let E::Adapter(error) = error {
        return raised_import(error);
    }
    let text = task::with_causes(error);
    let kind = match error {
        E::Bundle(BundleError::NoFolder { .. } | BundleError::MissingPart { .. }) => Some(io::ErrorKind::NotFound),
        E::Bundle(BundleError::Exists { .. }) => Some(io::ErrorKind::AlreadyExists),
        error => of_system(error),
    };
    let is_given = match error {
        E::Setting(_) | E::Refused(_) | E::Model(_) | E::Optimizer(_) | E::Metric(_) | E::Id(_) => true,
        E::Bundle(BundleError::WeightFormat { .. } | BundleError::Frame(_)) => true,
        E::Decode(error) | E::Translate(TranslateError::Decode(error)) | E::Encode(EncodeError::Decode(error)) => {
            !matches!(error, DecodeError::Device(_) | DecodeError::NothingFollows { .. })
        }
        E::Translate(error) => !matches!(error, TranslateError::NothingFollows { .. }),
        E::Encode(error) => !matches!(error, EncodeError::Device(_) | EncodeError::NoHead { .. }),
        _ => false,
    };
    match kind {
        Some(kind) => io::Error::new(kind, text).into(),
        None if is_given => PyValueError::new_err(text),
        None => Error::new_err(text),
    }
}

/// As [`raised`], of a model of another system.
pub(crate) fn raised_import(error: &InterchangeError) -> PyErr {
    let kind = match error {
        InterchangeError::Missing { .. } => Some(io::ErrorKind::NotFound),
        error => of_system(error),
    };
    let text = task::with_causes(error);
    match kind {
        Some(kind) => io::Error::new(kind, text).into(),
        None => Error::new_err(text),
    }
}

/// The kind of the system's error that is the cause, if one is.
fn of_system(error: &(dyn StdError + 'static)) -> Option<io::ErrorKind> {
    let mut causes = iter::successors(Some(error), |&error| error.source());
    causes.find_map(|cause| Some(cause.downcast_ref::<io::Error>()?.kind()))
}

/// An error of the library as an exception.
pub(crate) trait OrRaise<T> {
    fn or_raise(self) -> PyResult<T>;
}

impl<T, E: Into<task::Error>> OrRaise<T> for Result<T, E> {
    fn or_raise(self) -> PyResult<T> {
        self.map_err(|error| raised(&error.into()))
    }
}
