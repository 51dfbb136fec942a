//! Texts continued and scored by a model whose weights are drawn at random.

use std::{ops::ControlFlow, sync::Arc};

use attentive_attention::PositionsConfig;
use attentive_backend::BackendKind;
use attentive_bundle::{GenerationConfig, Generator, MAX_TEXT_TOKENS};
use attentive_core::{DeviceError, LanguageModel, NextToken, Scores, TokenId, Want};
use attentive_decode::{Ended, GenerateRequest, Rules, SamplingConfig, generate};
use attentive_model::{Gpt, GptConfig, ModelSpec};
use attentive_tokenizer::{Bytes, Characters, Tokenizer};

fn gpt(vocab_size: usize, positions: PositionsConfig) -> Gpt {
    let config = GptConfig { positions, ..GptConfig::gpt2_like(vocab_size, 8, [1, 2, 8]) };
    config.init(&BackendKind::Flex.device().unwrap(), 3).unwrap()
}

fn bytes() -> Arc<dyn Tokenizer> {
    Arc::new(Bytes::default())
}

fn written<M: LanguageModel>(
    generator: &Generator<M>,
    prompt: &str,
    config: &GenerationConfig,
) -> (Vec<String>, Ended) {
    let mut pieces = Vec::new();
    let ended = generator.generate(prompt, config, |piece| {
        pieces.push(piece.to_owned());
        ControlFlow::Continue(())
    });
    (pieces, ended.unwrap())
}

#[test]
fn pieces_are_the_text_of_the_tokens() {
    let tokenizer = bytes();
    let model = gpt(tokenizer.vocab_size(), PositionsConfig::Alibi);
    for seed in 0..8 {
        let sampling = SamplingConfig { seed, ..Default::default() };
        let config = GenerationConfig { max_tokens: 60, sampling: sampling.clone(), ..Default::default() };
        let (pieces, _) = written(&Generator::new(model.clone(), tokenizer.clone()), "né", &config);

        let prompt = [[vec![1], tokenizer.encode("né")].concat()];
        let mut tokens = prompt[0].clone();
        let rules = Rules { suppressed: vec![0, 2], ..Rules::default() };
        let request = GenerateRequest { prompts: &prompt, n_samples: 1, max_tokens: 60, ends: &[1], rules: &rules };
        generate(&model, &request, &sampling, |drawn| {
            tokens.push(drawn.token);
            ControlFlow::Continue(())
        })
        .unwrap();
        assert_eq!(format!("né{}", pieces.concat()), tokenizer.decode(&tokens).unwrap());
        // Most bytes that chance writes are not characters, but pieces never end within one that is.
        assert!(pieces.iter().all(|piece| !piece.is_empty()));
    }
}

#[test]
fn a_stop_string_cuts_the_text_and_ends_it() {
    let tokenizer: Arc<dyn Tokenizer> = Arc::new(Characters::train(["abcdef"]));
    let generator = Generator::new(gpt(tokenizer.vocab_size(), PositionsConfig::Alibi), tokenizer);
    assert!(!generator.can_begin());
    let free = GenerationConfig { max_tokens: 40, ..Default::default() };
    let (pieces, ended) = written(&generator, "a", &free);
    let text = pieces.concat();
    assert_eq!((text.len(), ended), (40, Ended::ByLength));
    for at in [0, 7, 37] {
        let stop = &text[at..at + 3];
        let config = GenerationConfig { stop: vec!["no such string".into(), stop.into()], ..free.clone() };
        let (pieces, ended) = written(&generator, "a", &config);
        assert_eq!((pieces.concat().as_str(), ended), (&text[..text.find(stop).unwrap()], Ended::ByCaller));
    }
    let empty = GenerationConfig { stop: vec!["a".into(), String::new()], ..free.clone() };
    for refused in [empty.validate(), generator.generate("a", &empty, |_| ControlFlow::Continue(())).map(|_| ())] {
        assert_eq!(refused.unwrap_err().keys(), ["stop"]);
    }
    let error = generator.generate("", &free, |_| ControlFlow::Continue(())).unwrap_err().to_string();
    assert!(error.contains("give it some text to continue"), "{error}");
}

#[test]
fn the_end_of_text_stands_before_a_prompt_where_that_is_wanted() {
    let tokenizer = bytes();
    let model = gpt(tokenizer.vocab_size(), PositionsConfig::rotary(1e4));
    let generator = Generator::new(model.clone(), tokenizer.clone());
    for (begin, prompt, first) in [(true, "ab", vec![1]), (false, "ab", vec![]), (false, "", vec![1])] {
        let sampling = SamplingConfig { seed: 5, ..Default::default() };
        let config = GenerationConfig { begin, max_tokens: 30, sampling: sampling.clone(), ..Default::default() };
        let found = written(&generator, prompt, &config).0.concat();
        let prompt = [[first, tokenizer.encode(prompt)].concat()];
        let rules = Rules { suppressed: vec![0, 2], ..Rules::default() };
        let request = GenerateRequest { prompts: &prompt, n_samples: 1, max_tokens: 30, ends: &[1], rules: &rules };
        let mut tokens = Vec::new();
        let mut keep = |drawn: attentive_decode::Drawn| {
            tokens.push(drawn.token);
            ControlFlow::Continue(())
        };
        generate(&model, &request, &sampling, &mut keep).unwrap();
        assert_eq!(found, tokenizer.decode(&tokens).unwrap(), "{begin} {prompt:?}");
    }
    let text = "Ümit";
    let score = generator.score(text, false).unwrap();
    assert!((score.log_prob - log_prob(&model, &tokenizer.encode(text))).abs() < 1e-3);
    assert_eq!((score.n_tokens, score.n_bytes), (4, 4));
}

#[test]
fn the_caller_can_end_a_text() {
    let tokenizer: Arc<dyn Tokenizer> = Arc::new(Characters::train(["abcdef"]));
    let generator = Generator::new(gpt(tokenizer.vocab_size(), PositionsConfig::Alibi), tokenizer);
    let mut text = String::new();
    let ended = generator.generate("a", &GenerationConfig::default(), |piece| {
        text += piece;
        if text.len() < 5 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    assert_eq!((text.len(), ended.unwrap()), (5, Ended::ByCaller));
}

/// `Σ ln p` of all but the first of `ids`, one step after another.
fn log_prob(model: &Gpt, ids: &[TokenId]) -> f64 {
    let mut state = model.start(1);
    let mut sum = 0.0;
    for pair in ids.windows(2) {
        sum += f64::from(model.log_probs(&pair[..1], &mut state).unwrap()[pair[1] as usize]);
    }
    sum
}

#[test]
fn a_score_is_what_decoding_says_of_each_token() {
    let tokenizer = bytes();
    let model = gpt(tokenizer.vocab_size(), PositionsConfig::rotary(1e4));
    let score = Generator::new(model.clone(), tokenizer.clone()).score("Ümit", true).unwrap();
    let ids = [vec![1], tokenizer.encode("Ümit")].concat();
    assert!((score.log_prob - log_prob(&model, &ids)).abs() < 1e-3, "{score:?}");
    assert_eq!((score.n_tokens, score.n_bytes), (5, 5));

    // Without an end-of-text token the first token is given, and its bytes are not counted.
    let tokenizer: Arc<dyn Tokenizer> = Arc::new(Characters::train(["Ümit"]));
    let model = gpt(tokenizer.vocab_size(), PositionsConfig::Sinusoidal);
    let generator = Generator::new(model.clone(), tokenizer.clone());
    let score = generator.score("Ümit", true).unwrap();
    assert!((score.log_prob - log_prob(&model, &tokenizer.encode("Ümit"))).abs() < 1e-3);
    assert_eq!((score.n_tokens, score.n_bytes), (3, 3));
    assert_eq!((generator.score("", true).unwrap().n_tokens, generator.score("m", true).unwrap().n_tokens), (0, 0));
}

/// A model without a limit, to which each token has the log-probability -1; it is only asked to read texts.
struct Reader {
    vocab_size: usize,
}

impl NextToken for Reader {
    type State = usize;

    fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    fn max_len(&self) -> Option<usize> {
        None
    }

    fn advance(&self, _: &[TokenId], _: &mut usize, _: Want) -> Result<Scores, DeviceError> {
        panic!("nothing is written")
    }

    fn reorder(&self, _: &mut usize, _: &[usize]) {}
}

impl LanguageModel for Reader {
    fn start(&self, n_rows: usize) -> usize {
        n_rows
    }

    fn log_probs_of(&self, text: &[TokenId]) -> Result<Vec<f32>, DeviceError> {
        assert!(text.len() <= MAX_TEXT_TOKENS + 1, "{} tokens at once", text.len());
        Ok(vec![-1.0; text.len() - 1])
    }
}

#[test]
fn a_model_without_a_limit_reads_a_huge_text_in_windows_too() {
    let tokenizer = bytes();
    let generator = Generator::new(Reader { vocab_size: tokenizer.vocab_size() }, tokenizer);
    let score = generator.score(&"a".repeat(300_000), true).unwrap();
    assert_eq!((score.n_tokens, score.log_prob), (300_000, -300_000.0));
}

#[test]
fn a_model_without_a_limit_does_not_continue_a_huge_text() {
    let tokenizer = bytes();
    let generator = Generator::new(Reader { vocab_size: tokenizer.vocab_size() }, tokenizer);
    let prompts = ["a".to_owned(), "a".repeat(300_000)];
    let error = generator.generate_all(&prompts, 1, &GenerationConfig::default()).unwrap_err().to_string();
    assert_eq!(error, "the prompt has 300001 tokens, and at most 131072 are read at once; shorten it");
}

#[test]
fn a_long_text_is_scored_in_windows() {
    let tokenizer = bytes();
    let model = gpt(tokenizer.vocab_size(), PositionsConfig::Learned { max_len: 8 });
    let text = "a longer text than that";
    let ids = [vec![1], tokenizer.encode(text)].concat();
    let score = Generator::new(model.clone(), tokenizer).score(text, true).unwrap();
    assert_eq!((score.n_tokens, score.n_bytes), (23, 23));
    // Windows of 8 that begin at 0, 4, 8, 12 and 15: what a window adds is all that the last one had not.
    let of_window =
        |start: usize, from: usize| log_prob(&model, &ids[start..start + 9]) - log_prob(&model, &ids[start..=from]);
    let expected: f64 =
        [(0, 0), (4, 8), (8, 12), (12, 16), (15, 20)].map(|(start, from)| of_window(start, from)).iter().sum();
    assert!((score.log_prob - expected).abs() < 1e-3, "{score:?} {expected}");
}

#[test]
fn many_texts_are_written_as_each_alone() {
    let tokenizer = bytes();
    let generator = Generator::new(gpt(tokenizer.vocab_size(), PositionsConfig::Learned { max_len: 16 }), tokenizer);
    let config = GenerationConfig { max_tokens: 30, stop: vec!["e".into()], ..Default::default() };
    let prompts = ["to be", "", "or not", "to be"];
    let together = generator.generate_all(&prompts, 3, &config).unwrap();
    for (prompt, texts) in prompts.iter().zip(&together) {
        let (pieces, ended) = written(&generator, prompt, &config);
        assert_eq!((texts.len(), &texts[0].text, texts[0].ended), (3, &pieces.concat(), ended));
    }
    assert_eq!(together[0], together[3]);
    assert_ne!(together[0][0], together[0][1]);
}
