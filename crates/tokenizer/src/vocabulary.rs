//! Vocabularies as lists of spellings, and counts of words.

use std::collections::HashMap;
use std::ops::Index;
use std::path::Path;
use std::rc::Rc;

use rustc_hash::FxHashMap;

use crate::error::TokenizerError;
use crate::files;
use crate::merges::Merges;
use crate::sentencepiece::PieceKind;
use crate::tokenizer::TokenId;
use crate::training::MAX_WORD_LEN;

/// The ids of the entries of `vocab`, which are their positions.
pub(crate) fn index(vocab: &[String]) -> Result<FxHashMap<&str, TokenId>, String> {
    let mut ids = FxHashMap::with_capacity_and_hasher(vocab.len(), Default::default());
    for (id, token) in (0..).zip(vocab) {
        if let Some(first) = ids.insert(token.as_str(), id) {
            return Err(format!("vocab[{first}] and vocab[{id}] are both {token:?}"));
        }
    }
    Ok(ids)
}

/// The entries of a vocabulary in the order of their ids, which must be 0, 1, 2, … without a gap.
pub(crate) fn in_order(ids: impl IntoIterator<Item = (String, TokenId)>) -> Result<Vec<String>, String> {
    let mut entries: Vec<_> = ids.into_iter().map(|(token, id)| (id, token)).collect();
    entries.sort_unstable();
    match (0..).zip(&entries).find(|(expected, (id, _))| expected != id) {
        Some((expected, (id, token))) => {
            Err(format!("{token:?} has the id {id}, where {expected} should come: an id is missing or there twice"))
        }
        None => Ok(entries.into_iter().map(|(_, token)| token).collect()),
    }
}

/// The entries of a file that has the id of each.
pub(crate) fn read(path: &Path) -> Result<Vec<String>, TokenizerError> {
    let json = files::read_text(path)?;
    let ids: HashMap<String, TokenId> = serde_json::from_str(&json).map_err(TokenizerError::json(path))?;
    in_order(ids).map_err(TokenizerError::invalid(path))
}

/// The kind of each entry's piece; text where there is no such piece.
pub(crate) fn kinds(vocab: &[String], pieces: &[(String, f32, PieceKind)]) -> Vec<PieceKind> {
    let kinds: FxHashMap<&str, PieceKind> = pieces.iter().map(|(piece, _, kind)| (piece.as_str(), *kind)).collect();
    vocab.iter().map(|entry| kinds.get(entry.as_str()).copied().unwrap_or(PieceKind::Normal)).collect()
}

/// The table of `merges`, where `join` spells what two entries merge into.
pub(crate) fn merge_table(
    merges: &[(String, String)],
    ids: &FxHashMap<&str, TokenId>,
    join: impl Fn(&str, &str) -> String,
) -> Result<Merges, String> {
    let id_of = |token: &str, at: usize| {
        ids.get(token).copied().ok_or_else(|| format!("merges[{at}] has {token:?}, which vocab lacks"))
    };
    let merges = merges
        .iter()
        .enumerate()
        .map(|(at, (left, right))| Ok((id_of(left, at)?, id_of(right, at)?, id_of(&join(left, right), at)?)));
    Ok(Merges::new(merges.collect::<Result<Vec<_>, String>>()?))
}

/// A vocabulary that grows: each spelling has an id.
#[derive(Debug, Default)]
pub(crate) struct Spellings {
    list: Vec<Rc<str>>,
    ids: FxHashMap<Rc<str>, TokenId>,
}

impl Spellings {
    /// The id of `spelling`, which is added if it is new.
    pub(crate) fn add(&mut self, spelling: &str) -> TokenId {
        if let Some(id) = self.id(spelling) {
            return id;
        }
        let id = self.list.len() as TokenId;
        let spelling: Rc<str> = spelling.into();
        self.list.push(spelling.clone());
        self.ids.insert(spelling, id);
        id
    }

    pub(crate) fn id(&self, spelling: &str) -> Option<TokenId> {
        self.ids.get(spelling).copied()
    }

    /// The spelling of `id`, shared.
    pub(crate) fn shared(&self, id: TokenId) -> Rc<str> {
        self.list[id as usize].clone()
    }

    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    pub(crate) fn into_vec(self) -> Vec<String> {
        self.list.iter().map(|spelling| spelling.as_ref().to_owned()).collect()
    }
}

impl Index<TokenId> for Spellings {
    type Output = str;

    fn index(&self, id: TokenId) -> &str {
        &self.list[id as usize]
    }
}

impl<S: AsRef<str>> Extend<S> for Spellings {
    fn extend<I: IntoIterator<Item = S>>(&mut self, spellings: I) {
        for spelling in spellings {
            self.add(spelling.as_ref());
        }
    }
}

/// How often each word of a text occurs.
#[derive(Debug, Default)]
pub(crate) struct WordCounts {
    counts: FxHashMap<Box<str>, u64>,
    /// Occurrences of words that are too long to learn from, which are not counted.
    pub(crate) n_long: u64,
}

impl WordCounts {
    pub(crate) fn add(&mut self, word: &str) {
        if word.len() > MAX_WORD_LEN {
            self.n_long += 1;
            return;
        }
        match self.counts.get_mut(word) {
            Some(count) => *count += 1,
            None => drop(self.counts.insert(word.into(), 1)),
        }
    }

    /// The words in code point order: hash maps have no order to rely on.
    pub(crate) fn sorted(&self) -> Vec<(&str, u64)> {
        let mut words: Vec<_> = self.counts.iter().map(|(word, &count)| (&**word, count)).collect();
        words.sort_unstable();
        words
    }
}
