//! The coverage penalty against every hypothesis, scored by its formula.

use attentive_core::{DeviceError, NextToken, Scores as Found, SourceAttention, TokenId, Want, mix64};
use attentive_decode::{
    BeamConfig, BeamRules, Constraints, DecodeError, DecodeRequest, Rules, beam_search, beam_search_with, gnmt_penalty,
};

use crate::models::{Hashed, Model, Scores};

const EOS: TokenId = 2;
const BOS: TokenId = 0;
const N_SOURCE: usize = 3;

/// A model without weights whose attention is a hash of what was read.
struct Attending(Model<Hashed>);

fn attention(prefix: &[TokenId]) -> Vec<f32> {
    let hash = prefix.iter().fold(11, |hash, &token| mix64(hash ^ (u64::from(token) + 1)));
    let weights: Vec<f32> = (0..N_SOURCE as u64).map(|at| ((mix64(hash ^ at) % 100) as f32 / 15.0).exp()).collect();
    let sum: f32 = weights.iter().sum();
    weights.iter().map(|weight| weight / sum).collect()
}

impl NextToken for Attending {
    type State = Vec<Vec<TokenId>>;

    fn vocab_size(&self) -> usize {
        self.0.vocab_size()
    }

    fn max_len(&self) -> Option<usize> {
        None
    }

    fn advance(&self, tokens: &[TokenId], state: &mut Self::State, want: Want) -> Result<Found, DeviceError> {
        self.0.advance(tokens, state, want)
    }

    fn advance_attending(
        &self,
        tokens: &[TokenId],
        state: &mut Self::State,
        want: Want,
    ) -> Result<(Found, Option<SourceAttention>), DeviceError> {
        let scores = self.advance(tokens, state, want)?;
        Ok((scores, Some(state.iter().map(|row| attention(row)).collect())))
    }

    fn reorder(&self, state: &mut Self::State, parents: &[usize]) {
        self.0.reorder(state, parents);
    }
}

fn model(seed: u64) -> Attending {
    Attending(Model::new(Hashed { vocab_size: 4, seed, sharpness: 2.0, eos: EOS }))
}

/// Every hypothesis that ends within `max_len` tokens, with `log P / lp + β Σ_i ln min(Σ_j p_ij, 1)`, best first.
fn every(scores: &Hashed, alpha: f64, beta: f64, max_len: usize) -> Vec<(Vec<TokenId>, f64)> {
    let mut found = Vec::new();
    let mut open = vec![(vec![BOS], 0.0, vec![0.0; N_SOURCE])];
    while let Some((text, log_prob, sums)) = open.pop() {
        let sums: Vec<f64> = sums.iter().zip(attention(&text)).map(|(sum, p)| sum + f64::from(p)).collect();
        for (token, next) in (0..).zip(scores.after(&text)).filter(|(_, next)| *next > f32::NEG_INFINITY) {
            let log_prob = log_prob + f64::from(next);
            if token == EOS {
                let cover: f64 = sums.iter().map(|sum| sum.min(1.0).ln()).sum();
                found.push((text[1..].to_vec(), log_prob / gnmt_penalty(text.len(), alpha) + beta * cover));
            } else if text.len() < max_len {
                open.push(([&text[..], &[token]].concat(), log_prob, sums.clone()));
            }
        }
    }
    found.sort_by(|a, b| b.1.total_cmp(&a.1));
    found
}

#[test]
fn a_beam_that_drops_nothing_finds_the_best_of_all() {
    let (rules, max_len) = (Rules::default(), 4);
    let mut n_changed = 0;
    for seed in 0..20 {
        let model = model(seed);
        let request = DecodeRequest { prompt: &[BOS], prefixes: &[], eos: EOS, rules: &rules, max_len: &[max_len] };
        for (alpha, beta) in [(0.0, 0.2), (0.6, 0.2), (1.0, 2.0), (0.6, 9.0)] {
            let config = BeamConfig { beam: 200, n_best: 3, length_penalty: alpha, ..BeamConfig::default() };
            let constraints = Constraints { coverage_penalty: beta, ..Constraints::default() };
            let found = beam_search_with(&model, model.0.rows(1), &request, &config, &constraints).unwrap();
            let expected = every(&model.0.scores, alpha, beta, max_len);
            for (found, (tokens, score)) in found[0].iter().zip(&expected) {
                assert_eq!((&found.tokens, found.finished), (tokens, true), "{seed}, {alpha}, {beta}");
                assert!((found.score - score).abs() < 1e-4, "{} and {score}", found.score);
            }
            let without = beam_search(&model, model.0.rows(1), &request, &config).unwrap();
            n_changed += usize::from(without[0][0].tokens != found[0][0].tokens);
        }
    }
    assert!(n_changed > 10, "the penalty changes {n_changed} translations of 80");
}

#[test]
fn hypotheses_are_ranked_by_it_under_any_rules_of_beams() {
    let rules = Rules::default();
    let model = model(5);
    let request = DecodeRequest { prompt: &[BOS], prefixes: &[], eos: EOS, rules: &rules, max_len: &[4] };
    for rules in [BeamRules::Gnmt, BeamRules::Early, BeamRules::Present, BeamRules::Never] {
        for beam in 1..6 {
            let config = BeamConfig { beam, n_best: beam, length_penalty: 1.0, rules };
            let constraints = Constraints { coverage_penalty: 3.0, ..Constraints::default() };
            let found = beam_search_with(&model, model.0.rows(1), &request, &config, &constraints).unwrap();
            let finished: Vec<f64> = found[0].iter().filter(|one| one.finished).map(|one| one.score).collect();
            assert!(finished.is_sorted_by(|a, b| a >= b), "{rules:?}, {beam}: {finished:?}");
        }
    }
}

#[test]
fn what_cannot_be_is_refused() {
    let (rules, model) = (Rules::default(), model(5));
    let request = DecodeRequest { prompt: &[BOS], prefixes: &[], eos: EOS, rules: &rules, max_len: &[4] };
    let refused = |beta| {
        let constraints = Constraints { coverage_penalty: beta, ..Constraints::default() };
        beam_search_with(&model.0, model.0.rows(1), &request, &BeamConfig::default(), &constraints).unwrap_err()
    };
    for beta in [-0.1, f64::INFINITY, f64::NAN] {
        assert_eq!(refused(beta).keys(), ["coverage_penalty"]);
    }
    assert!(matches!(refused(0.2), DecodeError::NotShown { part: "the attention", .. }));
}
