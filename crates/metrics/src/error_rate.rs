use std::fmt;

use crate::{NumpyFloat, Real, RefCount, Scorer, Scratch, Segment, Signature, text::is_space};

/// The release of jiwer whose error rates these are.
pub const JIWER_VERSION: &str = "4.0.0";

/// What an [`ErrorRate`] counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Unit {
    /// Words, parted by white space.
    #[default]
    Words,
    /// Characters, spaces among them.
    Characters,
}

/// Word error rate or character error rate of recognised speech, equal to jiwer's.
///
/// The fewest insertions, deletions and substitutions that make the hypothesis the reference (Levenshtein 1966), over the
/// length of the reference. Case and punctuation count. 0 is best; it may exceed 100. Of several references, the one with the
/// fewest edits counts.
///
/// # Examples
/// ```
/// use attentive_metrics::{ErrorRate, Scorer};
///
/// let words = ErrorRate::words().corpus(&["seven three won"], &[["seven three one"]])?;
/// assert_eq!(words.to_string(), "WER = 33.33");
/// let characters = ErrorRate::characters().corpus(&["seven three won"], &[["seven three one"]])?;
/// assert_eq!((characters.n_edits, characters.ref_len), (2, 15));
/// # Ok::<(), attentive_metrics::MetricError>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ErrorRate {
    /// What is counted.
    pub unit: Unit,
}

/// An error rate and its parts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ErrorRateScore {
    /// Edits per hundred units of the references.
    pub score: f64,
    /// Insertions, deletions and substitutions.
    pub n_edits: u64,
    /// Units of the references.
    pub ref_len: u64,
    /// What was counted.
    pub unit: Unit,
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Self::Words => "WER",
            Self::Characters => "CER",
        }
    }
}

impl ErrorRate {
    /// The word error rate.
    pub fn words() -> Self {
        Self { unit: Unit::Words }
    }

    /// The character error rate.
    pub fn characters() -> Self {
        Self { unit: Unit::Characters }
    }

    /// The units of a text.
    fn units(self, text: &str, scratch: &mut Scratch) -> Vec<u32> {
        let text = text.trim_matches(is_space);
        match self.unit {
            Unit::Words => {
                let text = with_single_spaces(text);
                scratch.vocabulary.intern(text.split(' ').filter(|word| !word.is_empty()))
            }
            Unit::Characters => text.chars().map(u32::from).collect(),
        }
    }
}

impl fmt::Display for ErrorRateScore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = f.precision().unwrap_or(2);
        write!(f, "{} = {:.width$}", self.unit.name(), self.score)
    }
}

/// Statistics: `[edits, reference length]`.
impl Scorer for ErrorRate {
    type Score = ErrorRateScore;

    fn name(&self) -> String {
        self.unit.name().into()
    }

    fn lower_is_better(&self) -> bool {
        true
    }

    fn n_statistics(&self) -> usize {
        2
    }

    fn segment(&self, segment: Segment<'_>, scratch: &mut Scratch, statistics: &mut [f64]) {
        let hypothesis = self.units(segment.hypothesis, scratch);
        let of_reference = |line: &&str| {
            let reference = self.units(line, scratch);
            (distance(&hypothesis, &reference), reference.len())
        };
        let best = segment.references.iter().map(of_reference).min_by_key(|&(n_edits, _)| n_edits);
        let (n_edits, ref_len) = best.unwrap_or((hypothesis.len(), 0));
        (statistics[0], statistics[1]) = (n_edits as f64, ref_len as f64);
    }

    fn value<R: Real>(&self, sums: &[R]) -> NumpyFloat<R> {
        let (n_edits, ref_len) = (sums[0], sums[1]);
        let hundred = R::nearest(100.0);
        // Of empty references alone, jiwer gives the insertions.
        NumpyFloat::Native(if ref_len > R::default() { hundred * (n_edits / ref_len) } else { hundred * n_edits })
    }

    fn score(&self, sums: &[f64]) -> ErrorRateScore {
        let Self { unit } = *self;
        ErrorRateScore { score: self.value(sums).get(), n_edits: sums[0] as u64, ref_len: sums[1] as u64, unit }
    }

    fn signature(&self, n_refs: impl Into<RefCount>) -> Signature {
        let unit = if self.unit == Unit::Words { "words" } else { "characters" };
        Signature::of(n_refs.into(), [("unit", "u", unit.into()), ("like", "like", "jiwer".into())], JIWER_VERSION)
    }
}

/// Python's `re.sub(r"\s\s+", " ", text)`: a single tab parts nothing.
fn with_single_spaces(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(is_space) {
        let (before, spaces) = rest.split_at(at);
        rest = spaces.trim_start_matches(is_space);
        let spaces = &spaces[..spaces.len() - rest.len()];
        out.push_str(before);
        out.push_str(if spaces.chars().count() > 1 { " " } else { spaces });
    }
    out + rest
}

/// The fewest insertions, deletions and substitutions between two sequences.
fn distance(a: &[u32], b: &[u32]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
