//! Peers in the threads of one process.

use std::{
    cell::Cell,
    panic::resume_unwind,
    sync::mpsc::{Receiver, Sender, channel},
    thread,
};

use crate::{Collective, CollectiveError};

/// A peer that lives in a thread: for tests of what is written for processes.
///
/// Dropping it ends it, as the end of a process would.
#[derive(Debug)]
pub struct Threads {
    rank: usize,
    /// To each peer.
    senders: Vec<Sender<Vec<u8>>>,
    /// From each peer.
    receivers: Vec<Receiver<Vec<u8>>>,
    bytes_sent: Cell<u64>,
}

impl Threads {
    /// `size` peers, in the order of their ranks, one for each thread.
    pub fn new(size: usize) -> Vec<Self> {
        let mut senders: Vec<Vec<_>> = (0..size).map(|_| Vec::new()).collect();
        let mut receivers: Vec<Vec<_>> = (0..size).map(|_| Vec::new()).collect();
        for sender in &mut senders {
            for receiver in &mut receivers {
                let (to, from) = channel();
                sender.push(to);
                receiver.push(from);
            }
        }
        let peers = senders.into_iter().zip(receivers).enumerate();
        peers.map(|(rank, (senders, receivers))| Self { rank, senders, receivers, bytes_sent: Cell::new(0) }).collect()
    }

    /// What each of `size` peers, a thread each, makes of `work`, in the order of their ranks.
    ///
    /// # Panics
    /// If `work` does.
    pub fn each<R: Send>(size: usize, work: impl Fn(Self) -> R + Sync) -> Vec<R> {
        thread::scope(|scope| {
            let work = &work;
            let threads = Self::new(size).into_iter().map(|peer| scope.spawn(move || work(peer)));
            let threads = threads.collect::<Vec<_>>().into_iter();
            threads.map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
        })
    }
}

impl Collective for Threads {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.senders.len()
    }

    fn exchange(&self, to: usize, send: &[u8], from: usize, receive: &mut [u8]) -> Result<(), CollectiveError> {
        let gone = |rank| CollectiveError::Gone { rank, size: self.size() };
        if !send.is_empty() {
            self.senders[to].send(send.to_vec()).map_err(|_| gone(to))?;
            self.bytes_sent.set(self.bytes_sent.get() + send.len() as u64);
        }
        if !receive.is_empty() {
            receive.copy_from_slice(&self.receivers[from].recv().map_err(|_| gone(from))?);
        }
        Ok(())
    }

    fn bytes_sent(&self) -> u64 {
        self.bytes_sent.get()
    }
}
