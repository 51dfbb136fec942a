//! The rules for the tokens that may be written, against their definitions, in every search.

use std::ops::ControlFlow;

use attentive_core::TokenId;
use attentive_decode::{
    BeamConfig, DecodeError, DecodeRequest, Ended, GenerateRequest, Hypothesis, Rules, SamplingConfig, beam_search,
    generate, gnmt_penalty, greedy, sample,
};
use proptest::prelude::*;

use crate::models::{Hashed, Model, Scores};

const EOS: TokenId = 1;
const PROMPT: [TokenId; 2] = [2, 3];

/// Whether `token` may follow `written`, read off the definitions.
fn may_follow(rules: &Rules, prefix: &[TokenId], written: &[TokenId], token: TokenId) -> bool {
    let forced: Vec<TokenId> = rules.forced_first.iter().chain(prefix).copied().collect();
    if let Some(&forced) = forced.get(written.len()) {
        return token == forced;
    }
    let text = [&PROMPT, written, &[token]].concat();
    let n = rules.no_repeat_ngram;
    let repeats = n > 0 && token != EOS && text.len() > n && {
        let (before, last) = (&text[..text.len() - 1], &text[text.len() - n..]);
        before.windows(n).any(|ngram| ngram == last)
    };
    let is_bad = rules.bad_words.iter().any(|word| text.ends_with(word));
    let is_early = token == EOS && written.len() < rules.min_len;
    !rules.suppressed.contains(&token) && !repeats && !is_bad && !is_early
}

/// Log-probability, and the number that the token is ranked by.
fn of_token(rules: &Rules, prefix: &[TokenId], written: &[TokenId], token: TokenId, log_prob: f32) -> (f64, f64) {
    let n_forced = usize::from(rules.forced_first.is_some()) + prefix.len();
    let is_seen = written.len() >= n_forced && (PROMPT.contains(&token) || written.contains(&token));
    (log_prob.into(), f64::from(log_prob) * if is_seen { rules.repetition_penalty } else { 1.0 })
}

/// Every sequence that the rules allow: those that end, best first, then those that do not.
fn all_sequences(scores: &Hashed, rules: &Rules, prefix: &[TokenId], max_len: usize, alpha: f64) -> Vec<Hypothesis> {
    let mut all = Vec::new();
    let mut open = vec![(Vec::new(), 0.0, 0.0, Vec::new())];
    for len in 1..=max_len {
        for (written, log_prob, ranked, before) in std::mem::take(&mut open) {
            for (token, next) in (0..).zip(scores.after(&[&PROMPT, &written[..]].concat())) {
                if next == f32::NEG_INFINITY || !may_follow(rules, prefix, &written, token) {
                    continue;
                }
                let added = of_token(rules, prefix, &written, token, next);
                let (log_prob, ranked): (f64, f64) = (log_prob + added.0, ranked + added.1);
                let score = ranked / gnmt_penalty(len, alpha);
                let token_log_probs = [&before[..], &[next]].concat();
                if token == EOS {
                    let tokens = written.clone();
                    all.push(Hypothesis { tokens, log_prob, token_log_probs, score, finished: true });
                    continue;
                }
                let written = [&written[..], &[token]].concat();
                if len == max_len {
                    let (tokens, token_log_probs) = (written.clone(), token_log_probs.clone());
                    all.push(Hypothesis { tokens, log_prob, token_log_probs, score, finished: false });
                }
                open.push((written, log_prob, ranked, token_log_probs));
            }
        }
    }
    all.sort_by(|a, b| b.finished.cmp(&a.finished).then(b.score.total_cmp(&a.score)));
    all
}

fn request<'a>(rules: &'a Rules, prefixes: &'a [Vec<TokenId>], max_len: &'a [usize]) -> DecodeRequest<'a> {
    DecodeRequest { prompt: &PROMPT, prefixes, eos: EOS, rules, max_len }
}

fn model(scores: &Hashed, gives_top: bool) -> Model<Hashed> {
    Model { gives_top, ..Model::new(scores.clone()) }
}

fn hashed(vocab_size: std::ops::Range<usize>) -> impl Strategy<Value = Hashed> {
    let strategy = (vocab_size, any::<u64>(), 1.0..8.0);
    strategy.prop_map(|(vocab_size, seed, sharpness)| Hashed { vocab_size, seed, sharpness, eos: EOS })
}

/// Tokens below 4, none of them the end.
fn tokens(n: std::ops::Range<usize>) -> impl Strategy<Value = Vec<TokenId>> {
    prop::collection::vec(prop::sample::select(vec![0, 2, 3]), n)
}

prop_compose! {
    fn rules()(
        suppressed in tokens(0..2), bad_words in prop::collection::vec(tokens(1..3), 0..3), min_len in 0_usize..4,
        no_repeat_ngram in 0_usize..4, repetition_penalty in prop::sample::select(vec![1.0, 0.7, 1.5]),
        forced_first in prop::option::of(prop::sample::select(vec![0_u32, 2, 3])),
    ) -> Rules {
        Rules { suppressed, bad_words, min_len, no_repeat_ngram, repetition_penalty, forced_first }
    }
}

proptest! {
    #[test]
    fn a_full_beam_finds_the_best_sequences_that_the_rules_allow(
        scores in hashed(4..6), rules in rules(), prefix in tokens(0..2), max_len in 2_usize..5, n_best in 1_usize..9,
        alpha in prop::sample::select(vec![0.0, 1.0]), gives_top in any::<bool>(),
    ) {
        let mut expected = all_sequences(&scores, &rules, &prefix, max_len, alpha);
        let beam = scores.vocab_size.pow(max_len as u32);
        let config = BeamConfig { beam, n_best, length_penalty: alpha, ..BeamConfig::default() };
        let (prefixes, max_len) = ([prefix], [max_len]);
        let model = model(&scores, gives_top);
        let found = beam_search(&model, model.rows(1), &request(&rules, &prefixes, &max_len), &config).unwrap();
        // Where no sequence is allowed to its end, the search stops at what it has.
        if !expected.is_empty() {
            expected.truncate(n_best);
            prop_assert_eq!(&found[0], &expected);
        }
    }

    #[test]
    fn greedy_search_takes_the_best_token_that_the_rules_allow(
        scores in hashed(4..30), rules in rules(), prefix in tokens(0..3), extra in 1_usize..9, gives_top in any::<bool>(),
    ) {
        let (prefixes, max_len) = ([prefix.clone()], [prefix.len() + extra]);
        let model = model(&scores, gives_top);
        let found = greedy(&model, model.rows(1), &request(&rules, &prefixes, &max_len)).unwrap().remove(0);
        let (mut written, mut finished, mut log_prob) = (Vec::new(), false, 0.0);
        while written.len() < max_len[0] {
            let after = scores.after(&[&PROMPT, &written[..]].concat());
            let allowed = (0..).zip(after).filter(|(_, next)| *next > f32::NEG_INFINITY);
            let allowed = allowed.filter(|&(token, _)| may_follow(&rules, &prefix, &written, token));
            let scored = allowed.map(|(token, next)| (token, of_token(&rules, &prefix, &written, token, next)));
            let Some((token, added)) = scored.reduce(|a, b| if b.1.1 > a.1.1 { b } else { a }) else { break };
            log_prob += added.0;
            finished = token == EOS;
            if finished {
                break;
            }
            written.push(token);
        }
        prop_assert_eq!((found.tokens, found.finished, found.log_prob), (written, finished, log_prob));
        let one = BeamConfig { beam: 1, n_best: 1, length_penalty: 0.0, ..BeamConfig::default() };
        let beam = beam_search(&model, model.rows(1), &request(&rules, &prefixes, &max_len), &one).unwrap();
        let greedy = greedy(&model, model.rows(1), &request(&rules, &prefixes, &max_len)).unwrap();
        prop_assert_eq!(&beam[0], &greedy);
    }

    #[test]
    fn every_token_that_is_drawn_is_one_that_the_rules_allow(
        scores in hashed(4..12), rules in rules(), prefix in tokens(0..3), extra in 1_usize..9, seed in any::<u64>(),
    ) {
        let (prefixes, max_len) = ([prefix.clone()], [prefix.len() + extra]);
        let model = Model { is_even: false, ..model(&scores, false) };
        let config = SamplingConfig { seed, ..SamplingConfig::default() };
        let samples = sample(&model, model.rows(1), &request(&rules, &prefixes, &max_len), &[config], 3).unwrap().remove(0);
        prop_assert_eq!(samples.len(), 3);
        for found in samples {
            let ended = [&found.tokens[..], if found.finished { &[EOS] } else { &[] }].concat();
            let mut log_prob = 0.0;
            for (at, &token) in ended.iter().enumerate() {
                prop_assert!(may_follow(&rules, &prefix, &ended[..at], token), "{:?} of {:?}", at, ended);
                log_prob += f64::from(scores.after(&[&PROMPT, &ended[..at]].concat())[token as usize]);
            }
            prop_assert_eq!(found.log_prob, log_prob);
        }
    }

    #[test]
    fn a_cold_sample_is_what_greedy_search_finds(
        scores in hashed(4..12), rules in rules(), prefix in tokens(0..3), extra in 1_usize..9,
    ) {
        let (prefixes, max_len) = ([prefix.clone()], [prefix.len() + extra]);
        let model = model(&scores, false);
        let request = request(&rules, &prefixes, &max_len);
        let cold = SamplingConfig { temperature: 0.0, ..SamplingConfig::default() };
        let drawn = sample(&model, model.rows(1), &request, &[cold], 1).unwrap().remove(0).remove(0);
        let best = greedy(&model, model.rows(1), &request).unwrap().remove(0);
        prop_assert_eq!((drawn.tokens, drawn.finished), (best.tokens, best.finished));
    }

    #[test]
    fn a_cold_text_is_what_greedy_search_finds(
        scores in hashed(4..30), rules in rules(), max_tokens in 1_usize..9, gives_top in any::<bool>(),
    ) {
        let model = model(&scores, gives_top);
        let best = greedy(&model, model.rows(1), &request(&rules, &[], &[max_tokens])).unwrap().remove(0);
        let cold = SamplingConfig { temperature: 0.0, ..SamplingConfig::default() };
        let prompts = [PROMPT.to_vec()];
        let request = GenerateRequest { prompts: &prompts, n_samples: 1, max_tokens, ends: &[EOS], rules: &rules };
        let mut tokens = Vec::new();
        let ended = generate(&model, &request, &cold, |drawn| {
            tokens.push(drawn.token);
            ControlFlow::Continue(())
        });
        let finished = match ended {
            Ok(ended) => ended[0] == Ended::ByModel,
            Err(error) => {
                prop_assert!(best.tokens.len() < max_tokens, "{error}");
                false
            }
        };
        prop_assert_eq!((tokens, finished), (best.tokens, best.finished));
    }

    #[test]
    fn a_text_does_not_depend_on_what_is_beside_it(
        scores in hashed(4..30), rules in rules(), seed in any::<u64>(), max_len in prop::option::of(2_usize..9),
        prompts in prop::collection::vec(tokens(1..5), 1..5), n_samples in 1_usize..4, max_tokens in 0_usize..12,
    ) {
        let rules = Rules { forced_first: None, bad_words: Vec::new(), suppressed: Vec::new(), no_repeat_ngram: 0, min_len: 0, ..rules };
        let model = Model { max_len, is_even: false, ..Model::new(scores) };
        let config = SamplingConfig { seed, ..SamplingConfig::default() };
        let write = |prompts: &[Vec<TokenId>], n_samples: usize| {
            let request = GenerateRequest { prompts, n_samples, max_tokens, ends: &[EOS], rules: &rules };
            let mut texts = vec![Vec::new(); prompts.len() * n_samples];
            let on_token = |drawn: attentive_decode::Drawn| {
                texts[drawn.text].push((drawn.token, drawn.log_prob));
                ControlFlow::Continue(())
            };
            let ended = generate(&model, &request, &config, on_token);
            ended.map(|ended| texts.into_iter().zip(ended).collect::<Vec<_>>())
        };
        let together = match write(&prompts, n_samples) {
            Err(DecodeError::NothingFollows { .. }) => return Ok(()),
            texts => texts.unwrap(),
        };
        for (prompt, together) in prompts.iter().zip(together.chunks(n_samples)) {
            prop_assert_eq!(&write(std::slice::from_ref(prompt), n_samples).unwrap(), together);
            prop_assert_eq!(&write(std::slice::from_ref(prompt), 1).unwrap()[..], &together[..1]);
        }
    }

    #[test]
    fn a_prefix_of_one_sentence_is_not_that_of_another(
        scores in hashed(4..12), rules in rules(), prefixes in prop::collection::vec(tokens(0..3), 2..4), extra in 1_usize..5,
    ) {
        let max_len: Vec<usize> = prefixes.iter().map(|prefix| prefix.len() + extra).collect();
        let prompt: Vec<TokenId> = (0..prefixes.len() as u32).flat_map(|sentence| [4 + sentence, 3]).collect();
        let model = model(&scores, true);
        let all = DecodeRequest { prompt: &prompt, prefixes: &prefixes, eos: EOS, rules: &rules, max_len: &max_len };
        let config = BeamConfig { beam: 3, n_best: 2, length_penalty: 0.6, ..BeamConfig::default() };
        let together = beam_search(&model, model.rows(prefixes.len()), &all, &config).unwrap();
        for (idx, together) in together.iter().enumerate() {
            let (prompt, prefixes) = (&prompt[2 * idx..2 * idx + 2], &prefixes[idx..=idx]);
            let alone = DecodeRequest { prompt, prefixes, max_len: &max_len[idx..=idx], ..all };
            prop_assert_eq!(&beam_search(&model, model.rows(1), &alone, &config).unwrap()[0], together);
            let forced: Vec<TokenId> = rules.forced_first.iter().chain(&prefixes[0]).copied().collect();
            for found in together {
                let n = found.tokens.len().min(forced.len());
                prop_assert_eq!(&found.tokens[..n], &forced[..n]);
            }
        }
    }
}
