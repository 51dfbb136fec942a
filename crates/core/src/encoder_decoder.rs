//! Models that read one sequence and write another.

use crate::{NextToken, TokenMatrix};

/// A [`NextToken`] model whose rows start from a source sequence each.
pub trait EncoderDecoder: NextToken {
    /// Reads source rows, each ending in the end-of-sentence id; the state has a row for each.
    fn start(&self, source: &TokenMatrix) -> Self::State;
}
