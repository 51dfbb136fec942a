//! The best continuations of a set of rows.

use attentive_core::TokenId;

/// A row continued by a token.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Candidate {
    /// Of the row and the token, in nats.
    pub(crate) log_prob: f64,
    pub(crate) token: TokenId,
    /// Index of the row.
    pub(crate) parent: usize,
}

impl Candidate {
    /// Whether it ranks before `other`: by log-probability, then the lower token, then the lower parent.
    fn precedes(&self, other: &Self) -> bool {
        let tie = || (self.token, self.parent) < (other.token, other.parent);
        self.log_prob.total_cmp(&other.log_prob).is_gt() || (self.log_prob == other.log_prob && tie())
    }
}

/// Keeps the `k` best candidates of the rows it is shown.
///
/// Rows are scanned on the host. On burn's CPU backends they are there already, and burn's own top-k sorts whole rows.
/// Its GPU backends have a true top-k, but one that gives no index for an impossible token and leaves NaN unordered;
/// the read-back it would save is a few megabytes a step, and one scan breaks ties alike on every backend.
pub(crate) struct TopCandidates<'a> {
    k: usize,
    suppressed: &'a [TokenId],
    /// One more that can't follow, for now.
    withheld: Option<TokenId>,
    /// Best first.
    best: Vec<Candidate>,
}

impl<'a> TopCandidates<'a> {
    /// Keeps `k` candidates, none of a suppressed token.
    pub(crate) fn new(k: usize, suppressed: &'a [TokenId]) -> Self {
        Self { k, suppressed, withheld: None, best: Vec::new() }
    }

    /// Forgets all candidates; `withheld` can't be among the next ones.
    pub(crate) fn clear(&mut self, withheld: Option<TokenId>) {
        self.best.clear();
        self.withheld = withheld;
    }

    /// How many of a row's most probable tokens suffice to find its candidates.
    pub(crate) fn n_wanted(&self) -> usize {
        self.k.saturating_add(self.suppressed.len()).saturating_add(1)
    }

    /// The candidates kept, best first.
    pub(crate) fn best(&self) -> &[Candidate] {
        &self.best
    }

    /// Considers every token after row `parent`, which has `log_prob` so far; tokens of log-probability −∞ or NaN
    /// cannot follow.
    pub(crate) fn scan(&mut self, row: &[f32], log_prob: f64, parent: usize) {
        const BLOCK: usize = 128;
        for (block_idx, block) in row.chunks(BLOCK).enumerate() {
            // Addition is monotonic: where the highest falls short, all do.
            if log_prob + f64::from(highest(block)) < self.threshold() {
                continue;
            }
            for (token, &next) in (block_idx * BLOCK..).zip(block) {
                self.offer(token as TokenId, next, log_prob, parent);
            }
        }
    }

    /// Considers one token after row `parent`, which has `log_prob` so far.
    pub(crate) fn offer(&mut self, token: TokenId, next: f32, log_prob: f64, parent: usize) {
        if next > f32::NEG_INFINITY {
            self.insert(Candidate { log_prob: log_prob + f64::from(next), token, parent });
        }
    }

    /// What a candidate must reach to be kept.
    fn threshold(&self) -> f64 {
        if self.best.len() < self.k { f64::NEG_INFINITY } else { self.best[self.k - 1].log_prob }
    }

    fn insert(&mut self, candidate: Candidate) {
        let Candidate { log_prob, token, .. } = candidate;
        if log_prob < self.threshold() || self.suppressed.contains(&token) || self.withheld == Some(token) {
            return;
        }
        let rank = self.best.partition_point(|kept| kept.precedes(&candidate));
        self.best.insert(rank, candidate);
        self.best.truncate(self.k);
    }
}

/// The greatest value, NaN aside.
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

    /// Log-probabilities with many ties, and with values that cannot be.
    fn row(seed: u64, vocab: usize) -> Vec<f32> {
        let value = |token| match mix64(seed * 1_000_003 + token as u64) % 40 {
            0 => f32::NAN,
            1 => f32::NEG_INFINITY,
            n => -(n as f32) / 4.0,
        };
        (0..vocab).map(value).collect()
    }

    #[test]
    fn keeps_what_a_full_sort_puts_first() {
        for (seed, vocab) in [1, 2, 15, 16, 17, 127, 128, 129, 300, 1009].into_iter().enumerate() {
            let rows: Vec<(Vec<f32>, f64)> =
                (0..3).map(|parent| (row(seed as u64 * 3 + parent, vocab), -(parent as f64) / 4.0)).collect();
            let suppressed = [0, 5];
            let mut sorted: Vec<Candidate> = Vec::new();
            for (parent, (row, log_prob)) in rows.iter().enumerate() {
                for (token, &next) in (0..).zip(row) {
                    if next > f32::NEG_INFINITY && !suppressed.contains(&token) {
                        sorted.push(Candidate { log_prob: log_prob + f64::from(next), token, parent });
                    }
                }
            }
            sorted
                .sort_by(|a, b| b.log_prob.total_cmp(&a.log_prob).then((a.token, a.parent).cmp(&(b.token, b.parent))));
            for k in [1, 2, 7, 8, 5000] {
                let mut top = TopCandidates::new(k, &suppressed);
                for (parent, (row, log_prob)) in rows.iter().enumerate() {
                    top.scan(row, *log_prob, parent);
                }
                assert_eq!(top.best(), &sorted[..k.min(sorted.len())], "vocab {vocab}, k {k}");
            }
        }
    }

    #[test]
    fn ties_go_to_the_lower_token_then_the_lower_parent() {
        let mut top = TopCandidates::new(3, &[]);
        top.scan(&[-2.0, -1.0], 0.0, 0);
        top.scan(&[-1.0, -1.0], 0.0, 1);
        let ranks: Vec<_> = top.best().iter().map(|best| (best.token, best.parent)).collect();
        assert_eq!(ranks, [(0, 1), (1, 0), (1, 1)]);
    }
}
