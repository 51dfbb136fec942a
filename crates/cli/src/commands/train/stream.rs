//! Batches as the trainer takes them.

use std::error::Error;

use attentive_core::{Batch, Position};
use attentive_data::DataError;
use attentive_trainer::BatchStream;

/// An endless stream of batches that can begin anywhere, from an iterator that knows where it stands.
pub(super) struct Stream<'a, I, B> {
    begin: Box<dyn Fn(Position) -> I + 'a>,
    next: fn(&mut I) -> Option<Result<B, DataError>>,
    position: fn(&I) -> Position,
    batches: I,
}

impl<'a, I, B> Stream<'a, I, B> {
    /// The batches that `begin` gives from a position on.
    pub(super) fn new(
        begin: impl Fn(Position) -> I + 'a,
        next: fn(&mut I) -> Option<Result<B, DataError>>,
        position: fn(&I) -> Position,
    ) -> Self {
        Self { batches: begin(Position::START), begin: Box::new(begin), next, position }
    }
}

impl<I, B: Batch> BatchStream for Stream<'_, I, B> {
    type Batch = B;

    fn next_batch(&mut self) -> Result<B, Box<dyn Error + Send + Sync>> {
        Ok((self.next)(&mut self.batches).expect("an endless stream")?)
    }

    fn position(&self) -> Position {
        (self.position)(&self.batches)
    }

    fn seek(&mut self, position: Position) -> Result<(), Box<dyn Error + Send + Sync>> {
        self.batches = (self.begin)(position);
        Ok(())
    }
}
