//! Training.

use std::{
    ops::ControlFlow,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use attentive::{
    run::{Ended, Recipe, Run, TrainOptions, event_json},
    task::{Error, Log},
    trainer::{Callback, CallbackError, Event},
};
use pyo3::{
    exceptions::{PyTypeError, PyValueError},
    prelude::*,
    types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple},
};
use serde_json::{Value, json};

use crate::{
    arguments::{Bytes, Integer, device},
    errors::{OrRaise, StopTraining},
    work::{Stop, pool, work},
};

/// Trains a model by a recipe, and returns the run's folder, which is also the model's.
///
/// `recipe` is a TOML file or the name of a recipe that is built in; without one, a translator is trained on the built-in
/// English–German corpus. `settings` change it: {"training.steps": 1000, "model.d_model": 64}; a dict in the place of a
/// value is a table that replaces the recipe's. The run gets a new folder in `runs`.
///
/// `on_event` is called with a dict for each line that the run says ({"event": "log", "text": …}, or "warning") and each
/// that its metrics.jsonl has ("step", "validation", "rollback"). Where it raises StopTraining, a checkpoint is saved and
/// the training ends; so it does after Ctrl-C and after any other exception of on_event, which are raised again. `resume`
/// goes on. `memory`, in bytes or as "4GiB", is the most that training may take, for a batch whose size is "auto".
#[pyfunction]
#[pyo3(signature = (recipe=None, *, settings=None, on_event=None, runs=PathBuf::from("runs"), threads=None, memory=None))]
#[pyo3(text_signature = "(recipe=None, *, settings=None, on_event=None, runs='runs', threads=None, memory=None)")]
pub(crate) fn train(
    py: Python<'_>,
    recipe: Option<PathBuf>,
    settings: Option<Settings>,
    on_event: Option<Py<PyAny>>,
    runs: PathBuf,
    threads: Option<Integer>,
    memory: Option<Bytes>,
) -> PyResult<PathBuf> {
    trained(py, on_event, threads, memory, || {
        let recipe = recipe.map_or_else(Recipe::builtin, Recipe::load)?.with(settings.unwrap_or_default().0)?;
        Run::create(runs, recipe)
    })
}

/// Goes on with a run that was interrupted, or stopped, and returns its folder.
///
/// `run` is its folder, or `runs/latest`. `settings` change what may change from here on, `training.steps` for example;
/// `on_event` and `threads` are those of `train`.
#[pyfunction]
#[pyo3(signature = (run, *, settings=None, on_event=None, threads=None))]
pub(crate) fn resume(
    py: Python<'_>,
    run: PathBuf,
    settings: Option<Settings>,
    on_event: Option<Py<PyAny>>,
    threads: Option<Integer>,
) -> PyResult<PathBuf> {
    trained(py, on_event, threads, None, || Run::resume(run, &settings.unwrap_or_default().0))
}

/// Trains the run that `open` opens.
fn trained(
    py: Python<'_>,
    on_event: Option<Py<PyAny>>,
    threads: Option<Integer>,
    memory: Option<Bytes>,
    open: impl FnOnce() -> Result<Run, Error> + Send,
) -> PyResult<PathBuf> {
    let (device, pool) = (device()?, pool(threads)?);
    let failure = Mutex::new(None);
    let ended = work(py, |stop| {
        let teller = Teller { on_event, stop, failure: &failure };
        pool.install(|| {
            let mut watcher = Watcher(&teller);
            let callbacks: Vec<&mut dyn Callback> = vec![&mut watcher];
            let memory = memory.map(|Bytes(memory)| memory);
            open()?.train(&device, TrainOptions { log: &teller, callbacks, memory, ..TrainOptions::default() })
        })
    })?;
    let failure = failure.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(failure) = failure.filter(|failure| !failure.is_instance_of::<StopTraining>(py)) {
        return Err(failure);
    }
    match ended.or_raise()? {
        Ended::Finished { folder, .. } | Ended::Stopped { folder, .. } => Ok(folder),
    }
}

/// Tells Python of what a run does.
struct Teller<'a> {
    on_event: Option<Py<PyAny>>,
    stop: &'a Stop,
    /// The first exception of `on_event`.
    failure: &'a Mutex<Option<PyErr>>,
}

impl Teller<'_> {
    fn tell(&self, event: &Value) {
        let Some(on_event) = &self.on_event else { return };
        let told = Python::attach(|py| {
            let event = py.import("json")?.call_method1("loads", (event.to_string(),))?;
            on_event.call1(py, (event,))
        });
        if let Err(failure) = told {
            self.stop.raise();
            self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(failure);
        }
    }
}

impl Log for Teller<'_> {
    fn line(&self, line: &str) {
        self.tell(&json!({ "event": "log", "text": line }));
    }

    fn warning(&self, line: &str) {
        self.tell(&json!({ "event": "warning", "text": line }));
    }
}

struct Watcher<'a>(&'a Teller<'a>);

impl Callback for Watcher<'_> {
    fn on_event(&mut self, event: &Event<'_>) -> Result<ControlFlow<()>, CallbackError> {
        if let Some(event) = event_json(event) {
            self.0.tell(&event);
        }
        Ok(if self.0.stop.is_raised() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }
}

/// Settings of a recipe, `key=value` each, the value in TOML.
#[derive(Default)]
pub(crate) struct Settings(Vec<String>);

impl FromPyObject<'_, '_> for Settings {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        let settings = object.cast::<PyDict>()?.iter().map(|(key, value)| {
            let key: String = key.extract()?;
            Ok(format!("{key}={}", toml(&key, &value)?))
        });
        settings.collect::<PyResult<_>>().map(Self)
    }
}

/// A value of Python as TOML.
fn toml(key: &str, value: &Bound<'_, PyAny>) -> PyResult<String> {
    let joined = |items: Vec<String>| items.join(", ");
    if value.is_instance_of::<PyBool>() {
        Ok(value.extract::<bool>()?.to_string())
    } else if value.is_instance_of::<PyInt>() || value.is_instance_of::<PyFloat>() {
        Ok(value.str()?.to_string()) // numbers, inf and nan are written alike
    } else if let Some(plain) = of_numpy(value)? {
        toml(key, &plain)
    } else if let Ok(number) = value.extract::<i64>() {
        Ok(number.to_string()) // other integers
    } else if value.is_instance_of::<PyString>() {
        Ok(quoted(&value.extract::<String>()?))
    } else if value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>() {
        let items = value.try_iter()?.map(|item| toml(key, &item?));
        Ok(format!("[{}]", joined(items.collect::<PyResult<_>>()?)))
    } else if let Ok(table) = value.cast::<PyDict>() {
        let item = |(inner, value): (Bound<'_, PyAny>, Bound<'_, PyAny>)| {
            let inner: String = inner.extract()?;
            Ok(format!("{} = {}", quoted(&inner), toml(&format!("{key}.{inner}"), &value)?))
        };
        Ok(format!("{{{}}}", joined(table.iter().map(item).collect::<PyResult<_>>()?)))
    } else if value.is_none() {
        Err(PyValueError::new_err(format!("settings: {key} is None; leave it out")))
    } else if let Ok(path) = value.extract::<PathBuf>() {
        let path = path.to_str().ok_or_else(|| PyValueError::new_err(format!("settings: {key} is not UTF-8")))?;
        Ok(quoted(path))
    } else {
        let kind = value.get_type().name()?;
        Err(PyTypeError::new_err(format!("settings: {key} is of the type {kind}, which no setting has")))
    }
}

/// NumPy's number or truth value as Python's, where Python has one.
fn of_numpy<'py>(value: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
    if !value.hasattr("dtype")? || value.getattr_opt("ndim")?.is_none_or(|n| n.extract().ok() != Some(0)) {
        return Ok(None);
    }
    let plain = value.call_method0("item")?;
    Ok(if plain.hasattr("dtype")? { None } else { Some(plain) })
}

/// A string of TOML, whose escapes are JSON's, and one more.
fn quoted(text: &str) -> String {
    json!(text).to_string().replace('\u{7f}', "\\u007f")
}
