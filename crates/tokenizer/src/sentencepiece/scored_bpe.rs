//! Byte-pair encoding as SentencePiece has it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rustc_hash::FxHashMap;

use crate::tokenizer::TokenId;
use crate::trie::Trie;

/// Pieces with scores: of all pairs of neighbours that are a piece together, the one with the best score is merged.
///
/// Source: `bpe_model.cc` of the SentencePiece library, which this equals.
#[derive(Clone, Debug)]
pub(crate) struct ScoredBpe {
    /// The pieces that text can become, with their scores and whether they are only steps on the way to others.
    pub(crate) pieces: FxHashMap<Box<str>, ScoredPiece>,
    /// Pieces that are symbols from the start and take no part in merges.
    pub(crate) frozen: Trie,
    pub(crate) unk: TokenId,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct ScoredPiece {
    pub(crate) id: TokenId,
    pub(crate) score: f32,
    pub(crate) unused: bool,
}

const NONE: usize = usize::MAX;

struct Symbol {
    start: usize,
    /// Equal to `start` once the symbol has been merged into the one before it.
    end: usize,
    previous: usize,
    next: usize,
    frozen: bool,
}

/// Two neighbours that are a piece together: the best score first, then the leftmost.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    score: OrderedScore,
    left: Reverse<usize>,
    right: usize,
    len: usize,
}

#[derive(PartialEq, Clone, Copy)]
struct OrderedScore(f32);

impl Eq for OrderedScore {}

impl PartialOrd for OrderedScore {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for OrderedScore {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl ScoredBpe {
    /// The pieces of `text`, each with where it ends; merges that are due are passed over when `dropped` says so.
    pub(crate) fn segment(&self, text: &str, mut dropped: impl FnMut() -> bool) -> Vec<(TokenId, usize)> {
        let mut symbols = self.symbols(text);
        // How unused pieces came about, since they are taken apart again.
        let mut halves: FxHashMap<(usize, usize), usize> = FxHashMap::default();
        let mut due = BinaryHeap::new();
        let consider =
            |symbols: &[Symbol], left: usize, due: &mut BinaryHeap<Candidate>, halves: &mut FxHashMap<_, _>| {
                let Some(right) = symbols.get(left).map(|symbol| symbol.next).filter(|&right| right != NONE) else {
                    return;
                };
                let (first, second) = (&symbols[left], &symbols[right]);
                if first.frozen || second.frozen {
                    return;
                }
                if let Some(piece) = self.pieces.get(&text[first.start..second.end]) {
                    let (score, len) = (OrderedScore(piece.score), second.end - first.start);
                    due.push(Candidate { score, left: Reverse(left), right, len });
                    if piece.unused {
                        halves.insert((first.start, second.end), second.start);
                    }
                }
            };
        for left in 0..symbols.len() {
            consider(&symbols, left, &mut due, &mut halves);
        }
        while let Some(Candidate { left: Reverse(left), right, len, .. }) = due.pop() {
            let is_alive = |symbol: &Symbol| symbol.end > symbol.start;
            let stale = !is_alive(&symbols[left])
                || !is_alive(&symbols[right])
                || symbols[right].end - symbols[left].start != len
                || symbols[left].next != right;
            if stale || dropped() {
                continue;
            }
            symbols[left].end = symbols[right].end;
            symbols[right].end = symbols[right].start;
            let next = symbols[right].next;
            symbols[left].next = next;
            if let Some(next) = symbols.get_mut(next) {
                next.previous = left;
            }
            consider(&symbols, symbols[left].previous, &mut due, &mut halves);
            consider(&symbols, left, &mut due, &mut halves);
        }
        let mut pieces = Vec::new();
        let alive = symbols.iter().filter(|symbol| symbol.end > symbol.start);
        for symbol in alive {
            let mut parts = vec![(symbol.start, symbol.end)];
            while let Some((start, end)) = parts.pop() {
                let piece = self.pieces.get(&text[start..end]);
                match halves.get(&(start, end)).filter(|_| piece.is_some_and(|piece| piece.unused)) {
                    Some(&middle) => parts.extend([(middle, end), (start, middle)]),
                    None => pieces.push((piece.map_or(self.unk, |piece| piece.id), end)),
                }
            }
        }
        pieces
    }

    fn symbols(&self, text: &str) -> Vec<Symbol> {
        let mut symbols: Vec<Symbol> = Vec::with_capacity(text.len());
        let mut start = 0;
        while let Some(c) = text[start..].chars().next() {
            let frozen = self.frozen.longest(&text.as_bytes()[start..]);
            let end = start + frozen.unwrap_or(c.len_utf8());
            let index = symbols.len();
            let previous = index.checked_sub(1).unwrap_or(NONE);
            symbols.push(Symbol { start, end, previous, next: index + 1, frozen: frozen.is_some() });
            start = end;
        }
        if let Some(last) = symbols.last_mut() {
            last.next = NONE;
        }
        symbols
    }
}
