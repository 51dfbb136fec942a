//! What can go wrong between a file and a batch.

use std::io;
use std::path::PathBuf;

use crate::{CorpusReport, Language, Place};

/// Why a corpus could not be read, encoded or batched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// No file was named.
    #[error("no {kind} files given: name at least one")]
    NoFiles {
        /// The kind that is missing: source, target or tab-separated.
        kind: &'static str,
    },
    /// A file could not be opened.
    #[error("cannot open {}: {cause}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        cause: io::Error,
    },
    /// A file could not be read to its end; compressed files fail so where they are damaged or cut off.
    #[error(
        "cannot read {}{}: {cause}; \
         if the file is compressed it may be cut off: test it with gzip -t, bzip2 -t, xz -t or zstd -t",
        path.display(),
        past_line(*after_line)
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// Number of lines read before.
        after_line: u64,
        /// The system's or the decompressor's reason.
        #[source]
        cause: io::Error,
    },
    /// A file of another kind.
    #[error("{} is {what}: {remedy}", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
        /// What it is.
        what: String,
        /// What a user can do.
        remedy: &'static str,
    },
    /// A file of control characters.
    #[error("{}:{line} has binary data: name files of text", path.display())]
    Binary {
        /// The file.
        path: PathBuf,
        /// Line number in the file, from 1.
        line: u64,
    },
    /// The corpus has problems that its [`CorpusRules`](crate::CorpusRules) refuse.
    #[error("the corpus is refused{}", report.refusals(*are_fixed))]
    Refused {
        /// Every problem found, refused or not.
        report: Box<CorpusReport>,
        /// Whether nobody can set the rules.
        are_fixed: bool,
    },
    /// No sentence pair is left to learn from.
    #[error("the corpus holds no usable sentence pair: check its files, its rules, and max_tokens")]
    NoPairs,
    /// No text is left to learn from.
    #[error("the text holds no token: check its files")]
    NoText,
    /// Documents that nothing would divide.
    #[error(
        "there are several documents, but the tokenizer has no end-of-text token to put between them: \
         take a tokenizer that has one, or let documents = \"file\" read a single file as one document"
    )]
    NoSeparator,
    /// A text that is shorter than a context.
    #[error(
        "the text has {n_tokens} tokens, a context of {context} needs one more than that: give it more, or shorten the context"
    )]
    ShortText {
        /// Number of tokens.
        n_tokens: u64,
        /// Tokens of a context.
        context: usize,
    },
    /// More contexts than an index of 32 bits counts.
    #[error("the text has more than {} contexts: split it, or lengthen the context", u32::MAX)]
    TooManyContexts,
    /// A line that is not text.
    #[error("{}:{line} is not UTF-8: convert the file", path.display())]
    InvalidUtf8 {
        /// The file.
        path: PathBuf,
        /// Line number in the file, from 1.
        line: u64,
    },
    /// A line of JSON that can't be read, or not as what it is to be.
    #[error("{}:{line}: {problem}{}", path.display(), at_column(*column))]
    Json {
        /// The file.
        path: PathBuf,
        /// Line number in the file, from 1.
        line: u64,
        /// Bytes of the line up to where that is known; 0 if it is not.
        column: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// A line that is not an episode.
    #[error("{}:{line}: {problem}", path.display())]
    Episode {
        /// The file.
        path: PathBuf,
        /// Line number in the file, from 1.
        line: u64,
        /// What is wrong with it, and in which field.
        problem: String,
    },
    /// A file without episodes.
    #[error("{} holds no episode: a line of it is {{\"observations\": [[…], …], \"actions\": […], \"rewards\": […]}}", path.display())]
    NoEpisodes {
        /// The file.
        path: PathBuf,
    },
    /// A line without a class.
    #[error("{}:{line} has no label: expected a text or a file's path, a tab, and its label or words; of lines with more \
             columns, columns = [1, 2] tells which have them", path.display())]
    NoLabel {
        /// The file.
        path: PathBuf,
        /// Line number in the file, from 1.
        line: u64,
    },
    /// A line without the columns that are wanted.
    #[error(
        "{}:{line} has {n} tab-separated columns, and columns = [{}, {}] are wanted",
        path.display(), columns[0], columns[1]
    )]
    Columns {
        /// The file.
        path: PathBuf,
        /// Line number in the file, from 1.
        line: u64,
        /// Columns that the line has.
        n: usize,
        /// Those wanted, from 1.
        columns: [usize; 2],
    },
    /// A line that would not fit in memory.
    #[error("{}:{line} is longer than {max_bytes} bytes: break it into lines", path.display())]
    LongLine {
        /// The file.
        path: PathBuf,
        /// Line number in the file, from 1.
        line: u64,
        /// The longest line that is read.
        max_bytes: usize,
    },
    /// More pairs than an index of 32 bits counts.
    #[error("the corpus has more than {} sentence pairs: split it", u32::MAX)]
    TooManyPairs,
    /// One pair is larger than a batch may be.
    #[error(
        "the pair on line {line} takes {n_tokens} tokens, a batch at most {max_tokens}: raise max_tokens, \
         shorten the sentences that the corpus admits, or set on_oversized = \"skip\""
    )]
    Oversized {
        /// Line of the pair in the corpus, from 1.
        line: u64,
        /// What it counts.
        n_tokens: usize,
        /// What a batch may count.
        max_tokens: usize,
    },
    /// A text of too few documents for pairs of sentences.
    #[error(
        "a text of one document has no pairs of two: blank lines divide documents, or set examples = \"full-sentences\""
    )]
    OneDocument,
    /// A vocabulary with too few tokens that stand for hidden spans.
    #[error("the vocabulary has {n} sentinels, and hidden spans take 2 at least: one for each span, and one more")]
    FewSentinels {
        /// How many there are.
        n: usize,
    },
    /// A setting is out of its range.
    #[error("{key} = {value}: must be {expected}")]
    Setting {
        /// Name of the setting.
        key: &'static str,
        /// Value given.
        value: usize,
        /// Values allowed.
        expected: &'static str,
    },
    /// A setting is out of its range.
    #[error("{key} = {value}: must be {expected}")]
    Number {
        /// Name of the setting.
        key: &'static str,
        /// Value given.
        value: f64,
        /// Values allowed.
        expected: &'static str,
    },
    /// A language that texts are not told to be in.
    #[error(
        "{name:?} is not a language that texts are told to be in: name one of {}, or none",
        Language::all().map(Language::code).collect::<Vec<_>>().join(", ")
    )]
    Language {
        /// Its name.
        name: String,
    },
    /// A line of one side whose other side has ended.
    #[error("{place} has no line on the other side, which has ended: align the two sides first")]
    Unpaired {
        /// The file and the line.
        place: Place,
    },
    /// The token file could not be written.
    #[error("cannot write the token file {}: {cause}; check the free space", path.display())]
    Write {
        /// The file, or the folder of an unnamed one.
        path: PathBuf,
        /// The system's reason.
        #[source]
        cause: io::Error,
    },
    /// A token file can no longer be read.
    #[error("{} is not a usable token file: {reason}; delete it and it will be made again", path.display())]
    TokenFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Another process, which encodes a part of the text, can't go on.
    #[error("{0}")]
    Peer(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A data file changed while it was being read.
    #[error("{} changed while it was being read: start again", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
}

/// The place after some lines; nothing before the first, or in a file that does not have lines.
fn past_line(n: u64) -> String {
    if n == 0 { String::new() } else { format!(" past line {n}") }
}

/// Where in a line something is, if that is known.
fn at_column(column: usize) -> String {
    if column == 0 { String::new() } else { format!(", at column {column}") }
}

impl DataError {
    /// Names of the settings that this is about, if any.
    pub fn keys(&self) -> Vec<&'static str> {
        match self {
            Self::Setting { key, .. } | Self::Number { key, .. } => vec![key],
            Self::ShortText { .. } | Self::TooManyContexts => vec!["context"],
            Self::OneDocument => vec!["examples"],
            _ => Vec::new(),
        }
    }
}
