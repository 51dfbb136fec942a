use thiserror::Error;

/// What can be wrong with the texts or the options given to a score.
#[derive(Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum MetricError {
    /// There is nothing to score.
    #[error("no hypotheses: a corpus score needs one segment at least")]
    EmptyCorpus,
    /// No reference stream was given.
    #[error("no references: a score needs one reference for each segment at least")]
    NoReferences,
    /// A reference stream and the hypotheses differ in length.
    #[error("reference {stream} has {got} segments but there are {expected} hypotheses: align them line by line")]
    Misaligned {
        /// Which reference stream, from 1.
        stream: usize,
        /// The number of hypotheses.
        expected: usize,
        /// The number of lines in the stream.
        got: usize,
    },
    /// The score is configured to look at no n-grams.
    #[error("the score counts no n-grams: set an order above 0")]
    NothingToCount,
    /// Two systems to compare do not cover the same segments.
    #[error("the baseline has {baseline} segments and the system {system}: a paired test needs the same test set")]
    Unpaired {
        /// Segments of the baseline.
        baseline: usize,
        /// Segments of the system.
        system: usize,
    },
    /// A resampling test was asked for without samples.
    #[error("no samples: a resampling test needs one sample at least")]
    NoSamples,
    /// An option has a name that nothing answers to.
    #[error("unknown {option} `{name}`: choose from {choices}")]
    UnknownName {
        /// The option, such as `tokenizer`.
        option: &'static str,
        /// What was given.
        name: String,
        /// What may be given.
        choices: &'static str,
    },
}
