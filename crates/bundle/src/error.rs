//! What can be wrong with a bundle, or with what is to be translated.

use std::path::PathBuf;

use attentive_decode::DecodeError;
use attentive_engine::Precision;
use attentive_model::{ConfigError, Role};
use attentive_tokenizer::TokenizerError;
use attentive_weights::WeightsError;

/// Why a folder does not load as a model, or can't be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// The folder is not there.
    #[error("there is no model at {path}; train one with `attentive train`, or name its folder with --model", path = path.display())]
    NoFolder {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A part is missing.
    #[error("{path} is missing from the model's folder; copy the whole folder, or train again", path = path.display())]
    MissingPart {
        /// The file.
        path: PathBuf,
    },
    /// A part can't be read or written.
    #[error("{path}: {cause}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// A part is not what it should be.
    #[error("{path}: {problem}", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The configuration is of no model.
    #[error("{path}: {cause}", path = path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        cause: ConfigError,
    },
    /// The model is of another family than what is asked of it.
    #[error(
        "{path} is a model of the family {family}, {role}; this takes {wanted}",
        path = path.display()
    )]
    Family {
        /// The bundle's folder.
        path: PathBuf,
        /// Its family.
        family: &'static str,
        /// What models of its family are for.
        role: Role,
        /// What is wanted.
        wanted: String,
    },
    /// The tokenizer can't be read or written.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The tokenizer is of another model.
    #[error("{path} has {tokenizer} entries and the model has {model}: they do not belong together", path = path.display())]
    Vocabulary {
        /// The tokenizer's file.
        path: PathBuf,
        /// Entries of the tokenizer.
        tokenizer: usize,
        /// Entries of the model.
        model: usize,
    },
    /// The tokenizer has no id for a part that translation needs.
    #[error("the tokenizer has no {role} token, which translation needs")]
    NoSpecial {
        /// `padding`, `begin-of-sentence` or `end-of-sentence`.
        role: &'static str,
    },
    /// The tokenizer has no ids that stand for hidden spans.
    #[error(
        "the tokenizer has no sentinels, which stand for hidden spans; fill takes a bert, or an encoder–decoder of \
         span-corruption, as T5 is"
    )]
    NoSentinels,
    /// The tokenizer has no id for a part of what encoders read.
    #[error(
        "the tokenizer has no {role} token, which an encoder needs; take the kind wordpiece, byte-level-bpe or code-points"
    )]
    NoFrame {
        /// `padding`, `beginning`, `ending` or `mask`.
        role: &'static str,
    },
    /// The weights can't be read, or are of another model.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// Weights are packed on the CPU alone.
    #[error(
        "precision {precision} is for the backend flex, and there for the paper's layers alone; leave --precision out, or \
         use --backend flex"
    )]
    Precision {
        /// What was asked for.
        precision: Precision,
    },
}

/// Why a text can't be translated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TranslateError {
    /// The text is longer than the model has positions for.
    #[error(
        "text {text_idx} has {n_tokens} tokens, and the model has positions for {max_len}; split it into sentences"
    )]
    TooLong {
        /// Which text, from 0.
        text_idx: usize,
        /// Its length, end of sentence included.
        n_tokens: usize,
        /// The model's limit.
        max_len: usize,
    },
    /// A setting of the search.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

/// Why an encoder can't read a text as it was asked to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The text is longer than the model has positions for.
    #[error("the text has {n_tokens} tokens with its frame, and the model has positions for {max_len}; shorten it")]
    TooLong {
        /// Its length.
        n_tokens: usize,
        /// The model's limit.
        max_len: usize,
    },
    /// There is more to guess than the vocabulary has tokens for.
    #[error("the text has {n_masks} masks, and the vocabulary has sentinels for {max}; fill in some of them first")]
    TooManyMasks {
        /// How many there are.
        n_masks: usize,
        /// How many there may be.
        max: usize,
    },
    /// The search failed.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// There is nothing to guess.
    #[error("the text has no [MASK]; write one in the place of a word")]
    NoMask,
    /// The model was not trained for this.
    #[error("the model has no head that {does}; fill takes a masked language model, classify one of classification")]
    NoHead {
        /// What the head would do.
        does: &'static str,
    },
}
