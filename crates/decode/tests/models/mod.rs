//! A model without weights, whose every probability is known.

use std::cell::RefCell;

use attentive_core::{DeviceError, LanguageModel, NextToken, Scores as Found, TokenId, TopTokens, Want, mix64};

/// Log-probabilities of the token after a prefix; the prefix begins with the prompt.
pub(crate) trait Scores {
    fn vocab_size(&self) -> usize;
    fn after(&self, prefix: &[TokenId]) -> Vec<f32>;
}

/// Gives `Scores` to a search; its state is what each row has read.
pub(crate) struct Model<S> {
    pub(crate) scores: S,
    /// Number of rows at each step.
    pub(crate) n_rows: RefCell<Vec<usize>>,
    pub(crate) max_len: Option<usize>,
    /// Whether it is held against it that sentences have different numbers of rows.
    pub(crate) is_even: bool,
    /// Whether it gives the best tokens alone where they suffice.
    pub(crate) gives_top: bool,
}

impl<S: Scores> Model<S> {
    pub(crate) fn new(scores: S) -> Self {
        Self { scores, n_rows: RefCell::default(), max_len: None, is_even: true, gives_top: false }
    }

    /// Rows that have read nothing.
    pub(crate) fn rows(&self, n_rows: usize) -> Vec<Vec<TokenId>> {
        vec![Vec::new(); n_rows]
    }
}

impl<S: Scores> NextToken for Model<S> {
    type State = Vec<Vec<TokenId>>;

    fn vocab_size(&self) -> usize {
        self.scores.vocab_size()
    }

    fn max_len(&self) -> Option<usize> {
        self.max_len
    }

    fn advance(&self, tokens: &[TokenId], state: &mut Self::State, want: Want) -> Result<Found, DeviceError> {
        let (rows, new) = (state.len(), tokens.len() / state.len());
        assert_eq!(tokens.len(), rows * new, "as many tokens for each row");
        for (read, tokens) in state.iter_mut().zip(tokens.chunks(new)) {
            read.extend(tokens);
            assert!(self.max_len.is_none_or(|max_len| read.len() <= max_len), "{} tokens are too many", read.len());
        }
        let groups: Vec<_> = state.chunk_by(|a, b| a[0] == b[0]).collect();
        let is_even = groups.iter().all(|group| group.len() == groups[0].len());
        assert!(is_even || !self.is_even, "as many rows for each sentence: {state:?}");
        self.n_rows.borrow_mut().push(rows);
        let log_probs: Vec<f32> = state.iter().flat_map(|prefix| self.scores.after(prefix)).collect();
        match want {
            Want::Top(k) if self.gives_top => Ok(Found::Top(best(&log_probs, self.vocab_size(), k))),
            _ => Ok(Found::All(log_probs)),
        }
    }

    fn reorder(&self, state: &mut Self::State, parents: &[usize]) {
        *state = parents.iter().map(|&parent| state[parent].clone()).collect();
    }
}

impl<S: Scores> LanguageModel for Model<S> {
    fn start(&self, n_rows: usize) -> Self::State {
        self.rows(n_rows)
    }
}

/// The `k` best tokens of each row, by sorting all.
fn best(log_probs: &[f32], vocab_size: usize, k: usize) -> TopTokens {
    let k = k.min(vocab_size);
    let mut top = TopTokens { k, ids: Vec::new(), log_probs: Vec::new() };
    for row in log_probs.chunks(vocab_size) {
        let mut order: Vec<TokenId> = (0..vocab_size as TokenId).collect();
        order.sort_by(|&a, &b| row[b as usize].total_cmp(&row[a as usize]));
        top.ids.extend(&order[..k]);
        top.log_probs.extend(order[..k].iter().map(|&token| row[token as usize]));
    }
    top
}

/// Probabilities drawn from a hash of the whole prefix; a quarter of the tokens cannot follow, the end always can.
#[derive(Debug, Clone)]
pub(crate) struct Hashed {
    pub(crate) vocab_size: usize,
    pub(crate) seed: u64,
    /// Range of the logits.
    pub(crate) sharpness: f64,
    pub(crate) eos: TokenId,
}

impl Scores for Hashed {
    fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    fn after(&self, prefix: &[TokenId]) -> Vec<f32> {
        let hash = prefix.iter().fold(mix64(self.seed), |hash, &token| mix64(hash ^ (u64::from(token) + 1)));
        let weight = |token: u64| {
            let bits = mix64(hash.wrapping_add(token));
            let unit = (bits >> 11) as f64 / (1_u64 << 53) as f64;
            let can_follow = !bits.is_multiple_of(4) || token == u64::from(self.eos);
            if can_follow { (self.sharpness * unit).exp() } else { 0.0 }
        };
        let weights: Vec<f64> = (0..self.vocab_size as u64).map(weight).collect();
        let sum: f64 = weights.iter().sum();
        weights.iter().map(|weight| (weight / sum).ln() as f32).collect()
    }
}
