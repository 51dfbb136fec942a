//! Scores of translations.

use attentive::metrics::{Bleu, Chrf, Scorer, Smoothing};
use pyo3::prelude::*;

use crate::{
    arguments::{Integer, Many, Streams},
    errors::OrRaise,
    work::spread,
};

/// A score of a corpus. As text it is sacreBLEU's line, and as a number the score.
#[pyclass(frozen, get_all, module = "attentive.metrics")]
pub(crate) struct Score {
    /// Its name: "BLEU", "chrF2".
    name: String,
    /// The score, from 0 to 100.
    score: f64,
    /// The settings that reproduce it, as sacreBLEU writes them.
    signature: String,
    /// The score with its parts, as sacreBLEU writes it.
    line: String,
}

#[pymethods]
impl Score {
    fn __float__(&self) -> f64 {
        self.score
    }

    fn __str__(&self) -> &str {
        &self.line
    }

    fn __repr__(&self) -> String {
        format!("<attentive.metrics.Score {} ({})>", self.line, self.signature)
    }
}

/// BLEU of a corpus, as sacreBLEU 2.6 computes it.
///
/// `references` has a text for each hypothesis, or is a list of such lists. `tokenizer` is "13a", "intl", "zh", "char" or
/// "none"; `smoothing` is "exp", "floor", "add-k" or "none", and `smoothing_value` is for floor (0.1) and add-k (1).
/// `effective_order` leaves out the orders for which a hypothesis is too short, for single sentences.
#[pyfunction]
#[pyo3(signature = (
    hypotheses, references, *, tokenizer="13a", lowercase=false, smoothing="exp", smoothing_value=None,
    effective_order=false
))]
#[expect(clippy::too_many_arguments, reason = "they are keywords")]
pub(crate) fn bleu(
    py: Python<'_>,
    hypotheses: Many,
    references: Streams,
    tokenizer: &str,
    lowercase: bool,
    smoothing: &str,
    smoothing_value: Option<f64>,
    effective_order: bool,
) -> PyResult<Score> {
    let smoothing = Smoothing::from_name(smoothing, smoothing_value).or_raise()?;
    let tokenizer = tokenizer.parse().or_raise()?;
    let bleu = Bleu { tokenizer, smoothing, lowercase, effective_order, ..Bleu::default() };
    scored(py, &bleu, &hypotheses, &references)
}

/// chrF of a corpus, as sacreBLEU 2.6 computes it.
///
/// `references` has a text for each hypothesis, or is a list of such lists. `word_order` of 2 makes it chrF++.
#[pyfunction]
#[pyo3(signature = (
    hypotheses, references, *, char_order=Integer(6), word_order=Integer(0), beta=Integer(2), lowercase=false,
    whitespace=false, eps_smoothing=false
))]
#[pyo3(text_signature = "(hypotheses, references, *, char_order=6, word_order=0, beta=2, lowercase=False, \
    whitespace=False, eps_smoothing=False)")]
#[expect(clippy::too_many_arguments, reason = "they are keywords")]
pub(crate) fn chrf(
    py: Python<'_>,
    hypotheses: Many,
    references: Streams,
    char_order: Integer<u8>,
    word_order: Integer<u8>,
    beta: Integer<u32>,
    lowercase: bool,
    whitespace: bool,
    eps_smoothing: bool,
) -> PyResult<Score> {
    let chrf =
        Chrf { char_order: char_order.0, word_order: word_order.0, beta: beta.0, lowercase, whitespace, eps_smoothing };
    scored(py, &chrf, &hypotheses, &references)
}

fn scored(
    py: Python<'_>,
    scorer: &impl Scorer,
    Many(hypotheses): &Many,
    Streams(references): &Streams,
) -> PyResult<Score> {
    let sums = spread(py, || scorer.statistics(hypotheses, references))?.or_raise()?.sums();
    Ok(Score {
        name: scorer.name(),
        score: scorer.value(&sums).get(),
        signature: scorer.signature(references.len()).to_string(),
        line: scorer.score(&sums).to_string(),
    })
}
