//! Batches of whole examples as the trainer takes them.

use attentive_core::{Batch, Position};
use attentive_data::{ExampleBatcher, ExampleBatches, ExampleSet};
use attentive_trainer::BatchStream;

/// An endless stream of an [`ExampleBatcher`]'s batches.
pub(super) struct ExampleStream<'a, S: ExampleSet> {
    batcher: &'a ExampleBatcher<S>,
    batches: ExampleBatches<S>,
}

impl<'a, S: ExampleSet> ExampleStream<'a, S> {
    pub(super) fn new(batcher: &'a ExampleBatcher<S>) -> Self {
        Self { batcher, batches: batcher.batches(Position::START) }
    }
}

impl<S: ExampleSet<Batch: Batch>> BatchStream for ExampleStream<'_, S> {
    type Batch = S::Batch;

    fn next_batch(&mut self) -> Result<S::Batch, Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.batches.next().expect("an endless stream"))
    }

    fn position(&self) -> Position {
        self.batches.position()
    }

    fn seek(&mut self, position: Position) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        self.batches = self.batcher.batches(position);
        Ok(())
    }
}
