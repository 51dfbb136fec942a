//! Vectors of texts.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, TryLockError},
    thread,
    time::Duration,
};

use attentive::{
    bundle::{EmbeddingConfig, Input, Pooling, TextEncoder, is_blank},
    task::{Error, open_with_adapter, resolve},
    tokenizer,
};
use numpy::{PyArray1, PyArrayMethods};
use pyo3::{exceptions::PyValueError, prelude::*};
use rayon::ThreadPool;

use crate::{
    arguments::{Integer, Texts, device, precision},
    errors::OrRaise,
    work::{Home, Stop, pool, work},
};

/// Texts that are read before the next look for Ctrl-C.
const TEXTS_AT_ONCE: usize = 64;

/// Time between two looks for the encoder while another thread has it.
const MOMENT: Duration = Duration::from_millis(1);

/// Makes vectors of texts with an encoder.
///
/// `path`, `precision`, `threads` and `adapter` are those of Translator. One text is read at a time, whatever the
/// number of threads of Python.
#[pyclass(frozen, module = "attentive")]
pub(crate) struct Encoder {
    encoder: Mutex<TextEncoder>,
    pool: ThreadPool,
    tokenizer: Arc<dyn tokenizer::Tokenizer>,
    embedding: EmbeddingConfig,
    path: PathBuf,
    home: Home,
}

#[pymethods]
impl Encoder {
    #[new]
    #[pyo3(signature = (path, precision=None, threads=None, *, adapter=None))]
    fn new(
        py: Python<'_>,
        path: PathBuf,
        precision: Option<&str>,
        threads: Option<Integer>,
        adapter: Option<PathBuf>,
    ) -> PyResult<Self> {
        let (device, format, pool) = (device()?, self::precision(precision)?, pool(threads)?);
        let path = resolve(&path);
        let read = || {
            let bundle = open_with_adapter(&path, adapter.as_deref())?;
            let (encoder, tokenizer) =
                (TextEncoder::from_bundle(&bundle, &device, format)?, Arc::clone(bundle.tokenizer()?));
            Ok::<_, Error>((encoder, tokenizer, bundle.embedding))
        };
        let (encoder, tokenizer, embedding) = work(py, |_| pool.install(read))?.or_raise()?;
        Ok(Self { encoder: Mutex::new(encoder), pool, tokenizer, embedding, path, home: Home::here() })
    }

    /// The vector of a text, or of each of several: float32, of the shape (width,) or (texts, width).
    ///
    /// What is not given is as the model's folder says, else the mean over a text's tokens. `pooling` is "mean", "cls",
    /// "max", "mean-sqrt-len", "weighted-mean" or "last-token", or a list of these, whose vectors are put side by side;
    /// `normalize` divides a vector by its length; `prompt` is the name of one of the model's prompts, "" for none. The
    /// vector of a text without tokens is NaN. A text that is longer than the model has positions for is a ValueError,
    /// unless `crop` leaves its end out.
    #[pyo3(signature = (texts, *, pooling=None, normalize=None, prompt=None, crop=false))]
    fn encode<'py>(
        &self,
        py: Python<'py>,
        texts: Texts,
        pooling: Option<Texts>,
        normalize: Option<bool>,
        prompt: Option<String>,
        crop: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.home.check()?;
        let mut how =
            EmbeddingConfig { normalize: normalize.unwrap_or(self.embedding.normalize), ..self.embedding.clone() };
        if let Some(names) = pooling {
            how.pooling = names.as_slice().iter().map(|name| named(name)).collect::<PyResult<_>>()?;
        }
        if let Some(name) = prompt {
            how.prompt = Some(name).filter(|name| !name.is_empty());
        }
        if let Some(problem) = how.problem() {
            return Err(PyValueError::new_err(problem));
        }
        let (values, width) = work(py, |stop| {
            let Some(mut encoder) = self.wait(stop) else { return Ok((Vec::new(), 0)) };
            let mut rows = Vec::with_capacity(texts.as_slice().len());
            for some in texts.as_slice().chunks(TEXTS_AT_ONCE) {
                if stop.is_raised() {
                    break;
                }
                rows.extend(self.rows(&mut encoder, (rows.len(), some), &how, crop)?);
            }
            let width = match rows.iter().flatten().next() {
                Some(row) => row.len(),
                // Any text tells it.
                None => encoder.embed("", &how).or_raise()?.len(),
            };
            let of_row = |row: Option<Vec<f32>>| row.unwrap_or_else(|| vec![f32::NAN; width]);
            Ok::<_, PyErr>((rows.into_iter().flat_map(of_row).collect::<Vec<f32>>(), width))
        })??;
        match texts {
            Texts::One(_) => Ok(PyArray1::from_vec(py, values).into_any()),
            Texts::Many(_) => {
                let n_texts = values.len().checked_div(width).unwrap_or(0);
                Ok(PyArray1::from_vec(py, values).reshape([n_texts, width])?.into_any())
            }
        }
    }

    fn __repr__(&self) -> String {
        format!("<attentive.Encoder of {}>", self.path.display())
    }
}

impl Encoder {
    /// The encoder when no other thread has it; none after Ctrl-C.
    fn wait(&self, stop: &Stop) -> Option<MutexGuard<'_, TextEncoder>> {
        loop {
            match self.encoder.try_lock() {
                Ok(encoder) => return Some(encoder),
                Err(TryLockError::Poisoned(error)) => return Some(error.into_inner()),
                Err(TryLockError::WouldBlock) if stop.is_raised() => return None,
                // Another thread may have a list of texts to read.
                Err(TryLockError::WouldBlock) => thread::sleep(MOMENT),
            }
        }
    }

    /// The vectors of some texts, `n_before` others coming before them; none of a text without tokens.
    fn rows(
        &self,
        encoder: &mut TextEncoder,
        (n_before, texts): (usize, &[String]),
        how: &EmbeddingConfig,
        crop: bool,
    ) -> PyResult<Vec<Option<Vec<f32>>>> {
        let is_read = |text: &&String| !is_blank(&*self.tokenizer, text);
        let inputs: Vec<Input<'_>> = texts.iter().filter(is_read).map(|text| Input { text, crop }).collect();
        let readable = &inputs;
        let vectors = self.pool.install(move || encoder.embed_all(readable, how)).or_raise()?;
        let mut vectors = vectors.into_iter();
        let row = |(index, text)| {
            let vector = is_read(&text).then(|| vectors.next().expect("each text that is read has one"));
            vector.transpose().map_err(|too_long| {
                let number = n_before + index;
                PyValueError::new_err(format!("texts[{number}] has {too_long}; shorten it, or give crop=True"))
            })
        };
        texts.iter().enumerate().map(row).collect()
    }
}

/// The pooling of a name.
fn named(name: &str) -> PyResult<Pooling> {
    serde_json::from_value(name.into()).map_err(|error| PyValueError::new_err(format!("pooling: {error}")))
}
