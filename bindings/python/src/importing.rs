//! Models of other systems.

use std::path::PathBuf;

use attentive::interchange::{ImportConfig, import};
use pyo3::{exceptions::PyFileExistsError, prelude::*};

use crate::{
    errors::{OrRaise, raised_import},
    work::work,
};

/// Brings in a model of another system, and returns what there is to note: a list of sentences.
///
/// `source` is a folder of transformers, CTranslate2, Marian, fairseq or OpenNMT-py, or a GGUF file; `out` is the folder of
/// the new model, which Translator, Generator and Encoder take. `drop_unknown` leaves out tensors that the model has no
/// place for, as heads of other tasks, in place of an error; `replace` takes the place of a model that is there.
#[pyfunction]
#[pyo3(signature = (source, out, *, drop_unknown=false, replace=false))]
pub(crate) fn import_model(
    py: Python<'_>,
    source: PathBuf,
    out: PathBuf,
    drop_unknown: bool,
    replace: bool,
) -> PyResult<Vec<String>> {
    if !replace && out.exists() {
        // Before the work, and not after it.
        let text = format!("{} is there already: name a new folder, or give replace=True", out.display());
        return Err(PyFileExistsError::new_err(text));
    }
    let options = ImportConfig { drop_unknown, ..ImportConfig::default() };
    work(py, |_| {
        let imported = import(&source, &options).map_err(|error| raised_import(&error))?;
        let bundle = imported.bundle;
        if replace { bundle.replace(&out) } else { bundle.save(&out) }.or_raise()?;
        Ok(imported.notes)
    })?
}
