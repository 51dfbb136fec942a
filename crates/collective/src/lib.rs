//! Sums and copies among processes.
//!
//! A sum of floating-point numbers depends on the order of its additions. Here it is a balanced binary tree over all parts in
//! their order ([`BalancedSum`]); each process adds up a contiguous part of them ([`share`]), which is a node of that tree
//! where the number of processes is a power of two, and [`reduce_scatter`] adds the nodes above. So 1, 2, 4 and 8 processes
//! get the same bits, and any other number gets its own bits again.
//!
//! ```
//! use attentive_collective::{BalancedSum, share};
//!
//! let parts = [0.1_f32, 0.2, 0.3, 0.4, 0.5, 0.6];
//! let sum = |parts: &[f32]| {
//!     let mut sum = BalancedSum::new(parts.len() as u64, |a, b| a + b);
//!     parts.iter().for_each(|&part| sum.add(part));
//!     sum.finish().unwrap()
//! };
//! let [first, second] = [0, 1].map(|rank| sum(&parts[share(parts.len(), rank, 2)]));
//! assert_eq!(first + second, sum(&parts));
//! ```

mod collective;
mod exchange;
mod message;
#[cfg(feature = "mpi")]
mod mpi;
mod reduce;
mod threads;
mod tree;

pub use collective::{Alone, Collective, CollectiveError};
pub use exchange::Exchange;
pub use message::{any, broadcast, broadcast_to, collect, first_failure, gather, gather_equal, receive, send};
#[cfg(feature = "mpi")]
pub use mpi::Mpi;
pub use reduce::{all_gather, piece_of, reduce_scatter, reduce_scatter_as};
pub use threads::Threads;
pub use tree::{BalancedSum, share};
