//! Contrastive search against the formula of Su et al. 2022, computed again at each step from the whole text.

use std::ops::ControlFlow;

use attentive_core::{DeviceError, LanguageModel, NextToken, Scores as Found, TokenId, Want, mix64};
use attentive_decode::{
    ContrastiveConfig, DecodeError, Ended, GenerateRequest, Rules, SamplingConfig, contrastive_search, generate,
};

use crate::models::{Hashed, Model, Scores};

const VOCAB: usize = 9;
const WIDTH: usize = 3;
const EOS: TokenId = 2;

/// A model without weights that shows a vector for each beginning of a text.
struct Shown(Model<Hashed>);

fn model(seed: u64, max_len: Option<usize>) -> Shown {
    let hashed = Hashed { vocab_size: VOCAB, seed, sharpness: 3.0, eos: EOS };
    Shown(Model { max_len, gives_top: seed.is_multiple_of(2), ..Model::new(hashed) })
}

fn vector(prefix: &[TokenId]) -> Vec<f32> {
    let hash = prefix.iter().rev().take(3).fold(7, |hash, &token| mix64(hash ^ (u64::from(token) + 1)));
    (0..WIDTH as u64).map(|at| (mix64(hash ^ at) % 1000) as f32 / 300.0 - 1.0).collect()
}

impl NextToken for Shown {
    type State = Vec<Vec<TokenId>>;

    fn vocab_size(&self) -> usize {
        VOCAB
    }

    fn max_len(&self) -> Option<usize> {
        self.0.max_len
    }

    fn advance(&self, tokens: &[TokenId], state: &mut Self::State, want: Want) -> Result<Found, DeviceError> {
        self.0.advance(tokens, state, want)
    }

    fn reorder(&self, state: &mut Self::State, parents: &[usize]) {
        self.0.reorder(state, parents);
    }
}

impl LanguageModel for Shown {
    fn start(&self, n_rows: usize) -> Self::State {
        self.0.rows(n_rows)
    }

    fn advance_with_vectors(
        &self,
        tokens: &[TokenId],
        state: &mut Self::State,
        want: Want,
    ) -> Result<(Found, Option<Vec<f32>>), DeviceError> {
        let n_before: Vec<usize> = state.iter().map(Vec::len).collect();
        let scores = self.advance(tokens, state, want)?;
        let of_row = |(row, before): (&Vec<TokenId>, usize)| {
            (before..row.len()).flat_map(|end| vector(&row[..=end])).collect::<Vec<f32>>()
        };
        Ok((scores, Some(state.iter().zip(n_before).flat_map(of_row).collect())))
    }
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// `(1 − α) p(v | x) − α max {cos(h_v, h_j)}` of the k most probable tokens, the best of which follows.
fn by_formula(
    scores: &Hashed,
    prompt: &[TokenId],
    config: ContrastiveConfig,
    max_tokens: usize,
) -> (Vec<TokenId>, Ended) {
    let mut text = prompt.to_vec();
    while text.len() < prompt.len() + max_tokens {
        let mut ranked: Vec<(TokenId, f64)> =
            (0..).zip(scores.after(&text)).map(|(token, p)| (token, f64::from(p).exp())).collect();
        ranked.retain(|(_, p)| *p > 0.0);
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
        ranked.truncate(config.candidates);
        let value = |&(token, p): &(TokenId, f64)| {
            let after = vector(&[&text[..], &[token]].concat());
            let likeness = (1..=text.len()).map(|end| cosine(&after, &vector(&text[..end]))).fold(f64::MIN, f64::max);
            (1.0 - config.alpha) * p - config.alpha * likeness
        };
        let values: Vec<f64> = ranked.iter().map(value).collect();
        let best = (0..values.len()).max_by(|&a, &b| values[a].total_cmp(&values[b])).unwrap();
        if ranked[best].0 == EOS {
            return (text.split_off(prompt.len()), Ended::ByModel);
        }
        text.push(ranked[best].0);
    }
    (text.split_off(prompt.len()), Ended::ByLength)
}

fn written(
    model: &Shown,
    prompts: &[Vec<TokenId>],
    config: ContrastiveConfig,
    rules: &Rules,
) -> Vec<(Vec<TokenId>, Ended)> {
    let request = GenerateRequest { prompts, n_samples: 1, max_tokens: 14, ends: &[EOS], rules };
    let mut texts = vec![Vec::new(); prompts.len()];
    let ended = contrastive_search(model, &request, &config, |drawn| {
        texts[drawn.text].push(drawn.token);
        ControlFlow::Continue(())
    });
    texts.into_iter().zip(ended.unwrap()).collect()
}

#[test]
fn the_token_of_the_best_value_follows() {
    let prompts = [vec![0], vec![1, 5, 3], vec![4, 4, 4, 4]];
    let mut n_unlike_greedy = 0;
    for seed in 0..12 {
        let model = model(seed, None);
        for (alpha, candidates) in [(0.0, 3), (0.3, 2), (0.6, 4), (0.6, 100), (1.0, 3), (0.5, 1)] {
            let config = ContrastiveConfig { alpha, candidates };
            let found = written(&model, &prompts, config, &Rules::default());
            for (prompt, found) in prompts.iter().zip(found) {
                assert_eq!(found, by_formula(&model.0.scores, prompt, config, 14), "{seed}, {config:?}, {prompt:?}");
                let greedy = ContrastiveConfig { alpha: 0.0, candidates: 1 };
                n_unlike_greedy += usize::from(found != by_formula(&model.0.scores, prompt, greedy, 14));
            }
        }
    }
    assert!(n_unlike_greedy > 50, "{n_unlike_greedy} texts are other than greedy search's");
}

#[test]
fn without_alpha_it_is_greedy_search_under_any_rules() {
    for max_len in [None, Some(2), Some(3), Some(7)] {
        let rules = Rules { no_repeat_ngram: 2, min_len: 3, suppressed: vec![1], ..Rules::default() };
        let (model, prompts) = (model(3, max_len), [vec![0, 3]]);
        let found = written(&model, &prompts, ContrastiveConfig { alpha: 0.0, candidates: 3 }, &rules);
        // Where positions are used up, half of them is read again a token before greedy search does.
        if max_len.is_none() {
            let request =
                GenerateRequest { prompts: &prompts, n_samples: 1, max_tokens: 14, ends: &[EOS], rules: &rules };
            let (mut text, greedy) = (Vec::new(), SamplingConfig { temperature: 0.0, ..Default::default() });
            let ended = generate(&model, &request, &greedy, |drawn| {
                text.push(drawn.token);
                ControlFlow::Continue(())
            });
            assert_eq!(found, [(text, ended.unwrap()[0])]);
        }
        assert!(!found[0].0.is_empty() && !found[0].0.contains(&1), "{max_len:?}: {found:?}");
    }
}

#[test]
fn what_cannot_be_is_refused() {
    let (prompts, rules) = ([vec![0]], Rules::default());
    let request = GenerateRequest { prompts: &prompts, n_samples: 1, max_tokens: 3, ends: &[EOS], rules: &rules };
    let config = ContrastiveConfig { alpha: 0.6, candidates: 4 };
    let refused = |model: &Shown, request: &GenerateRequest<'_>, config: ContrastiveConfig| {
        contrastive_search(model, request, &config, |_| ControlFlow::Continue(())).unwrap_err()
    };
    let any = model(1, None);
    for alpha in [-0.1, 1.1, f64::NAN] {
        assert_eq!(refused(&any, &request, ContrastiveConfig { alpha, ..config }).keys(), ["contrastive"]);
    }
    assert_eq!(refused(&any, &request, ContrastiveConfig { candidates: 0, ..config }).keys(), ["top_k"]);
    assert_eq!(refused(&any, &GenerateRequest { n_samples: 2, ..request }, config).keys(), ["n_samples"]);
    assert!(matches!(refused(&model(1, Some(1)), &request, config), DecodeError::BeyondPositions { limit: 1, .. }));
    let blind = contrastive_search(&any.0, &request, &config, |_| ControlFlow::Continue(())).unwrap_err();
    assert!(blind.to_string().contains("contrastive search needs the vectors"), "{blind}");
}
