//! The tokens that translations are held to.

use std::sync::Arc;

use attentive_core::{Scores, TokenId, TopTokens, Want};
use attentive_kernels::log_softmax;
use rayon::prelude::*;

use crate::embedding::Projection;

/// The tokens that each sentence of a state is held to, and the columns of the projection that are theirs.
///
/// A product has those of all sentences, so that a batch is one product; the scores of a sentence are of its own tokens, and so
/// do not depend on the others.
#[derive(Debug)]
pub(crate) struct Restriction {
    /// Those of all sentences, in rising order.
    tokens: Vec<TokenId>,
    /// To these tokens.
    projection: Projection,
    /// For each sentence the places of its own in `tokens`.
    places: Vec<Vec<usize>>,
    vocab_size: usize,
}

/// What each row of a state is held to.
#[derive(Debug)]
pub(crate) struct Among {
    pub(crate) restriction: Arc<Restriction>,
    pub(crate) sentence_of_row: Vec<usize>,
}

impl Restriction {
    /// The restriction of sentences to these tokens of each, in rising order.
    ///
    /// # Panics
    /// If a token is not in the vocabulary.
    pub(crate) fn new(projection: &Projection, allowed: &[Vec<TokenId>]) -> Self {
        let mut tokens = allowed.concat();
        tokens.sort_unstable();
        tokens.dedup();
        let place = |token: &TokenId| tokens.partition_point(|other| other < token);
        let places = allowed.iter().map(|allowed| allowed.iter().map(place).collect()).collect();
        let (projection, vocab_size) = (projection.select(&tokens), projection.vocab_size());
        Self { tokens, projection, places, vocab_size }
    }
}

impl Among {
    /// The scores of rows of scaled vectors, `[rows, d_model]`.
    pub(crate) fn scores(&self, x: &[f32], want: Want) -> Scores {
        let Restriction { tokens, projection, vocab_size, .. } = &*self.restriction;
        let logits = if tokens.is_empty() { Vec::new() } else { projection.logits_of_scaled(x) }; // [rows, tokens]
        let n_rows = self.sentence_of_row.len();
        match want {
            Want::Top(k) if k > 0 => {
                let (k, rows) = (k.min(*vocab_size), (0..n_rows).into_par_iter());
                let best: Vec<Vec<(TokenId, f32)>> = rows.map(|row| best(&self.row(&logits, row), k)).collect();
                let (ids, log_probs) = best.into_iter().flatten().unzip();
                Scores::Top(TopTokens { k, ids, log_probs })
            }
            _ => {
                let mut all = vec![f32::NEG_INFINITY; n_rows * vocab_size];
                all.par_chunks_mut(*vocab_size).enumerate().for_each(|(row, all)| {
                    self.row(&logits, row).into_iter().for_each(|(token, log_prob)| all[token as usize] = log_prob);
                });
                Scores::All(all)
            }
        }
    }

    /// The tokens of a row and their log-probabilities, in order of tokens.
    fn row(&self, logits: &[f32], row: usize) -> Vec<(TokenId, f32)> {
        let Restriction { tokens, places, .. } = &*self.restriction;
        let places = &places[self.sentence_of_row[row]];
        if places.is_empty() {
            return Vec::new();
        }
        let logits: Vec<f32> = places.iter().map(|place| logits[row * tokens.len() + place]).collect();
        let mut log_probs = vec![0.0; logits.len()];
        log_softmax(&logits, logits.len(), &mut log_probs);
        places.iter().map(|&place| tokens[place]).zip(log_probs).collect()
    }
}

/// The `k` most probable tokens of a row, best first, and the lower id first among equals. Places that are left have no token.
fn best(row: &[(TokenId, f32)], k: usize) -> Vec<(TokenId, f32)> {
    let mut best: Vec<(TokenId, f32)> = Vec::with_capacity(k + 1);
    for &(token, log_prob) in row {
        let is_beaten = best.len() == k && best.last().is_some_and(|&(_, least)| log_prob <= least);
        if log_prob.is_nan() || log_prob == f32::NEG_INFINITY || is_beaten {
            continue;
        }
        let rank = best.partition_point(|&(_, other)| other >= log_prob);
        best.insert(rank, (token, log_prob));
        best.truncate(k);
    }
    best.resize(k, (TokenId::MAX, f32::NEG_INFINITY));
    best
}
