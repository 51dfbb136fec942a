//! Where batches come from.

use attentive_core::{Batch, Position};

/// An endless stream of batches, a pass over the data after another.
pub trait BatchStream {
    /// What it gives.
    type Batch: Batch;

    /// The next batch.
    ///
    /// # Errors
    /// Whatever reading data can meet.
    fn next_batch(&mut self) -> Result<Self::Batch, Box<dyn std::error::Error + Send + Sync>>;

    /// Where the next batch stands.
    fn position(&self) -> Position;

    /// Goes on from `position`.
    ///
    /// # Errors
    /// Whatever reading data can meet.
    fn seek(&mut self, position: Position) -> Result<(), Box<dyn std::error::Error + Send + Sync>>;
}
