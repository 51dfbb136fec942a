//! Sums of vectors, and the pieces of a vector put together.

use std::ops::Range;

use bytemuck::Pod;

use crate::{BalancedSum, Collective, CollectiveError, Exchange, exchange::Parcel};

/// Values that are sent, and added, at once: they stay in a core's cache between the two.
const BLOCK: usize = 1 << 18;

/// The piece of a vector that process `rank` of `size` gets: where recursive halving leaves it.
pub fn piece_of(rank: usize, size: usize) -> usize {
    match size {
        // The first exchange, with the neighbour, decides about the half: ranks are read backwards.
        2.. if size.is_power_of_two() => rank.reverse_bits() >> (usize::BITS - size.ilog2()),
        _ => rank,
    }
}

/// Leaves the sum over all processes in this process's piece of `values`, `cuts[p]..cuts[p + 1]` with
/// `p = piece_of(rank, size)`, which it returns; the rest has no meaning then.
///
/// The sum is a balanced tree over the ranks, halved again and again, that of [`BalancedSum`]. A power of two of processes
/// does it by recursive halving (Rabenseifner 2004), the neighbour first; other numbers send each piece to whoever it falls
/// to, who adds them up. Either way a process sends all of the vector but its own piece.
///
/// # Errors
/// [`CollectiveError`] if a process has ended.
///
/// # Panics
/// If `cuts` are not `size + 1` ascending places from 0 to the end of `values`.
pub fn reduce_scatter(
    peers: &dyn Collective,
    values: &mut [f32],
    cuts: &[usize],
) -> Result<Range<usize>, CollectiveError> {
    reduce_scatter_as(Exchange::F32, peers, values, cuts)
}

/// As [`reduce_scatter`], of terms that travel in a format: a process adds those of others, as they arrive, to its own, which it
/// has not rounded.
///
/// # Errors
/// [`CollectiveError`] if a process has ended.
///
/// # Panics
/// As [`reduce_scatter`].
pub fn reduce_scatter_as(
    format: Exchange,
    peers: &dyn Collective,
    values: &mut [f32],
    cuts: &[usize],
) -> Result<Range<usize>, CollectiveError> {
    let (rank, size) = (peers.rank(), peers.size());
    check(values.len(), cuts, size);
    let own = piece(cuts, piece_of(rank, size));
    if !size.is_power_of_two() {
        let sum = pairwise_sum(format, peers, values, cuts)?;
        values[own.clone()].copy_from_slice(&sum);
        return Ok(own);
    }
    let (mut pieces, mut distance) = (0..size, 1);
    while distance < size {
        let middle = pieces.start + pieces.len() / 2;
        let both = &mut values[cuts[pieces.start]..cuts[pieces.end]];
        let (low, high) = both.split_at_mut(cuts[middle] - cuts[pieces.start]);
        let is_low = rank & distance == 0;
        let (kept, given) = if is_low { (low, high) } else { (high, low) };
        give_and_add(format, peers, rank ^ distance, given, kept)?;
        pieces = if is_low { pieces.start..middle } else { middle..pieces.end };
        distance *= 2;
    }
    Ok(own)
}

/// Gives `given` to a partner and adds what it gives to `kept`.
fn give_and_add(
    format: Exchange,
    peers: &dyn Collective,
    partner: usize,
    given: &[f32],
    kept: &mut [f32],
) -> Result<(), CollectiveError> {
    let (mut buffer, mut parcel) = (vec![0.0; kept.len().min(BLOCK)], Parcel::default());
    let (mut given, mut kept) = (given.chunks(BLOCK), kept.chunks_mut(BLOCK));
    loop {
        let (send, keep) = (given.next(), kept.next());
        if send.is_none() && keep.is_none() {
            return Ok(());
        }
        let (send, keep) = (send.unwrap_or_default(), keep.unwrap_or_default());
        let theirs = &mut buffer[..keep.len()];
        parcel.exchange(peers, format, (partner, send), (partner, theirs))?;
        keep.iter_mut().zip(&*theirs).for_each(|(mine, theirs)| *mine += theirs);
    }
}

/// This process's piece of the sum, for any number of processes.
fn pairwise_sum(
    format: Exchange,
    peers: &dyn Collective,
    values: &[f32],
    cuts: &[usize],
) -> Result<Vec<f32>, CollectiveError> {
    let (rank, size) = (peers.rank(), peers.size());
    let (own, mut parcel) = (piece(cuts, rank), Parcel::default());
    let mut parts = vec![Vec::new(); size];
    parts[rank] = values[own.clone()].to_vec();
    for distance in 1..size {
        let (to, from) = ((rank + distance) % size, (rank + size - distance) % size);
        parts[from] = vec![0.0; own.len()];
        parcel.exchange(peers, format, (to, &values[piece(cuts, to)]), (from, &mut parts[from]))?;
    }
    let mut sum = BalancedSum::new(size as u64, |mut left: Vec<f32>, right: Vec<f32>| {
        left.iter_mut().zip(right).for_each(|(left, right)| *left += right);
        left
    });
    parts.into_iter().for_each(|part| sum.add(part));
    Ok(sum.finish().expect("at least one process"))
}

/// Fills `values` from the pieces that processes hold: after it all of them have all of it.
///
/// A power of two of processes does it by recursive doubling, other numbers by sending their piece to each.
///
/// # Errors
/// [`CollectiveError`] if a process has ended.
///
/// # Panics
/// As [`reduce_scatter`].
pub fn all_gather<T: Pod>(peers: &dyn Collective, values: &mut [T], cuts: &[usize]) -> Result<(), CollectiveError> {
    let (rank, size) = (peers.rank(), peers.size());
    check(values.len(), cuts, size);
    let own = piece_of(rank, size);
    if !size.is_power_of_two() {
        for distance in 1..size {
            let (to, from) = ((rank + distance) % size, (rank + size - distance) % size);
            swap(peers, values, [(to, piece(cuts, own)), (from, piece(cuts, from))])?;
        }
        return Ok(());
    }
    let mut n_held = 1;
    while n_held < size {
        let partner = rank ^ (size / 2 / n_held);
        // The pieces that are held, and those of the partner beside them.
        let first = own & !(n_held - 1);
        let pieces = |first: usize| cuts[first]..cuts[first + n_held];
        swap(peers, values, [(partner, pieces(first)), (partner, pieces(first ^ n_held))])?;
        n_held *= 2;
    }
    Ok(())
}

/// Sends one range of `values` to a process and receives another, which does not overlap it, from one.
fn swap<T: Pod>(
    peers: &dyn Collective,
    values: &mut [T],
    [(to, send), (from, receive)]: [(usize, Range<usize>); 2],
) -> Result<(), CollectiveError> {
    let sends_lower = send.end <= receive.start;
    let (low, high) = values.split_at_mut(if sends_lower { receive.start } else { send.start });
    let (sent, received) = match sends_lower {
        true => (&low[send], &mut high[..receive.len()]),
        false => (&high[..send.len()], &mut low[receive]),
    };
    peers.exchange(to, bytemuck::cast_slice(sent), from, bytemuck::cast_slice_mut(received))
}

fn piece(cuts: &[usize], piece: usize) -> Range<usize> {
    cuts[piece]..cuts[piece + 1]
}

fn check(n_values: usize, cuts: &[usize], size: usize) {
    let is_right = cuts.len() == size + 1 && cuts[0] == 0 && cuts[size] == n_values && cuts.is_sorted();
    assert!(is_right, "{cuts:?} does not cut {n_values} values for {size} processes");
}
