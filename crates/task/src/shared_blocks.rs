//! Input that processes share, block by block.

use attentive_collective::{Collective, broadcast, gather};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Context, Error, Result, ended,
    shared::{TOLD, read},
    together, with_causes,
};

/// What the first process makes, for all; each of them calls it.
///
/// # Errors
/// Those of `make`; a process has ended.
pub fn of_first<T: Serialize + DeserializeOwned>(
    peers: &dyn Collective,
    make: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let made = if peers.rank() == 0 { make().map(Some) } else { Ok(None) };
    let made = together(peers, made)?;
    match made {
        Some(made) if peers.size() == 1 => Ok(made),
        made => told(peers, made.as_ref()),
    }
}

/// Works on blocks one after another, of which each process takes one at a time, and has the first one write what was made of
/// them, in their order; each calls it. Only the first one's `blocks` are read, and a block is what it is for one process.
///
/// `work` may stop within a block, with what it made before and the reason, which ends the whole.
///
/// # Errors
/// Those of the blocks, of `work` in any process and of `write`; what `work` stopped for; a process has ended.
pub fn share_blocks<B, T, E>(
    peers: &dyn Collective,
    mut blocks: impl Iterator<Item = Result<B>>,
    mut work: impl FnMut(&B) -> Result<(T, Option<Error>)>,
    mut write: impl FnMut(T) -> Result<(), E>,
) -> Result<(), E>
where
    B: Serialize + DeserializeOwned,
    T: Serialize + DeserializeOwned,
    E: From<Error>,
{
    let (rank, size) = (peers.rank(), peers.size());
    if size == 1 {
        for block in blocks {
            let (made, stopped) = work(&block?)?;
            write(made)?;
            if let Some(stopped) = stopped {
                return Err(stopped.into());
            }
        }
        return Ok(());
    }
    let mut unread = Ok(());
    loop {
        let mut round = Vec::new();
        while rank == 0 && unread.is_ok() && round.len() < size {
            match blocks.next() {
                Some(Ok(block)) => round.push(block),
                Some(Err(error)) => unread = Err(error),
                None => break,
            }
        }
        let round: Vec<B> = told(peers, (rank == 0).then_some(&round))?;
        if round.is_empty() {
            return Ok(together(peers, unread)?);
        }
        let (made, stopped) = match round.get(rank).map(&mut work) {
            Some(Ok((made, stopped))) => (Some(made), stopped),
            Some(Err(error)) => (None, Some(error)),
            None => (None, None),
        };
        let mine = (made, stopped.as_ref().map(|error| with_causes(error)));
        let mine = serde_json::to_vec(&mine).context(TOLD)?;
        for bytes in gather(peers, &mine).map_err(ended)? {
            let (made, problem) = read::<(Option<T>, Option<String>)>(&bytes)?;
            if let Some(made) = made.filter(|_| rank == 0) {
                write(made)?;
            }
            // Said as it is for one process: it names the place in the input.
            if let Some(problem) = problem {
                return Err(Error::Refused(problem).into());
            }
        }
    }
}

/// What the first process tells all.
fn told<T: DeserializeOwned>(peers: &dyn Collective, mine: Option<&impl Serialize>) -> Result<T> {
    let bytes = mine.map(serde_json::to_vec).transpose().context(TOLD)?;
    read(&broadcast(peers, bytes.unwrap_or_default()).map_err(ended)?)
}

#[cfg(test)]
mod tests {
    use attentive_collective::Threads;

    use super::*;

    /// What each of `size` processes, here threads, writes of blocks, and the error that ends it.
    fn written(size: usize, blocks: &[Result<&str, &str>]) -> Vec<(String, Option<String>)> {
        Threads::each(size, |peer| {
            let mut text = String::new();
            let blocks = blocks.iter().map(|block| match block {
                _ if peer.rank() > 0 => refuse!("another process's input"),
                Ok(block) => Ok((*block).to_owned()),
                Err(problem) => refuse!("{problem}"),
            });
            let work = |block: &String| match block.split_once('!') {
                Some(("", problem)) => refuse!("{problem}"),
                Some((before, after)) => Ok((before.to_uppercase(), Some(Error::Refused(after.to_owned())))),
                None => Ok((block.to_uppercase(), None)),
            };
            let write = |made: String| -> Result<()> {
                text += &made;
                Ok(())
            };
            let done = share_blocks(&peer, blocks, work, write);
            (text, done.err().map(|error| error.to_string()))
        })
    }

    #[test]
    fn blocks_are_written_in_their_order_up_to_what_ends_them() {
        let all = [Ok("a"), Ok("b"), Ok("c"), Ok("d"), Ok("e")];
        let refused = [Ok("a"), Ok("b"), Ok("c!too long"), Ok("d"), Ok("e")];
        let failed = [Ok("a"), Ok("!no room"), Ok("c"), Ok("d"), Ok("e")];
        let unread = [Ok("a"), Ok("b"), Ok("c"), Err("no line"), Ok("e")];
        for size in 1..=6 {
            for (blocks, text, problem) in [
                (&all[..], "ABCDE", None),
                (&all[..0], "", None),
                (&refused[..], "ABC", Some("too long")),
                (&failed[..], "A", Some("no room")),
                (&unread[..], "ABC", Some("no line")),
            ] {
                let found = written(size, blocks);
                assert_eq!(found[0], (text.to_owned(), problem.map(str::to_owned)), "{size} processes: {blocks:?}");
                for (text, error) in &found[1..] {
                    let is_told = error.as_ref().zip(problem).is_some_and(|(error, problem)| error.contains(problem));
                    assert!(text.is_empty() && is_told == problem.is_some(), "{size} processes: {found:?}");
                }
            }
        }
    }

    #[test]
    fn what_the_first_one_reads_all_have() {
        for failing in [false, true] {
            let found = Threads::each(3, |peer| {
                let made = of_first(&peer, || match (peer.rank(), failing) {
                    (0, false) => Ok(vec!["a\n".to_owned(), String::new()]),
                    (rank, _) => refuse!("no file for {rank}"),
                });
                made.map_err(|error| error.to_string())
            });
            for (rank, found) in found.into_iter().enumerate() {
                let from = if rank > 0 { "process 0 of 3: " } else { "" };
                let expected = if failing {
                    Err(format!("{from}no file for 0"))
                } else {
                    Ok(vec!["a\n".to_owned(), String::new()])
                };
                assert_eq!(found, expected);
            }
        }
    }
}
