//! What can go wrong.

use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::tokenizer::TokenId;

/// An id that the vocabulary does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "token id {id} is not in the vocabulary of {vocab_size} entries; use the tokenizer that the ids were made with"
)]
pub struct UnknownId {
    /// The id.
    pub id: TokenId,
    /// The number of ids that the vocabulary has.
    pub vocab_size: usize,
}

/// Why a tokenizer could not be trained, read or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TokenizerError {
    /// A file could not be read or written.
    #[error("{}: cannot be read or written; check that the path is right and that you may use it", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        #[source]
        cause: std::io::Error,
    },
    /// A file is not JSON, or is cut short, or lacks a field.
    #[error(
        "{}: is damaged, or is not a tokenizer's file; write it again, or copy it again whole", path.display()
    )]
    Json {
        /// The file.
        path: PathBuf,
        /// What is wrong, with line and column.
        #[source]
        cause: serde_json::Error,
    },
    /// Hugging Face's library cannot read a `tokenizer.json`.
    #[error("{}: Hugging Face's library cannot read it: {reason}; is it whole, and of a version up to 0.23?", path.display())]
    Library {
        /// The file.
        path: PathBuf,
        /// What the library says.
        reason: String,
    },
    /// A file is of another version of the format.
    #[error("{}: tokenizer format {found}, and this version reads {expected}; write the file again with this version", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// The version that the file says.
        found: u32,
        /// The version that can be read.
        expected: u32,
    },
    /// The parts of a file contradict each other.
    #[error("{}: {reason}; the file is damaged or was edited: write it again, or copy it again whole", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What contradicts what, with the line or the key.
        reason: String,
    },
    /// A file or a folder is whole, and has settings that no kind here has.
    #[error("{}: not supported: {}", path.display(), problems.join("; "))]
    Unsupported {
        /// The file or the folder.
        path: PathBuf,
        /// The settings, each with its value, and what can be read instead.
        problems: Vec<String>,
    },
    /// A file is of a known format from which no tokenizer can be made.
    #[error("{}: is {format}; {remedy}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// The format: "a Git LFS pointer, not the file itself".
        format: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// A file or a folder holds no tokenizer of a known kind.
    #[error(
        "{}: no tokenizer is known by this; give a tokenizer.json or a folder with one, GPT-2's encoder.json with \
         vocab.bpe beside it, BERT's vocab.txt, codes of subword-nmt or fastBPE, a SentencePiece model, byt5 or canine",
        path.display()
    )]
    Unknown {
        /// What was to be read.
        path: PathBuf,
    },
    /// A tokenizer whose [`to_model`](crate::Tokenizer::to_model) gives nothing was to be written.
    #[error("{}: this kind of tokenizer cannot be saved; implement Tokenizer::to_model", path.display())]
    NoFile {
        /// The file that was to be written.
        path: PathBuf,
    },
    /// A kind of tokenizer that has no tokens for hidden spans.
    #[error(
        "this kind of tokenizer has no sentinels, the tokens that stand for hidden spans; take bytes, unigram, or a \
         SentencePiece model"
    )]
    NoSentinels,
    /// A tokenizer can't be extended by the languages of a model.
    #[error("languages can't be added to this tokenizer: {problem}")]
    Languages {
        /// Why not, with the name if it is one's.
        problem: String,
    },
    /// The vocabulary asked for has no room for what every vocabulary of this text must have.
    #[error(
        "a vocabulary of {vocab_size} entries was asked for, and special tokens, bytes and characters alone take \
         {required}; ask for more than that"
    )]
    VocabTooSmall {
        /// What was asked for.
        vocab_size: usize,
        /// What is needed before the first merge.
        required: usize,
    },
}

impl TokenizerError {
    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |cause| Self::Io { path: path.to_owned(), cause }
    }

    pub(crate) fn json(path: &Path) -> impl FnOnce(serde_json::Error) -> Self {
        move |cause| Self::Json { path: path.to_owned(), cause }
    }

    pub(crate) fn invalid<P: Into<Problem>>(path: &Path) -> impl FnOnce(P) -> Self {
        move |problem| match problem.into() {
            Problem::Contradiction(reason) => Self::Invalid { path: path.to_owned(), reason },
            Problem::Unsupported(problem) => Self::Unsupported { path: path.to_owned(), problems: vec![problem] },
        }
    }
}

/// What is wrong with the content of a file, before the file is named.
#[derive(Debug)]
pub(crate) enum Problem {
    /// Its parts contradict each other.
    Contradiction(String),
    /// It is whole, and no kind here is like it.
    Unsupported(String),
}

impl Problem {
    /// What it is, without its kind.
    pub(crate) fn reason(self) -> String {
        match self {
            Self::Contradiction(reason) | Self::Unsupported(reason) => reason,
        }
    }
}

impl From<String> for Problem {
    fn from(reason: String) -> Self {
        Self::Contradiction(reason)
    }
}

impl From<&str> for Problem {
    fn from(reason: &str) -> Self {
        Self::Contradiction(reason.to_owned())
    }
}
