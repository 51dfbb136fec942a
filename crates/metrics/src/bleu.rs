use std::fmt;

use crate::{
    BleuTokenizer, MetricError, NumpyFloat, Real, RefCount, Scorer, Scratch, Segment, Signature, Tokenize,
    ngrams::n_ngrams,
    signature::{case, yes_no},
    text::{is_space, lowercase, words},
};

/// BLEU, equal to sacreBLEU's and with its defaults.
///
/// `BP exp(1/N Σ ln pₙ)` with clipped n-gram precisions `pₙ` and `BP = min(1, exp(1 - r/c))`. Source: Papineni et al.
/// 2002, §2.3; Post 2018 for the tokenization and the signature.
///
/// # Examples
/// ```
/// use attentive_metrics::{Bleu, Scorer};
///
/// let hypotheses = ["The ferry leaves at noon.", "Nobody had told us."];
/// let references = [["The ferry sails at noon.", "Nobody had told us that."]];
/// let bleu = Bleu::default();
/// let score = bleu.corpus(&hypotheses, &references)?;
/// assert_eq!(score.to_string(), "BLEU = 43.59 90.9/66.7/42.9/20.0 (BP = 0.913 ratio = 0.917 hyp_len = 11 ref_len = 12)");
/// assert_eq!(bleu.signature(1).to_string(), "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0");
/// # Ok::<(), attentive_metrics::MetricError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Bleu {
    /// The tokenizer of lines.
    pub tokenizer: BleuTokenizer,
    /// The substitute for a precision of zero.
    pub smoothing: Smoothing,
    /// Leaves out the orders for which the hypothesis is too short; for single sentences.
    pub effective_order: bool,
    /// Lower-cases both sides first.
    pub lowercase: bool,
    /// The longest n-grams to count.
    pub max_order: u8,
    /// Takes the input as it is: [`Self::tokenized_input`] finds nothing.
    pub force: bool,
}

impl Default for Bleu {
    fn default() -> Self {
        Self {
            tokenizer: BleuTokenizer::default(),
            smoothing: Smoothing::default(),
            effective_order: false,
            lowercase: false,
            max_order: 4,
            force: false,
        }
    }
}

/// The substitute for a precision without matches.
///
/// Source: Chen and Cherry 2014, "A Systematic Comparison of Smoothing Techniques for Sentence-Level BLEU".
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum Smoothing {
    /// Halves the missing match from each order without matches to the next (their method 3, mteval's own).
    #[default]
    Exp,
    /// This many matches (method 1; 0.1 by default).
    Floor(f64),
    /// This much is added to matches and n-grams of the orders above 1 (method 2; 1 by default).
    AddK(f64),
    /// No substitute: one order without matches makes BLEU zero.
    None,
}

impl Smoothing {
    /// The method of sacreBLEU's `--smooth-method` with the value of `--smooth-value`, or its default.
    ///
    /// # Errors
    /// [`MetricError::UnknownName`]; [`MetricError::SmoothingValue`] if the value is not a number of at least 0, or the method
    /// has none.
    pub fn from_name(method: &str, value: Option<f64>) -> Result<Self, MetricError> {
        let is_value = |value: f64| value.is_finite() && value >= 0.0;
        match (method, value) {
            ("floor" | "add-k", Some(value)) if !is_value(value) => Err(MetricError::SmoothingValue { value }),
            ("floor", value) => Ok(Self::Floor(value.unwrap_or(0.1))),
            ("add-k", value) => Ok(Self::AddK(value.unwrap_or(1.0))),
            ("exp" | "none", Some(value)) => Err(MetricError::SmoothingValue { value }),
            ("exp", None) => Ok(Self::Exp),
            ("none", None) => Ok(Self::None),
            _ => Err(MetricError::UnknownName {
                option: "smoothing",
                name: method.into(),
                choices: "exp, floor, add-k, none",
            }),
        }
    }
}

impl fmt::Display for Smoothing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exp => f.write_str("exp"),
            Self::Floor(value) => write!(f, "floor[{value:.2}]"),
            Self::AddK(value) => write!(f, "add-k[{value:.2}]"),
            Self::None => f.write_str("none"),
        }
    }
}

/// A BLEU score and its parts.
#[derive(Debug, Clone, PartialEq)]
pub struct BleuScore {
    /// BLEU, from 0 to 100.
    pub score: f64,
    /// The smoothed precisions in per cent, from unigrams up.
    pub precisions: Vec<f64>,
    /// Matched n-grams, unsmoothed.
    pub counts: Vec<u64>,
    /// The hypothesis's n-grams, unsmoothed.
    pub totals: Vec<u64>,
    /// The brevity penalty, from 0 to 1.
    pub bp: f64,
    /// Tokens of the hypotheses.
    pub hyp_len: u64,
    /// Tokens of the references, for each segment of the one closest in length.
    pub ref_len: u64,
}

impl BleuScore {
    /// Hypothesis length over reference length, 0 if the references are empty.
    pub fn ratio(&self) -> f64 {
        if self.ref_len == 0 { 0.0 } else { self.hyp_len as f64 / self.ref_len as f64 }
    }
}

impl fmt::Display for BleuScore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = f.precision().unwrap_or(2);
        write!(f, "BLEU = {:.width$} ", self.score)?;
        write_precisions(f, &self.precisions)?;
        let (bp, ratio) = (self.bp, self.ratio());
        write!(f, " (BP = {bp:.3} ratio = {ratio:.3} hyp_len = {} ref_len = {})", self.hyp_len, self.ref_len)
    }
}

pub(crate) fn write_precisions(f: &mut fmt::Formatter<'_>, precisions: &[f64]) -> fmt::Result {
    for (idx, precision) in precisions.iter().enumerate() {
        let slash = if idx == 0 { "" } else { "/" };
        write!(f, "{slash}{precision:.1}")?;
    }
    Ok(())
}

/// A sign that a text was tokenized before it was scored, which makes BLEU incomparable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenizedInput {
    /// Number of lines that end in a full stop set off by a space.
    pub n_lines: usize,
}

impl fmt::Display for TokenizedInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n_lines = self.n_lines;
        write!(f, "{n_lines} lines end in a tokenized full stop (` .`): detokenize the text, or the score may suffer")
    }
}

/// Statistics: `[hyp_len, ref_len, matches of order 1.., n-grams of order 1..]`.
impl Scorer for Bleu {
    type Score = BleuScore;

    fn name(&self) -> String {
        "BLEU".into()
    }

    fn n_statistics(&self) -> usize {
        2 + 2 * self.n_orders()
    }

    fn segment(&self, segment: Segment<'_>, scratch: &mut Scratch, statistics: &mut [f64]) {
        let mut tokens = |line: &str| {
            let line = lowercase(line, self.lowercase);
            scratch.vocabulary.intern(words(&self.tokenizer.tokenize(line.trim_end_matches(is_space))))
        };
        let hypothesis = tokens(segment.hypothesis);
        let references: Vec<_> = segment.references.iter().map(|line| tokens(line)).collect();
        self.token_statistics(&hypothesis, &references, scratch, statistics);
    }

    fn value<R: Real>(&self, sums: &[R]) -> NumpyFloat<R> {
        let (precisions, order) = self.precisions(sums);
        if precisions.iter().all(|&p| p.into() == 0.0) {
            return NumpyFloat::Double(0.0);
        }
        // sacreBLEU's substitute for the logarithm of zero.
        let ln = |p: R| if p.into() == 0.0 { -9_999_999_999.0 } else { p.into().ln() };
        let logs: f64 = precisions[..order].iter().map(|&p| ln(p)).sum();
        NumpyFloat::Double(brevity_penalty(sums) * (logs / order as f64).exp())
    }

    fn score(&self, sums: &[f64]) -> BleuScore {
        let counts: Vec<u64> = sums[2..].iter().map(|&n| n as u64).collect();
        let (counts, totals) = counts.split_at(self.n_orders());
        BleuScore {
            score: self.value(sums).get(),
            precisions: self.precisions(sums).0,
            counts: counts.into(),
            totals: totals.into(),
            bp: brevity_penalty(sums),
            hyp_len: sums[0] as u64,
            ref_len: sums[1] as u64,
        }
    }

    fn signature(&self, n_refs: impl Into<RefCount>) -> Signature {
        Signature::new(
            n_refs.into(),
            [
                ("case", "c", case(self.lowercase)),
                ("eff", "e", yes_no(self.effective_order)),
                ("tok", "tok", self.tokenizer.name().into()),
                ("smooth", "s", self.smoothing.to_string()),
            ],
        )
    }
}

impl Bleu {
    /// Whether the hypotheses look tokenized, by sacreBLEU's rule: a hundred lines end in ` .`.
    pub fn tokenized_input<H: AsRef<str>>(&self, hypotheses: &[H]) -> Option<TokenizedInput> {
        let n_lines = hypotheses.iter().filter(|line| line.as_ref().ends_with(" .")).count();
        (!self.force && n_lines >= 100).then_some(TokenizedInput { n_lines })
    }

    pub(crate) fn token_statistics(
        &self,
        hypothesis: &[u32],
        references: &[Vec<u32>],
        scratch: &mut Scratch,
        statistics: &mut [f64],
    ) {
        let hyp_len = hypothesis.len();
        // The closest in length; the shorter of two that are equally close.
        let ref_len = references.iter().map(Vec::len).min_by_key(|&len| (len.abs_diff(hyp_len), len));
        let mut matches = vec![0; self.n_orders()];
        scratch.ngrams.set_references(references.iter().map(Vec::as_slice), self.n_orders());
        scratch.ngrams.match_hypothesis(hypothesis, &mut matches);

        statistics[0] = hyp_len as f64;
        statistics[1] = ref_len.unwrap_or(0) as f64;
        let (counts, totals) = statistics[2..].split_at_mut(self.n_orders());
        for (idx, (count, total)) in counts.iter_mut().zip(totals).enumerate() {
            *count = matches[idx] as f64;
            *total = n_ngrams(hyp_len, idx + 1) as f64;
        }
    }

    fn n_orders(&self) -> usize {
        self.max_order.into()
    }

    /// The smoothed precisions in per cent, and the number of them in the mean.
    fn precisions<R: Real>(&self, sums: &[R]) -> (Vec<R>, usize) {
        let zero = R::default();
        let hundred = R::nearest(100.0);
        let (counts, totals) = sums[2..].split_at(self.n_orders());
        let mut precisions = vec![zero; self.n_orders()];
        let mut order = self.n_orders();
        if counts.iter().all(|&count| count == zero) {
            return (precisions, order);
        }
        let mut misses = 1.0;
        for (idx, precision) in precisions.iter_mut().enumerate() {
            let added = match self.smoothing {
                Smoothing::AddK(k) if idx > 0 => R::nearest(k),
                _ => zero,
            };
            let (count, total) = (counts[idx] + added, totals[idx] + added);
            if total == zero {
                break;
            }
            if self.effective_order {
                order = idx + 1;
            }
            *precision = if count != zero {
                hundred * count / total
            } else {
                match self.smoothing {
                    Smoothing::Exp => {
                        misses *= 2.0;
                        hundred / (R::nearest(misses) * total)
                    }
                    Smoothing::Floor(value) => R::nearest(100.0 * value) / total,
                    Smoothing::AddK(_) | Smoothing::None => zero,
                }
            };
        }
        (precisions, order)
    }
}

/// `min(1, exp(1 - r/c))`. Source: Papineni et al. 2002, §2.2.2.
fn brevity_penalty<R: Real>(sums: &[R]) -> f64 {
    let [hyp_len, ref_len]: [f64; 2] = [sums[0].into(), sums[1].into()];
    if hyp_len >= ref_len {
        1.0
    } else if hyp_len > 0.0 {
        (1.0 - ref_len / hyp_len).exp()
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_tokenized_full_stops_are_reported_unless_forced() {
        let mut hypotheses = vec!["It rained ."; 99];
        let bleu = Bleu::default();
        assert_eq!(bleu.tokenized_input(&hypotheses), None);
        hypotheses.push("It snowed .");
        assert_eq!(bleu.tokenized_input(&hypotheses), Some(TokenizedInput { n_lines: 100 }));
        assert_eq!(Bleu { force: true, ..bleu }.tokenized_input(&hypotheses), None);
    }

    #[test]
    fn a_precision_sets_the_digits_of_the_score() {
        let score = Bleu::default().sentence("one two three four five", &["one two three four six"]).unwrap();
        assert_eq!(
            format!("{score:.4}"),
            "BLEU = 66.8740 80.0/75.0/66.7/50.0 (BP = 1.000 ratio = 1.000 hyp_len = 5 ref_len = 5)"
        );
    }
}
