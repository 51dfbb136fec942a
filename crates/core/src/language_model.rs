//! Models that continue a text.

use crate::NextToken;

/// A [`NextToken`] model whose rows start empty.
pub trait LanguageModel: NextToken {
    /// A state of `n_rows` rows that have read nothing.
    fn start(&self, n_rows: usize) -> Self::State;
}
