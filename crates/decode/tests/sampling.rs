//! Sampling against its definition on distributions written by hand, and generation against a model without weights.

use std::{collections::HashSet, ops::ControlFlow};

use attentive_core::TokenId;
use attentive_decode::{
    DecodeError, DraftSource, Drafts, Drawn, Ended, GenerateRequest, Rules, SamplingConfig, StopStrings, generate,
    generate_drafted,
};
use proptest::prelude::*;

use crate::models::{Model, Scores};

const P: [f64; 5] = [0.1, 0.4, 0.05, 0.3, 0.15];

fn ln(p: &[f64]) -> Vec<f32> {
    p.iter().map(|p| p.ln() as f32).collect()
}

fn close(found: &[(TokenId, f64)], expected: &[(TokenId, f64)]) {
    assert_eq!(found.len(), expected.len(), "{found:?} {expected:?}");
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found.0, expected.0, "{found:?}");
        assert!((found.1 - expected.1).abs() < 1e-6, "{found:?} {expected:?}");
    }
}

fn left(config: &SamplingConfig) -> Vec<(TokenId, f64)> {
    config.distribution(&ln(&P), &[], &[])
}

#[test]
fn without_settings_it_is_the_models_own_distribution() {
    close(&left(&SamplingConfig::default()), &[(1, 0.4), (3, 0.3), (4, 0.15), (0, 0.1), (2, 0.05)]);
}

#[test]
fn temperature_raises_probabilities_to_a_power() {
    let expected = |power: f64| {
        let sum: f64 = P.iter().map(|p| p.powf(power)).sum();
        [1, 3, 4, 0, 2].map(|token| (token, P[token as usize].powf(power) / sum))
    };
    close(&left(&SamplingConfig { temperature: 0.5, ..Default::default() }), &expected(2.0));
    close(&left(&SamplingConfig { temperature: 2.0, ..Default::default() }), &expected(0.5));
    close(&left(&SamplingConfig { temperature: 0.0, ..Default::default() }), &[(1, 1.0)]);
    // Nothing overflows on the way to the most probable token.
    close(&left(&SamplingConfig { temperature: 1e-300, ..Default::default() })[..1], &[(1, 1.0)]);
}

#[test]
fn top_k_leaves_so_many() {
    close(&left(&SamplingConfig { top_k: 2, ..Default::default() }), &[(1, 4.0 / 7.0), (3, 3.0 / 7.0)]);
    assert_eq!(left(&SamplingConfig { top_k: 9, ..Default::default() }).len(), 5);
    let tied = SamplingConfig { top_k: 1, ..Default::default() }.distribution(&ln(&[0.2, 0.4, 0.4]), &[], &[]);
    close(&tied, &[(1, 1.0)]);
}

#[test]
fn top_p_leaves_the_fewest_that_reach_it() {
    let top_p = |top_p| left(&SamplingConfig { top_p, ..Default::default() });
    close(&top_p(0.39), &[(1, 1.0)]);
    close(&top_p(0.41), &[(1, 4.0 / 7.0), (3, 3.0 / 7.0)]);
    assert_eq!(top_p(0.71).len(), 3);
    assert_eq!(top_p(0.96).len(), 5);
    assert_eq!(top_p(1.0).len(), 5);
    // Of what top-k left: 4/7 reaches 0.5.
    close(&left(&SamplingConfig { top_k: 2, top_p: 0.5, ..Default::default() }), &[(1, 1.0)]);
}

#[test]
fn min_p_leaves_what_is_probable_beside_the_best() {
    let min_p = |min_p| left(&SamplingConfig { min_p, ..Default::default() });
    close(&min_p(0.5), &[(1, 4.0 / 7.0), (3, 3.0 / 7.0)]); // at least 0.2
    assert_eq!(min_p(0.2).len(), 4); // at least 0.08
    close(&min_p(1.0), &[(1, 1.0)]);
}

#[test]
fn a_repetition_penalty_lowers_what_the_text_has() {
    let config = SamplingConfig { repetition_penalty: 2.0, ..Default::default() };
    let found = config.distribution(&ln(&P), &[1, 1, 2], &[]);
    // Once, however often it came: 0.4² and 0.05².
    let (p1, p2) = (0.16, 0.0025);
    let sum = 0.1 + p1 + p2 + 0.3 + 0.15;
    close(&found, &[(3, 0.3 / sum), (1, p1 / sum), (4, 0.15 / sum), (0, 0.1 / sum), (2, p2 / sum)]);
}

#[test]
fn suppressed_and_impossible_tokens_are_never_left() {
    let log_probs = [f32::NEG_INFINITY, 0.5_f32.ln(), f32::NAN, 0.3_f32.ln(), 0.2_f32.ln()];
    let config = SamplingConfig::default();
    close(&config.distribution(&log_probs, &[], &[1]), &[(3, 0.6), (4, 0.4)]);
    assert_eq!(config.distribution(&log_probs, &[], &[1, 3, 4]), []);
}

#[test]
fn draws_come_as_often_as_they_are_probable() {
    let config = SamplingConfig { seed: 7, ..Default::default() };
    let distribution = left(&config);
    let n = 100_000;
    let mut counts = [0.0; 5];
    (0..n).for_each(|step| counts[config.draw(&distribution, step) as usize] += 1.0);
    for (token, p) in P.iter().enumerate() {
        // Five standard deviations.
        assert!((counts[token] / n as f64 - p).abs() < 5.0 * (p * (1.0 - p) / n as f64).sqrt(), "{token}");
    }
}

#[test]
fn settings_out_of_range_are_named() {
    let bad = [
        (SamplingConfig { temperature: -1.0, ..Default::default() }, "temperature"),
        (SamplingConfig { temperature: f64::NAN, ..Default::default() }, "temperature"),
        (SamplingConfig { top_p: 0.0, ..Default::default() }, "top_p"),
        (SamplingConfig { min_p: 1.5, ..Default::default() }, "min_p"),
        (SamplingConfig { repetition_penalty: 0.0, ..Default::default() }, "repetition_penalty"),
    ];
    for (config, key) in bad {
        assert!(config.validate().unwrap_err().to_string().starts_with(key));
    }
}

proptest! {
    #[test]
    fn whatever_the_settings_something_is_left_and_sums_to_one(
        scores in prop::collection::vec(-30.0_f32..0.0, 1..40), text in prop::collection::vec(0_u32..40, 0..10),
        temperature in 0.0_f64..3.0, top_k in 0_usize..50, top_p in 0.001_f64..1.0, min_p in 0.0_f64..1.0,
        repetition_penalty in 0.1_f64..5.0, step in any::<u64>(),
    ) {
        let config = SamplingConfig { temperature, top_k, top_p, min_p, repetition_penalty, seed: 1, ..Default::default() };
        let found = config.distribution(&scores, &text, &[]);
        prop_assert!(!found.is_empty());
        prop_assert!((found.iter().map(|(_, p)| p).sum::<f64>() - 1.0).abs() < 1e-9);
        prop_assert!(found.is_sorted_by(|a, b| a.1 >= b.1));
        prop_assert!(top_k == 0 || found.len() <= top_k);
        let drawn = config.draw(&found, step);
        prop_assert!(found.iter().any(|&(token, _)| token == drawn));
    }

    #[test]
    fn stop_strings_cut_before_the_first_that_is_complete(
        text in "[ab]{0,12}", strings in prop::collection::vec("[ab]{1,3}", 0..3), cuts in prop::collection::vec(1_usize..4, 12),
    ) {
        // The first end of a string, and the longest string that ends there.
        let longest = |end: usize| strings.iter().filter(|string| text[..end].ends_with(*string)).map(String::len).max();
        let end = (0..=text.len()).find_map(|end| Some(end - longest(end)?));
        let (mut stop, mut passed, mut rest, mut ended) = (StopStrings::new(strings), String::new(), text.as_str(), false);
        for cut in cuts {
            let (piece, after) = rest.split_at(cut.min(rest.len()));
            let (let_through, is_end) = stop.push(piece);
            passed += &let_through;
            rest = after;
            ended |= is_end;
            if ended {
                break;
            }
        }
        prop_assert!(rest.is_empty() || ended);
        if !ended {
            passed += &stop.finish();
        }
        prop_assert_eq!(ended, end.is_some());
        prop_assert_eq!(passed, &text[..end.unwrap_or(text.len())]);
    }
}

/// Counts: after `n` comes `n + 1`, surely, and after the last token nothing that is not the first.
struct Counting {
    vocab_size: usize,
}

impl Scores for Counting {
    fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    fn after(&self, prefix: &[TokenId]) -> Vec<f32> {
        let next = (prefix.last().expect("a prefix") + 1) % self.vocab_size as u32;
        (0..self.vocab_size as u32).map(|token| if token == next { 0.0 } else { f32::NEG_INFINITY }).collect()
    }
}

fn counting(max_len: Option<usize>) -> Model<Counting> {
    Model { max_len, ..Model::new(Counting { vocab_size: 10 }) }
}

fn counted(max_len: Option<usize>, prompt: &[TokenId], max_tokens: usize, ends: &[TokenId]) -> (Vec<TokenId>, Ended) {
    let (prompts, rules) = ([prompt.to_vec()], Rules::default());
    let request = GenerateRequest { prompts: &prompts, n_samples: 1, max_tokens, ends, rules: &rules };
    let mut tokens = Vec::new();
    let ended =
        generate(&counting(max_len), &request, &SamplingConfig::default(), |Drawn { text, token, log_prob }| {
            assert_eq!((text, log_prob), (0, 0.0));
            tokens.push(token);
            ControlFlow::Continue(())
        });
    (tokens, ended.unwrap()[0])
}

#[test]
fn a_text_goes_on_until_its_end() {
    assert_eq!(counted(None, &[3, 4], 3, &[]), (vec![5, 6, 7], Ended::ByLength));
    assert_eq!(counted(None, &[3], 9, &[6]), (vec![4, 5], Ended::ByModel));
    assert_eq!(counted(None, &[3], 9, &[8, 6, 2]), (vec![4, 5], Ended::ByModel));
    assert_eq!(counted(None, &[3], 0, &[]), (vec![], Ended::ByLength));
}

#[test]
fn a_text_outgrows_the_models_positions() {
    let expected: Vec<TokenId> = (0..25).map(|n| (n + 4) % 10).collect();
    for max_len in 1..=6 {
        assert_eq!(counted(Some(max_len), &[1, 2, 3], 25, &[]).0, expected, "{max_len}");
    }
}

/// After every text, all tokens are equally probable.
struct Even;

impl Scores for Even {
    fn vocab_size(&self) -> usize {
        50
    }

    fn after(&self, _: &[TokenId]) -> Vec<f32> {
        vec![-(50_f32.ln()); 50]
    }
}

#[test]
fn prompts_have_random_numbers_of_their_own_wherever_they_are() {
    let (model, rules) = (Model { is_even: false, ..Model::new(Even) }, Rules::default());
    let drafts = Drafts { source: DraftSource::Model(&model), n_tokens: 2 };
    let written = |prompts: &[Vec<TokenId>], is_drafted: bool| {
        let mut texts = vec![Vec::new(); prompts.len() * 2];
        let request = GenerateRequest { prompts, n_samples: 2, max_tokens: 20, ends: &[], rules: &rules };
        let config = SamplingConfig { seed: 3, ..Default::default() };
        let on_token = |Drawn { text, token, .. }: Drawn| {
            texts[text].push(token);
            ControlFlow::Continue(())
        };
        if is_drafted {
            generate_drafted(&model, &drafts, &request, &config, on_token).unwrap();
        } else {
            generate(&model, &request, &config, on_token).unwrap();
        }
        texts
    };
    let prompts = [vec![1], vec![2], vec![1, 2], vec![1]];
    for is_drafted in [false, true] {
        let texts = written(&prompts, is_drafted);
        // They would be one text twice: of the first sample, and of the second.
        assert_eq!(texts[..6].iter().collect::<HashSet<_>>().len(), 6);
        assert_eq!(texts[..2], texts[6..], "one prompt, one text");
        assert_eq!(written(&prompts[1..2], is_drafted), texts[2..4], "alone as together");
    }
}

#[test]
fn the_caller_ends_a_text() {
    let rules = Rules::default();
    let request = GenerateRequest { prompts: &[vec![1]], n_samples: 1, max_tokens: 9, ends: &[], rules: &rules };
    let mut n = 0;
    let ended = generate(&counting(None), &request, &SamplingConfig::default(), |_| {
        n += 1;
        if n == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert_eq!((ended.unwrap(), n), (vec![Ended::ByCaller], 2));
}

#[test]
fn requests_that_cannot_be_are_refused() {
    let refused = |prompt: &[TokenId], n_samples, suppressed: &[TokenId]| {
        let (prompts, rules) = ([prompt.to_vec()], Rules { suppressed: suppressed.to_vec(), ..Rules::default() });
        let request = GenerateRequest { prompts: &prompts, n_samples, max_tokens: 1, ends: &[], rules: &rules };
        generate(&counting(None), &request, &SamplingConfig::default(), |_| ControlFlow::Continue(())).unwrap_err()
    };
    assert!(matches!(refused(&[], 1, &[]), DecodeError::EmptyPrompt));
    assert!(matches!(refused(&[3], 0, &[]), DecodeError::ZeroSamples));
    assert!(matches!(refused(&[10], 1, &[]), DecodeError::UnknownToken { id: 10, vocab_size: 10 }));
    assert!(matches!(refused(&[3], 1, &[4]), DecodeError::NothingFollows { n_tokens: 1 }));
}

/// What transformers' filters leave (`golden/generate_filters.py`).
#[test]
fn filters_leave_what_those_of_transformers_leave() {
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/filters.json");
    let rows: Vec<serde_json::Value> = serde_json::from_str(&std::fs::read_to_string(golden).unwrap()).unwrap();
    assert_eq!(rows.len(), 40);
    for row in rows {
        let config: SamplingConfig = serde_json::from_value(row["settings"].clone()).unwrap();
        config.validate().unwrap();
        let log_probs: Vec<f32> = serde_json::from_value(row["log_probs"].clone()).unwrap();
        let left = row["left"].as_object().unwrap().iter();
        let mut expected: Vec<(TokenId, f64)> =
            left.map(|(token, p)| (token.parse().unwrap(), p.as_f64().unwrap())).collect();
        expected.sort_by(|a, b| b.1.total_cmp(&a.1));
        close(&config.distribution(&log_probs, &[], &[]), &expected);
    }
}
