//! What processes do for one another.

use std::fmt;

/// One of several processes that work together, and its way to send bytes to the others.
///
/// All of them call the same functions of this crate in the same order.
pub trait Collective: fmt::Debug {
    /// Its number, from 0.
    fn rank(&self) -> usize;

    /// How many there are, at least 1.
    fn size(&self) -> usize;

    /// Sends bytes to one process and receives as many as `receive` holds from one, at the same time; an empty slice is
    /// not sent.
    ///
    /// The receiver asks for as many bytes as the sender sends.
    ///
    /// # Errors
    /// [`CollectiveError::Gone`] if one of the two has ended; a launcher of MPI ends this process too, instead.
    ///
    /// # Panics
    /// May panic if the sender sends another number of bytes.
    fn exchange(&self, to: usize, send: &[u8], from: usize, receive: &mut [u8]) -> Result<(), CollectiveError>;

    /// Bytes that it has sent since it began, headers of messages left out.
    fn bytes_sent(&self) -> u64;

    /// Ends all processes of the launcher at once, this one too, with an exit code. Nothing happens where there is no
    /// launcher: the others learn of it when this value is dropped.
    fn abort(&self, _exit_code: i32) {}

    /// Says that this process has no more to exchange, unless it calls [`exchange`](Self::exchange) again. A process of MPI
    /// that is dropped before it ends all others, which may wait for it.
    fn finish(&self) {}
}

/// Why processes can't go on together.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CollectiveError {
    /// A process has ended.
    #[error("process {rank} of {size}, counted from 0, has ended before the others")]
    Gone {
        /// The process.
        rank: usize,
        /// How many there were.
        size: usize,
    },
    /// The library of MPI can't be used.
    #[error("MPI: {problem}")]
    Mpi {
        /// What is wrong, and what to do.
        problem: String,
    },
}

/// A process without others.
#[derive(Debug, Clone, Copy, Default)]
pub struct Alone;

impl Collective for Alone {
    fn rank(&self) -> usize {
        0
    }

    fn size(&self) -> usize {
        1
    }

    fn exchange(&self, _: usize, send: &[u8], _: usize, receive: &mut [u8]) -> Result<(), CollectiveError> {
        receive.copy_from_slice(send);
        Ok(())
    }

    fn bytes_sent(&self) -> u64 {
        0
    }
}
