//! Processes that a launcher of MPI has started.

use std::{
    cell::Cell,
    fmt, thread,
    time::{Duration, Instant},
};

use mpi::{
    Threading,
    environment::{Universe, initialize_with_threading},
    point_to_point::{Destination, Source},
    request::scope,
    topology::{Communicator, SimpleCommunicator},
};

use crate::{Collective, CollectiveError};

/// Bytes of one message: their number has 32 bits in MPI, and a message that ends soon tells that its partner is there.
const MESSAGE: usize = 1 << 22;

/// Time after which a partner that does not answer is waited for without work: it may validate, or save.
const PATIENCE: Duration = Duration::from_millis(100);

/// Time between two looks at a message that is late.
const NAP: Duration = Duration::from_millis(1);

/// One of the processes that `mpirun`, `srun` or another launcher of MPI has started.
///
/// Made once in a process, and used in the thread that made it. Dropped before [`finish`](Collective::finish), after an error
/// for example, it ends all processes with the exit code 101: write the error before. Errors inside MPI end all processes
/// with MPI's own message, as the launcher does when a process ends without a word.
pub struct Mpi {
    world: SimpleCommunicator,
    /// Ends MPI when it is dropped, after the communicator.
    _universe: Universe,
    bytes_sent: Cell<u64>,
    /// Whether no other process waits for this one.
    is_finished: Cell<bool>,
}

impl Mpi {
    /// Begins to use MPI. A process without a launcher is one of one.
    ///
    /// # Errors
    /// [`CollectiveError::Mpi`] if it was begun before, or allows a process no threads.
    pub fn start() -> Result<Self, CollectiveError> {
        let problem = |problem: &str| CollectiveError::Mpi { problem: problem.to_owned() };
        let (universe, threading) =
            initialize_with_threading(Threading::Serialized).ok_or_else(|| problem("it was begun before"))?;
        if threading < Threading::Funneled {
            return Err(problem("the library allows a process one thread alone: take one that is built with threads"));
        }
        let (bytes_sent, is_finished) = (Cell::new(0), Cell::new(false));
        Ok(Self { world: universe.world(), _universe: universe, bytes_sent, is_finished })
    }
}

impl Collective for Mpi {
    fn rank(&self) -> usize {
        self.world.rank() as usize
    }

    fn size(&self) -> usize {
        self.world.size() as usize
    }

    fn exchange(&self, to: usize, send: &[u8], from: usize, receive: &mut [u8]) -> Result<(), CollectiveError> {
        self.is_finished.set(false);
        self.bytes_sent.set(self.bytes_sent.get() + send.len() as u64);
        let (to, from) = (self.world.process_at_rank(to as i32), self.world.process_at_rank(from as i32));
        let (mut sends, mut receives) = (send.chunks(MESSAGE), receive.chunks_mut(MESSAGE));
        loop {
            let (send, receive) = (sends.next(), receives.next());
            if send.is_none() && receive.is_none() {
                return Ok(());
            }
            scope(|scope| {
                let mut sent = send.map(|bytes| to.immediate_send(scope, bytes));
                let mut received = receive.map(|bytes| from.immediate_receive_into(scope, bytes));
                let started = Instant::now();
                while sent.is_some() || received.is_some() {
                    // A request that is not done comes back as an error.
                    sent = sent.and_then(|request| request.test().err());
                    received = received.and_then(|request| request.test().err());
                    match started.elapsed() < PATIENCE {
                        true => thread::yield_now(),
                        false => thread::sleep(NAP),
                    }
                }
            });
        }
    }

    fn bytes_sent(&self) -> u64 {
        self.bytes_sent.get()
    }

    fn abort(&self, exit_code: i32) {
        self.world.abort(exit_code)
    }

    fn finish(&self) {
        self.is_finished.set(true);
    }
}

impl Drop for Mpi {
    /// The end of MPI waits for all processes, which wait for this one if it has failed, or panics.
    fn drop(&mut self) {
        if self.size() > 1 && (thread::panicking() || !self.is_finished.get()) {
            self.abort(101);
        }
    }
}

impl fmt::Debug for Mpi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mpi").field("rank", &self.rank()).field("size", &self.size()).finish_non_exhaustive()
    }
}
