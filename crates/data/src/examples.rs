//! Batches of whole examples, in an order that two numbers resume.

use std::sync::Arc;

use attentive_core::Position;

use crate::{DataError, permutation, seeded_rng};

/// Examples that can be made one by one, and put together to batches.
pub trait ExampleSet {
    /// Where an example of an epoch comes from.
    type Example: Clone;
    /// What a model is trained on.
    type Batch;

    /// The examples of an epoch, a function of its number alone.
    fn epoch(&self, epoch: u64) -> Vec<Self::Example>;

    /// Some examples of an epoch together; each comes with its index in [`epoch`](Self::epoch).
    fn batch(&self, epoch: u64, examples: &[(u64, Self::Example)]) -> Self::Batch;
}

/// Cuts an [`ExampleSet`] into batches of some rows, in an order drawn anew for each epoch.
#[derive(Debug)]
pub struct ExampleBatcher<S> {
    set: Arc<S>,
    rows: usize,
    seed: u64,
}

impl<S> Clone for ExampleBatcher<S> {
    fn clone(&self) -> Self {
        Self { set: self.set.clone(), ..*self }
    }
}

impl<S: ExampleSet> ExampleBatcher<S> {
    /// Batches of `rows` examples, in orders drawn from `seed`.
    ///
    /// # Errors
    /// [`DataError::Setting`] if `rows` is 0, [`DataError::NoText`] if there is no example.
    pub fn new(set: S, rows: usize, seed: u64) -> Result<Self, DataError> {
        if rows == 0 {
            return Err(DataError::Setting { key: "rows", value: 0, expected: "at least 1" });
        }
        if set.epoch(0).is_empty() {
            return Err(DataError::NoText);
        }
        Ok(Self { set: Arc::new(set), rows, seed })
    }

    /// The same examples in batches of so many, one at least.
    pub fn with_rows(&self, rows: usize) -> Self {
        Self { rows: rows.max(1), ..self.clone() }
    }

    /// Examples of a batch.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The examples.
    pub fn set(&self) -> &S {
        &self.set
    }

    /// All batches from `position` on, epoch after epoch, without end.
    ///
    /// They are those that an iterator from [`Position::START`] yields after as many steps.
    pub fn batches(&self, position: Position) -> ExampleBatches<S> {
        let examples = self.lay_out(position.epoch);
        let mut batches = ExampleBatches { batcher: self.clone(), examples, position };
        batches.turn();
        batches
    }

    /// The batches of one epoch.
    pub fn epoch(&self, epoch: u64) -> impl Iterator<Item = S::Batch> {
        let examples = self.lay_out(epoch);
        let rows = self.rows;
        let set = self.set.clone();
        (0..examples.len().div_ceil(rows)).map(move |batch_idx| {
            let rows = batch_idx * rows..((batch_idx + 1) * rows).min(examples.len());
            set.batch(epoch, &examples[rows])
        })
    }

    fn lay_out(&self, epoch: u64) -> Vec<(u64, S::Example)> {
        let examples = self.set.epoch(epoch);
        let order = permutation(examples.len() as u32, &mut seeded_rng(self.seed, "examples", epoch));
        order.into_iter().map(|idx| (u64::from(idx), examples[idx as usize].clone())).collect()
    }
}

/// Endless batches of an [`ExampleBatcher`].
#[derive(Debug)]
pub struct ExampleBatches<S: ExampleSet> {
    batcher: ExampleBatcher<S>,
    examples: Vec<(u64, S::Example)>,
    position: Position,
}

impl<S: ExampleSet> ExampleBatches<S> {
    /// Where the next batch stands: what a checkpoint keeps.
    pub fn position(&self) -> Position {
        self.position
    }

    /// Begins the next epoch if this one is over.
    fn turn(&mut self) {
        let n_batches = self.examples.len().div_ceil(self.batcher.rows) as u64;
        if self.position.batch_idx >= n_batches {
            self.position = Position { epoch: self.position.epoch + 1, batch_idx: 0 };
            self.examples = self.batcher.lay_out(self.position.epoch);
        }
    }
}

impl<S: ExampleSet> Iterator for ExampleBatches<S> {
    type Item = S::Batch;

    fn next(&mut self) -> Option<S::Batch> {
        let Position { epoch, batch_idx } = self.position;
        let first = batch_idx as usize * self.batcher.rows;
        let last = (first + self.batcher.rows).min(self.examples.len());
        let batch = self.batcher.set.batch(epoch, &self.examples[first..last]);
        self.position.batch_idx += 1;
        self.turn();
        Some(batch)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (usize::MAX, None)
    }
}
