//! Batches that are made while the model learns from those before.

use std::{
    fmt,
    ops::Range,
    sync::mpsc::{Receiver, RecvTimeoutError, sync_channel},
    thread,
    time::Duration,
};

use attentive_core::{BatchStream, Endless, Epochs, Position, StreamError};
use rayon::Yield;

/// Batches that may be waiting.
const AHEAD: usize = 2;

/// How long a thread of the pool waits before it looks again for work that the pool has.
const WAIT: Duration = Duration::from_millis(1);

/// What a thread that makes batches sends: a batch and the position after it.
type Made<B> = Result<(B, Position), StreamError>;

/// What is sent next; nothing if the sender has ended. A thread of the pool does the pool's work meanwhile: batches are made by it,
/// and there may be no other.
fn receive<T>(receiver: &Receiver<T>) -> Option<T> {
    loop {
        let wait = if rayon::yield_now() == Some(Yield::Executed) { Duration::ZERO } else { WAIT };
        match receiver.recv_timeout(wait) {
            Ok(sent) => return Some(sent),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return None,
        }
    }
}

/// An endless stream of batches, which another thread makes a little ahead: as [`Endless`], and equal to it.
pub struct Prefetch<E: Epochs> {
    /// Where the next batch is, without making any.
    here: Endless<E>,
    /// What makes batches, from where it was asked to on.
    ahead: Option<Receiver<Made<E::Batch>>>,
    /// The batches that it gives, of a number of them.
    share: (Range<u64>, u64),
}

impl<E: Epochs + Clone + Send + 'static> Prefetch<E>
where
    E::Batch: Send,
{
    /// All batches from the beginning of the first epoch.
    pub fn new(epochs: E) -> Self {
        Self { here: Endless::new(epochs), ahead: None, share: (0..1, 1) }
    }

    /// Begins to make the batches from a position on; it ends when nobody wants them.
    fn start(&self, position: Position) -> Receiver<Made<E::Batch>> {
        let (sender, receiver) = sync_channel(AHEAD);
        let (epochs, (ours, n)) = (self.here.epochs().clone(), self.share.clone());
        thread::spawn(move || {
            let mut stream = Endless::new(epochs);
            stream.share(ours, n);
            let mut made = stream.seek(position);
            loop {
                let next = made.and_then(|()| stream.next_batch()).map(|batch| (batch, stream.position()));
                let is_last = next.is_err();
                if sender.send(next).is_err() || is_last {
                    return;
                }
                made = Ok(());
            }
        });
        receiver
    }
}

impl<E: Epochs + Clone + Send + 'static> BatchStream for Prefetch<E>
where
    E::Batch: Send,
{
    type Batch = E::Batch;

    fn next_batch(&mut self) -> Result<E::Batch, StreamError> {
        let ahead = match self.ahead.take() {
            Some(ahead) => ahead,
            None => self.start(self.here.position()),
        };
        let made = receive(&ahead).unwrap_or_else(|| Err("the thread that makes batches has ended".into()));
        let (batch, position) = made?;
        self.here.seek(position)?;
        self.ahead = Some(ahead);
        Ok(batch)
    }

    fn position(&self) -> Position {
        self.here.position()
    }

    fn n_batches(&mut self) -> Result<u64, StreamError> {
        self.here.n_batches()
    }

    fn seek(&mut self, position: Position) -> Result<(), StreamError> {
        self.ahead = None;
        self.here.seek(position)
    }

    fn share(&mut self, ours: Range<u64>, n: u64) {
        self.ahead = None;
        self.share = (ours, n);
    }
}

impl<E: Epochs> fmt::Debug for Prefetch<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prefetch").field("position", &self.here.position()).finish_non_exhaustive()
    }
}
