//! Texts with drafts and by contrastive search, of small models with weights at random, through their bundles.

use std::{ops::ControlFlow, sync::Arc};

use attentive_attention::PositionsConfig;
use attentive_backend::BackendKind;
use attentive_bundle::{Bundle, BundleError, GenerationConfig, Generator, Piece, Strategy, TextModel};
use attentive_core::{LanguageModel, NextToken, TokenId};
use attentive_decode::{
    Acceptance, Combination, ContrastiveConfig, DecodeError, DraftSource, Drafts, Ended, SamplingConfig,
};
use attentive_model::{GptConfig, ModelSpec};
use attentive_tokenizer::{Bytes, Characters, Tokenizer};

fn tokenizer() -> Arc<dyn Tokenizer> {
    Arc::new(Characters::train(["abcdefgh "]))
}

/// A bundle of a model of this width, with weights at random.
fn bundle(d_model: usize, seed: u64, positions: PositionsConfig, tokenizer: Arc<dyn Tokenizer>) -> Bundle {
    let config = GptConfig { positions, ..GptConfig::gpt2_like(tokenizer.vocab_size(), 8, [2, 2, d_model]) };
    let model = config.init(&BackendKind::Flex.device().unwrap(), seed).unwrap();
    Bundle::new("", config, tokenizer, attentive_weights::params(&model))
}

fn generator(bundle: &Bundle) -> Generator<TextModel> {
    Generator::from_bundle(bundle, &BackendKind::Flex.device().unwrap(), None).unwrap()
}

fn greedy() -> SamplingConfig {
    SamplingConfig { temperature: 0.0, ..Default::default() }
}

/// Tokens with their log-probabilities, and how the text ended.
fn written<D: LanguageModel>(
    generator: &Generator<TextModel>,
    prompt: &str,
    config: &GenerationConfig,
    strategy: &Strategy<'_, D>,
) -> (Vec<(TokenId, f64)>, Ended, Acceptance) {
    let mut tokens = Vec::new();
    let on_piece = |piece: Piece<'_>| {
        tokens.extend(piece.token);
        ControlFlow::Continue(())
    };
    let (ended, accepted) =
        generator.write_by(vec![generator.prompt(prompt, config)], 1, config, strategy, on_piece).unwrap();
    (tokens, ended[0], accepted)
}

/// Each token has the mean of the models' probabilities, or their geometric mean made to sum to 1.
#[test]
fn models_write_together_by_the_mean_of_their_distributions() {
    let (tokenizer, device) = (tokenizer(), BackendKind::Flex.device().unwrap());
    let bundles = [1, 2].map(|seed| bundle(8, seed, PositionsConfig::Alibi, tokenizer.clone()));
    let models = bundles.each_ref().map(|bundle| bundle.text_model(&device, None).unwrap());
    let config = GenerationConfig { max_tokens: 12, ..Default::default() };
    for (combination, weights) in [(Combination::Linear, [0.25, 0.75]), (Combination::LogLinear, [0.5, 0.5])] {
        let together = Generator::from_ensemble(&bundles, &device, None, (&weights, combination)).unwrap();
        let written = together.generate_all(&["ab"], 1, &config).unwrap().swap_remove(0).swap_remove(0).tokens;
        assert_eq!(written.len(), 12);
        let mut text = tokenizer.encode("ab");
        for (token, log_prob) in written {
            let of_models = models.each_ref().map(|model| model.log_probs(&text, &mut model.start(1)).unwrap());
            let probability = |token: usize| {
                let [a, b] = of_models.each_ref().map(|row| f64::from(row[token]).exp());
                match combination {
                    Combination::Linear => weights[0] * a + weights[1] * b,
                    Combination::LogLinear => a.powf(weights[0]) * b.powf(weights[1]),
                }
            };
            let all: f64 = (0..tokenizer.vocab_size()).map(probability).sum();
            let expected = (probability(token as usize) / all).ln();
            assert!((log_prob - expected).abs() < 1e-4, "{combination:?} {text:?}: {log_prob} and {expected}");
            text.push(token);
        }
    }
    let other = bundle(8, 1, PositionsConfig::Alibi, Arc::new(Characters::train(["abc"])));
    let all = [bundles[0].clone(), other];
    let error = Generator::from_ensemble(&all, &device, None, (&[], Combination::Linear)).err().unwrap();
    assert!(matches!(error, BundleError::OtherTokenizer { .. }), "{error}");
}

#[test]
fn greedy_texts_with_drafts_are_those_without() {
    let mut share = Acceptance::default();
    let kinds = [PositionsConfig::rotary(1e4), PositionsConfig::Alibi, PositionsConfig::Learned { max_len: 24 }];
    for (seed, positions) in (3..).zip(kinds) {
        let large = bundle(24, seed, positions.clone(), tokenizer());
        // Another model, a smaller one, and one that has fewer positions; the same one agrees with itself.
        let small = bundle(8, seed + 1, positions.clone(), tokenizer());
        let short = bundle(8, seed + 2, PositionsConfig::Learned { max_len: 9 }, tokenizer());
        let device = BackendKind::Flex.device().unwrap();
        let generator = generator(&large);
        let drafts = [&small, &short, &large].map(|draft| large.draft_model(draft, &device, None).unwrap());
        for prompt in ["a", "dead beef", "abc abc abc abc abc abc abc"] {
            for (ends, stop) in [(vec![], vec![]), (vec![4, 7], vec![]), (vec![], vec!["c".to_owned()])] {
                let config = GenerationConfig { max_tokens: 50, ends, stop, sampling: greedy(), ..Default::default() };
                let (expected, ended, none) = written(&generator, prompt, &config, &Strategy::<TextModel>::Sampling);
                assert_eq!(none, Acceptance::default());
                for n_tokens in 1..=9 {
                    let sources = drafts.iter().map(DraftSource::Model).chain([DraftSource::Ngrams(3)]);
                    for (idx, source) in sources.enumerate() {
                        let strategy = Strategy::Drafted(Drafts { source, n_tokens });
                        let (found, end, accepted) = written(&generator, prompt, &config, &strategy);
                        assert_eq!((&found, end), (&expected, ended), "{positions:?}, {prompt:?}, {n_tokens}, {idx}");
                        // The model drafts for itself: what is not accepted comes after the end.
                        let passes = |n: usize| 1 + (n - 1).div_ceil(n_tokens + 1);
                        if idx == 2 && !found.is_empty() && !matches!(positions, PositionsConfig::Learned { .. }) {
                            assert_eq!(accepted.n_passes, passes(accepted.n_written), "{prompt:?}, {n_tokens}");
                        }
                        share += accepted;
                    }
                }
            }
        }
    }
    assert!(share.n_accepted > 1000 && share.n_accepted < share.n_drafted, "{share}");
    assert!(share.n_passes < share.n_written, "{share}");
}

#[test]
fn drafts_of_many_texts_are_those_of_each_alone() {
    let (large, small) =
        (bundle(24, 5, PositionsConfig::rotary(1e4), tokenizer()), bundle(8, 6, PositionsConfig::Alibi, tokenizer()));
    let draft = large.draft_model(&small, &BackendKind::Flex.device().unwrap(), None).unwrap();
    let generator = generator(&large);
    let config = GenerationConfig { max_tokens: 30, stop: vec!["ab".into()], ..Default::default() };
    let strategy = Strategy::Drafted(Drafts { source: DraftSource::Model(&draft), n_tokens: 3 });
    let prompts = ["a", "beef", "beef", "a cab"];
    let (together, accepted) = generator.generate_all_by(&prompts, 2, &config, &strategy).unwrap();
    assert!(accepted.n_accepted > 0);
    for (prompt, texts) in prompts.iter().zip(&together) {
        let (tokens, ended, _) = written(&generator, prompt, &config, &strategy);
        assert_eq!((&texts[0].tokens, texts[0].ended), (&tokens, ended));
    }
    assert_eq!(together[1], together[2]);
    let object = together[0][0].to_json(&*tokenizer());
    assert_eq!(object["text"], together[0][0].text);
    assert_eq!(object["tokens"].as_array().unwrap().len(), together[0][0].tokens.len());
}

#[test]
fn a_text_tells_how_it_ended() {
    let bundle = bundle(16, 8, PositionsConfig::Alibi, tokenizer());
    let generator = generator(&bundle);
    let end = |ends, stop: &[&str], max_tokens| {
        let stop = stop.iter().map(|stop| (*stop).to_owned()).collect();
        let config = GenerationConfig { max_tokens, ends, stop, ..Default::default() };
        let texts = generator.generate_all(&["a"], 1, &config).unwrap();
        let object = texts[0][0].to_json(generator.tokenizer());
        let sum: f64 =
            object["tokens"].as_array().unwrap().iter().map(|token| token["log_prob"].as_f64().unwrap()).sum();
        assert!((sum - object["log_prob"].as_f64().unwrap()).abs() < 1e-9);
        object["ended"].as_str().unwrap().to_owned()
    };
    assert_eq!(end(vec![], &[], 3), "length");
    assert_eq!(end((0..tokenizer().vocab_size() as TokenId).filter(|id| *id > 2).collect(), &[], 9), "end");
    assert_eq!(end(vec![], &["a", "b", "c", "d", "e", "f", "g", "h", " "], 9), "stop");
}

#[test]
fn contrastive_search_sees_the_vectors_of_the_engine() {
    for positions in [PositionsConfig::rotary(1e4), PositionsConfig::Learned { max_len: 12 }] {
        let bundle = bundle(16, 9, positions, tokenizer());
        let generator = generator(&bundle);
        let config = GenerationConfig { max_tokens: 30, sampling: greedy(), ..Default::default() };
        let by = |alpha, candidates| {
            let strategy = Strategy::<TextModel>::Contrastive(ContrastiveConfig { alpha, candidates });
            written(&generator, "ab", &config, &strategy).0
        };
        let ids = |tokens: Vec<(TokenId, f64)>| tokens.into_iter().map(|(id, _)| id).collect::<Vec<_>>();
        let (greedy, contrastive) = (ids(by(0.0, 4)), ids(by(0.8, 4)));
        assert_eq!((greedy.len(), contrastive.len()), (30, 30));
        assert_ne!(greedy, contrastive);
        let distinct = |ids: &[TokenId]| {
            let mut pairs: Vec<&[TokenId]> = ids.windows(2).collect();
            pairs.sort_unstable();
            pairs.dedup();
            pairs.len()
        };
        assert!(distinct(&contrastive) >= distinct(&greedy), "{greedy:?} {contrastive:?}");
    }
}

#[test]
fn a_model_of_another_vocabulary_does_not_draft() {
    let device = BackendKind::Flex.device().unwrap();
    let positions = PositionsConfig::Alibi;
    let large = bundle(16, 3, positions.clone(), tokenizer());
    let other = bundle(8, 3, positions.clone(), Arc::new(Bytes::default()));
    let error = large.draft_model(&other, &device, None).unwrap_err();
    assert!(matches!(error, BundleError::OtherVocabulary { .. }), "{error}");
    // The same tokens, and a row of the model's table that none of them has.
    let config = GptConfig { positions, ..GptConfig::gpt2_like(tokenizer().vocab_size() + 1, 8, [1, 2, 8]) };
    let params = attentive_weights::params(&config.init(&device, 3).unwrap());
    let padded = Bundle::new("", config, tokenizer(), params);
    let draft = large.draft_model(&padded, &device, None).unwrap();
    let strategy = Strategy::Drafted(Drafts { source: DraftSource::Model(&draft), n_tokens: 2 });
    let error = generator(&large)
        .generate_by("a", &GenerationConfig::default(), &strategy, |_| ControlFlow::Continue(()))
        .unwrap_err();
    assert!(matches!(error, DecodeError::DraftVocabulary { .. }), "{error}");
}
