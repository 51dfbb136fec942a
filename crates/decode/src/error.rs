//! What can be wrong with a search.

use attentive_core::TokenId;
use burn::tensor::TensorReadError;

/// Why there are no hypotheses.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// A beam that holds nothing.
    #[error("beam is 0; it must be at least 1, which searches greedily")]
    ZeroBeam,
    /// More hypotheses wanted than a beam can finish.
    #[error("n_best = {n_best} is not between 1 and beam = {beam}; lower it or widen the beam")]
    NBest {
        /// Number of hypotheses wanted of each sentence.
        n_best: usize,
        /// Width of the beam.
        beam: usize,
    },
    /// A length penalty that is no number, infinite, or favours short hypotheses.
    #[error("length_penalty = {alpha} is not a finite number of at least 0; 0.6 is usual, 0 is none")]
    LengthPenalty {
        /// The exponent α.
        alpha: f64,
    },
    /// A prompt without tokens.
    #[error("the prompt has no tokens; begin with the begin-of-sentence id")]
    EmptyPrompt,
    /// Not one length for each sentence.
    #[error("there are {n_prompts} prompts but {n_lengths} maximum lengths; give one for each prompt")]
    LengthCount {
        /// Number of rows of the prompt.
        n_prompts: usize,
        /// Number of maximum lengths.
        n_lengths: usize,
    },
    /// A sentence that may have no tokens.
    #[error("the maximum length of sentence {sentence} (counted from 0) is 0; it must be at least 1")]
    ZeroLength {
        /// Index of the sentence in the batch.
        sentence: usize,
    },
    /// An end-of-sentence id that no hypothesis can reach.
    #[error(
        "the end-of-sentence id {eos} is suppressed or beyond the vocabulary of {vocab_size} entries; no hypothesis could end"
    )]
    UnreachableEos {
        /// The id.
        eos: TokenId,
        /// Size of the model's vocabulary.
        vocab_size: usize,
    },
    /// A setting of sampling that is out of range.
    #[error("{key} = {value} must be {expected}")]
    Sampling {
        /// Name of the setting.
        key: &'static str,
        /// What it was set to.
        value: f64,
        /// Values allowed.
        expected: &'static str,
    },
    /// A prompt of another vocabulary.
    #[error(
        "the prompt has the token {id}, the model's vocabulary {vocab_size} entries; is the tokenizer the model's?"
    )]
    UnknownToken {
        /// The token.
        id: TokenId,
        /// Size of the model's vocabulary.
        vocab_size: usize,
    },
    /// No token may follow.
    #[error("no token can follow the first {n_tokens}: all are suppressed or impossible; are the weights finite?")]
    NothingFollows {
        /// Number of tokens of the text so far.
        n_tokens: usize,
    },
    /// The device failed to hand over log-probabilities.
    #[error("can't read log-probabilities from the device; its memory may be full: use a smaller batch or beam")]
    Device(#[from] TensorReadError),
}

impl DecodeError {
    /// Names of the settings that this is about, if any.
    pub fn keys(&self) -> Vec<&'static str> {
        match self {
            Self::ZeroBeam => vec!["beam"],
            Self::NBest { .. } => vec!["n_best", "beam"],
            Self::LengthPenalty { .. } => vec!["length_penalty"],
            Self::Sampling { key, .. } => vec![key],
            _ => Vec::new(),
        }
    }
}
