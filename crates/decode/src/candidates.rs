//! The best continuations of a set of rows.

use std::cmp::Ordering;

use attentive_core::TokenId;

use crate::{lines::Choice, rows::RowScores, rules::Admitted};

/// Sums over the tokens of a row, in nats.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Total {
    /// Of their log-probabilities.
    pub(crate) log_prob: f64,
    /// Of the values that rank the tokens: differs from `log_prob` if repetitions are penalised.
    pub(crate) ranked: f64,
}

/// A row continued by a token.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Candidate {
    /// Of the row and the token.
    pub(crate) total: Total,
    pub(crate) token: TokenId,
    /// The log-probability of the token.
    pub(crate) next: f32,
    /// Index of the row.
    pub(crate) parent: usize,
}

impl Candidate {
    /// The order of two candidates: the better total first, then the lower token, then the lower parent.
    pub(crate) fn order(&self, other: &Self) -> Ordering {
        let tie = || (self.token, self.parent).cmp(&(other.token, other.parent));
        if self.total.ranked == other.total.ranked { tie() } else { other.total.ranked.total_cmp(&self.total.ranked) }
    }
}

/// Keeps the `k` best candidates of the rows that it considers.
pub(crate) struct TopCandidates {
    k: usize,
    /// Best first.
    best: Vec<Candidate>,
}

impl TopCandidates {
    pub(crate) fn new(k: usize) -> Self {
        Self { k, best: Vec::new() }
    }

    /// The most candidates that are kept.
    pub(crate) fn k(&self) -> usize {
        self.k
    }

    /// Forgets all candidates.
    pub(crate) fn clear(&mut self) {
        self.best.clear();
    }

    /// The candidates kept, best first.
    pub(crate) fn best(&self) -> &[Candidate] {
        &self.best
    }

    /// Considers every token that may follow row `parent`, which has `total` so far; tokens of log-probability −∞ or NaN
    /// cannot follow.
    pub(crate) fn consider(&mut self, scores: RowScores<'_>, total: Total, parent: usize, admitted: &Admitted<'_>) {
        let mut offer = |token: TokenId, next: f32| self.offer(token, next, total, parent, admitted);
        match (scores, admitted.forced()) {
            (RowScores::All(row), Some(forced)) => offer(forced, row[forced as usize]),
            (RowScores::All(row), None) => self.scan(row, total, parent, admitted),
            (RowScores::Top { ids, log_probs }, _) => {
                ids.iter().zip(log_probs).for_each(|(&token, &next)| offer(token, next));
            }
        }
    }

    /// Considers tokens of row `parent`, the scores of all of which are known, as [`consider`](Self::consider) does.
    pub(crate) fn consider_some(
        &mut self,
        tokens: impl IntoIterator<Item = TokenId>,
        scores: RowScores<'_>,
        (total, parent): (Total, usize),
        admitted: &Admitted<'_>,
    ) {
        if let RowScores::All(row) = scores {
            tokens.into_iter().for_each(|token| self.offer(token, row[token as usize], total, parent, admitted));
        }
    }

    /// The best token that may follow one row, if any may.
    pub(crate) fn best_of(&mut self, scores: RowScores<'_>, admitted: &Admitted<'_>) -> Option<Choice> {
        self.clear();
        self.consider(scores, Total::default(), 0, admitted);
        self.best.first().map(|best| Choice { token: best.token, added: best.total })
    }

    fn scan(&mut self, row: &[f32], total: Total, parent: usize, admitted: &Admitted<'_>) {
        const BLOCK: usize = 128;
        for (block_idx, block) in row.chunks(BLOCK).enumerate() {
            // Addition is monotonic: if the highest falls short, all do.
            if admitted.is_unpenalised() && total.ranked + f64::from(highest(block)) < self.threshold() {
                continue;
            }
            for (token, &next) in (block_idx * BLOCK..).zip(block) {
                self.offer(token as TokenId, next, total, parent, admitted);
            }
        }
    }

    fn offer(&mut self, token: TokenId, next: f32, total: Total, parent: usize, admitted: &Admitted<'_>) {
        if next.is_nan() || next == f32::NEG_INFINITY {
            return;
        }
        let ranked = total.ranked + admitted.ranked(token, next);
        if ranked < self.threshold() || !admitted.admits(token) {
            return;
        }
        let total = Total { log_prob: total.log_prob + f64::from(next), ranked };
        let candidate = Candidate { total, token, next, parent };
        let rank = self.best.partition_point(|kept| kept.order(&candidate).is_lt());
        self.best.insert(rank, candidate);
        self.best.truncate(self.k);
    }

    /// The total that a candidate must reach to be kept.
    fn threshold(&self) -> f64 {
        if self.best.len() < self.k { f64::NEG_INFINITY } else { self.best[self.k - 1].total.ranked }
    }
}

/// The greatest value, ignoring NaN.
fn highest(values: &[f32]) -> f32 {
    const LANES: usize = 16; // independent maxima, so that the loop becomes vector instructions
    let greater = |max: f32, value: f32| if value > max { value } else { max };
    let (chunks, rest) = values.as_chunks::<LANES>();
    let mut maxima = [f32::NEG_INFINITY; LANES];
    for chunk in chunks {
        for (max, &value) in maxima.iter_mut().zip(chunk) {
            *max = greater(*max, value);
        }
    }
    maxima.iter().chain(rest).copied().fold(f32::NEG_INFINITY, greater)
}

#[cfg(test)]
mod tests {
    use attentive_core::mix64;

    use super::*;
    use crate::Rules;

    /// Log-probabilities with many ties, and with impossible values.
    fn row(seed: u64, vocab: usize) -> Vec<f32> {
        let value = |token| match mix64(seed * 1_000_003 + token as u64) % 40 {
            0 => f32::NAN,
            1 => f32::NEG_INFINITY,
            n => -(n as f32) / 4.0,
        };
        (0..vocab).map(value).collect()
    }

    fn consider(top: &mut TopCandidates, row: &[f32], log_prob: f64, parent: usize, rules: &Rules) {
        let total = Total { log_prob, ranked: log_prob };
        top.consider(RowScores::All(row), total, parent, &rules.admitted(0, &[], &[], Vec::new));
    }

    #[test]
    fn keeps_what_a_full_sort_puts_first() {
        let rules = Rules { suppressed: vec![0, 5], ..Rules::default() };
        for (seed, vocab) in [1, 2, 15, 16, 17, 127, 128, 129, 300, 1009].into_iter().enumerate() {
            let rows: Vec<(Vec<f32>, f64)> =
                (0..3).map(|parent| (row(seed as u64 * 3 + parent, vocab), -(parent as f64) / 4.0)).collect();
            let mut sorted: Vec<(f64, TokenId, usize)> = Vec::new();
            for (parent, (row, log_prob)) in rows.iter().enumerate() {
                for (token, &next) in (0..).zip(row) {
                    if next > f32::NEG_INFINITY && !rules.suppressed.contains(&token) {
                        sorted.push((log_prob + f64::from(next), token, parent));
                    }
                }
            }
            sorted.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
            for k in [1, 2, 7, 8, 5000] {
                let mut top = TopCandidates::new(k);
                for (parent, (row, log_prob)) in rows.iter().enumerate() {
                    consider(&mut top, row, *log_prob, parent, &rules);
                }
                let found: Vec<_> =
                    top.best().iter().map(|best| (best.total.ranked, best.token, best.parent)).collect();
                assert_eq!(found, &sorted[..k.min(sorted.len())], "vocab {vocab}, k {k}");
            }
        }
    }

    #[test]
    fn ties_go_to_the_lower_token_then_the_lower_parent() {
        let mut top = TopCandidates::new(3);
        consider(&mut top, &[-2.0, -1.0], 0.0, 0, &Rules::default());
        consider(&mut top, &[-1.0, -1.0], 0.0, 1, &Rules::default());
        let ranks: Vec<_> = top.best().iter().map(|best| (best.token, best.parent)).collect();
        assert_eq!(ranks, [(0, 1), (1, 0), (1, 1)]);
    }
}
