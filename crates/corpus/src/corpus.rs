//! The splits: held-out pairs of words, and no sentence twice.

use std::collections::HashSet;

use super::content::{Content, Pair};
use super::grammar::{Gender, Number};
use super::patterns::{Draft, Pattern, Reference, lecture};
use super::random::{SplitMix64, hash};
use super::speaker::Speaker;

/// A sentence and its translation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SentencePair {
    /// English.
    pub source: String,
    /// German.
    pub target: String,
}

/// Facts about a test sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TestNote {
    /// The pattern that made it.
    pub pattern: Pattern,
    /// A verb and its object, or an adjective and its noun, that no training sentence combines: the German lemmas.
    pub novel: Option<(&'static str, &'static str)>,
}

/// A sentence whose *it* could refer to two nouns, of different gender in German.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PronounSentence {
    /// English.
    pub source: String,
    /// German.
    pub target: String,
    /// The right pronoun: *er*, *sie* or *es*.
    pub pronoun: &'static str,
    /// The pronoun of the other noun.
    pub wrong: &'static str,
    /// The German lemma of the noun that *it* refers to.
    pub antecedent: &'static str,
    /// The German lemma of the noun that it does not refer to.
    pub other: &'static str,
    /// The English noun that *it* refers to.
    pub antecedent_english: String,
    /// The English noun that it does not refer to.
    pub other_english: String,
    /// The German lemma of the adjective that is said of it.
    pub adjective: &'static str,
    /// Whether *it* refers to the subject.
    pub is_subject: bool,
}

impl PronounSentence {
    /// Whether the word after *weil* or *obwohl* in `hypothesis` is the right pronoun.
    pub fn pronoun_is_right(&self, hypothesis: &str) -> bool {
        let mut words = hypothesis.split(|letter: char| !letter.is_alphabetic()).filter(|word| !word.is_empty());
        words.any(|word| ["weil", "obwohl"].contains(&word.to_lowercase().as_str()))
            && words.next().is_some_and(|word| word.to_lowercase() == self.pronoun)
    }
}

/// The built-in corpus: English sentences and their German translations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BuiltinCorpus {
    /// Training pairs.
    pub train: Vec<SentencePair>,
    /// Validation pairs; drawn as the test set is.
    pub validation: Vec<SentencePair>,
    /// Test pairs.
    pub test: Vec<SentencePair>,
    /// A note on each test sentence, in the same order.
    pub test_notes: Vec<TestNote>,
    /// Sentences that are scored by the pronoun alone.
    pub pronouns: Vec<PronounSentence>,
}

/// Seed and sizes of the corpus.
///
/// ```
/// # use attentive_corpus::BuiltinConfig;
/// let corpus = BuiltinConfig { n_train: 100, n_validation: 10, n_test: 10, n_pronouns: 6, ..Default::default() }.generate();
/// assert_eq!(corpus.train.len(), 100);
/// assert_eq!(corpus.pronouns[0].source, "The animal did not cross the street because it was too tired.");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuiltinConfig {
    /// Seed of the random numbers.
    pub seed: u64,
    /// Training sentences.
    pub n_train: usize,
    /// Validation sentences.
    pub n_validation: usize,
    /// Test sentences.
    pub n_test: usize,
    /// Pronoun sentences.
    pub n_pronouns: usize,
}

impl Default for BuiltinConfig {
    fn default() -> Self {
        Self { seed: 1, n_train: 30_000, n_validation: 1_000, n_test: 1_000, n_pronouns: 200 }
    }
}

/// One in so many pairs of words that belong together is held out from training.
const PAIR_RATE: u64 = 20;
/// After so many draws without a new sentence, the grammar counts as exhausted.
const PATIENCE: usize = 200_000;
/// For each pronoun sentence in turn: whether the antecedent is the subject, and its gender.
const PRONOUN_ROUND: [(bool, Gender); 6] = [
    (true, Gender::Neuter),
    (false, Gender::Feminine),
    (true, Gender::Masculine),
    (false, Gender::Neuter),
    (true, Gender::Feminine),
    (false, Gender::Masculine),
];

impl BuiltinConfig {
    /// The corpus: the same for the same config, on every machine.
    ///
    /// Half of the validation and test sentences have a pair of words that training never combines. If the grammar has
    /// fewer sentences than the numbers ask for, the sets are smaller.
    pub fn generate(&self) -> BuiltinCorpus {
        let mut speaker = Speaker { rng: SplitMix64::new(self.seed) };
        let mut splits = Splits::new(self);
        // First, so that training does not use them.
        for draft in lecture(&mut speaker) {
            splits.offer_pronoun(draft);
        }
        let mut idle = 0;
        while splits.corpus.pronouns.len() < self.n_pronouns && idle < PATIENCE {
            let draft = Pattern::Reference.draw(&mut speaker);
            idle = if splits.offer_pronoun(draft) { 0 } else { idle + 1 };
        }
        let weights = Pattern::ALL.map(|pattern| (pattern.weight(), pattern));
        let mut idle = 0;
        while splits.have_room() && idle < PATIENCE {
            let pattern = speaker.rng.weighted(&weights);
            let draft = pattern.draw(&mut speaker);
            idle = if splits.offer(pattern, draft, &mut speaker.rng) { 0 } else { idle + 1 };
        }
        splits.corpus
    }
}

/// The sets while they are filled.
struct Splits {
    corpus: BuiltinCorpus,
    n_pronouns: usize,
    /// Number of sentences that training, validation and test still take: of known pairs, and with a novel one.
    left: [[usize; 3]; 2],
    /// Every source and every target so far.
    told: HashSet<String>,
    /// Antecedent, other noun and adjective of every pronoun sentence, with the nouns in either order.
    held: HashSet<[&'static str; 3]>,
}

impl Splits {
    fn new(config: &BuiltinConfig) -> Self {
        let BuiltinConfig { n_train, n_validation, n_test, n_pronouns, .. } = *config;
        let novel = [0, n_validation / 2, n_test / 2];
        let known = [n_train, n_validation - novel[1], n_test - novel[2]];
        Self {
            corpus: BuiltinCorpus::default(),
            n_pronouns,
            left: [known, novel],
            told: HashSet::new(),
            held: HashSet::new(),
        }
    }

    fn have_room(&self) -> bool {
        self.left.as_flattened().iter().any(|&left| left > 0)
    }

    /// Adds `draft` to the set where it belongs, if that has room; returns whether it did.
    fn offer(&mut self, pattern: Pattern, draft: Draft, rng: &mut SplitMix64) -> bool {
        let content = Content::of(&draft.clauses);
        let novel = content.pair(is_held);
        // Held-out words are not in one training sentence, not even unrelated.
        if content.triples().any(|triple| self.held.contains(&triple))
            || (novel.is_none() && content.meetings().any(is_held))
        {
            return false;
        }
        let left = &mut self.left[usize::from(novel.is_some())];
        if left.iter().all(|&left| left == 0) || !is_new(&mut self.told, &draft) {
            return false;
        }
        let split = rng.weighted(&[(left[0], 0), (left[1], 1), (left[2], 2)]);
        left[split] -= 1;
        let pair = SentencePair { source: draft.source, target: draft.target };
        match split {
            0 => self.corpus.train.push(pair),
            1 => self.corpus.validation.push(pair),
            _ => {
                self.corpus.test.push(pair);
                self.corpus.test_notes.push(TestNote { pattern, novel });
            }
        }
        true
    }

    /// Adds `draft` to the pronoun sentences if it is its turn, and holds its words out from training.
    fn offer_pronoun(&mut self, draft: Draft) -> bool {
        let done = self.corpus.pronouns.len();
        let Some(Reference { antecedent, other, adjective, is_subject }) = draft.reference else {
            return false;
        };
        let turn = PRONOUN_ROUND[done % PRONOUN_ROUND.len()] == (is_subject, antecedent.gender());
        let words = [antecedent.lemma(), other.lemma(), adjective.german];
        let known = !Content::of(&draft.clauses).meetings().any(is_held);
        if done == self.n_pronouns || !turn || !known || self.held.contains(&words) {
            return false;
        }
        is_new(&mut self.told, &draft);
        self.held.extend([words, [words[1], words[0], words[2]]]);
        self.corpus.pronouns.push(PronounSentence {
            source: draft.source,
            target: draft.target,
            pronoun: antecedent.gender().pronoun(),
            wrong: other.gender().pronoun(),
            antecedent: antecedent.lemma(),
            other: other.lemma(),
            antecedent_english: antecedent.english(Number::Singular),
            other_english: other.english(Number::Singular),
            adjective: adjective.german,
            is_subject,
        });
        true
    }
}

/// Whether both sentences of `draft` are new; records them.
fn is_new(told: &mut HashSet<String>, draft: &Draft) -> bool {
    let new = !told.contains(&draft.source) && !told.contains(&draft.target);
    if new {
        told.insert(draft.source.clone());
        told.insert(draft.target.clone());
    }
    new
}

/// Whether this pair is held out from training.
fn is_held((head, noun): Pair) -> bool {
    hash(&["novel", head, noun]).is_multiple_of(PAIR_RATE)
}
