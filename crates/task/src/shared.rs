//! Work that processes share.

use std::array;

use attentive_collective::{Collective, CollectiveError, first_failure, gather};
use attentive_core::Epochs;
use attentive_trainer::TrainError;
use serde::{Serialize, de::DeserializeOwned};

use crate::{Context, Error, Result, with_causes};

/// What is being done where words between processes are made or read.
pub(crate) const TOLD: &str = "what processes tell one another";

/// What another process has written.
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).context(TOLD)
}

/// `outcome`, unless another process has failed: then what that one says. Every process calls it.
///
/// # Errors
/// Those of any process; a process has ended.
pub fn together<T>(peers: &dyn Collective, outcome: Result<T>) -> Result<T> {
    if peers.size() == 1 {
        return outcome;
    }
    let problem = outcome.as_ref().err().map(|error| with_causes(error));
    match first_failure(peers, problem.as_deref()).map_err(ended)? {
        Some((rank, problem)) if outcome.is_ok() => refuse!("process {rank} of {}: {problem}", peers.size()),
        _ => outcome,
    }
}

/// The error of a process that has ended.
pub fn ended(error: CollectiveError) -> Error {
    TrainError::from(error).into()
}

/// What comes of things `0..n`, in their order: each process does every `size`th of them, and all get all. Every process calls
/// it.
///
/// Numbers travel as text: give bits of what is not an integer.
///
/// # Errors
/// Those of `work` in any process; a process has ended.
pub(crate) fn shared<T: Serialize + DeserializeOwned>(
    peers: &dyn Collective,
    n: usize,
    work: impl FnOnce(Vec<usize>) -> Result<Vec<T>>,
) -> Result<Vec<T>> {
    let (rank, size) = (peers.rank(), peers.size());
    let ours = work((rank..n).step_by(size).collect());
    if size == 1 {
        return ours;
    }
    let ours = ours.and_then(|ours| serde_json::to_vec(&ours).context(TOLD));
    let of_all = gather(peers, &together(peers, ours)?).map_err(ended)?;
    let theirs = |bytes: &Vec<u8>| Ok(read::<Vec<T>>(bytes)?.into_iter());
    let mut of_all = of_all.iter().map(theirs).collect::<Result<Vec<_>>>()?;
    let all = (0..n).map(|idx| of_all[idx % size].next()).collect::<Option<Vec<T>>>();
    all.context("processes have shared other work than one another: give all the same data")
}

/// What `of` makes of each batch of the first epoch, in their order; as [`shared`].
///
/// # Errors
/// Those of the batches and of `of`, in any process; a process has ended.
pub(crate) fn of_batches<E, T>(
    peers: &dyn Collective,
    batches: &E,
    mut of: impl FnMut(E::Batch) -> Result<T>,
) -> Result<Vec<T>>
where
    E: Epochs<Error: Into<Error>>,
    T: Serialize + DeserializeOwned,
{
    let order = batches.lay_out(0).map_err(Into::<Error>::into)?;
    let mut one = |idx: usize| -> Result<T> { of(batches.batch(&order, idx as u64).map_err(Into::<Error>::into)?) };
    shared(peers, batches.len(&order) as usize, |ours| ours.into_iter().map(&mut one).collect())
}

/// The sums of what `of` tells of each batch in numbers, added in the order of batches: the same bits for any number of
/// processes.
///
/// # Errors
/// As [`of_batches`].
pub(crate) fn sums<E, const N: usize>(
    peers: &dyn Collective,
    batches: &E,
    mut of: impl FnMut(E::Batch) -> Result<[f64; N]>,
) -> Result<[f64; N]>
where
    E: Epochs<Error: Into<Error>>,
{
    let told = of_batches(peers, batches, |batch| Ok(of(batch)?.map(f64::to_bits).to_vec()))?;
    Ok(told.iter().fold([0.0; N], |sums, of_batch| array::from_fn(|idx| sums[idx] + f64::from_bits(of_batch[idx]))))
}

#[cfg(test)]
mod tests {
    use attentive_collective::Threads;

    use super::*;

    #[test]
    fn things_are_done_once_and_come_in_their_order() {
        for (size, n) in [(1, 3), (2, 0), (2, 5), (3, 2), (4, 8), (5, 13)] {
            let done = Threads::each(size, |peer| {
                let one = |idx| format!("{idx} by\n\"{}\"", peer.rank());
                shared(&peer, n, |ours| Ok(ours.into_iter().map(one).collect())).unwrap()
            });
            let expected: Vec<String> = (0..n).map(|idx| format!("{idx} by\n\"{}\"", idx % size)).collect();
            assert!(done.iter().all(|done| *done == expected), "{size} processes: {done:?}");
        }
    }

    #[test]
    fn all_hear_what_one_can_not_do() {
        let said = Threads::each(3, |peer| {
            let done = shared::<u32>(&peer, 6, |ours| match peer.rank() {
                1 => refuse!("no room"),
                _ => Ok(vec![0; ours.len()]),
            });
            done.unwrap_err().to_string()
        });
        assert_eq!(said, ["process 1 of 3: no room", "no room", "process 1 of 3: no room"]);
    }
}
