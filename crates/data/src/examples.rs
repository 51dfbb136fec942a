//! Batches of whole examples, in an order that two numbers resume.

use std::sync::Arc;

use attentive_core::{Batch, Epochs};

use crate::{DataError, permutation, seeded_rng};

/// Examples that can be made one by one, and put together to batches.
pub trait ExampleSet {
    /// Where an example of an epoch comes from.
    type Example: Clone;
    /// Several examples together.
    type Batch: Batch;

    /// The examples of an epoch, a function of its number alone.
    fn epoch(&self, epoch: u64) -> Vec<Self::Example>;

    /// Some examples of an epoch together; each comes with its index in [`epoch`](Self::epoch).
    fn batch(&self, epoch: u64, examples: &[(u64, Self::Example)]) -> Self::Batch;

    /// What an example, which comes with its index, takes of the room of a batch: a row, unless several share one.
    fn size(&self, _example: &(u64, Self::Example)) -> usize {
        1
    }

    /// Room of a batch of some rows, in the unit of [`size`](Self::size).
    fn room(&self, rows: usize) -> usize {
        rows
    }
}

/// Cuts an [`ExampleSet`] into batches of some rows, in an order drawn for each epoch.
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

    /// Rows of a batch: its examples, unless several share a row.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The examples.
    pub fn set(&self) -> &S {
        &self.set
    }
}

/// An epoch of an [`ExampleBatcher`], laid out: its examples in their order, each with its index in the set's.
#[derive(Debug)]
pub struct ExampleEpoch<X> {
    number: u64,
    examples: Vec<(u64, X)>,
    /// Where each batch starts in `examples`, and where the last one ends.
    starts: Vec<usize>,
}

impl<S: ExampleSet> Epochs for ExampleBatcher<S> {
    type Batch = S::Batch;
    type Order = ExampleEpoch<S::Example>;
    type Error = DataError;

    fn lay_out(&self, epoch: u64) -> Result<Self::Order, DataError> {
        let examples = self.set.epoch(epoch);
        let order = permutation(examples.len() as u32, &mut seeded_rng(self.seed, "examples", epoch));
        let examples: Vec<_> = order.into_iter().map(|idx| (u64::from(idx), examples[idx as usize].clone())).collect();
        let starts = starts(examples.iter().map(|example| self.set.size(example)), self.set.room(self.rows));
        Ok(ExampleEpoch { number: epoch, examples, starts })
    }

    fn len(&self, epoch: &Self::Order) -> u64 {
        epoch.starts.len() as u64 - 1
    }

    fn batch(&self, epoch: &Self::Order, batch_idx: u64) -> Result<S::Batch, DataError> {
        let batch_idx = batch_idx as usize;
        let examples = epoch.starts[batch_idx]..epoch.starts[batch_idx + 1];
        Ok(self.set.batch(epoch.number, &epoch.examples[examples]))
    }
}

/// Where batches of some room start among examples of these sizes, and where the last one ends. An example that is larger than
/// the room has a batch of its own.
fn starts(sizes: impl Iterator<Item = usize>, room: usize) -> Vec<usize> {
    let (mut starts, mut n_examples, mut filled) = (vec![0], 0, 0);
    for size in sizes {
        if filled > 0 && filled + size > room {
            starts.push(n_examples);
            filled = 0;
        }
        filled += size;
        n_examples += 1;
    }
    if n_examples > 0 {
        starts.push(n_examples);
    }
    starts
}
