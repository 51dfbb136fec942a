//! Translation.

use std::{num::NonZeroUsize, path::PathBuf, sync::Arc};

use attentive::{
    bundle::{DecodingConfig, Input, Search, Shortlist, TranslationModel, is_blank},
    decode::JointModel,
    task::{Error, open_with_adapter, resolve},
    tokenizer,
};
use pyo3::{IntoPyObjectExt, exceptions::PyValueError, prelude::*};

use crate::{
    arguments::{Integer, Texts, device, over, precision},
    errors::OrRaise,
    work::{Home, pool, work},
};

/// Translates texts with a trained model.
///
/// `path` is the model's folder: that of a run, `runs/latest`, or of an imported model. `precision` is what its weights are
/// packed in ("f32", "int8", "q8_0", "q4_0", "blocks"), by default as the folder says. `threads` is the number of threads
/// that the model computes on, by default that of the machine's cores. `adapter` is the folder of an adapter over the
/// model, a run's or PEFT's.
///
/// Several threads of Python may translate at once: their searches share the model's steps, and each finds what it finds
/// alone.
#[pyclass(frozen, module = "attentive")]
pub(crate) struct Translator {
    model: JointModel<TranslationModel>,
    tokenizer: Arc<dyn tokenizer::Tokenizer>,
    decoding: DecodingConfig,
    shortlist: Option<Arc<Shortlist>>,
    path: PathBuf,
    home: Home,
}

/// A translation of a text.
#[pyclass(frozen, get_all, module = "attentive")]
pub(crate) struct Translation {
    /// The text.
    text: String,
    /// What the search ranks by: the log-probability over the length penalty.
    score: f64,
    /// ln p(translation | source), in nats.
    log_prob: f64,
    /// Its tokens, without begin and end of sentence.
    ids: Vec<u32>,
    /// Whether the model ended it; else it was cut at the maximum length.
    is_finished: bool,
    /// The next best translations, best first: n_best - 1 of them.
    alternatives: Vec<Py<Translation>>,
}

type Translating = attentive::bundle::Translator<JointModel<TranslationModel>>;

#[pymethods]
impl Translator {
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
            let (model, tokenizer) = (bundle.translation_model(&device, format)?, Arc::clone(bundle.tokenizer()?));
            let model = JointModel::spawned(model, |worker| pool.spawn(worker));
            // What it lacks is told now, and not at the first text.
            Translating::new(model.clone(), Arc::clone(&tokenizer))?;
            Ok::<_, Error>((model, tokenizer, bundle.decoding, bundle.shortlist))
        };
        let (model, tokenizer, decoding, shortlist) = work(py, |_| pool.install(read))?.or_raise()?;
        Ok(Self { model, tokenizer, decoding, shortlist, path, home: Home::here() })
    }

    /// Translates a text, or each of several.
    ///
    /// `texts` is a string, which gives one translation, or an iterable of strings, which gives a list. What is not given
    /// is as the model's folder says, beam 4 and a length penalty of 0.6 in most. `n_best` translations of each text are
    /// found: the best one has the others in its `alternatives`. Each begins with `prefix`. `source_language` and
    /// `target_language` are for models that are told them. A text that is longer than the model has positions for is a
    /// ValueError, unless `crop` leaves its end out.
    #[pyo3(signature = (
        texts, *, beam=None, length_penalty=None, n_best=Integer(1), prefix="", min_length=None, max_length=None,
        no_repeat_ngram=None, repetition_penalty=None, batch_tokens=None, source_language=None, target_language=None,
        crop=false
    ))]
    #[pyo3(text_signature = "($self, texts, *, beam=None, length_penalty=None, n_best=1, prefix='', min_length=None, \
        max_length=None, no_repeat_ngram=None, repetition_penalty=None, batch_tokens=None, source_language=None, \
        target_language=None, crop=False)")]
    #[expect(clippy::too_many_arguments, reason = "they are keywords")]
    fn translate(
        &self,
        py: Python<'_>,
        texts: Texts,
        beam: Option<Integer>,
        length_penalty: Option<f64>,
        n_best: Integer,
        prefix: &str,
        min_length: Option<Integer>,
        max_length: Option<Integer>,
        no_repeat_ngram: Option<Integer>,
        repetition_penalty: Option<f64>,
        batch_tokens: Option<Integer>,
        source_language: Option<&str>,
        target_language: Option<&str>,
        crop: bool,
    ) -> PyResult<Py<PyAny>> {
        self.home.check()?;
        let own = &self.decoding;
        let n_best =
            NonZeroUsize::new(n_best.0).ok_or_else(|| PyValueError::new_err("n_best = 0 must be at least 1"))?;
        let config = DecodingConfig {
            beam: over(beam, own.beam.max(n_best.get())),
            length_penalty: length_penalty.unwrap_or(own.length_penalty),
            min_len: over(min_length, own.min_len),
            no_repeat_ngram: over(no_repeat_ngram, own.no_repeat_ngram),
            repetition_penalty: repetition_penalty.unwrap_or(own.repetition_penalty),
            batch_tokens: over(batch_tokens, own.batch_tokens),
            ..own.clone().bounded(max_length.map(|Integer(n)| n))
        };
        let found = work(py, |stop| {
            let stop = stop.clone();
            let mut translator =
                Translating::new(self.model.until(move || stop.is_raised()), Arc::clone(&self.tokenizer))?;
            translator = translator.with_shortlist(self.shortlist.clone());
            if source_language.is_some() || target_language.is_some() {
                let told = translator.between(source_language, target_language);
                translator = told.map_err(attentive::bundle::TranslateError::from)?;
            }
            let texts = texts.as_slice();
            let inputs: Vec<Input<'_>> = texts.iter().map(|text| Input { text, crop }).collect();
            // A text without tokens has no translation that a prefix could begin.
            let begun = |text: &String| if is_blank(&*self.tokenizer, text) { "" } else { prefix };
            let prefixes: Vec<&str> = texts.iter().filter(|_| !prefix.is_empty()).map(begun).collect();
            Ok::<_, Error>(translator.find(&inputs, &prefixes, &config, Search::Best(n_best))?)
        });
        let found = found?.or_raise()?;
        let mut translations =
            found.into_iter().map(|best| Translation::best(py, best)).collect::<PyResult<Vec<_>>>()?;
        match texts {
            Texts::One(_) => translations.remove(0).into_py_any(py),
            Texts::Many(_) => translations.into_py_any(py),
        }
    }

    fn __repr__(&self) -> String {
        format!("<attentive.Translator of {}>", self.path.display())
    }
}

impl Translation {
    /// The first of the translations of a text, which has the others.
    fn best(py: Python<'_>, found: Vec<attentive::bundle::Translation>) -> PyResult<Py<Self>> {
        let mut found = found.into_iter().map(|found| Self {
            text: found.text,
            score: found.score,
            log_prob: found.log_prob,
            ids: found.tokens,
            is_finished: found.is_finished,
            alternatives: Vec::new(),
        });
        let best = found.next().expect("a search finds a translation of each text");
        let alternatives = found.map(|other| Py::new(py, other)).collect::<PyResult<_>>()?;
        Py::new(py, Self { alternatives, ..best })
    }
}

#[pymethods]
impl Translation {
    fn __str__(&self) -> &str {
        &self.text
    }

    fn __repr__(&self) -> String {
        format!("<attentive.Translation {:?}, score {:.4}>", self.text, self.score)
    }
}
