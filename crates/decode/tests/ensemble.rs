//! Models that decide together, against the definition.

use attentive_core::{LanguageModel, NextToken};
use attentive_decode::{BeamConfig, Combination, DecodeError, DecodeRequest, Ensemble, Rules, beam_search};

use crate::models::{Hashed, Model, Scores};

const VOCAB: usize = 5;

fn member(seed: u64) -> Hashed {
    Hashed { vocab_size: VOCAB, seed, sharpness: 3.0, eos: 0 }
}

fn ensemble(weights: &[f64], combination: Combination) -> Ensemble<Model<Hashed>> {
    let members = [1, 2, 3].map(|seed| Model::new(member(seed)));
    Ensemble::new(members.into(), weights, combination).expect("a good ensemble")
}

/// The ensemble's probabilities by the definition.
fn probabilities(prefix: &[u32], weights: [f64; 3], combination: Combination) -> Vec<f64> {
    let sum: f64 = weights.iter().sum();
    let of_members: Vec<Vec<f64>> = [1, 2, 3]
        .map(|seed| member(seed).after(prefix).into_iter().map(|log_prob| f64::from(log_prob).exp()).collect())
        .into();
    let of_token = |token: usize| {
        let members = of_members.iter().zip(weights).map(|(p, weight)| (p[token], weight / sum));
        match combination {
            Combination::Linear => members.map(|(p, weight)| weight * p).sum::<f64>(),
            Combination::LogLinear => members.map(|(p, weight)| p.powf(weight)).product::<f64>(),
        }
    };
    let all: Vec<f64> = (0..VOCAB).map(of_token).collect();
    let total: f64 = all.iter().sum();
    all.into_iter().map(|p| p / total).collect()
}

#[test]
fn distributions_are_those_of_the_definition() {
    for combination in [Combination::Linear, Combination::LogLinear] {
        for weights in [[1.0, 1.0, 1.0], [0.5, 3.0, 1.5]] {
            let model = ensemble(&weights, combination);
            let mut state = model.start(2);
            let found = model.log_probs(&[2, 3, 4, 1], &mut state).unwrap();
            for (row, prefix) in found.chunks(VOCAB).zip([[2, 3], [4, 1]]) {
                let expected = probabilities(&prefix, weights, combination);
                for (found, expected) in row.iter().zip(expected) {
                    assert!((f64::from(*found).exp() - expected).abs() < 1e-6, "{found} and {}", expected.ln());
                }
            }
        }
    }
}

/// Every text of up to three tokens is tried.
#[test]
fn a_wide_beam_finds_the_best_text_of_the_ensemble() {
    for combination in [Combination::Linear, Combination::LogLinear] {
        let weights = [1.0, 2.0, 1.0];
        let model = ensemble(&weights, combination);
        let rules = Rules::default();
        let request = DecodeRequest { prompt: &[3], prefixes: &[], eos: 0, rules: &rules, max_len: &[3] };
        let config = BeamConfig { beam: 200, length_penalty: 0.0, ..BeamConfig::default() };
        let found = beam_search(&model, model.start(1), &request, &config).unwrap().swap_remove(0).swap_remove(0);
        let mut best = (f64::NEG_INFINITY, Vec::new());
        let mut open = vec![(0.0, Vec::new())];
        while let Some((log_prob, text)) = open.pop() {
            let after = probabilities(&[&[3][..], &text].concat(), weights, combination);
            for (token, p) in (0..).zip(after) {
                let log_prob = log_prob + p.ln();
                if token == 0 && log_prob > best.0 {
                    best = (log_prob, text.clone());
                } else if token != 0 && text.len() < 2 {
                    open.push((log_prob, [&text[..], &[token]].concat()));
                }
            }
        }
        assert_eq!(found.tokens, best.1);
        assert!((found.log_prob - best.0).abs() < 1e-5);
    }
}

#[test]
fn models_that_can_not_decide_together_are_refused() {
    let of = |models: Vec<Model<Hashed>>, weights: &[f64]| {
        let error = Ensemble::new(models, weights, Combination::Linear).map(drop).expect_err("refused");
        assert!(matches!(error, DecodeError::Ensemble { .. }));
        error.to_string()
    };
    assert!(of(Vec::new(), &[]).contains("no model"));
    let other = Model::new(Hashed { vocab_size: 6, ..member(2) });
    assert!(of(vec![Model::new(member(1)), other], &[]).contains("5 and of 6"));
    assert!(of(vec![Model::new(member(1))], &[1.0, 1.0]).contains("2 weights for 1"));
    for weight in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(of(vec![Model::new(member(1))], &[weight]).contains("not above 0"));
    }
}

#[test]
fn weights_without_a_finite_sum_are_refused() {
    let members = [1, 2].map(|_| ensemble(&[], Combination::Linear));
    let refused =
        Ensemble::new(members.into(), &[1e308, 1e308], Combination::Linear).err().map(|error| error.to_string());
    assert!(refused.as_ref().is_some_and(|error| error.contains("sum of the weights")), "{refused:?}");
}
