//! Shortlists of target tokens, learned from parallel text.

use std::{cmp::Reverse, path::PathBuf};

use attentive_bundle::{Bundle, Params, Shortlist};
use attentive_core::TokenId;
use attentive_data::{CorpusRules, DataError, ParallelFiles, TextPair};
use attentive_model::TransformerConfig;

use crate::{Error, Log, Result, log::warn_of};

/// How the shortlist of a translation model is learned: by IBM model 1, the probability of each target token as a
/// translation of a source token, from the pairs of a parallel text alone.
///
/// Sources: Brown et al. 1993, "The Mathematics of Statistical Machine Translation", §4.1; L'Hostis et al. 2016, "Vocabulary
/// Selection Strategies for NMT", §3, for candidates from alignments, there of words and here of tokens.
///
/// ```
/// use attentive_task::ShortlistLearning;
///
/// // das Haus, the house; das Buch, the book; ein Buch, a book.
/// let pairs = [[[0, 1], [5, 6]], [[0, 2], [5, 7]], [[3, 2], [8, 7]]];
/// let learning = ShortlistLearning { n_per_token: 1, n_frequent: 1, ..ShortlistLearning::default() };
/// let shortlist = learning.learn(|| Ok(pairs.iter().map(|pair| Ok(pair.map(|ids| ids.to_vec())))))?;
/// assert_eq!([0, 1, 2, 3].map(|token| shortlist.of_token(token)), [[5], [6], [7], [8]]);
/// assert_eq!(shortlist.frequent(), [5]);
/// # Ok::<(), attentive_task::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShortlistLearning {
    /// Target tokens of each source token at most: the most probable ones.
    pub n_per_token: usize,
    /// Target tokens of all sources at most: the most frequent ones.
    pub n_frequent: usize,
    /// Rounds of expectation and maximisation, each of which reads the text once more.
    pub n_rounds: usize,
    /// Pairs of a source token and a target token that are in memory at most, about 30 bytes each, and twice as much while they
    /// are counted. If there are more, source tokens that have more than others lose those that are met least.
    pub max_candidates: usize,
}

impl Default for ShortlistLearning {
    fn default() -> Self {
        Self { n_per_token: 100, n_frequent: 100, n_rounds: 5, max_candidates: 1 << 24 }
    }
}

/// The ids of a source and of its translation.
type IdPair = [Vec<TokenId>; 2];

impl ShortlistLearning {
    /// Learns the shortlist of a bundle's model, a `transformer`, from files of sources and of their translations, line by line.
    ///
    /// # Errors
    /// [`Error`] if the model is of another family or does not read text, or the files can't be read, are not parallel, change
    /// while they are read, or have no pairs.
    pub fn of_files(
        &self,
        bundle: &Bundle<impl Params>,
        [source, target]: [&[PathBuf]; 2],
        log: &dyn Log,
    ) -> Result<Shortlist> {
        bundle.spec::<TransformerConfig>()?;
        let (tokenizer, rules) = (bundle.tokenizer()?, CorpusRules::fixed());
        let files = ParallelFiles::sides(source, target);
        let ids = |pair: Result<TextPair, DataError>| {
            let pair = pair?;
            Ok::<IdPair, Error>([tokenizer.encode(&pair.source), tokenizer.encode_target(&pair.target)])
        };
        let mut pairs = files.pairs(&rules)?;
        let counted = self.count(pairs.by_ref().map(ids))?;
        let report = pairs.finish()?;
        say!(log, "{report}");
        warn_of(log, report.files().map(|(_, file)| file));
        if report.n_kept == 0 {
            refuse!("the files have no pairs of sentences, and a shortlist is learned from them");
        }
        self.learn_from(counted, || Ok(files.pairs(&rules)?.map(ids)))
    }

    /// Learns from the pairs that `read` gives, all of them each time.
    ///
    /// # Errors
    /// Those of `read` and of its pairs; [`Error::Refused`] if they are not as many each time.
    pub fn learn<I>(&self, read: impl Fn() -> Result<I>) -> Result<Shortlist>
    where
        I: Iterator<Item = Result<IdPair>>,
    {
        self.learn_from(self.count(read()?)?, read)
    }

    /// Counts what pairs have.
    fn count(&self, pairs: impl Iterator<Item = Result<IdPair>>) -> Result<Counted> {
        let (mut counts, mut n_of_target, mut n_pairs) = (Counts::new(self.max_candidates), Vec::<u64>::new(), 0_u64);
        for pair in pairs {
            let [source, target] = pair?;
            for &target in &target {
                *at(&mut n_of_target, target) += 1;
                source.iter().for_each(|&source| counts.add((source, target)));
            }
            n_pairs += 1;
        }
        Ok(Counted { candidates: counts.finish(), n_of_target, n_pairs })
    }

    /// Learns from the pairs that `read` gives each time, which were counted before.
    fn learn_from<I>(&self, counted: Counted, read: impl Fn() -> Result<I>) -> Result<Shortlist>
    where
        I: Iterator<Item = Result<IdPair>>,
    {
        let Counted { candidates, n_of_target, n_pairs } = counted;
        let mut model = Model::new(&candidates, n_of_target.len());
        drop(candidates);
        for _ in 0..self.n_rounds {
            let mut round = Expected::new(&model);
            for pair in read()? {
                let [source, target] = pair?;
                round.add(&model, &source, &target);
            }
            if round.n_pairs != n_pairs {
                refuse!(
                    "the text had {n_pairs} pairs and then {}: name files that do not change meanwhile",
                    round.n_pairs
                );
            }
            model.maximise(round);
        }
        let mut frequent: Vec<TokenId> =
            (0..).zip(&n_of_target).filter(|&(_, &n)| n > 0).map(|(token, _)| token).collect();
        frequent.sort_by_key(|&token| (Reverse(n_of_target[token as usize]), token));
        frequent.truncate(self.n_frequent);
        Ok(Shortlist::new(frequent, model.best(self.n_per_token)))
    }
}

/// What a text has.
struct Counted {
    /// In order, each with how often it is met.
    candidates: Vec<(Candidate, u64)>,
    /// How often each target token is met.
    n_of_target: Vec<u64>,
    n_pairs: u64,
}

/// The place of an id in a table that grows as far as it is needed.
fn at(table: &mut Vec<u64>, id: TokenId) -> &mut u64 {
    let id = id as usize;
    if id >= table.len() {
        table.resize(id + 1, 0);
    }
    &mut table[id]
}

/// A source token and a target token.
type Candidate = (TokenId, TokenId);

/// How often candidates are met in a sentence and its translation, of at most `max` of them.
struct Counts {
    /// Met since they were last counted.
    new: Vec<Candidate>,
    /// In order.
    counted: Vec<(Candidate, u64)>,
    max: usize,
}

impl Counts {
    fn new(max: usize) -> Self {
        Self { new: Vec::new(), counted: Vec::new(), max: max.max(1) }
    }

    fn add(&mut self, candidate: Candidate) {
        self.new.push(candidate);
        if self.new.len() >= self.max {
            self.count();
        }
    }

    /// Adds the new ones to those that were counted.
    fn count(&mut self) {
        self.new.sort_unstable();
        let mut counted = Vec::new();
        let mut before = std::mem::take(&mut self.counted).into_iter().peekable();
        for same in self.new.chunk_by(|a, b| a == b) {
            let candidate = same[0];
            while let Some(lower) = before.next_if(|(other, _)| *other < candidate) {
                counted.push(lower);
            }
            let n_before = before.next_if(|(other, _)| *other == candidate).map_or(0, |(_, n)| n);
            counted.push((candidate, n_before + same.len() as u64));
        }
        counted.extend(before);
        self.new.clear();
        self.counted = some(counted, self.max);
    }

    fn finish(mut self) -> Vec<(Candidate, u64)> {
        self.count();
        self.counted
    }
}

/// At most `max` of the candidates, but one at least of each source token: source tokens that have more than others lose those
/// that are met least.
fn some(mut counted: Vec<(Candidate, u64)>, max: usize) -> Vec<(Candidate, u64)> {
    let of_one_source = |(a, _): &(Candidate, u64), (b, _): &(Candidate, u64)| a.0 == b.0;
    let mut n_each = counted.chunk_by(of_one_source).map(<[_]>::len).max().unwrap_or(0);
    while counted.len() > max && n_each > 1 {
        n_each /= 2;
        let most = |of_source: &[(Candidate, u64)]| {
            let mut most = of_source.to_vec();
            if most.len() > n_each {
                most.sort_unstable_by_key(|&(candidate, n)| (Reverse(n), candidate));
                most.truncate(n_each);
                most.sort_unstable();
            }
            most
        };
        counted = counted.chunk_by(of_one_source).flat_map(most).collect();
    }
    counted
}

/// IBM model 1: the probability of each target token as the translation of a source token, or of none.
struct Model {
    /// The first candidate of each source token, and after the last one's the end.
    first: Vec<usize>,
    /// The target token of each candidate, in order for each source token.
    targets: Vec<TokenId>,
    /// The probability of each candidate.
    probabilities: Vec<f64>,
    /// The probability of each target token where no source token is its origin.
    of_none: Vec<f64>,
}

/// How often each candidate is expected to be a translation, and each target token to have no origin.
struct Expected {
    of_candidates: Vec<f64>,
    of_none: Vec<f64>,
    n_pairs: u64,
    /// The candidates of a target token in a pair.
    places: Vec<usize>,
}

impl Model {
    /// All translations are equally probable.
    fn new(counted: &[(Candidate, u64)], n_targets: usize) -> Self {
        let mut first = Vec::new();
        for (place, ((source, _), _)) in counted.iter().enumerate() {
            first.resize((*source as usize + 1).max(first.len()), place);
        }
        first.push(counted.len());
        let targets: Vec<TokenId> = counted.iter().map(|((_, target), _)| *target).collect();
        let probabilities = vec![1.0; targets.len()];
        Self { first, targets, probabilities, of_none: vec![1.0; n_targets] }
    }

    fn place(&self, source: TokenId, target: TokenId) -> Option<usize> {
        let source = source as usize;
        let (start, end) = (*self.first.get(source)?, *self.first.get(source + 1)?);
        self.targets[start..end].binary_search(&target).ok().map(|place| start + place)
    }

    fn maximise(&mut self, expected: Expected) {
        self.probabilities = expected.of_candidates;
        self.of_none = expected.of_none;
        let probabilities = &mut self.probabilities;
        self.first.windows(2).for_each(|ends| normalise(&mut probabilities[ends[0]..ends[1]]));
        normalise(&mut self.of_none);
    }

    /// The `n` most probable translations of each source token, the lower id first among equals.
    fn best(&self, n: usize) -> impl Iterator<Item = (TokenId, Vec<TokenId>)> {
        let of_source = move |(source, ends): (TokenId, &[usize])| {
            let mut places: Vec<usize> = (ends[0]..ends[1]).filter(|&place| self.probabilities[place] > 0.0).collect();
            places.sort_by(|&a, &b| self.probabilities[b].total_cmp(&self.probabilities[a]));
            places.truncate(n);
            (source, places.into_iter().map(|place| self.targets[place]).collect::<Vec<_>>())
        };
        (0..).zip(self.first.windows(2)).map(of_source).filter(|(_, targets)| !targets.is_empty())
    }
}

impl Expected {
    fn new(model: &Model) -> Self {
        let (of_candidates, of_none) = (vec![0.0; model.targets.len()], vec![0.0; model.of_none.len()]);
        Self { of_candidates, of_none, n_pairs: 0, places: Vec::new() }
    }

    fn add(&mut self, model: &Model, source: &[TokenId], target: &[TokenId]) {
        self.n_pairs += 1;
        for &target in target {
            let Some(&of_none) = model.of_none.get(target as usize) else { continue };
            self.places.clear();
            self.places.extend(source.iter().filter_map(|&source| model.place(source, target)));
            let of_places = self.places.iter().map(|&place| model.probabilities[place]);
            let total = of_places.fold(of_none, |total, probability| total + probability);
            if total > 0.0 {
                self.of_none[target as usize] += of_none / total;
                for &place in &self.places {
                    self.of_candidates[place] += model.probabilities[place] / total;
                }
            }
        }
    }
}

/// Makes values sum to 1, if they have a sum.
fn normalise(values: &mut [f64]) {
    let sum: f64 = values.iter().sum();
    if sum > 0.0 {
        values.iter_mut().for_each(|value| *value /= sum);
    }
}
