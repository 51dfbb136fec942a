//! Models that continue a text.

use burn::tensor::Device;

use crate::NextToken;

/// A [`NextToken`] model whose rows start from nothing.
pub trait LanguageModel: NextToken {
    /// A state of `n_rows` rows that have read nothing.
    fn start(&self, n_rows: usize) -> Self::State;

    /// The longest text that the model has positions for, if there is a limit.
    fn max_len(&self) -> Option<usize>;

    /// Where the model is.
    fn device(&self) -> Device;
}
