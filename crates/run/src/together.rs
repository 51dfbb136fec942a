//! What processes that train together tell one another before they begin.

use std::cell::Cell;

use attentive_bundle::{DataRecord, Processor};
use attentive_collective::{Collective, CollectiveError, any, broadcast, first_failure, gather};
use attentive_data::sha256_of;
use attentive_task::{Error, Result, with_causes};
use attentive_trainer::TrainError;

use crate::recipe::is_data_file;

/// `outcome`, unless another process has failed: then what that one says.
pub(crate) fn together<T>(peers: &dyn Collective, outcome: Result<T>) -> Result<T> {
    if peers.size() == 1 {
        return outcome;
    }
    let problem = outcome.as_ref().err().map(|error| with_causes(error));
    match first_failure(peers, problem.as_deref()).map_err(ended)? {
        Some((rank, problem)) if outcome.is_ok() => refuse!("process {rank} of {}: {problem}", peers.size()),
        _ => outcome,
    }
}

/// The text of the first process.
pub(crate) fn text_of_first(peers: &dyn Collective, mine: String) -> Result<String> {
    let text = broadcast(peers, mine.into_bytes()).map_err(ended)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Whether the first process says so.
pub(crate) fn first_says(peers: &dyn Collective, mine: bool) -> Result<bool> {
    any(peers, mine && peers.rank() == 0).map_err(ended)
}

/// Something that all processes must have, and its value or hash.
pub(crate) type Fact = (String, String);

/// Refuses to begin, in every process, if one has something else than the first.
pub(crate) fn same(peers: &dyn Collective, mine: &[Fact]) -> Result<()> {
    let lines: String = mine.iter().map(|(what, value)| format!("{what}\t{value}\n")).collect();
    let all = gather(peers, lines.as_bytes()).map_err(ended)?;
    let facts: Vec<Vec<(&str, &str)>> = all.iter().map(|lines| facts(lines)).collect();
    for (rank, theirs) in facts.iter().enumerate() {
        let process = format!("process {rank} of {}", peers.size());
        if theirs.len() != facts[0].len() {
            let [found, expected] = [theirs, &facts[0]].map(Vec::len);
            refuse!("{process} begins with {found} things, and process 0 with {expected}: give all the same files");
        }
        let differs = facts[0].iter().zip(theirs).find(|((_, first), (_, other))| first != other);
        if let Some(((what, first), (_, other))) = differs {
            refuse!("{process} has another {what} than process 0 ({other}, not {first}): give all processes the same");
        }
    }
    Ok(())
}

fn facts(lines: &[u8]) -> Vec<(&str, &str)> {
    let text = str::from_utf8(lines).unwrap_or_default();
    text.lines().filter_map(|line| line.split_once('\t')).collect()
}

/// What all must run before they can tell one another more.
pub(crate) fn version() -> Fact {
    ("version of attentive".to_owned(), env!("CARGO_PKG_VERSION").to_owned())
}

/// The settings of a recipe, each by its line; files of data may be elsewhere, and are held against one another by their
/// hashes.
pub(crate) fn of_recipe(toml: &str) -> Vec<Fact> {
    let mut table = String::new();
    let mut facts = Vec::new();
    for line in toml.lines().filter(|line| !line.is_empty()) {
        match line.split_once(" = ") {
            Some((key, _)) if is_data_file(&format!("{table}{key}")) => {}
            Some((key, value)) => facts.push((format!("setting {table}{key}"), value.to_owned())),
            None => table = line.trim_matches(['[', ']']).to_owned() + ".",
        }
    }
    facts
}

/// The data of a run, and what reads it, by their hashes.
pub(crate) fn of_data(data: &[DataRecord], processor: &Processor) -> Vec<Fact> {
    let files =
        data.iter().map(|file| (format!("{} data in {}", file.split, file.name), format!("SHA-256 {}", file.sha256)));
    let tokenizer = processor.tokenizer().and_then(|tokenizer| serde_json::to_string(&tokenizer.to_model()?).ok());
    let tokenizer = tokenizer.map(|text| ("tokenizer".to_owned(), format!("SHA-256 {}", sha256_of([text]))));
    files.chain(tokenizer).collect()
}

/// What is to be said where processes use other instructions than the first one, each named by a text.
pub(crate) fn other_instructions(peers: &dyn Collective, mine: &str) -> Result<Option<String>> {
    let all = gather(peers, mine.as_bytes()).map_err(ended)?;
    let other = all.iter().position(|theirs| *theirs != all[0]);
    let name = |rank: usize| String::from_utf8_lossy(&all[rank]);
    Ok(other.map(|rank| {
        let (first, other) = (name(0), name(rank));
        format!(
            "note: process 0 uses {first}, and process {rank} {other}: weights are the same in all processes, but not those \
             of one alone; for them, start all with ATTENTIVE_SIMD={other}"
        )
    }))
}

/// A process has ended.
pub(crate) fn ended(error: CollectiveError) -> Error {
    TrainError::from(error).into()
}

/// The order in which processes prepare: the first one before the others, which find its tokens; and all are told where one
/// fails.
pub(crate) struct Preparing<'a> {
    peers: &'a dyn Collective,
    /// Times that all have met: after the first has prepared, and after the others have.
    n_met: Cell<usize>,
}

impl<'a> Preparing<'a> {
    pub(crate) fn new(peers: &'a dyn Collective) -> Self {
        Self { peers, n_met: Cell::new(0) }
    }

    /// Waits until the first process has prepared.
    pub(crate) fn wait(&self) -> Result<()> {
        if self.peers.rank() == 0 { Ok(()) } else { self.meet(Ok(())) }
    }

    /// This process has prepared; waits for the others.
    pub(crate) fn done(&self) -> Result<()> {
        while self.n_met.get() < 2 {
            self.meet(Ok(()))?;
        }
        Ok(())
    }

    /// `error`, of which the others hear, unless all are past that.
    pub(crate) fn failed(&self, error: Error) -> Error {
        if self.n_met.get() == 2 {
            return error;
        }
        self.meet(Err(error)).expect_err("this process has failed")
    }

    fn meet(&self, outcome: Result<()>) -> Result<()> {
        let outcome = together(self.peers, outcome);
        // After a failure nobody comes to the next one.
        self.n_met.set(if outcome.is_ok() { self.n_met.get() + 1 } else { 2 });
        outcome
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use attentive_collective::Threads;

    use super::*;

    /// What each of some peers says of its facts.
    fn outcomes(facts: &[&[(&str, &str)]]) -> Vec<Option<String>> {
        thread::scope(|scope| {
            let peers = Threads::new(facts.len()).into_iter().zip(facts);
            let threads = peers.map(|(peer, facts)| {
                let facts: Vec<Fact> = facts.iter().map(|&(what, value)| (what.into(), value.into())).collect();
                scope.spawn(move || same(&peer, &facts).err().map(|error| error.to_string()))
            });
            threads.collect::<Vec<_>>().into_iter().map(|thread| thread.join().unwrap()).collect()
        })
    }

    #[test]
    fn a_process_with_another_file_is_named_to_all() {
        let (a, b) = (("train data in a.txt", "SHA-256 12"), ("tokenizer", "SHA-256 34"));
        assert_eq!(outcomes(&[&[a, b], &[a, b], &[a, b]]), [None, None, None]);
        let said = outcomes(&[&[a, b], &[a, b], &[("train data in b.txt", "SHA-256 13"), b]]);
        let expected = "process 2 of 3 has another train data in a.txt than process 0 (SHA-256 13, not SHA-256 12): give all \
                        processes the same";
        assert!(said.iter().all(|said| said.as_deref() == Some(expected)), "{said:?}");
        assert!(outcomes(&[&[a, b], &[a]]).iter().all(Option::is_some));
    }

    #[test]
    fn a_recipe_is_its_settings() {
        let toml =
            "name = \"run\"\n\n[data.train]\ntsv = \"/a\"\n[training]\nsteps = 3\n[training.divergence]\nmax_bad = 2\n";
        let facts = of_recipe(toml);
        let keys: Vec<&str> = facts.iter().map(|(key, _)| &**key).collect();
        assert_eq!(keys, ["setting name", "setting training.steps", "setting training.divergence.max_bad"]);
    }

    #[test]
    fn all_hear_of_the_one_that_can_not_prepare() {
        for failing in [0, 2] {
            let said: Vec<String> = thread::scope(|scope| {
                let threads = Threads::new(3).into_iter().map(|peer| {
                    scope.spawn(move || {
                        let preparing = Preparing::new(&peer);
                        let prepared = preparing.wait().and_then(|()| match peer.rank() == failing {
                            true => Err(Error::Refused("no file".into())),
                            false => preparing.done(),
                        });
                        prepared.map_err(|error| preparing.failed(error)).unwrap_err().to_string()
                    })
                });
                threads.collect::<Vec<_>>().into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            for (rank, said) in said.iter().enumerate() {
                let whose = if rank == failing { String::new() } else { format!("process {failing} of 3: ") };
                assert_eq!(*said, format!("{whose}no file"));
            }
        }
    }
}
