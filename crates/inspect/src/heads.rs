//! Which head does what: scores of every head over texts.

use std::ops::Range;

use crate::AttentionWeights;

/// A head, by its layer and its number there, both from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Head {
    /// Its layer, from the input up.
    pub layer: usize,
    /// Its number in the layer.
    pub head: usize,
}

/// How well a head does what it is asked for, over some cases.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HeadScore {
    /// The head.
    pub head: Head,
    /// The share of cases that it gets right.
    pub accuracy: f64,
    /// The mean weight that it gives to what is right.
    pub weight: f64,
}

/// A word that should look at another, by the tokens of both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WordPair {
    /// Tokens of the word that looks.
    pub from: Range<usize>,
    /// Tokens of the word that it should look at.
    pub to: Range<usize>,
    /// Tokens of the words that count, another one than `to` among them: a head is right if, of these, it looks at `to` most;
    /// without any, of all.
    pub among: Vec<Range<usize>>,
}

/// Collects how every head does, text after text.
///
/// ```
/// use attentive_inspect::{AttentionWeights, HeadScores, WordPair};
///
/// let weights = AttentionWeights::new(vec![vec![0.9, 0.1, 0.6, 0.4, 0.0, 1.0, 0.2, 0.8]], [2, 2, 2]);
/// let mut scores = HeadScores::default();
/// scores.add_pair(&weights, &WordPair { from: 1..2, to: 0..1, among: vec![] });
/// assert_eq!(scores.best().map(|best| (best.head.head, best.accuracy)), Some((0, 1.0)));
/// ```
#[derive(Debug, Clone, Default)]
pub struct HeadScores {
    /// Heads, with cases that are right and the sum of weights.
    sums: Vec<(Head, usize, f64)>,
    n_cases: usize,
}

impl HeadScores {
    /// Counts one pair of words: a head is right if `from` looks at `to` more than at any other word that counts.
    ///
    /// Source: Voita et al. 2019, "Analyzing Multi-Head Self-Attention", §4.2 and §5.2, which calls a head one of a
    /// relation if its largest weight is on the related token.
    ///
    /// # Panics
    /// If a word has no tokens, or the weights are of another number of heads than those before.
    pub fn add_pair(&mut self, weights: &AttentionWeights, pair: &WordPair) {
        self.add(weights, |layer, head| {
            let seen = weights.of_word(layer, head, pair.from.clone());
            let of = |word: &Range<usize>| f64::from(seen[word.clone()].iter().sum::<f32>());
            let right = of(&pair.to);
            let is_right = match &pair.among[..] {
                [] => {
                    let best = (0..seen.len()).max_by(|&a, &b| seen[a].total_cmp(&seen[b]).then(b.cmp(&a)));
                    best.is_some_and(|best| pair.to.contains(&best))
                }
                among => among.iter().filter(|word| **word != pair.to).all(|word| of(word) < right),
            };
            (is_right, right)
        });
    }

    /// Counts every token but the first: a head is right if it looks most at the token before.
    ///
    /// # Panics
    /// If the weights are of another number of heads than those before.
    pub fn add_previous(&mut self, weights: &AttentionWeights) {
        for at in 1..weights.n_queries() {
            self.add_pair(weights, &WordPair { from: at..at + 1, to: at - 1..at, among: Vec::new() });
        }
    }

    /// Counts the second half of a text that says its first half again: a head of induction looks at the token after the
    /// one that it now reads, where that stood before.
    ///
    /// Source: Olsson et al. 2022, "In-context Learning and Induction Heads", "prefix matching score".
    ///
    /// # Panics
    /// If the weights are of another number of heads than those before.
    pub fn add_induction(&mut self, weights: &AttentionWeights) {
        let half = weights.n_queries() / 2;
        for at in half..2 * half {
            let to = at + 1 - half;
            self.add_pair(weights, &WordPair { from: at..at + 1, to: to..to + 1, among: Vec::new() });
        }
    }

    fn add(&mut self, weights: &AttentionWeights, score: impl Fn(usize, usize) -> (bool, f64)) {
        if self.sums.is_empty() {
            self.sums = weights.heads().map(|(layer, head)| (Head { layer, head }, 0, 0.0)).collect();
        }
        assert!(
            self.sums.iter().map(|(head, ..)| (head.layer, head.head)).eq(weights.heads()),
            "another model's heads"
        );
        for (Head { layer, head }, n_right, sum) in &mut self.sums {
            let (is_right, weight) = score(*layer, *head);
            *n_right += usize::from(is_right);
            *sum += weight;
        }
        self.n_cases += 1;
    }

    /// Cases that were counted.
    pub fn n_cases(&self) -> usize {
        self.n_cases
    }

    /// The score of every head, by layer and number.
    pub fn scores(&self) -> Vec<HeadScore> {
        let n = self.n_cases.max(1) as f64;
        let score = |&(head, n_right, sum): &(Head, usize, f64)| HeadScore {
            head,
            accuracy: n_right as f64 / n,
            weight: sum / n,
        };
        self.sums.iter().map(score).collect()
    }

    /// The head that is right most often; of equals, the one with the largest weight.
    pub fn best(&self) -> Option<HeadScore> {
        let key = |score: &HeadScore| (score.accuracy, score.weight);
        self.scores().into_iter().reduce(|best, score| if key(&score) > key(&best) { score } else { best })
    }
}
