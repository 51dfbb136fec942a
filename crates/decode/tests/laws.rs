//! Laws of any search over any model.

use std::sync::LazyLock;

use attentive_core::TokenId;
use attentive_decode::{BeamConfig, DecodeRequest, Hypothesis, Rules, beam_search, gnmt_penalty, greedy};
use proptest::prelude::*;

use crate::models::{Hashed, Model, Scores};

const EOS: TokenId = 1;

static NO_RULES: LazyLock<Rules> = LazyLock::new(Rules::default);

/// Sentences that are told apart by the ids in `prompt`.
fn request<'a>(prompt: &'a [TokenId], rules: &'a Rules, max_len: &'a [usize]) -> DecodeRequest<'a> {
    DecodeRequest { prompt, prefixes: &[], eos: EOS, rules, max_len }
}

/// Each token that may follow `prefix`, with its log-probability.
fn continuations(scores: &impl Scores, prefix: &[TokenId]) -> impl Iterator<Item = (TokenId, f64)> {
    (0..)
        .zip(scores.after(prefix))
        .filter(|(_, next)| *next > f32::NEG_INFINITY)
        .map(|(token, next)| (token, next.into()))
}

/// Every sequence of at most `max_len` tokens: those that end, best first, then those that do not.
fn all_sequences(scores: &impl Scores, prompt: TokenId, max_len: usize, alpha: f64) -> Vec<Hypothesis> {
    let mut all = Vec::new();
    let mut open = vec![(vec![prompt], 0.0, Vec::new())];
    for len in 1..=max_len {
        for (prefix, log_prob, before) in std::mem::take(&mut open) {
            for (token, next) in continuations(scores, &prefix) {
                let log_prob: f64 = log_prob + next;
                let token_log_probs = [&before[..], &[next as f32]].concat();
                let score = log_prob / ((5 + len) as f64 / 6.0).powf(alpha);
                if token == EOS {
                    let tokens = prefix[1..].to_vec();
                    all.push(Hypothesis { tokens, log_prob, token_log_probs, score, finished: true });
                    continue;
                }
                let prefix = [&prefix[..], &[token]].concat();
                if len == max_len {
                    let (tokens, token_log_probs) = (prefix[1..].to_vec(), token_log_probs.clone());
                    all.push(Hypothesis { tokens, log_prob, token_log_probs, score, finished: false });
                }
                open.push((prefix, log_prob, token_log_probs));
            }
        }
    }
    all.sort_by(|a, b| b.finished.cmp(&a.finished).then(b.score.total_cmp(&a.score)));
    all
}

/// Beam search by sorting every candidate, and without giving up on beams that cannot win.
fn plain_beam_search(scores: &impl Scores, prompt: TokenId, max_len: usize, config: &BeamConfig) -> Vec<Hypothesis> {
    let mut live = vec![(vec![prompt], 0.0, Vec::new())];
    let mut finished = Vec::new();
    for len in 1..=max_len {
        let mut candidates = Vec::new();
        for (prefix, log_prob, before) in &live {
            for (token, next) in continuations(scores, prefix) {
                candidates.push((log_prob + next, token, prefix, [&before[..], &[next as f32]].concat()));
            }
        }
        candidates.sort_by(|a, b| b.0.total_cmp(&a.0));
        for (log_prob, token, prefix, next) in candidates.iter().take(config.beam) {
            if *token == EOS {
                let score = log_prob / gnmt_penalty(len, config.length_penalty);
                let (tokens, token_log_probs) = (prefix[1..].to_vec(), next.clone());
                finished.push(Hypothesis { tokens, log_prob: *log_prob, token_log_probs, score, finished: true });
            }
        }
        let open = candidates.iter().filter(|(_, token, ..)| *token != EOS).take(config.beam);
        let longer = |prefix: &[TokenId], token| [prefix, &[token]].concat();
        live = open.map(|(log_prob, token, prefix, next)| (longer(prefix, *token), *log_prob, next.clone())).collect();
        if finished.len() >= config.beam {
            break;
        }
    }
    finished.sort_by(|a, b| b.score.total_cmp(&a.score));
    for (prefix, log_prob, token_log_probs) in live {
        let score = log_prob / gnmt_penalty(max_len, config.length_penalty);
        let tokens = prefix[1..].to_vec();
        finished.push(Hypothesis { tokens, log_prob, token_log_probs, score, finished: false });
    }
    finished.truncate(config.n_best);
    finished
}

fn search(scores: &Hashed, prompts: &[TokenId], max_len: &[usize], config: &BeamConfig) -> Vec<Vec<Hypothesis>> {
    let model = Model::new(scores.clone());
    let decoded = request(prompts, &NO_RULES, max_len);
    beam_search(&model, model.rows(prompts.len()), &decoded, config).expect("the request is valid")
}

fn hashed(vocab_size: std::ops::Range<usize>) -> impl Strategy<Value = Hashed> {
    (vocab_size, any::<u64>(), 1.0..12.0).prop_map(|(vocab_size, seed, sharpness)| Hashed {
        vocab_size,
        seed,
        sharpness,
        eos: EOS,
    })
}

fn alpha() -> impl Strategy<Value = f64> {
    prop::sample::select(vec![0.0, 0.6, 1.0, 3.0])
}

fn config() -> impl Strategy<Value = BeamConfig> {
    (1_usize..7, any::<prop::sample::Index>(), alpha()).prop_map(|(beam, n_best, length_penalty)| BeamConfig {
        beam,
        n_best: 1 + n_best.index(beam),
        length_penalty,
        ..BeamConfig::default()
    })
}

proptest! {
    #[test]
    fn a_beam_of_one_is_greedy(
        scores in hashed(2..200),
        max_len in prop::collection::vec(1_usize..12, 1..5),
        length_penalty in alpha(),
    ) {
        let prompts: Vec<TokenId> = (0..).take(max_len.len()).collect();
        let config = BeamConfig { beam: 1, n_best: 1, length_penalty, ..BeamConfig::default() };
        let beams = search(&scores, &prompts, &max_len, &config);
        let model = Model::new(scores);
        let decoded = request(&prompts, &NO_RULES, &max_len);
        for (greedy, beams) in greedy(&model, model.rows(prompts.len()), &decoded).unwrap().iter().zip(&beams) {
            prop_assert_eq!(beams.len(), 1);
            prop_assert_eq!(&greedy.tokens, &beams[0].tokens);
            prop_assert_eq!(greedy.log_prob, beams[0].log_prob);
            prop_assert_eq!(greedy.finished, beams[0].finished);
        }
    }

    #[test]
    fn a_full_beam_finds_the_best_of_all_sequences(
        scores in hashed(3..5),
        max_len in 1_usize..5,
        n_best in 1_usize..9,
        length_penalty in alpha(),
    ) {
        let beam = scores.vocab_size.pow(max_len as u32);
        let config = BeamConfig { beam, n_best: n_best.min(beam), length_penalty, ..BeamConfig::default() };
        let mut expected = all_sequences(&scores, 7, max_len, length_penalty);
        expected.truncate(config.n_best);
        prop_assert_eq!(&search(&scores, &[7], &[max_len], &config)[0], &expected);
    }

    #[test]
    fn giving_up_early_changes_nothing(scores in hashed(2..60), max_len in 1_usize..12, config in config()) {
        let expected = plain_beam_search(&scores, 7, max_len, &config);
        prop_assert_eq!(&search(&scores, &[7], &[max_len], &config)[0], &expected);
    }

    #[test]
    fn a_result_does_not_depend_on_the_batch(
        scores in hashed(2..60),
        max_len in prop::collection::vec(1_usize..9, 2..6),
        config in config(),
    ) {
        let prompts: Vec<TokenId> = (0..).take(max_len.len()).collect();
        let together = search(&scores, &prompts, &max_len, &config);
        for (idx, together) in together.iter().enumerate() {
            prop_assert_eq!(&search(&scores, &prompts[idx..=idx], &max_len[idx..=idx], &config)[0], together);
        }
    }

    #[test]
    fn hypotheses_are_sorted_distinct_and_what_they_claim(
        scores in hashed(4..60),
        max_len in 1_usize..9,
        config in config(),
    ) {
        let model = Model::new(scores);
        let suppressed = [0, 2];
        let rules = Rules { suppressed: suppressed.to_vec(), ..Rules::default() };
        let lengths = [max_len];
        let decoded = request(&[7], &rules, &lengths);
        let hypotheses = beam_search(&model, model.rows(1), &decoded, &config).unwrap().remove(0);
        prop_assert!((1..=config.n_best).contains(&hypotheses.len()));
        for pair in hypotheses.windows(2) {
            prop_assert!((pair[0].finished, pair[0].score) >= (pair[1].finished, pair[1].score));
        }
        for (idx, hypothesis) in hypotheses.iter().enumerate() {
            prop_assert!(hypotheses[..idx].iter().all(|other| other.tokens != hypothesis.tokens));
            let mut tokens = hypothesis.tokens.clone();
            prop_assert!(tokens.iter().all(|token| *token != EOS && !suppressed.contains(token)));
            tokens.extend(hypothesis.finished.then_some(EOS));
            prop_assert!(tokens.len() <= max_len);
            let mut prefix = vec![7];
            let mut log_prob = 0.0;
            for &token in &tokens {
                log_prob += f64::from(model.scores.after(&prefix)[token as usize]);
                prefix.push(token);
            }
            prop_assert_eq!(hypothesis.log_prob, log_prob);
            prop_assert_eq!(hypothesis.score, log_prob / gnmt_penalty(tokens.len(), config.length_penalty));
        }
    }

    #[test]
    fn any_numbers_are_survived(
        row in prop::collection::vec(prop_oneof![any::<f32>(), Just(f32::NAN), Just(f32::NEG_INFINITY)], 6),
        config in config(),
    ) {
        struct Same(Vec<f32>);
        impl Scores for Same {
            fn vocab_size(&self) -> usize {
                self.0.len()
            }
            fn after(&self, _: &[TokenId]) -> Vec<f32> {
                self.0.clone()
            }
        }
        let model = Model::new(Same(row));
        let decoded = request(&[7, 8], &NO_RULES, &[3, 4]);
        let beams = beam_search(&model, model.rows(2), &decoded, &config).unwrap();
        let greedy = greedy(&model, model.rows(2), &decoded).unwrap();
        for hypotheses in &beams {
            prop_assert!(!hypotheses.is_empty());
        }
        for hypothesis in beams.iter().flatten().chain(&greedy) {
            prop_assert!(!hypothesis.log_prob.is_nan() && hypothesis.log_prob > f64::NEG_INFINITY);
        }
    }
}
