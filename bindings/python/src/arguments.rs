//! What Python hands over.

use attentive::{bundle::WeightFormat, run::parse_size, task::Error};
use pyo3::{
    exceptions::{PyOverflowError, PyTypeError, PyValueError},
    prelude::*,
    types::PyString,
};

use crate::errors::raised;

/// One text, or several.
pub(crate) enum Texts {
    One(String),
    Many(Many),
}

impl Texts {
    pub(crate) fn as_slice(&self) -> &[String] {
        match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::Many(Many(texts)) => texts,
        }
    }
}

impl FromPyObject<'_, '_> for Texts {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        if object.is_instance_of::<PyString>() {
            object.extract().map(Self::One)
        } else {
            object.extract().map(Self::Many)
        }
    }
}

/// Any iterable of texts that is not itself a text.
pub(crate) struct Many(pub(crate) Vec<String>);

impl FromPyObject<'_, '_> for Many {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        if object.is_instance_of::<PyString>() {
            return Err(PyTypeError::new_err("one string where a list of strings is expected"));
        }
        let texts = object.try_iter()?.map(|text| text?.extract::<String>());
        texts.collect::<PyResult<_>>().map(Self)
    }
}

/// References of a corpus: one for each hypothesis, or several lists of such.
pub(crate) struct Streams(pub(crate) Vec<Vec<String>>);

impl FromPyObject<'_, '_> for Streams {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        let items: Vec<Bound<'_, PyAny>> = object.try_iter()?.collect::<PyResult<_>>()?;
        if !object.is_instance_of::<PyString>() && items.iter().all(PyAnyMethods::is_instance_of::<PyString>) {
            let stream = items.iter().map(PyAnyMethods::extract).collect::<PyResult<_>>()?;
            return Ok(Self(vec![stream]));
        }
        let streams = items.iter().map(|item| item.extract().map(|Many(texts)| texts));
        streams.collect::<PyResult<_>>().map(Self)
    }
}

/// An integer. One that is out of range is a `ValueError`, as any setting is.
#[derive(Clone, Copy)]
pub(crate) struct Integer<T = usize>(pub(crate) T);

impl<'a, 'py, T: FromPyObject<'a, 'py, Error = PyErr>> FromPyObject<'a, 'py> for Integer<T> {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        match object.extract::<T>() {
            Err(error) if error.is_instance_of::<PyOverflowError>(object.py()) => {
                Err(PyValueError::new_err(format!("{} is negative, or too large", &*object)))
            }
            integer => integer.map(Self),
        }
    }
}

/// Bytes, by their number or as `4GiB`.
pub(crate) struct Bytes(pub(crate) u64);

impl FromPyObject<'_, '_> for Bytes {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        if !object.is_instance_of::<PyString>() {
            return object.extract::<Integer<u64>>().map(|Integer(bytes)| Self(bytes));
        }
        parse_size(&object.extract::<String>()?).map(Self).map_err(PyValueError::new_err)
    }
}

/// The number that was given, or else the model's own.
pub(crate) fn over(given: Option<Integer>, own: usize) -> usize {
    given.map_or(own, |Integer(count)| count)
}

/// The precision of a name, if there is one.
pub(crate) fn precision(name: Option<&str>) -> PyResult<Option<WeightFormat>> {
    name.map(|name| name.parse().map_err(PyValueError::new_err)).transpose()
}

/// The CPU, which all models run on.
pub(crate) fn device() -> PyResult<attentive::backend::Device> {
    attentive::backend::BackendKind::Flex.device().map_err(|error| raised(&Error::from(error)))
}
