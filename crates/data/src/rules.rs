//! What a corpus may hold, and what becomes of the rest.

use serde::{Deserialize, Serialize};

/// One side of a parallel corpus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The language translated from.
    Source,
    /// The language translated into.
    Target,
}

impl Side {
    /// Both sides, in the order of every pair here.
    pub const BOTH: [Self; 2] = [Self::Source, Self::Target];

    /// `"source"` or `"target"`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Target => "target",
        }
    }
}

/// What to do about a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum OnProblem {
    /// Refuse the corpus, once all of it is read and reported on.
    Refuse,
    /// Leave the sentence pair out and count it.
    Skip,
}

/// What to do about a line that is too long, or was done about any problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Treatment {
    /// Refuse the corpus, once all of it is read and reported on.
    Refuse,
    /// Leave the sentence pair out and count it.
    Skip,
    /// Keep the beginning of the line.
    Truncate,
}

impl From<OnProblem> for Treatment {
    fn from(on: OnProblem) -> Self {
        match on {
            OnProblem::Refuse => Self::Refuse,
            OnProblem::Skip => Self::Skip,
        }
    }
}

/// What can be wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Problem {
    /// The other side has no such line.
    LineCount,
    /// A tab-separated line does not have the columns that are wanted, or has others than these two.
    Columns,
    /// The line is not UTF-8.
    InvalidUtf8,
    /// The line is empty or white space.
    Empty,
    /// The line is longer than [`CorpusRules::max_bytes`].
    TooManyBytes,
    /// The line is longer than [`CorpusRules::max_tokens`].
    TooManyTokens,
}

impl Problem {
    /// What it is, in words, for a list of lines.
    pub fn describe(self) -> &'static str {
        match self {
            Self::LineCount => "no such line on the other side",
            Self::Columns => "not the tab-separated columns wanted",
            Self::InvalidUtf8 => "not UTF-8",
            Self::Empty => "empty line",
            Self::TooManyBytes => "too many bytes",
            Self::TooManyTokens => "too many tokens",
        }
    }

    /// What a user can do about it in the files.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::LineCount => "align the two sides",
            Self::Columns => {
                "give each line two columns with a tab between, or say which of several to read with columns = [1, 2]"
            }
            Self::InvalidUtf8 => "convert the file to UTF-8",
            Self::Empty => "fill these lines or remove both sides",
            Self::TooManyBytes | Self::TooManyTokens => "shorten these lines",
        }
    }

    /// What a user can do about it in the rules.
    pub fn setting(self) -> &'static str {
        match self {
            Self::LineCount => "leave the surplus out with on_line_count = \"skip\"",
            Self::Columns => "leave these lines out with on_columns = \"skip\"",
            Self::InvalidUtf8 => "leave these lines out with on_invalid_utf8 = \"skip\"",
            Self::Empty => "leave them out with on_empty = \"skip\"",
            Self::TooManyBytes => "raise max_bytes, or set on_over_long = \"skip\" or \"truncate\"",
            Self::TooManyTokens => "raise max_tokens, or set on_over_long = \"skip\" or \"truncate\"",
        }
    }
}

/// Limits of a corpus, and what happens to lines beyond them.
///
/// By default what hints at a wrong file (line counts, columns, encoding) is refused, and what real corpora
/// are full of (empty and over-long lines) is skipped. Everything is counted either way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct CorpusRules {
    /// Longest line, in bytes without its end; memory for a line is bounded by it.
    pub max_bytes: usize,
    /// Longest line, in tokens without special ones.
    pub max_tokens: usize,
    /// One side has more lines than the other. Skipping leaves the surplus out.
    pub on_line_count: OnProblem,
    /// A tab-separated line does not have exactly two columns, or not those that `columns` names.
    pub on_columns: OnProblem,
    /// A line is not UTF-8.
    pub on_invalid_utf8: OnProblem,
    /// A line is empty or white space.
    pub on_empty: OnProblem,
    /// A line exceeds `max_bytes` or `max_tokens`.
    pub on_over_long: Treatment,
    /// How many line numbers a report keeps for each problem; all are counted.
    pub max_reported: usize,
    /// Whether nobody can set them: a refusal does not advise to.
    #[serde(skip)]
    pub are_fixed: bool,
}

impl Default for CorpusRules {
    fn default() -> Self {
        Self {
            max_bytes: 1 << 16,
            max_tokens: 1024,
            on_line_count: OnProblem::Refuse,
            on_columns: OnProblem::Refuse,
            on_invalid_utf8: OnProblem::Refuse,
            on_empty: OnProblem::Skip,
            on_over_long: Treatment::Skip,
            max_reported: 10,
            are_fixed: false,
        }
    }
}

impl CorpusRules {
    /// The usual rules, where there are no settings of them.
    pub fn fixed() -> Self {
        Self { are_fixed: true, ..Self::default() }
    }

    /// Refuses every problem, whatever the settings: for test sets, where every line counts.
    pub fn strict() -> Self {
        Self { on_empty: OnProblem::Refuse, on_over_long: Treatment::Refuse, ..Self::fixed() }
    }

    /// What these rules do about `problem`.
    pub fn treatment(&self, problem: Problem) -> Treatment {
        match problem {
            Problem::LineCount => self.on_line_count.into(),
            Problem::Columns => self.on_columns.into(),
            Problem::InvalidUtf8 => self.on_invalid_utf8.into(),
            Problem::Empty => self.on_empty.into(),
            Problem::TooManyBytes | Problem::TooManyTokens => self.on_over_long,
        }
    }
}
