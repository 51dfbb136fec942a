//! Text to token ids and back.

use std::path::PathBuf;

use attentive::{task::resolve, tokenizer};
use pyo3::{IntoPyObjectExt, prelude::*};
use rayon::prelude::*;

use crate::{
    arguments::{Integer, Many, Texts},
    errors::OrRaise,
    work::{spread, work},
};

/// A tokenizer, of a model's folder or of another tool's files.
///
/// `path` is a model's folder or its tokenizer.json, Hugging Face's tokenizer.json or folder, GPT-2's encoder.json beside
/// vocab.bpe, BERT's vocab.txt, codes of subword-nmt, a SentencePiece model, or "byt5" or "canine". `lowercase` says whether
/// a WordPiece vocabulary is uncased, where the files do not.
#[pyclass(frozen, module = "attentive")]
pub(crate) struct Tokenizer {
    tokenizer: Box<dyn tokenizer::Tokenizer>,
    /// What was guessed as the files were read, and what was left aside: a sentence each.
    #[pyo3(get)]
    notes: Vec<String>,
    path: PathBuf,
}

#[pymethods]
impl Tokenizer {
    #[new]
    #[pyo3(signature = (path, lowercase=None))]
    fn new(py: Python<'_>, path: PathBuf, lowercase: Option<bool>) -> PyResult<Self> {
        let path = resolve(&path);
        let options = tokenizer::OpenOptions::default().lowercase(lowercase);
        let opened = work(py, |_| options.open(&path))?.or_raise()?;
        Ok(Self { tokenizer: opened.tokenizer, notes: opened.notes, path })
    }

    /// The ids of a text, or of each of several, without special tokens. With `specials`, the names of special tokens in
    /// the text are those tokens; else they are text.
    #[pyo3(signature = (texts, *, specials=false))]
    fn encode(&self, py: Python<'_>, texts: Texts, specials: bool) -> PyResult<Py<PyAny>> {
        self.of_each(py, &texts, |text| self.ids(text, specials))
    }

    /// The tokens of a text, or of each of several, as the vocabulary writes them.
    #[pyo3(signature = (texts, *, specials=false))]
    fn tokens(&self, py: Python<'_>, texts: Texts, specials: bool) -> PyResult<Py<PyAny>> {
        let token = |id| self.tokenizer.token(id).unwrap_or_default().into_owned();
        self.of_each(py, &texts, |text| self.ids(text, specials).into_iter().map(token).collect::<Vec<String>>())
    }

    /// The text that ids stand for. Special tokens stand for none, and bytes that are not UTF-8 become U+FFFD.
    fn decode(&self, py: Python<'_>, ids: Vec<Integer<u32>>) -> PyResult<String> {
        let ids: Vec<u32> = ids.into_iter().map(|Integer(id)| id).collect();
        py.detach(|| self.tokenizer.decode(&ids)).or_raise()
    }

    /// The entry of an id in the vocabulary; None of an id that has none.
    fn token(&self, id: Integer<u32>) -> Option<String> {
        Some(self.tokenizer.token(id.0)?.into_owned())
    }

    /// The number of ids: every id is below it.
    #[getter]
    fn vocab_size(&self) -> usize {
        self.tokenizer.vocab_size()
    }

    fn __len__(&self) -> usize {
        self.tokenizer.vocab_size()
    }

    fn __repr__(&self) -> String {
        format!("<attentive.Tokenizer of {}, {} tokens>", self.path.display(), self.tokenizer.vocab_size())
    }
}

impl Tokenizer {
    fn ids(&self, text: &str, specials: bool) -> Vec<u32> {
        if specials { self.tokenizer.encode_with_specials(text) } else { self.tokenizer.encode(text) }
    }

    /// What `of` gives of a text, or a list of it for several, which are spread over the machine's cores.
    fn of_each<'py, T: IntoPyObject<'py> + Send>(
        &self,
        py: Python<'py>,
        texts: &Texts,
        of: impl Fn(&str) -> T + Sync,
    ) -> PyResult<Py<PyAny>> {
        match texts {
            Texts::One(text) => py.detach(|| of(text)).into_py_any(py),
            Texts::Many(Many(texts)) => {
                spread(py, || texts.par_iter().map(|text| of(text)).collect::<Vec<T>>())?.into_py_any(py)
            }
        }
    }
}
