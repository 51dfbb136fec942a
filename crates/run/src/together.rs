//! What processes that train together tell one another before they begin.

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use attentive_bundle::{DataRecord, Processor};
use attentive_collective::{Collective, any, broadcast, gather, gather_equal};
use attentive_data::{DataError, EncodingPeers, sha256_of};
use attentive_task::{Error, Result, ended, together};

use crate::recipe::is_data_file;

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

/// Refuses to begin, in every process, if one has something else than the first. Facts are compared in their order: what one
/// is of may have another name elsewhere, as a file has.
pub(crate) fn same(peers: &dyn Collective, mine: &[Fact]) -> Result<()> {
    let all = facts_of_all(peers, mine)?;
    for (rank, theirs) in all.iter().enumerate() {
        let process = format!("process {rank} of {}", peers.size());
        if theirs.len() != all[0].len() {
            let [found, expected] = [theirs, &all[0]].map(Vec::len);
            refuse!("{process} begins with {found} things, and process 0 with {expected}: give all the same files");
        }
        let differs = all[0].iter().zip(theirs).find(|((_, first), (_, other))| first != other);
        if let Some(((what, first), (_, other))) = differs {
            refuse!("{process} has another {what} than process 0 ({other}, not {first}): give all processes the same");
        }
    }
    Ok(())
}

/// As [`same`], of facts that have the same names everywhere, and of which one may have some that another does not have.
pub(crate) fn same_by_name(peers: &dyn Collective, mine: &[Fact]) -> Result<()> {
    let all = facts_of_all(peers, mine)?;
    let all: Vec<BTreeMap<String, String>> = all.into_iter().map(BTreeMap::from_iter).collect();
    for (rank, theirs) in all.iter().enumerate() {
        let names: BTreeSet<&String> = all[0].keys().chain(theirs.keys()).collect();
        let values = |what: &String| (all[0].get(what), theirs.get(what));
        let Some(what) = names.into_iter().find(|what| values(what).0 != values(what).1) else { continue };
        let told = |value: Option<&String>| value.cloned().unwrap_or_else(|| "none".to_owned());
        let (first, other) = values(what);
        refuse!(
            "process {rank} of {} has another {what} than process 0 ({}, not {}): give all processes the same",
            peers.size(),
            told(other),
            told(first)
        );
    }
    Ok(())
}

fn facts_of_all(peers: &dyn Collective, mine: &[Fact]) -> Result<Vec<Vec<Fact>>> {
    let lines: String = mine.iter().map(|(what, value)| format!("{what}\t{value}\n")).collect();
    let all = gather(peers, lines.as_bytes()).map_err(ended)?;
    let fact = |line: &str| line.split_once('\t').map(|(what, value)| (what.to_owned(), value.to_owned()));
    Ok(all.iter().map(|lines| String::from_utf8_lossy(lines).lines().filter_map(fact).collect()).collect())
}

/// What all must run before they can tell one another more.
pub(crate) fn version() -> Fact {
    ("version of attentive".to_owned(), env!("CARGO_PKG_VERSION").to_owned())
}

/// The settings of a recipe; files of data may be elsewhere, and are held against one another by their hashes.
///
/// # Panics
/// If the recipe was not written by this program.
pub(crate) fn of_recipe(toml: &str) -> Vec<Fact> {
    let mut facts = Vec::new();
    add_settings("", &toml.parse().expect("a recipe that was written"), &mut facts);
    facts
}

/// The settings of a table, whose key with a full stop is `table`.
fn add_settings(table: &str, settings: &toml::Table, facts: &mut Vec<Fact>) {
    for (key, value) in settings {
        let key = format!("{table}{key}");
        match value {
            toml::Value::Table(settings) => add_settings(&format!("{key}."), settings, facts),
            toml::Value::Array(values) if !values.is_empty() && values.iter().all(toml::Value::is_table) => {
                let tables = values.iter().filter_map(toml::Value::as_table).enumerate();
                tables.for_each(|(idx, settings)| add_settings(&format!("{key}[{idx}]."), settings, facts));
            }
            value if is_data_file(&key, Some(value)) => {}
            // As JSON, every value is one line.
            value => facts.push((format!("setting {key}"), serde_json::to_string(value).expect("a value of TOML"))),
        }
    }
}

/// The data of a run, and what reads it, by their hashes.
pub(crate) fn of_data(data: &[DataRecord], processor: &Processor) -> Vec<Fact> {
    let files =
        data.iter().map(|file| (format!("{} data in {}", file.split, file.name), format!("SHA-256 {}", file.sha256)));
    let tokenizer = processor.tokenizer().and_then(|tokenizer| serde_json::to_string(&tokenizer.to_model()?).ok());
    let tokenizer = tokenizer.map(|text| ("tokenizer".to_owned(), format!("SHA-256 {}", sha256_of([text]))));
    files.chain(tokenizer).collect()
}

/// What a process computes on.
pub(crate) fn of_backend(name: &str) -> Fact {
    ("backend".to_owned(), name.to_owned())
}

/// What is to be said where processes use other instructions than the first one, each named by its place among all, from the
/// lowest up, and by a text.
pub(crate) fn other_instructions(peers: &dyn Collective, (place, name): (usize, &str)) -> Result<Option<String>> {
    let all = gather(peers, format!("{place} {name}").as_bytes()).map_err(ended)?;
    let level = |text: &Vec<u8>| {
        let text = String::from_utf8_lossy(text);
        let (place, name) = text.split_once(' ').unwrap_or_default();
        (place.parse::<usize>().unwrap_or(0), name.to_owned())
    };
    let levels: Vec<(usize, String)> = all.iter().map(level).collect();
    let other = levels.iter().position(|theirs| *theirs != levels[0]);
    Ok(other.zip(levels.iter().min()).map(|(rank, (_, lowest))| {
        let [first, other] = [0, rank].map(|rank| &levels[rank].1);
        format!(
            "process 0 uses {first}, and process {rank} {other}: weights are the same in all processes, but not those of one \
             alone; for them, start all with ATTENTIVE_SIMD={lowest}"
        )
    }))
}

/// Steps of preparing that all processes make together.
const TOKENS: u8 = 1;
const PREPARED: u8 = 2;

/// Processes that prepare at the same time, and encode texts together; all are told where one fails.
#[derive(Debug)]
pub(crate) struct Preparing {
    peers: Rc<dyn Collective>,
    /// Whether nobody is met any more: all have prepared, or one has failed.
    is_over: Cell<bool>,
}

impl Preparing {
    pub(crate) fn new(peers: Rc<dyn Collective>) -> Rc<Self> {
        Rc::new(Self { peers, is_over: Cell::new(false) })
    }

    /// This process has prepared; waits for the others.
    pub(crate) fn done(&self) -> Result<()> {
        self.meet(PREPARED, Ok(()))
    }

    /// `error`, of which the others hear, unless all are past that.
    pub(crate) fn failed(&self, error: Error) -> Error {
        if self.is_over.get() {
            return error;
        }
        self.meet(PREPARED, Err(error)).expect_err("this process has failed")
    }

    /// Meets the others, all of which make the same step unless one has failed.
    fn meet(&self, step: u8, outcome: Result<()>) -> Result<()> {
        let met = together(&*self.peers, outcome).and_then(|()| {
            let steps = gather_equal(&*self.peers, &[step]).map_err(ended)?;
            match steps.iter().position(|of_one| *of_one != steps[0]) {
                Some(rank) => refuse!(
                    "process {rank} of {} encodes other texts than process 0: give all the same files",
                    self.peers.size()
                ),
                None => Ok(()),
            }
        });
        self.is_over.set(met.is_err() || step == PREPARED);
        met
    }
}

impl EncodingPeers for Preparing {
    fn place(&self) -> (usize, usize) {
        (self.peers.rank(), self.peers.size())
    }

    fn gather(&self, mine: &[u8]) -> Result<Vec<Vec<u8>>, DataError> {
        let all = self.meet(TOKENS, Ok(())).and_then(|()| gather(&*self.peers, mine).map_err(ended));
        all.map_err(|error| DataError::Peer(Box::new(error)))
    }
}

#[cfg(test)]
mod tests {
    use attentive_collective::Threads;

    use super::*;

    /// What each of some peers says, of what it has.
    fn each<T: Sync, R: Send>(of_peers: &[T], say: impl Fn(&Threads, &T) -> R + Sync) -> Vec<R> {
        Threads::each(of_peers.len(), |peer| say(&peer, &of_peers[peer.rank()]))
    }

    /// What each of some peers says of its facts.
    fn outcomes(facts: &[&[(&str, &str)]]) -> Vec<Option<String>> {
        each(facts, |peer, facts| {
            let facts: Vec<Fact> = facts.iter().map(|&(what, value)| (what.into(), value.into())).collect();
            same(peer, &facts).err().map(|error| error.to_string())
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
        let moved = of_recipe("[preferences]\ntrain = \"/a\"\n[data]\ntrain = [\"/b\", \"/c\"]\nexamples = 3\n");
        assert_eq!(moved, [("setting data.examples".to_owned(), "3".to_owned())]);
        let keys: BTreeSet<&str> = facts.iter().map(|(key, _)| &**key).collect();
        assert_eq!(keys, ["setting name", "setting training.divergence.max_bad", "setting training.steps"].into());
    }

    /// A string of two lines is one setting, and a setting that one process has alone is named.
    #[test]
    fn settings_are_compared_by_name() {
        let [plain, lines, hidden] = ["", "note = \"\"\"\na\nb\"\"\"\n", "[objective]\nhidden = 0.5\n"]
            .map(|more| of_recipe(&format!("name = \"run\"\nsteps = 3\n{more}")));
        assert_eq!(lines.len(), plain.len() + 1);
        let say = |peer: &Threads, facts: &Vec<Fact>| same_by_name(peer, facts).err().map(|error| error.to_string());
        assert_eq!(each(&[lines.clone(), lines], say), [None, None]);
        let expected = "process 1 of 2 has another setting objective.hidden than process 0 (0.5, not none): give all processes \
                        the same";
        assert_eq!(each(&[plain.clone(), hidden.clone()], say), [Some(expected.to_owned()), Some(expected.to_owned())]);
        assert!(each(&[hidden, plain], say).iter().flatten().all(|said| said.contains("(none, not 0.5)")));
    }

    #[test]
    fn the_instructions_that_all_have_are_advised() {
        let levels = [(1, "avx2"), (2, "avx512"), (0, "portable")];
        let said = each(&levels, |peer, &level| other_instructions(peer, level).unwrap().unwrap());
        assert!(said.iter().all(|said| said.ends_with("ATTENTIVE_SIMD=portable")), "{said:?}");
        let said = each(&[levels[0]; 2], |peer, &level| other_instructions(peer, level).unwrap());
        assert_eq!(said, [None, None]);
    }

    /// What each of some processes says that encode `n` texts each, but for the one of that number, which fails after them.
    fn prepared(n: &[usize], failing: usize) -> Vec<String> {
        Threads::each(n.len(), |peer| {
            let rank = peer.rank();
            let preparing = Preparing::new(Rc::new(peer));
            let encoded = (0..n[rank]).try_for_each(|text| -> Result<(), DataError> {
                let all = preparing.gather(&[rank as u8; 3][..text])?;
                assert!((0..all.len()).all(|rank| all[rank] == [rank as u8; 3][..text]), "{all:?}");
                Ok(())
            });
            let prepared = encoded.map_err(Error::Data).and_then(|()| match rank == failing {
                true => Err(Error::Refused("no file".into())),
                false => preparing.done(),
            });
            prepared.map_err(|error| preparing.failed(error)).unwrap_err().to_string()
        })
    }

    /// Before the others, while they encode, and when they have prepared.
    #[test]
    fn all_hear_of_the_one_that_can_not_prepare() {
        for (n, failing) in [([0, 0, 0], 0), ([0, 0, 0], 2), ([2, 0, 2], 1), ([1, 3, 3], 0), ([2, 2, 2], 1)] {
            for (rank, said) in prepared(&n, failing).iter().enumerate() {
                let whose = if rank == failing { String::new() } else { format!("process {failing} of 3: ") };
                assert_eq!(*said, format!("{whose}no file"), "{n:?}");
            }
        }
    }

    #[test]
    fn a_process_with_fewer_texts_is_named_to_all() {
        let said = prepared(&[2, 1, 2], 3);
        let expected = "process 1 of 3 encodes other texts than process 0: give all the same files";
        assert!(said.iter().all(|said| said == expected), "{said:?}");
    }
}
