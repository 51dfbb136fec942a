//! What is in a part of the data, and what is odd about it.

use std::{
    collections::{HashMap, HashSet},
    fmt,
};

use super::{example::Example, share};
use crate::{Log, thousands};

/// How many times longer than the other one a side must be to be odd, in tokens.
const ODD_RATIO: u32 = 3;

/// Tokens that the longer side of an odd pair has at least.
const ODD_LEN: u32 = 12;

/// One in so many examples may be there before, or be its own translation.
const MANY: u64 = 100;

/// One in so many tokens may be unknown.
const MANY_TOKENS: u64 = 1000;

/// Lines that are named.
const N_NAMED: usize = 5;

/// How a task calls its examples and what is in them.
pub(super) struct Nouns {
    pub(super) examples: &'static str,
    /// The texts of an example.
    pub(super) sides: &'static [&'static str],
    /// What a model is given and what it shall answer, where these are two things.
    pub(super) given: &'static str,
    pub(super) answers: &'static str,
    /// Whether a single answer is right.
    pub(super) is_decided: bool,
}

/// Text without answers.
const PLAIN: Nouns = Nouns { examples: "", sides: &["text"], given: "", answers: "", is_decided: false };

pub(super) const PAIRS: Nouns =
    Nouns { examples: "pairs", sides: &["source", "target"], given: "sources", answers: "targets", is_decided: false };
pub(super) const TEXTS: Nouns =
    Nouns { examples: "texts", given: "texts", answers: "labels", is_decided: true, ..PLAIN };
pub(super) const DOCUMENTS: Nouns = Nouns { examples: "documents", ..PLAIN };
pub(super) const RECORDINGS: Nouns = Nouns { examples: "recordings", ..PLAIN };
pub(super) const LINES: Nouns = Nouns { examples: "lines", ..PLAIN };
pub(super) const SENTENCES: Nouns = Nouns { examples: "sentences", ..PLAIN };

/// The most tokens of a text that a model sees at once, and what becomes of a longer one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limit {
    pub(super) tokens: usize,
    pub(super) fate: &'static str,
    /// Whether anything of it is lost.
    pub(super) loses: bool,
}

/// A part of the data.
pub(super) struct Part {
    pub(super) name: &'static str,
    pub(super) nouns: &'static Nouns,
    pub(super) limit: Option<Limit>,
    pub(super) examples: Vec<Example>,
    /// Whether each line is an example, but for blank ones.
    pub(super) is_by_line: bool,
}

/// Hashes of the training data, to hold other parts against.
#[derive(Default)]
pub(super) struct Known {
    given: HashSet<u64>,
    whole: HashSet<u64>,
}

/// Examples that have something in common; the first of them by line.
#[derive(Debug, Default)]
struct Found {
    n: u64,
    lines: Vec<u64>,
}

impl Found {
    fn note(&mut self, example: &Example) {
        self.n += 1;
        if self.lines.len() < N_NAMED {
            self.lines.push(example.line);
        }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.lines.iter().map(u64::to_string).collect();
        let more = if self.n > lines.len() as u64 { ", …" } else { "" };
        write!(f, "line{} {}{more}", if self.n == 1 { "" } else { "s" }, lines.join(", "))
    }
}

impl Part {
    /// Hashes of what should stand in no other part.
    pub(super) fn known(&self) -> Known {
        let mut known = Known::default();
        for [given, whole] in self.examples.iter().filter_map(|example| example.hashes) {
            known.given.insert(given);
            known.whole.insert(whole);
        }
        known
    }

    /// The last examples, which hold `fraction` of the tokens.
    pub(super) fn split_off(&mut self, name: &'static str, fraction: f64) -> Self {
        let n_tokens: u64 = self.examples.iter().map(|example| u64::from(example.sizes[0].tokens)).sum();
        let first = (n_tokens as f64 * (1.0 - fraction)) as u64;
        let sums = self.examples.iter().scan(0, |sum, example| {
            *sum += u64::from(example.sizes[0].tokens);
            Some(*sum)
        });
        let at = sums.take_while(|&sum| sum <= first).count();
        Self { name, examples: self.examples.split_off(at), is_by_line: false, ..*self }
    }

    fn n(&self) -> u64 {
        self.examples.len() as u64
    }

    fn found(&self, is_one: impl Fn(&Example) -> bool) -> Found {
        let mut found = Found::default();
        self.examples.iter().filter(|example| is_one(example)).for_each(|example| found.note(example));
        found
    }

    /// What is there before, and what is there before with another answer.
    fn repeated(&self) -> [Found; 2] {
        let (mut wholes, mut answers) = (HashSet::new(), HashMap::new());
        let [mut again, mut otherwise] = [Found::default(), Found::default()];
        for example in &self.examples {
            let Some([given, whole]) = example.hashes else { continue };
            if !wholes.insert(whole) {
                again.note(example);
            }
            if *answers.entry(given).or_insert(whole) != whole {
                otherwise.note(example);
            }
        }
        [again, otherwise]
    }

    /// What the training data has too, and what it has with another answer.
    fn overlapping(&self, training: &Known) -> [Found; 2] {
        let [mut same, mut otherwise] = [Found::default(), Found::default()];
        for example in &self.examples {
            let Some([given, whole]) = example.hashes else { continue };
            if training.whole.contains(&whole) {
                same.note(example);
            } else if training.given.contains(&given) {
                otherwise.note(example);
            }
        }
        [same, otherwise]
    }

    fn over_long(&self, limit: Limit) -> Found {
        self.found(|example| example.sizes.iter().any(|size| size.tokens as usize > limit.tokens))
    }

    /// Shows how much there is and how long it is.
    pub(super) fn show(&self, log: &dyn Log) {
        let (n, examples) = (self.n(), self.nouns.examples);
        say!(log, "{:<9} {} {examples}", self.name, thousands(n));
        for (side, name) in self.nouns.sides.iter().enumerate() {
            let sizes = || self.examples.iter().map(move |example| example.sizes[side]);
            let mut lengths: Vec<u32> = sizes().map(|size| size.tokens).collect();
            lengths.sort_unstable();
            let quantile =
                |q: f64| lengths.get(((lengths.len() as f64 - 1.0) * q).round() as usize).copied().unwrap_or(0);
            let characters = || sizes().map(|size| size.characters);
            say!(
                log,
                "  {name:<6}  {} to {} tokens, half of them up to {}, 99 % up to {}; {} to {} characters",
                quantile(0.0),
                quantile(1.0),
                quantile(0.5),
                quantile(0.99),
                characters().min().unwrap_or(0),
                characters().max().unwrap_or(0),
            );
        }
        let n_blank = self.examples.last().map_or(0, |last| last.line) - n;
        if self.is_by_line && n_blank > 0 {
            say!(log, "  blank   lines passed over: {}", thousands(n_blank));
        }
        if let Some(limit) = self.limit.filter(|limit| !limit.loses) {
            let n_over_long = self.over_long(limit).n;
            if n_over_long > 0 {
                let (long, Limit { tokens, fate, .. }) = (share(n_over_long, n), limit);
                say!(log, "  long    {long} {examples} have more than {tokens} tokens, and {fate}");
            }
        }
    }

    /// What is odd about the part, for itself and beside the training data.
    pub(super) fn warnings(&self, training: Option<&Known>) -> Vec<String> {
        let Nouns { examples, sides, given, answers, is_decided } = *self.nouns;
        let (n, name) = (self.n(), self.name);
        let mut warnings = Vec::new();
        let mut warn = |found: &Found, at_most: u64, nouns: &str, what: &str| {
            if found.n > at_most {
                warnings.push(format!("{name}: {} {nouns} {what}: {found}", share(found.n, n)));
            }
        };
        let empty = self.found(|example| example.sizes[..sides.len()].iter().any(|size| size.tokens == 0));
        warn(&empty, 0, examples, "are empty");
        if let Some(limit) = self.limit.filter(|limit| limit.loses) {
            let what = format!("have more than {} tokens, and {}", limit.tokens, limit.fate);
            warn(&self.over_long(limit), 0, examples, &what);
        }
        let [again, otherwise] = self.repeated();
        warn(&again, n / MANY, examples, "are there before");
        if is_decided {
            warn(&otherwise, 0, examples, &format!("are there before with other {answers}"));
        }
        warn(&self.found(|example| example.is_copy), n / MANY, answers, &format!("are their {given}"));
        if sides.len() == 2 {
            let is_odd = |example: &Example| {
                let [a, b] = example.sizes.map(|size| size.tokens);
                a.max(b) >= ODD_LEN && a.max(b) > ODD_RATIO * a.min(b)
            };
            let what = format!("have one side more than {ODD_RATIO} times as long as the other");
            warn(&self.found(is_odd), 0, examples, &what);
        }
        if let Some(training) = training {
            let [same, otherwise] = self.overlapping(training);
            warn(&same, 0, examples, "are in the training data");
            warn(&otherwise, 0, given, &format!("are in the training data, with other {answers}"));
        }
        for (side, noun) in sides.iter().enumerate() {
            let sizes = || self.examples.iter().map(move |example| example.sizes[side]);
            let n_tokens = sizes().map(|size| u64::from(size.tokens)).sum();
            let n_unknown: u64 = sizes().map(|size| u64::from(size.unknown)).sum();
            if n_unknown * MANY_TOKENS > n_tokens {
                let found = self.found(|example| example.sizes[side].unknown > 0);
                warnings.push(format!("{name}: {} {noun} tokens are unknown: {found}", share(n_unknown, n_tokens)));
            }
        }
        warnings
    }
}
