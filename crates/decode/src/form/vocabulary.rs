//! What tokens write, and which of them a form lets follow.

use std::sync::Arc;

use attentive_core::TokenId;

use super::{
    FormError,
    automaton::{Automaton, DEAD, StateId},
};

/// The bytes that each token of a vocabulary writes, at each place that a text may be at.
///
/// A token may write something else at the beginning of a text than within it (SentencePiece leaves out the first space), or
/// after a word. What decides on that is the place, an index; every token leads from one to the next.
#[derive(Debug)]
pub struct Vocabulary {
    places: Vec<Tokens>,
}

/// What tokens write at one place.
#[derive(Debug)]
struct Tokens {
    bytes: Vec<u8>,
    /// Where the bytes of each token end, and the place that it leads to.
    ends: Vec<(u32, u32)>,
    /// The tokens that write something, in the order of their bytes.
    sorted: Vec<TokenId>,
    /// Bytes that each of these has in common with the one before.
    n_shared: Vec<u32>,
    /// Those that write nothing and lead to another place.
    silent: Vec<TokenId>,
}

impl Tokens {
    fn new(place: usize, writes: &[(Vec<u8>, usize)]) -> Self {
        let (mut bytes, mut ends) = (Vec::new(), Vec::with_capacity(writes.len()));
        for (text, next) in writes {
            bytes.extend_from_slice(text);
            ends.push((bytes.len() as u32, *next as u32));
        }
        let mut sorted: Vec<TokenId> = (0..writes.len() as TokenId).collect();
        sorted.retain(|&id| !writes[id as usize].0.is_empty());
        sorted.sort_by(|&a, &b| writes[a as usize].0.cmp(&writes[b as usize].0));
        let text = |at: usize| sorted.get(at).map_or(&[][..], |&id| &writes[id as usize].0);
        let shared = |at: usize| {
            let before = if at == 0 { &[][..] } else { text(at - 1) };
            before.iter().zip(text(at)).take_while(|(a, b)| a == b).count() as u32
        };
        let n_shared = (0..sorted.len()).map(shared).collect();
        let is_silent = |(_, (text, next)): &(TokenId, &(Vec<u8>, usize))| text.is_empty() && *next != place;
        let silent = (0..).zip(writes).filter(is_silent).map(|(id, _)| id).collect();
        Self { bytes, ends, sorted, n_shared, silent }
    }

    fn text(&self, token: TokenId) -> &[u8] {
        let at = token as usize;
        let start = if at == 0 { 0 } else { self.ends[at - 1].0 };
        &self.bytes[start as usize..self.ends[at].0 as usize]
    }
}

impl Vocabulary {
    /// Of what each token writes at each place, and the place that it leads to: `[places][vocab]`. Special tokens write
    /// nothing, and lead nowhere else.
    ///
    /// # Panics
    /// If a token leads to a place that there is not, or all have more than 4 GiB.
    pub fn new(places: Vec<Vec<(Vec<u8>, usize)>>) -> Self {
        let n_places = places.len();
        assert!(
            places.iter().flatten().all(|(_, next)| *next < n_places),
            "a token leads to a place that there is not"
        );
        let n_bytes = |place: &Vec<(Vec<u8>, usize)>| place.iter().map(|(text, _)| text.len()).sum::<usize>();
        assert!(places.iter().all(|place| u32::try_from(n_bytes(place)).is_ok()), "tokens have more than 4 GiB");
        Self { places: places.into_iter().enumerate().map(|(place, writes)| Tokens::new(place, &writes)).collect() }
    }

    /// What a token writes at a place, and the place that it leads to; nothing, if there is no such token.
    pub(super) fn write(&self, place: usize, token: TokenId) -> (&[u8], usize) {
        let Some(tokens) = self.places.get(place).filter(|tokens| (token as usize) < tokens.ends.len()) else {
            return (&[], place);
        };
        (tokens.text(token), tokens.ends[token as usize].1 as usize)
    }

    /// The tokens that the form lets follow, in a state and at a place.
    pub(super) fn mask(&self, automaton: &mut Automaton, state: StateId, place: usize) -> Result<Mask, FormError> {
        let Some(tokens) = self.places.get(place) else { return Ok(Mask::default()) };
        let mut bits = vec![0_u64; tokens.ends.len().div_ceil(64)];
        let mut allow = |token: TokenId| bits[token as usize / 64] |= 1 << (token % 64);
        tokens.silent.iter().copied().for_each(&mut allow);
        // The states after each byte of the last token, up to one that the form excludes.
        let mut path = vec![state];
        for (&token, &n_shared) in tokens.sorted.iter().zip(&tokens.n_shared) {
            let n_shared = n_shared as usize;
            if n_shared + 1 > path.len() {
                continue; // It begins with what is excluded.
            }
            path.truncate(n_shared + 1);
            let text = tokens.text(token);
            for &byte in &text[n_shared..] {
                match automaton.step(path[path.len() - 1], byte)? {
                    DEAD => break,
                    next => path.push(next),
                }
            }
            if path.len() > text.len() {
                allow(token);
            }
        }
        Ok(Mask { bits: bits.into() })
    }
}

/// A set of tokens.
#[derive(Debug, Clone, Default)]
pub(crate) struct Mask {
    bits: Arc<[u64]>,
}

impl Mask {
    pub(crate) fn has(&self, token: TokenId) -> bool {
        self.bits.get(token as usize / 64).is_some_and(|bits| bits >> (token % 64) & 1 == 1)
    }
}
