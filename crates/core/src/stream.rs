//! Sources of batches.

use std::{error::Error, ops::Range};

use crate::{Batch, Position};

/// The reason why batches could not be made.
pub type StreamError = Box<dyn Error + Send + Sync>;

/// An endless stream of batches, one pass over the data after another.
///
/// [`Endless`] makes one of any [`Epochs`]. A checkpoint keeps only the position of a stream.
pub trait BatchStream {
    /// One batch.
    type Batch: Batch;

    /// The next batch.
    ///
    /// # Errors
    /// Those of reading the data.
    fn next_batch(&mut self) -> Result<Self::Batch, StreamError>;

    /// Position of the next batch.
    fn position(&self) -> Position;

    /// Number of batches in the epoch of the position.
    ///
    /// # Errors
    /// Those of reading the data.
    fn n_batches(&mut self) -> Result<u64, StreamError>;

    /// Continues at `position`.
    ///
    /// # Errors
    /// Those of reading the data.
    fn seek(&mut self, position: Position) -> Result<(), StreamError>;

    /// From its position on, gives those of `ours` alone of each `n` batches; the others are for other processes.
    ///
    /// After the last of `ours` the position is that after all `n`. [`seek`](Self::seek) begins with the first of `n` again.
    fn share(&mut self, ours: Range<u64>, n: u64);
}

/// Data that is read in epochs: passes with each example once.
///
/// The batches of an epoch and their order are a function of its number, so two numbers, a [`Position`], are the
/// position of a run. A vector of batches is the simplest kind: the same batches in each epoch.
pub trait Epochs {
    /// One batch.
    type Batch: Batch;
    /// The layout of an epoch: the examples of each of its batches.
    type Order;
    /// The error of laying out or reading.
    type Error: Into<StreamError>;

    /// Lays out an epoch, counted from 0.
    ///
    /// # Errors
    /// Those of the data; most kinds never fail here.
    fn lay_out(&self, epoch: u64) -> Result<Self::Order, Self::Error>;

    /// Number of batches in an epoch.
    fn len(&self, order: &Self::Order) -> u64;

    /// Batch `batch_idx` of an epoch, counted from 0.
    ///
    /// # Errors
    /// Those of reading the data.
    ///
    /// # Panics
    /// May panic if `batch_idx` is not below [`len`](Self::len).
    fn batch(&self, order: &Self::Order, batch_idx: u64) -> Result<Self::Batch, Self::Error>;

    /// The batches of one epoch; if it can't be laid out, the error alone.
    fn epoch(&self, epoch: u64) -> impl Iterator<Item = Result<Self::Batch, Self::Error>>
    where
        Self: Sized,
    {
        let (order, error) = match self.lay_out(epoch) {
            Ok(order) => (Some(order), None),
            Err(error) => (None, Some(Err(error))),
        };
        let n_batches = order.as_ref().map_or(0, |order| self.len(order));
        let batch = move |batch_idx| order.as_ref().map(|order| self.batch(order, batch_idx));
        error.into_iter().chain((0..n_batches).filter_map(batch))
    }
}

impl<E: Epochs> Epochs for &E {
    type Batch = E::Batch;
    type Order = E::Order;
    type Error = E::Error;

    fn lay_out(&self, epoch: u64) -> Result<E::Order, E::Error> {
        (*self).lay_out(epoch)
    }

    fn len(&self, order: &E::Order) -> u64 {
        (*self).len(order)
    }

    fn batch(&self, order: &E::Order, batch_idx: u64) -> Result<E::Batch, E::Error> {
        (*self).batch(order, batch_idx)
    }
}

/// The same batches in each epoch.
impl<B: Batch + Clone> Epochs for Vec<B> {
    type Batch = B;
    type Order = ();
    type Error = std::convert::Infallible;

    fn lay_out(&self, _: u64) -> Result<(), Self::Error> {
        Ok(())
    }

    fn len(&self, (): &()) -> u64 {
        self.as_slice().len() as u64
    }

    fn batch(&self, (): &(), batch_idx: u64) -> Result<B, Self::Error> {
        Ok(self[batch_idx as usize].clone())
    }
}

/// An epoch without batches, which can't make a stream.
#[derive(Debug, thiserror::Error)]
#[error("epoch {epoch} of the training data, counted from 0, has no batch")]
pub struct EmptyEpoch {
    /// Its number.
    pub epoch: u64,
}

/// One epoch after another, without end.
///
/// ```
/// use attentive_core::{BatchStream, Endless, Position, SequenceBatch};
///
/// let batch = |ids: &[u32]| SequenceBatch::next_tokens(&[ids], 0, vec![0]);
/// let mut stream = Endless::new(vec![batch(&[1, 2]), batch(&[3, 4])]);
/// stream.next_batch()?;
/// stream.next_batch()?;
/// assert_eq!(stream.position(), Position { epoch: 1, batch_idx: 0 });
/// stream.seek(Position { epoch: 7, batch_idx: 1 })?;
/// assert_eq!(stream.next_batch()?.targets, [4]);
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Debug)]
pub struct Endless<E: Epochs> {
    epochs: E,
    position: Position,
    /// The epoch that is laid out, and its number.
    laid_out: Option<(u64, E::Order)>,
    /// The batches that it gives, of a number of them.
    share: (Range<u64>, u64),
    /// How many of them it has given.
    n_given: u64,
}

impl<E: Epochs> Endless<E> {
    /// All batches from the beginning of the first epoch.
    pub fn new(epochs: E) -> Self {
        Self { epochs, position: Position::START, laid_out: None, share: (0..1, 1), n_given: 0 }
    }

    /// The data.
    pub fn epochs(&self) -> &E {
        &self.epochs
    }

    /// Lays out the epoch of the position, unless it already is; returns the number of its batches.
    fn lay_out(&mut self) -> Result<u64, StreamError> {
        let epoch = self.position.epoch;
        let is_there = matches!(self.laid_out, Some((number, _)) if number == epoch);
        if !is_there {
            self.laid_out = None; // one epoch in memory is enough
            self.laid_out = Some((epoch, self.epochs.lay_out(epoch).map_err(Into::into)?));
        }
        let n_batches = self.laid_out.as_ref().map_or(0, |(_, order)| self.epochs.len(order));
        if n_batches == 0 { Err(EmptyEpoch { epoch }.into()) } else { Ok(n_batches) }
    }

    /// Passes over `n` batches.
    fn skip(&mut self, mut n: u64) -> Result<(), StreamError> {
        while n > 0 {
            let n_left = self.lay_out()?.saturating_sub(self.position.batch_idx);
            if n < n_left {
                self.position.batch_idx += n;
                return Ok(());
            }
            n -= n_left;
            self.position = Position { epoch: self.position.epoch.saturating_add(1), batch_idx: 0 };
        }
        Ok(())
    }
}

/// A position after the last batch of its epoch means the first one of the next.
impl<E: Epochs> BatchStream for Endless<E> {
    type Batch = E::Batch;

    fn next_batch(&mut self) -> Result<E::Batch, StreamError> {
        let (ours, n) = self.share.clone();
        if self.n_given == 0 {
            self.skip(ours.start)?;
        }
        let mut n_batches = self.lay_out()?;
        if self.position.batch_idx >= n_batches {
            self.position = Position { epoch: self.position.epoch.saturating_add(1), batch_idx: 0 };
            n_batches = self.lay_out()?;
        }
        let Position { epoch, batch_idx } = self.position;
        let (_, order) = self.laid_out.as_ref().expect("laid out above");
        let batch = self.epochs.batch(order, batch_idx).map_err(Into::into)?;
        self.position = match batch_idx + 1 == n_batches {
            true => Position { epoch: epoch.saturating_add(1), batch_idx: 0 },
            false => Position { epoch, batch_idx: batch_idx + 1 },
        };
        self.n_given += 1;
        if self.n_given == ours.end - ours.start {
            self.skip(n - ours.end)?;
            self.n_given = 0;
        }
        Ok(batch)
    }

    fn position(&self) -> Position {
        self.position
    }

    fn n_batches(&mut self) -> Result<u64, StreamError> {
        self.lay_out()
    }

    fn seek(&mut self, position: Position) -> Result<(), StreamError> {
        self.position = position;
        self.n_given = 0;
        Ok(())
    }

    fn share(&mut self, ours: Range<u64>, n: u64) {
        self.share = (ours, n);
        self.n_given = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Epoch `n` has `sizes[n]` batches, each of them named by its epoch and index; 9 can't be laid out.
    struct Numbered([u64; 4]);

    #[derive(Debug, PartialEq)]
    struct Name([u64; 2]);

    impl Batch for Name {
        fn n_rows(&self) -> usize {
            1
        }

        fn n_targets(&self) -> usize {
            1
        }

        fn indices(&self) -> &[u64] {
            &self.0
        }
    }

    impl Epochs for Numbered {
        type Batch = Name;
        type Order = u64;
        type Error = StreamError;

        fn lay_out(&self, epoch: u64) -> Result<u64, StreamError> {
            if epoch == 9 { Err("unreadable".into()) } else { Ok(epoch) }
        }

        fn len(&self, epoch: &u64) -> u64 {
            self.0[*epoch as usize % 4]
        }

        fn batch(&self, &epoch: &u64, batch_idx: u64) -> Result<Name, StreamError> {
            Ok(Name([epoch, batch_idx]))
        }
    }

    #[test]
    fn epochs_of_any_length_follow_one_another() {
        let mut stream = Endless::new(Numbered([2, 1, 3, 1]));
        let names: Vec<[u64; 2]> = (0..8).map(|_| stream.next_batch().unwrap().0).collect();
        assert_eq!(names, [[0, 0], [0, 1], [1, 0], [2, 0], [2, 1], [2, 2], [3, 0], [4, 0]]);
        assert_eq!(stream.position(), Position { epoch: 4, batch_idx: 1 });
        stream.seek(Position { epoch: 2, batch_idx: 1 }).unwrap();
        assert_eq!(stream.n_batches().unwrap(), 3);
    }

    #[test]
    fn a_stream_goes_on_from_any_position_it_was_at() {
        let sizes = [2, 1, 3, 1];
        let mut stream = Endless::new(Numbered(sizes));
        for _ in 0..9 {
            let mut again = Endless::new(Numbered(sizes));
            again.seek(stream.position()).unwrap();
            assert_eq!(again.next_batch().unwrap(), stream.next_batch().unwrap());
            assert_eq!(again.position(), stream.position());
        }
    }

    /// Groups of 5 batches, across epochs of 2, 1, 3 and 1, shared by two: together they have all, and are at one position.
    #[test]
    fn shares_are_all_batches_once() {
        let sizes = [2, 1, 3, 1];
        let [mut whole, mut first, mut second] = [(); 3].map(|()| Endless::new(Numbered(sizes)));
        first.share(0..2, 5);
        second.share(2..5, 5);
        for _ in 0..3 {
            let names: Vec<Name> = (0..5).map(|_| whole.next_batch().unwrap()).collect();
            let mut shared: Vec<Name> = (0..2).map(|_| first.next_batch().unwrap()).collect();
            shared.extend((0..3).map(|_| second.next_batch().unwrap()));
            assert_eq!(shared, names);
            assert_eq!([first.position(), second.position()], [whole.position(); 2]);
            // One that goes on from there is in step with the others.
            first = Endless::new(Numbered(sizes));
            first.share(0..2, 5);
            first.seek(whole.position()).unwrap();
        }
    }

    #[test]
    fn a_position_after_an_epoch_is_the_start_of_the_next() {
        let mut stream = Endless::new(Numbered([2, 1, 3, 1]));
        stream.seek(Position { epoch: 0, batch_idx: 5 }).unwrap();
        assert_eq!(stream.next_batch().unwrap(), Name([1, 0]));
    }

    #[test]
    fn an_empty_epoch_is_an_error_and_not_a_loop() {
        let mut stream = Endless::new(Numbered([1, 0, 1, 1]));
        stream.next_batch().unwrap();
        assert!(stream.next_batch().unwrap_err().to_string().contains("epoch 1 "));
    }

    #[test]
    fn one_epoch_is_its_batches_or_the_error_of_laying_it_out() {
        let data = Numbered([2, 1, 3, 1]);
        let names: Vec<Name> = data.epoch(2).map(Result::unwrap).collect();
        assert_eq!(names, [Name([2, 0]), Name([2, 1]), Name([2, 2])]);
        let failed: Vec<_> = data.epoch(9).collect();
        assert!(matches!(&failed[..], [Err(error)] if error.to_string() == "unreadable"));
    }
}
