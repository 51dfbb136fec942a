//! Phrases that a text must have, and a beam's places for those that come nearer to them.

use std::collections::HashMap;

use attentive_core::TokenId;

use crate::{Spelling, candidates::Candidate};

/// A phrase that a text must have, in any of its forms.
///
/// A phrase may have several forms as tokens: at the beginning of a text and after a space, for example.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phrase {
    /// The forms, at least one, each of at least one token.
    pub forms: Vec<Vec<TokenId>>,
}

impl Phrase {
    /// The longest form's length.
    fn longest(&self) -> usize {
        self.forms.iter().map(Vec::len).max().unwrap_or(0)
    }
}

impl From<Vec<TokenId>> for Phrase {
    /// A phrase of one form.
    fn from(form: Vec<TokenId>) -> Self {
        Self { forms: vec![form] }
    }
}

/// The phrases that one sentence's text must have, in any order.
///
/// A phrase is there if the tokens of a form are, one after another, and no word reaches into it or out of it. So one that
/// is half written counts as begun until another token breaks it off, and one that ends the text as written until the next
/// token lengthens its last word.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Required<'a> {
    phrases: &'a [Phrase],
    spelling: Option<&'a Spelling>,
}

/// How far a text is from having every phrase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Left {
    /// Tokens that are enough to write what it lacks; 0 if it has every phrase.
    pub(crate) tokens: usize,
    /// Whether another token must end a word first.
    waits: bool,
}

impl Left {
    /// Whether there is room for what is left and the end, in `room` tokens.
    pub(crate) fn fits(self, room: usize) -> bool {
        self.tokens == 0 || self.tokens + usize::from(self.waits) < room
    }
}

impl<'a> Required<'a> {
    pub(crate) fn new(phrases: &'a [Phrase], spelling: Option<&'a Spelling>) -> Self {
        Self { phrases, spelling }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.phrases.is_empty()
    }

    /// The phrases that the empty text has.
    pub(crate) fn none_met(&self) -> Vec<bool> {
        vec![false; self.phrases.len()]
    }

    /// The phrases that `text` has whatever follows, of which it had those of `met` without its last token.
    pub(crate) fn met(&self, met: &[bool], text: &[TokenId]) -> Vec<bool> {
        let Some((&last, before)) = text.split_last() else { return met.to_vec() };
        let has = |(phrase, &met): (&Phrase, &bool)| met || self.ends_with(before, phrase) && self.begins(before, last);
        self.phrases.iter().zip(met).map(has).collect()
    }

    /// The phrases that `text` lacks, if it ends here.
    fn open(&self, met: &[bool], text: &[TokenId]) -> impl Iterator<Item = &'a Phrase> {
        let lacks =
            move |(phrase, &met): (&'a Phrase, &bool)| (!met && !self.ends_with(text, phrase)).then_some(phrase);
        self.phrases.iter().zip(met).filter_map(lacks)
    }

    /// Whether `text` has every phrase.
    pub(crate) fn is_met(&self, met: &[bool], text: &[TokenId]) -> bool {
        self.open(met, text).next().is_none()
    }

    /// How far `text` is from having every phrase. The token of [`next`](Self::next) that continues what is begun, or else
    /// begins a phrase, leaves less.
    pub(crate) fn left(&self, met: &[bool], text: &[TokenId]) -> Left {
        let (mut tokens, mut begun, mut can_go_on) = (0, 0, false);
        for phrase in self.open(met, text) {
            tokens += phrase.longest();
            for form in &phrase.forms {
                let n = self.n_begun(text, form);
                // Only one phrase goes on with the next token.
                begun = begun.max(if n > 0 { phrase.longest() - (form.len() - n) } else { 0 });
                can_go_on |= n > 0 || self.begins(text, form[0]);
            }
        }
        Left { tokens: tokens - begun, waits: tokens > 0 && !can_go_on }
    }

    /// The tokens that continue or begin a phrase after `text`.
    pub(crate) fn next(&self, met: &[bool], text: &[TokenId]) -> Vec<TokenId> {
        let mut next = Vec::new();
        for form in self.open(met, text).flat_map(|phrase| &phrase.forms) {
            let n = self.n_begun(text, form);
            next.extend((n > 0).then(|| form[n]));
            next.extend(self.begins(text, form[0]).then_some(form[0]));
        }
        next
    }

    /// Tokens of which the best is worth a place in the beam: after a phrase that the text ends with, those that leave it
    /// whole, `eos` among them; where no phrase may begin, those after which one may.
    pub(crate) fn between(&self, met: &[bool], text: &[TokenId], eos: TokenId) -> Vec<TokenId> {
        let Some(spelling) = self.spelling.filter(|_| !text.is_empty()) else { return Vec::new() };
        let (all, end) = (0..spelling.vocab_size() as TokenId, spelling.end(text));
        if self.phrases.iter().zip(met).any(|(phrase, met)| !met && self.ends_with(text, phrase)) {
            return all.filter(|&token| token == eos || spelling.parts_at(end, token)).collect();
        }
        if !self.left(met, text).waits {
            return Vec::new();
        }
        let first: Vec<TokenId> =
            self.open(met, text).flat_map(|phrase| phrase.forms.iter().map(|form| form[0])).collect();
        let leads = |&token: &TokenId| {
            let after = spelling.after(end, token);
            first.iter().any(|&first| spelling.parts_at(after, first))
        };
        all.filter(leads).collect()
    }

    /// Whether `text` ends with `phrase`, tokens after it that write nothing left out.
    fn ends_with(&self, text: &[TokenId], phrase: &Phrase) -> bool {
        let is_silent = |token: &TokenId| self.spelling.is_some_and(|spelling| spelling.is_silent(*token));
        let n_silent = text.iter().rev().take_while(|token| is_silent(token)).count();
        let ends = |text: &[TokenId], form: &Vec<TokenId>| {
            text.strip_suffix(&form[..]).is_some_and(|before| self.begins(before, form[0]))
        };
        (text.len() - n_silent..=text.len()).any(|n| phrase.forms.iter().any(|form| ends(&text[..n], form)))
    }

    /// Number of tokens of `form` that `text` ends with, the last one excepted.
    fn n_begun(&self, text: &[TokenId], form: &[TokenId]) -> usize {
        let begins = |&n: &usize| text.ends_with(&form[..n]) && self.begins(&text[..text.len() - n], form[0]);
        (1..form.len().min(text.len() + 1)).rev().find(begins).unwrap_or(0)
    }

    /// Whether no word reaches from the end of `text` into the token after it.
    fn begins(&self, text: &[TokenId], next: TokenId) -> bool {
        self.spelling.is_none_or(|spelling| spelling.parts(text, next))
    }
}

/// The `n` candidates that a beam takes, and their order: dynamic beam allocation.
///
/// Candidates that lack as many tokens of phrases are a bank. Each bank in turn, the one that lacks fewest first, gives its
/// best, until there are `n`; those whose phrases have no room left come last.
///
/// Source: Post and Vilar 2018, "Fast Lexically Constrained Decoding with Dynamic Beam Allocation for Neural Machine
/// Translation", §3; by sorting, as Hu et al. 2019, "Improved Lexically Constrained Decoding for Translation and
/// Monolingual Rewriting", §3.2, so that banks with few candidates leave their places to others.
pub(crate) fn allocate(mut candidates: Vec<(Candidate, Left, bool)>, n: usize) -> Vec<Candidate> {
    candidates.sort_by(|(a, ..), (b, ..)| a.order(b));
    candidates.dedup_by_key(|(candidate, ..)| (candidate.parent, candidate.token));
    let mut sizes = HashMap::new();
    let place = |(candidate, left, fits): (Candidate, Left, bool)| {
        let size: &mut usize = sizes.entry((fits, left.tokens)).or_default();
        *size += 1;
        ((!fits, *size, left.tokens), candidate)
    };
    let mut placed: Vec<_> = candidates.into_iter().map(place).collect();
    placed.sort_by_key(|&(place, _)| place);
    placed.into_iter().map(|(_, candidate)| candidate).take(n).collect()
}
