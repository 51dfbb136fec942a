use std::fmt;

use crate::{
    NumpyFloat, Real, RefCount, Scorer, Scratch, Segment, Signature,
    edits::count_edits,
    signature::{case, yes_no},
    text::{is_space, lowercase, replace_each, set_off, words},
    tokenize::{ENTITIES, part_numbers, set_off_punctuation},
};

/// Translation edit rate, equal to sacreBLEU's, which follows Tercom.
///
/// The fewest insertions, deletions, substitutions and shifts of phrases that make the hypothesis a reference, found
/// greedily, over the mean length of the references. Source: Snover et al. 2006. 0 is best; it may exceed 100.
///
/// # Examples
/// ```
/// use attentive_metrics::{Scorer, Ter};
///
/// let ter = Ter::default();
/// let score = ter.sentence("yesterday we met at the lake", &["we met at the lake yesterday"])?;
/// assert_eq!(score.n_edits, 1); // one shift
/// assert_eq!(score.to_string(), "TER = 16.67");
/// assert_eq!(ter.signature(1).to_string(), "nrefs:1|case:lc|tok:tercom|norm:no|punct:yes|asian:no|version:2.6.0");
/// # Ok::<(), attentive_metrics::MetricError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ter {
    /// Decodes entities and sets punctuation off, as Tercom's normalizer does.
    pub normalized: bool,
    /// Removes punctuation.
    pub no_punct: bool,
    /// Extends the two options above to Chinese and Japanese, whose characters become words.
    pub asian_support: bool,
    /// Keeps upper case apart from lower case.
    pub case_sensitive: bool,
}

/// A TER score and its parts.
#[derive(Debug, Clone, PartialEq)]
pub struct TerScore {
    /// Edits per hundred words of the reference.
    pub score: f64,
    /// Edits, shifts included.
    pub n_edits: u64,
    /// The sum over segments of the mean length of their references, in words.
    pub ref_len: f64,
}

impl fmt::Display for TerScore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = f.precision().unwrap_or(2);
        write!(f, "TER = {:.width$}", self.score)
    }
}

/// Statistics: `[edits, mean reference length]`.
impl Scorer for Ter {
    type Score = TerScore;

    fn name(&self) -> String {
        "TER".into()
    }

    fn lower_is_better(&self) -> bool {
        true
    }

    fn n_statistics(&self) -> usize {
        2
    }

    fn segment(&self, segment: Segment<'_>, scratch: &mut Scratch, statistics: &mut [f64]) {
        let hypothesis = scratch.vocabulary.intern(words(&self.tokenize(segment.hypothesis)));
        let mut reference_tokens = |line: &str| {
            // sacreBLEU tokenizes references twice, and Tercom's normalization does not end with one pass: `1..3`
            // becomes `1 . .3` and then `1 . . 3`.
            let once = words(&self.tokenize(line)).collect::<Vec<_>>().join(" ");
            let twice = if self.normalized { self.tokenize(&once) } else { once };
            scratch.vocabulary.intern(words(&twice))
        };
        let references: Vec<_> = segment.references.iter().map(|line| reference_tokens(line)).collect();
        let n_edits = references.iter().map(|reference| count_edits(&hypothesis, reference)).min();
        let ref_len: usize = references.iter().map(Vec::len).sum();
        statistics[0] = n_edits.unwrap_or(hypothesis.len()) as f64;
        statistics[1] = ref_len as f64 / references.len().max(1) as f64;
    }

    fn value<R: Real>(&self, sums: &[R]) -> NumpyFloat<R> {
        let (n_edits, ref_len) = (sums[0], sums[1]);
        let zero = R::default();
        if ref_len > zero {
            NumpyFloat::Native(R::nearest(100.0) * (n_edits / ref_len))
        } else {
            NumpyFloat::Double(if n_edits > zero { 100.0 } else { 0.0 })
        }
    }

    fn score(&self, sums: &[f64]) -> TerScore {
        TerScore { score: self.value(sums).get(), n_edits: sums[0] as u64, ref_len: sums[1] }
    }

    fn signature(&self, n_refs: impl Into<RefCount>) -> Signature {
        Signature::new(
            n_refs.into(),
            [
                ("case", "c", case(!self.case_sensitive)),
                ("tok", "t", "tercom".into()),
                ("norm", "nr", yes_no(self.normalized)),
                ("punct", "pn", yes_no(!self.no_punct)),
                ("asian", "as", yes_no(self.asian_support)),
            ],
        )
    }
}

impl Ter {
    fn tokenize(&self, line: &str) -> String {
        let mut line = lowercase(line.trim_end_matches(is_space), !self.case_sensitive);
        if self.normalized {
            line = normalize(&line).into();
            if self.asian_support {
                line = set_off(&line, |c| is_asian(c) || is_asian_punctuation(c)).into();
            }
        }
        let mut line = line.into_owned();
        if self.no_punct {
            line.retain(|c| !(is_punctuation(c) || self.asian_support && is_asian_punctuation(c)));
        }
        line
    }
}

/// Tercom's normalization of European text: that of `13a`, and the possessive set off.
fn normalize(line: &str) -> String {
    let line = replace_each(line, &[("\n-", ""), ("\n", " ")]);
    let line = replace_each(&line, &ENTITIES);
    let line = set_off_punctuation(&format!(" {line} "));
    part_numbers(&line.replace("'s ", " 's "))
}

fn is_punctuation(c: char) -> bool {
    matches!(c, '.' | ',' | '?' | ':' | ';' | '!' | '"' | '(' | ')')
}

/// The characters that sacreBLEU makes words of: ideographs and the marks among them.
///
/// Kana stay together: sacreBLEU's rules for them are anchored to the beginning of a line, where a space always is.
fn is_asian(c: char) -> bool {
    matches!(c,
        '\u{2e80}'..='\u{2eff}'
        | '\u{31c0}'..='\u{31ef}'
        | '\u{3200}'..='\u{4dbf}' // U+3200 to U+3F22 is sacreBLEU's slip for U+32FF; the neighbours cover all the same
        | '\u{4e00}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe4f}')
}

fn is_asian_punctuation(c: char) -> bool {
    matches!(c,
        '\u{3001}' | '\u{3002}' | '\u{3008}'..='\u{3011}' | '\u{3014}'..='\u{301f}' | '\u{30fb}'
        | '\u{ff61}'..='\u{ff65}'
        | '．' | '，' | '？' | '：' | '；' | '！' | '＂' | '（' | '）')
}
