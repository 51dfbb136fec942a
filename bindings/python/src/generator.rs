//! Text that follows a prompt.

use std::{
    ops::ControlFlow,
    path::PathBuf,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        mpsc::{self, Receiver, RecvTimeoutError},
    },
    thread,
};

use attentive::{
    bundle::{GenerationConfig, TextModel},
    decode::{DecodeError, Ended, JointModel, SamplingConfig},
    task::{Error, open_with_adapter, resolve},
    tokenizer,
};
use pyo3::{exceptions::PyValueError, prelude::*};

use crate::{
    arguments::{Integer, Texts, device, over, precision},
    errors::{self, OrRaise},
    work::{Home, Stop, TICK, broken, pool, work},
};

/// Pieces that a text may be ahead of its reader.
const AHEAD: usize = 64;

/// Continues texts with a language model.
///
/// `path`, `precision`, `threads` and `adapter` are those of Translator. Several texts may be written at once: they
/// share the model's steps, and each is what it is alone.
#[pyclass(frozen, module = "attentive")]
pub(crate) struct Generator {
    model: JointModel<TextModel>,
    tokenizer: Arc<dyn tokenizer::Tokenizer>,
    generation: GenerationConfig,
    path: PathBuf,
    home: Home,
}

/// The pieces of a text, as they come: an iterator over strings, which together are the text.
///
/// The text is written on a thread of its own, a little ahead of its reader, and ends with the iterator.
#[pyclass(frozen, module = "attentive")]
pub(crate) struct Pieces {
    pieces: Mutex<Receiver<Piece>>,
    ended: OnceLock<Option<&'static str>>,
    stop: Stop,
    home: Home,
}

enum Piece {
    Text(String),
    Over(Result<Ended, DecodeError>),
}

#[pymethods]
impl Generator {
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
            let (model, tokenizer) = (bundle.text_model(&device, format)?, Arc::clone(bundle.tokenizer()?));
            Ok::<_, Error>((JointModel::spawned(model, |worker| pool.spawn(worker)), tokenizer, bundle.generation))
        };
        let (model, tokenizer, generation) = work(py, |_| pool.install(read))?.or_raise()?;
        Ok(Self { model, tokenizer, generation, path, home: Home::here() })
    }

    /// Continues a text: an iterator over the pieces of what follows, as they come.
    ///
    /// Without a prompt the model begins by itself. What is not given is as the model's folder says. A `temperature` of 0
    /// takes the most probable token always, and `top_k`, `top_p` and `min_p`, which leave out the less probable ones, are
    /// refused with it; the same `seed` draws the same text. The text ends after `max_tokens` tokens, where the model ends it,
    /// or before a string of `stop`. `begin` says whether the token that begins a document comes before the prompt.
    #[pyo3(signature = (
        prompt="", *, max_tokens=None, min_tokens=None, temperature=None, top_k=None, top_p=None, min_p=None, seed=None,
        stop=None, repetition_penalty=None, no_repeat_ngram=None, begin=None
    ))]
    #[expect(clippy::too_many_arguments, reason = "they are keywords")]
    fn generate(
        &self,
        prompt: &str,
        max_tokens: Option<Integer>,
        min_tokens: Option<Integer>,
        temperature: Option<f64>,
        top_k: Option<Integer>,
        top_p: Option<f64>,
        min_p: Option<f64>,
        seed: Option<Integer<u64>>,
        stop: Option<Texts>,
        repetition_penalty: Option<f64>,
        no_repeat_ngram: Option<Integer>,
        begin: Option<bool>,
    ) -> PyResult<Pieces> {
        self.home.check()?;
        let own = &self.generation;
        let on = |own: &SamplingConfig| SamplingConfig {
            temperature: temperature.unwrap_or(own.temperature),
            top_k: over(top_k, own.top_k),
            top_p: top_p.unwrap_or(own.top_p),
            min_p: min_p.unwrap_or(own.min_p),
            repetition_penalty: repetition_penalty.unwrap_or(own.repetition_penalty),
            seed: seed.map_or(own.seed, |Integer(seed)| seed),
            ..own.clone()
        };
        let sampling = on(&own.sampling);
        if let Some(limit) = on(&SamplingConfig::default()).limit().filter(|_| sampling.temperature == 0.0) {
            let problem = format!("{limit} limits what is drawn, and at temperature 0 nothing is: raise temperature");
            return Err(PyValueError::new_err(problem));
        }
        let config = GenerationConfig {
            begin: begin.unwrap_or(own.begin),
            max_tokens: over(max_tokens, own.max_tokens),
            min_tokens: over(min_tokens, own.min_tokens),
            no_repeat_ngram: over(no_repeat_ngram, own.no_repeat_ngram),
            stop: stop.map_or_else(|| own.stop.clone(), |stop| stop.as_slice().to_vec()),
            sampling,
            ..own.clone()
        };
        // Now, and not at the first piece.
        config.validate().or_raise()?;
        let stop = Stop::default();
        let is_stopped = stop.clone();
        let model = self.model.until(move || is_stopped.is_raised());
        let generator = attentive::bundle::Generator::new(model, Arc::clone(&self.tokenizer));
        let generator = generator.beginning_with(own.begin_id);
        let (to, pieces) = mpsc::sync_channel(AHEAD);
        let prompt = prompt.to_owned();
        let write = move || {
            let told = generator.generate(&prompt, &config, |text| match to.send(Piece::Text(text.to_owned())) {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()), // nobody reads on
            });
            let _ = to.send(Piece::Over(told));
        };
        thread::Builder::new().name("text".to_owned()).spawn(write)?;
        Ok(Pieces { pieces: Mutex::new(pieces), ended: OnceLock::new(), stop, home: self.home })
    }

    fn __repr__(&self) -> String {
        format!("<attentive.Generator of {}>", self.path.display())
    }
}

#[pymethods]
impl Pieces {
    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<String>> {
        while self.ended.get().is_none() {
            self.home.check()?;
            let next = py.detach(|| self.pieces.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(TICK));
            match next {
                Ok(Piece::Text(text)) => return Ok(Some(text)),
                Ok(Piece::Over(ended)) => {
                    let ended = ended.map_err(|error| errors::raised(&error.into()));
                    self.over(ended.as_ref().ok().map(|&ended| name(ended)));
                    return ended.map(|_| None);
                }
                Err(RecvTimeoutError::Timeout) => py.check_signals().inspect_err(|_| self.over(None))?,
                Err(RecvTimeoutError::Disconnected) => {
                    self.over(None);
                    return Err(broken());
                }
            }
        }
        Ok(None)
    }

    /// Why the text ended: "end" where the model ended it, "length" at its greatest length, "stop" before a string of
    /// `stop`; None before that, or if it failed.
    #[getter]
    fn ended(&self) -> Option<&'static str> {
        self.ended.get().copied().flatten()
    }
}

impl Pieces {
    /// Ends the text, if it has not ended.
    fn over(&self, ended: Option<&'static str>) {
        self.stop.raise();
        let _ = self.ended.set(ended);
    }
}

impl Drop for Pieces {
    fn drop(&mut self) {
        self.stop.raise();
    }
}

fn name(ended: Ended) -> &'static str {
    match ended {
        Ended::ByModel => "end",
        Ended::ByLength => "length",
        Ended::ByCaller => "stop",
    }
}
