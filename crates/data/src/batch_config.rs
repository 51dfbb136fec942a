//! How large a batch may be.

use serde::{Deserialize, Serialize};

use crate::{DataError, OnProblem, Size};

/// What `max_tokens` of a [`BatchConfig`] counts, padding included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum TokenCount {
    /// Rows × source columns.
    Source,
    /// Rows × target columns.
    Target,
    /// The larger of the two, as fairseq's `--max-tokens`.
    Longer,
    /// The sum of the two.
    Both,
}

impl TokenCount {
    /// What one row of these widths counts.
    pub(crate) fn row(self, [source, target]: [usize; 2]) -> usize {
        match self {
            Self::Source => source,
            Self::Target => target,
            Self::Longer => source.max(target),
            Self::Both => source + target,
        }
    }
}

/// How a corpus is cut into batches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct BatchConfig {
    /// Most tokens in a batch, padding included, counting `</s>` on either side; "auto" is the default until it is
    /// measured.
    pub max_tokens: Size,
    /// Most sentence pairs in a batch.
    pub max_rows: Option<usize>,
    /// What `max_tokens` counts.
    pub count: TokenCount,
    /// Number of widths that either side is padded to: more pad less and give more shapes.
    pub n_widths: usize,
    /// Widths are multiples of it.
    pub width_multiple: usize,
    /// What to do about a pair that counts more than `max_tokens` alone.
    pub on_oversized: OnProblem,
}

/// Most tokens in a batch, by default.
const MAX_TOKENS: usize = 4096;

impl Default for BatchConfig {
    fn default() -> Self {
        Self {
            max_tokens: Size::Of(MAX_TOKENS),
            max_rows: None,
            count: TokenCount::Longer,
            n_widths: 12,
            width_multiple: 1,
            on_oversized: OnProblem::Refuse,
        }
    }
}

impl BatchConfig {
    /// Holds every setting against its range.
    ///
    /// # Errors
    /// [`DataError::Setting`] names the first that is out of it.
    pub fn validate(&self) -> Result<(), DataError> {
        let settings = [
            ("max_tokens", self.max_tokens(), 1..=usize::MAX, "at least 1"),
            ("max_rows", self.max_rows.unwrap_or(1), 1..=usize::MAX, "at least 1"),
            ("n_widths", self.n_widths, 1..=64, "from 1 to 64"),
            ("width_multiple", self.width_multiple, 1..=1024, "from 1 to 1024"),
        ];
        match settings.into_iter().find(|(_, value, range, _)| !range.contains(value)) {
            Some((key, value, _, expected)) => Err(DataError::Setting { key, value, expected }),
            None => Ok(()),
        }
    }

    /// Most tokens in a batch, with the default for a number that is still to be measured.
    pub(crate) fn max_tokens(&self) -> usize {
        self.max_tokens.or(MAX_TOKENS)
    }

    pub(crate) fn fits(&self, lengths: [usize; 2]) -> bool {
        self.count.row(lengths) <= self.max_tokens()
    }

    /// Most rows of these widths in a batch.
    pub(crate) fn max_rows_of(&self, widths: [usize; 2]) -> usize {
        (self.max_tokens() / self.count.row(widths)).min(self.max_rows.unwrap_or(usize::MAX))
    }
}
