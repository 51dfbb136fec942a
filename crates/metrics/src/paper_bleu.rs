use std::fmt;

use crate::{
    Bleu, BleuScore, NumpyFloat, Real, RefCount, Scorer, Scratch, Segment, Signature, Smoothing,
    bleu::write_precisions,
    signature::{case, yes_no},
};

/// BLEU of tokenized text, as "Attention Is All You Need" reports it: Moses's `multi-bleu.perl`, for German after
/// the compound splitting of tensor2tensor's `get_ende_bleu.sh`.
///
/// Hypotheses and references must come tokenized by Moses's `tokenizer.perl`; tokens are separated by ASCII
/// white space.
/// There is no smoothing. Scores depend on the tokenization, so they compare only with each other:
/// [`explain`](Self::explain) says so next to the number.
///
/// # Examples
/// ```
/// use attentive_metrics::{PaperBleu, Scorer};
///
/// let bleu = PaperBleu { split_compounds: true, ..PaperBleu::default() };
/// let score = bleu.corpus(&["die E-Mail kam sehr spät an ."], &[["die E-Mail kam spät an ."]])?;
/// assert_eq!(score.to_string(), "BLEU = 59.69, 88.9/75.0/57.1/33.3 (BP=1.000, ratio=1.125, hyp_len=9, ref_len=8)");
/// # Ok::<(), attentive_metrics::MetricError>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PaperBleu {
    /// Makes three tokens of a hyphenated compound: `E-Mail` becomes `E ##AT##-##AT## Mail`.
    pub split_compounds: bool,
    /// Lower-cases ASCII letters first (`multi-bleu.perl -lc`).
    pub lowercase: bool,
}

/// A BLEU score of tokenized text, displayed as `multi-bleu.perl` does.
#[derive(Debug, Clone, PartialEq)]
pub struct PaperBleuScore(pub BleuScore);

impl fmt::Display for PaperBleuScore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = f.precision().unwrap_or(2);
        let score = &self.0;
        write!(f, "BLEU = {:.width$}, ", score.score)?;
        write_precisions(f, &score.precisions)?;
        let (bp, ratio) = (score.bp, score.ratio());
        write!(f, " (BP={bp:.3}, ratio={ratio:.3}, hyp_len={}, ref_len={})", score.hyp_len, score.ref_len)
    }
}

/// Statistics: those of [`Bleu`].
impl Scorer for PaperBleu {
    type Score = PaperBleuScore;

    fn name(&self) -> String {
        "BLEU".into()
    }

    fn n_statistics(&self) -> usize {
        UNSMOOTHED.n_statistics()
    }

    fn segment(&self, segment: Segment<'_>, scratch: &mut Scratch, statistics: &mut [f64]) {
        let mut tokens = |line: &str| {
            let mut line = if self.split_compounds { split_compounds(line) } else { line.into() };
            if self.lowercase {
                line.make_ascii_lowercase();
            }
            scratch.vocabulary.intern(line.split(is_perl_space).filter(|token| !token.is_empty()))
        };
        let hypothesis = tokens(segment.hypothesis);
        let references: Vec<_> = segment.references.iter().map(|line| tokens(line)).collect();
        UNSMOOTHED.token_statistics(&hypothesis, &references, scratch, statistics);
    }

    fn value<R: Real>(&self, sums: &[R]) -> NumpyFloat<R> {
        UNSMOOTHED.value(sums)
    }

    fn score(&self, sums: &[f64]) -> PaperBleuScore {
        PaperBleuScore(UNSMOOTHED.score(sums))
    }

    fn signature(&self, n_refs: impl Into<RefCount>) -> Signature {
        Signature::new(
            n_refs.into(),
            [
                ("case", "c", case(self.lowercase)),
                ("tok", "tok", "moses".into()),
                ("smooth", "s", "none".into()),
                ("atat", "atat", yes_no(self.split_compounds)),
                ("like", "like", "multi-bleu.perl".into()),
            ],
        )
    }
}

const UNSMOOTHED: Bleu = Bleu {
    tokenizer: crate::BleuTokenizer::None,
    smoothing: Smoothing::None,
    effective_order: false,
    lowercase: false,
    max_order: 4,
    force: true,
};

impl PaperBleu {
    /// The reason why this score and sacreBLEU's of the same translations differ, as a paragraph for the reader of both.
    pub fn explain(&self, paper: &PaperBleuScore, sacrebleu: &BleuScore) -> String {
        let (paper, sacrebleu) = (paper.0.score, sacrebleu.score);
        let compounds = if self.split_compounds {
            " Compounds were split at their hyphens on both sides, which makes three tokens of one and two of them \
             easy to match."
        } else {
            ""
        };
        format!(
            "Two scores of one translation: {paper:.2} tokenized BLEU, {sacrebleu:.2} sacreBLEU. The first counts the \
             tokens of Moses's tokenizer, also in the reference, and is what most papers before 2018 \
             report.{compounds} The second makes its tokens itself, from plain text, so that it compares across \
             papers. The first tends to be higher: fairseq's big Transformer for English-German (its \
             examples/scaling_nmt) has 29.29 by the first, compounds split, and 28.6 by the second."
        )
    }
}

/// Perl's `s{(\S)-(\S)}{$1 ##AT##-##AT## $2}g` on bytes: the second neighbour of one hyphen is not the first of the
/// next, so `a-b-c` is split once, while `a-ü-c`, whose `ü` has two bytes, is split twice.
fn split_compounds(line: &str) -> String {
    let bytes = line.as_bytes();
    let is_inside = |idx: usize| bytes.get(idx).is_some_and(|&byte| !is_perl_space(byte.into()));
    let mut out = String::with_capacity(line.len());
    let (mut copied, mut used) = (0, 0);
    for (idx, _) in line.match_indices('-') {
        if idx > used && is_inside(idx - 1) && is_inside(idx + 1) {
            out.push_str(&line[copied..idx]);
            out.push_str(" ##AT##-##AT## ");
            (copied, used) = (idx + 1, idx + 2);
        }
    }
    out.push_str(&line[copied..]);
    out
}

/// Perl's `\s` on bytes.
fn is_perl_space(c: char) -> bool {
    matches!(c, ' ' | '\t'..='\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_explanation_names_both_scores() {
        let bleu = PaperBleu { split_compounds: true, ..PaperBleu::default() };
        let paper = bleu.sentence("a b-c d e", &["a b-c d f"]).unwrap();
        let plain = Bleu::default().sentence("a b-c d e", &["a b-c d f"]).unwrap();
        let text = bleu.explain(&paper, &plain);
        let scores = format!("{:.2} tokenized BLEU, {:.2} sacreBLEU", paper.0.score, plain.score);
        assert!(text.contains(&scores), "{text}");
        assert!(text.contains("Compounds were split"), "{text}");
        assert!(!PaperBleu::default().explain(&paper, &plain).contains("Compounds were split"));
    }

    #[test]
    fn compounds_are_split_as_perl_does() {
        let cases = [
            ("Text-Format", "Text ##AT##-##AT## Format"),
            ("a - b -c d- -", "a - b -c d- -"),
            ("a-b-c", "a ##AT##-##AT## b-c"),
            ("a-ü-c", "a ##AT##-##AT## ü ##AT##-##AT## c"),
            ("--- a--b", "- ##AT##-##AT## - a ##AT##-##AT## -b"),
            ("-", "-"),
        ];
        for (line, expected) in cases {
            assert_eq!(split_compounds(line), expected);
        }
    }
}
