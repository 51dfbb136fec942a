use thiserror::Error;

use crate::BadAlignment;

/// Texts or options that a score cannot be computed from.
#[derive(Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum MetricError {
    /// The corpus is empty.
    #[error("no hypotheses: a corpus score needs at least one segment")]
    EmptyCorpus,
    /// No reference stream was given.
    #[error("no references: a score needs at least one reference for each segment")]
    NoReferences,
    /// A reference stream and the hypotheses differ in length.
    #[error("reference {stream} has {got} segments but there are {expected} hypotheses: align them line by line")]
    Misaligned {
        /// Number of the reference stream, from 1.
        stream: usize,
        /// The number of hypotheses.
        expected: usize,
        /// The number of lines in the stream.
        got: usize,
    },
    /// The score is configured without n-grams.
    #[error("the score counts no n-grams: set an order above 0")]
    NothingToCount,
    /// A value for a smoothing that has none, or out of its range.
    #[error("a smoothing value of {value}: floor and add-k have one, a number of at least 0; exp and none have none")]
    SmoothingValue {
        /// The value.
        value: f64,
    },
    /// Two systems to compare do not cover the same segments.
    #[error("the baseline has {baseline} segments and the system {system}: a paired test needs the same test set")]
    Unpaired {
        /// Segments of the baseline.
        baseline: usize,
        /// Segments of the system.
        system: usize,
    },
    /// A resampling test was asked for without samples.
    #[error("no samples: a resampling test needs at least one sample")]
    NoSamples,
    /// A text is not a word alignment.
    #[error(transparent)]
    Alignment(#[from] BadAlignment),
    /// A segment that the score can't read.
    #[error("segment {number}: {cause}")]
    Segment {
        /// Its number, from 1.
        number: usize,
        /// What is wrong with it.
        cause: Box<MetricError>,
    },
    /// An option has an unknown name.
    #[error("unknown {option} `{name}`: choose from {choices}")]
    UnknownName {
        /// The option, such as `tokenizer`.
        option: &'static str,
        /// The given name.
        name: String,
        /// The known names.
        choices: &'static str,
    },
}
