//! Small messages that all processes send or receive.

use bytemuck::{Pod, Zeroable};

use crate::{Collective, CollectiveError, all_gather, piece_of};

/// The bytes of every process, in the order of ranks.
///
/// # Errors
/// [`CollectiveError`] if a process has ended.
pub fn gather(peers: &dyn Collective, mine: &[u8]) -> Result<Vec<Vec<u8>>, CollectiveError> {
    let lengths: Vec<usize> = gather_equal(peers, &[mine.len() as u64])?.concat().iter().map(|&n| n as usize).collect();
    let of_piece = |piece| lengths[piece_of(piece, peers.size())];
    gather_lengths(peers, mine, of_piece)
}

/// As [`gather`], of values whose number is the same in every process: one message less.
///
/// # Errors
/// [`CollectiveError`] if a process has ended.
pub fn gather_equal<T: Pod>(peers: &dyn Collective, mine: &[T]) -> Result<Vec<Vec<T>>, CollectiveError> {
    gather_lengths(peers, mine, |_| mine.len())
}

/// The values of every process, whose numbers are known by piece.
fn gather_lengths<T: Pod>(
    peers: &dyn Collective,
    mine: &[T],
    length: impl Fn(usize) -> usize,
) -> Result<Vec<Vec<T>>, CollectiveError> {
    let size = peers.size();
    let mut cuts = vec![0];
    (0..size).for_each(|piece| cuts.push(cuts[piece] + length(piece)));
    let piece = |rank: usize| cuts[piece_of(rank, size)]..cuts[piece_of(rank, size) + 1];
    let mut all = vec![Zeroable::zeroed(); cuts[size]];
    all[piece(peers.rank())].copy_from_slice(mine);
    all_gather(peers, &mut all, &cuts)?;
    Ok((0..size).map(|rank| all[piece(rank)].to_vec()).collect())
}

/// Whether any process says so.
///
/// # Errors
/// [`CollectiveError`] if a process has ended.
pub fn any(peers: &dyn Collective, mine: bool) -> Result<bool, CollectiveError> {
    Ok(gather_equal(peers, &[u8::from(mine)])?.contains(&vec![1]))
}

/// The first process, by rank, that has failed, and what it says; every process calls it, also those that have not.
///
/// # Errors
/// [`CollectiveError`] if a process has ended.
pub fn first_failure(
    peers: &dyn Collective,
    problem: Option<&str>,
) -> Result<Option<(usize, String)>, CollectiveError> {
    if !any(peers, problem.is_some())? {
        return Ok(None);
    }
    // A mark before the text tells no problem from one without words.
    let mine = problem.map(|problem| format!("!{problem}")).unwrap_or_default();
    let texts = gather(peers, mine.as_bytes())?.into_iter().enumerate();
    let mut failures = texts.filter(|(_, text)| !text.is_empty());
    Ok(failures.next().map(|(rank, text)| (rank, String::from_utf8_lossy(&text[1..]).into_owned())))
}

/// The bytes of process 0; those of the others are not looked at.
///
/// # Errors
/// [`CollectiveError`] if a process has ended.
pub fn broadcast(peers: &dyn Collective, mine: Vec<u8>) -> Result<Vec<u8>, CollectiveError> {
    let mut length = [mine.len() as u64];
    broadcast_to(peers, &mut length)?;
    let mut bytes = mine;
    bytes.resize(length[0] as usize, 0);
    broadcast_to(peers, &mut bytes)?;
    Ok(bytes)
}

/// As [`broadcast`], into values whose number all know: process 0 tells one, both tell one each, and so on.
///
/// # Errors
/// [`CollectiveError`] if a process has ended.
pub fn broadcast_to<T: Pod>(peers: &dyn Collective, values: &mut [T]) -> Result<(), CollectiveError> {
    let (rank, size) = (peers.rank(), peers.size());
    let bytes: &mut [u8] = bytemuck::cast_slice_mut(values);
    let mut n_told = 1;
    while n_told < size {
        if rank < n_told && rank + n_told < size {
            peers.exchange(rank + n_told, bytes, rank + n_told, &mut [])?;
        } else if (n_told..2 * n_told).contains(&rank) {
            peers.exchange(rank - n_told, &[], rank - n_told, bytes)?;
        }
        n_told *= 2;
    }
    Ok(())
}

/// The bytes of every process, in the order of ranks, for process 0; nothing for the others.
///
/// # Errors
/// [`CollectiveError`] if a process has ended.
pub fn collect(peers: &dyn Collective, mine: Vec<u8>) -> Result<Vec<Vec<u8>>, CollectiveError> {
    if peers.rank() > 0 {
        send(peers, 0, &mine)?;
        return Ok(Vec::new());
    }
    let mut all = vec![mine];
    for rank in 1..peers.size() {
        all.push(receive(peers, rank)?);
    }
    Ok(all)
}

/// Sends bytes to another process, which [receives](receive) them.
///
/// # Errors
/// [`CollectiveError`] if it has ended.
pub fn send(peers: &dyn Collective, to: usize, bytes: &[u8]) -> Result<(), CollectiveError> {
    peers.exchange(to, &(bytes.len() as u64).to_le_bytes(), to, &mut [])?;
    peers.exchange(to, bytes, to, &mut [])
}

/// The bytes that another process [sends](send) to this one.
///
/// # Errors
/// [`CollectiveError`] if it has ended.
pub fn receive(peers: &dyn Collective, from: usize) -> Result<Vec<u8>, CollectiveError> {
    let mut length = [0; 8];
    peers.exchange(from, &[], from, &mut length)?;
    let mut bytes = vec![0; u64::from_le_bytes(length) as usize];
    peers.exchange(from, &[], from, &mut bytes)?;
    Ok(bytes)
}
