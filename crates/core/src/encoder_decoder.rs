//! Models that read one sequence and write another.

use crate::{NextToken, TokenMatrix};

/// A [`NextToken`] model each of whose rows starts from a source sequence.
pub trait EncoderDecoder: NextToken {
    /// Reads source rows, each ending in the end-of-sentence id; the state has a row for each.
    fn start(&self, source: &TokenMatrix) -> Self::State;

    /// Starts a state for each of several sources at once, each as [`start`](Self::start) would.
    fn start_together(&self, sources: &[&TokenMatrix]) -> Vec<Self::State> {
        sources.iter().map(|source| self.start(source)).collect()
    }
}
