//! Errors of a search.

use attentive_core::{DeviceError, TokenId};

use crate::FormError;

/// The reason why there are no hypotheses.
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
    /// A length penalty that is not a number, is infinite, or favours short hypotheses.
    #[error("length_penalty = {alpha} is not a finite number of at least 0; 0.6 is usual, 0 is none")]
    LengthPenalty {
        /// The exponent α.
        alpha: f64,
    },
    /// Models that can't decide together.
    #[error("no ensemble: {problem}")]
    Ensemble {
        /// What is wrong.
        problem: String,
    },
    /// A prompt without tokens.
    #[error("the prompt has no tokens, and the model has none that texts begin with: give it some text to continue")]
    EmptyPrompt,
    /// A prompt that is longer than is read at once.
    #[error("the prompt has {n_tokens} tokens, and at most {limit} are read at once; shorten it")]
    LongPrompt {
        /// Its length.
        n_tokens: usize,
        /// The limit.
        limit: usize,
    },
    /// Prompts of different lengths.
    #[error("the prompts of {n_sentences} sentences have {n_tokens} tokens; give the same number for each sentence")]
    PromptShape {
        /// Number of tokens of all prompts.
        n_tokens: usize,
        /// Number of sentences, which is that of maximum lengths.
        n_sentences: usize,
    },
    /// A number of prefixes that is not that of sentences.
    #[error("there are {n_prefixes} prefixes for {n_sentences} sentences; give one for each sentence, or none")]
    PrefixCount {
        /// Number of prefixes.
        n_prefixes: usize,
        /// Number of sentences.
        n_sentences: usize,
    },
    /// A prefix that leaves no room.
    #[error("sentence {sentence} (counted from 0) is to begin with {n_forced} tokens, and may have {max_len}")]
    LongPrefix {
        /// Index of the sentence in the batch.
        sentence: usize,
        /// Number of tokens that are forced.
        n_forced: usize,
        /// Number of tokens that its hypothesis may have.
        max_len: usize,
    },
    /// A hypothesis that may outgrow the model's positions.
    #[error(
        "sentence {sentence} (counted from 0) may come to {n_tokens} tokens with its prompt, and the model has positions \
         for {limit}; lower its maximum length"
    )]
    BeyondPositions {
        /// Index of the sentence in the batch.
        sentence: usize,
        /// Tokens that its row may have to read.
        n_tokens: usize,
        /// The model's limit.
        limit: usize,
    },
    /// An end-of-sentence id among the tokens that are forced.
    #[error("the end-of-sentence id {eos} is forced; a text can't continue after it")]
    ForcedEnd {
        /// The id.
        eos: TokenId,
    },
    /// A bad word without tokens.
    #[error("bad_words[{index}] has no tokens; remove it")]
    EmptyBadWord {
        /// Index of the word.
        index: usize,
    },
    /// A string that is to end a text, and is in every one.
    #[error("stop has an empty string, which is in every text: leave it out")]
    EmptyStop,
    /// Groups that a beam can't be cut into.
    #[error("groups = {groups} does not divide beam = {beam}; each group is of beam / groups hypotheses")]
    Groups {
        /// Number of groups.
        groups: usize,
        /// Width of the beam.
        beam: usize,
    },
    /// A number of constraints that is not that of sentences.
    #[error(
        "there are constraints for {n_constraints} of {n_sentences} sentences; give them for each sentence, or none"
    )]
    ConstraintCount {
        /// Number of sentences with constraints.
        n_constraints: usize,
        /// Number of sentences.
        n_sentences: usize,
    },
    /// Words are asked of tokens whose text is not known.
    #[error("the text of {n_spelled} tokens is known, and the vocabulary has {vocab_size}; give the spelling of each")]
    Spelling {
        /// Number of tokens that are spelled.
        n_spelled: usize,
        /// Size of the model's vocabulary.
        vocab_size: usize,
    },
    /// A phrase that no text can have.
    #[error("the phrase {form:?} can't be written: it has no tokens, or rules exclude some of them")]
    ImpossiblePhrase {
        /// Its first form.
        form: Vec<TokenId>,
    },
    /// No samples.
    #[error("n_samples is 0; it must be at least 1")]
    ZeroSamples,
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
    /// A setting that is out of range.
    #[error("{key} = {value} must be {expected}")]
    Setting {
        /// Name of the setting.
        key: &'static str,
        /// Its value.
        value: f64,
        /// Values allowed.
        expected: &'static str,
    },
    /// A token of another vocabulary.
    #[error(
        "the prompt has the token {id}, the model's vocabulary {vocab_size} entries; is the tokenizer the model's?"
    )]
    UnknownToken {
        /// The token.
        id: TokenId,
        /// Size of the model's vocabulary.
        vocab_size: usize,
    },
    /// A draft's model of another vocabulary.
    #[error(
        "the model has {vocab_size} entries in its vocabulary, and the one that drafts {of_draft}; take two of one vocabulary"
    )]
    DraftVocabulary {
        /// Size of the model's vocabulary.
        vocab_size: usize,
        /// Size of that of the model that drafts.
        of_draft: usize,
    },
    /// A search needs to see a part of the model that it does not show.
    #[error(
        "{search} needs {part} of the model, which does not show them here; those that are packed do, as most families are on the backend flex"
    )]
    NotShown {
        /// The search.
        search: &'static str,
        /// The part.
        part: &'static str,
    },
    /// No token may follow.
    #[error("no token can follow the first {n_tokens}: all are suppressed or impossible; are the weights finite?")]
    NothingFollows {
        /// Number of tokens of the text so far.
        n_tokens: usize,
    },
    /// No token may follow that leads to a text of the form.
    #[error(
        "after {n_tokens} tokens, none leads to a text of the form: the vocabulary lacks what it asks for, or the least length \
         or words that are excluded stand in the way"
    )]
    OutOfForm {
        /// Number of tokens that were written.
        n_tokens: usize,
    },
    /// There is no such form, or a text can't be held to it.
    #[error(transparent)]
    Form(#[from] FormError),
    /// The device failed to hand over log-probabilities.
    #[error(transparent)]
    Device(#[from] DeviceError),
}

impl DecodeError {
    /// Names of the settings concerned, if any.
    pub fn keys(&self) -> Vec<&'static str> {
        match self {
            Self::ZeroBeam => vec!["beam"],
            Self::NBest { .. } => vec!["n_best", "beam"],
            Self::LengthPenalty { .. } => vec!["length_penalty"],
            Self::Setting { key, .. } => vec![key],
            Self::EmptyBadWord { .. } => vec!["bad_words"],
            Self::EmptyStop => vec!["stop"],
            Self::Groups { .. } => vec!["groups", "beam"],
            Self::ZeroSamples => vec!["n_samples"],
            _ => Vec::new(),
        }
    }
}
