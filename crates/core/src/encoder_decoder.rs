//! Models that read one sequence and write another.

use burn::tensor::Device;

use crate::{NextToken, TokenMatrix};

/// A [`NextToken`] model whose rows start from a source sequence each.
pub trait EncoderDecoder: NextToken {
    /// Reads source rows, each ending in the end-of-sentence id; the state has a row for each.
    fn start(&self, source: &TokenMatrix) -> Self::State;

    /// The longest source or target that the model has positions for, if there is a limit.
    fn max_len(&self) -> Option<usize>;

    /// Where the model is.
    fn device(&self) -> Device;
}
