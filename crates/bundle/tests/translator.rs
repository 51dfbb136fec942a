//! Texts translated by a model whose weights are drawn at random.

use std::{num::NonZeroUsize, sync::Arc};

use attentive_attention::PositionsConfig;
use attentive_backend::BackendKind;
use attentive_bundle::{
    Bundle, BundleError, DecodingConfig, Input, MAX_TEXT_TOKENS, Search, TooLong, TranslateError, Translation,
    TranslationModel, Translator, WeightFormat,
};
use attentive_core::{DeviceError, EncoderDecoder, NextToken, Scores, TokenId, TokenMatrix, Want};
use attentive_decode::{Combination, DecodeError, SamplingConfig};
use attentive_model::{ModelSpec, RnnConfig, TransformerConfig};
use attentive_tokenizer::{BpeTrainer, DictionaryBpe, Specials, Tokenizer, with_languages};

const TEXTS: [&str; 3] = ["to be or not", "that is the question", "be"];

fn tokenizer() -> Arc<dyn Tokenizer> {
    Arc::new(BpeTrainer::with_merges(20).train(["to be or not to be that is the question"]).unwrap())
}

fn model(vocab_size: usize) -> TranslationModel {
    let small = TransformerConfig { d_model: 8, d_ff: 12, n_heads: 2, ..TransformerConfig::base(vocab_size) };
    let config = TransformerConfig { n_encoder_layers: 1, n_decoder_layers: 1, ..small };
    TranslationModel::new(config.init(&BackendKind::Flex.device().unwrap(), 5).unwrap(), &config).unwrap()
}

fn translator() -> Translator<TranslationModel> {
    let tokenizer = tokenizer();
    Translator::new(model(tokenizer.vocab_size()), tokenizer).unwrap()
}

fn config() -> DecodingConfig {
    DecodingConfig { max_len_offset: 4, ..DecodingConfig::default() }
}

fn two() -> NonZeroUsize {
    NonZeroUsize::new(2).unwrap()
}

#[test]
fn the_language_of_the_target_is_before_the_source_and_in_no_translation() {
    let inner = BpeTrainer::with_merges(20).train(["to be or not to be that is the question"]).unwrap();
    let n = inner.vocab_size() as u32;
    let tokenizer: Arc<dyn Tokenizer> = with_languages(Box::new(inner), &[["en", "de"], ["fr", "en"]]).unwrap().into();
    let translator = || Translator::new(model(n as usize + 2), tokenizer.clone()).unwrap();
    let tokens = |translator: &Translator<TranslationModel>| -> Vec<Vec<u32>> {
        let sampling = SamplingConfig { temperature: 3.0, seed: 1, ..SamplingConfig::default() };
        let found = translator.sample(&TEXTS, &config(), &sampling, NonZeroUsize::new(20).unwrap()).unwrap();
        found.into_iter().flatten().map(|translation| translation.tokens).collect()
    };
    let usual = tokens(&translator());
    assert!(usual.iter().flatten().all(|&id| id < n), "a language is in {usual:?}");
    let into = |language| tokens(&translator().between(None, Some(language)).unwrap());
    assert_eq!(into("de"), usual);
    assert_ne!(into("en"), usual);
    assert_eq!(tokens(&translator().between(Some("fr"), Some("de")).unwrap()), usual, "that of the source is not told");
    for (source, target) in [(None, Some("fr")), (Some("de"), None)] {
        let error = translator().between(source, target).err().unwrap().to_string();
        assert!(error.contains("near it are"), "{error}");
    }
}

/// The first one of an ensemble reads the sources for all.
#[test]
fn members_of_an_ensemble_read_alike_on_both_sides() {
    let device = BackendKind::Flex.device().unwrap();
    let bundle = |words: [&str; 2]| {
        let entries = |words: &str| -> Vec<String> {
            ["<pad>", "<s>", "</s>", "<unk>"].into_iter().chain(words.split(' ')).map(str::to_owned).collect()
        };
        let [source, target] = words.map(entries);
        let specials = Specials { pad: Some(0), bos: Some(1), eos: Some(2), unk: Some(3), ..Specials::default() };
        let tokenizer = DictionaryBpe::with_lists(None, Some(source), target, specials).unwrap();
        let small = TransformerConfig { d_model: 8, d_ff: 12, n_heads: 2, ..TransformerConfig::base(6) };
        let config = TransformerConfig { n_encoder_layers: 1, n_decoder_layers: 1, ..small };
        let params = attentive_weights::params(&config.init(&device, 1).unwrap());
        let tokenizer: Arc<dyn Tokenizer> = Arc::new(tokenizer);
        Bundle::new("model", config, tokenizer, params)
    };
    let first = ["the dog", "der hund"];
    let together = |other| {
        let bundles = [bundle(first), bundle(other)];
        Translator::from_ensemble(&bundles, &device, None, (&[1.0, 1.0], Combination::Linear)).err()
    };
    assert!(together(first).is_none());
    let error = together(["dog the", "der hund"]).expect("another source");
    assert!(matches!(error, BundleError::OtherReading { .. }), "{error}");
    let error = together(["the dog", "hund der"]).expect("another target");
    assert!(matches!(error, BundleError::OtherTokenizer { id: 4, .. }), "{error}");
    let alone = |n_weights: usize| {
        let weights = &[1.0; 2][..n_weights];
        Translator::from_ensemble(&[bundle(first)], &device, None, (weights, Combination::Linear)).err()
    };
    assert!(alone(0).is_none() && alone(1).is_none());
    let error = alone(2).expect("a weight too many").to_string();
    assert!(error.contains("2 weights for 1 model"), "{error}");
}

#[test]
fn blocks_that_a_family_has_no_kernels_for_are_refused() {
    let tokenizer = tokenizer();
    let sizes = RnnConfig::rnn_search(tokenizer.vocab_size());
    let config = RnnConfig { d_embedding: 4, d_hidden: 4, d_attention: 4, ..sizes };
    let device = BackendKind::Flex.device().unwrap();
    let params = attentive_weights::params(&config.init(&device, 1).unwrap());
    let mut bundle = Bundle::new("model", config, tokenizer, params);
    for precision in [WeightFormat::Q8_0, WeightFormat::Q4_0] {
        bundle.decoding.precision = precision;
        let own = bundle.translation_model(&device, None).expect_err("asked for by the configuration");
        assert!(matches!(&own, BundleError::OwnWeightFormat { format, .. } if *format == precision), "{own}");
        assert!(own.to_string().starts_with("model/config.toml: decoding.precision is q"), "{own}");
        let asked = bundle.translation_model(&device, Some(precision)).expect_err("asked for by the caller");
        assert!(matches!(&asked, BundleError::WeightFormat { format } if *format == precision), "{asked}");
        assert!(bundle.translation_model(&device, Some(WeightFormat::F32)).is_ok());
    }
}

#[test]
fn the_best_translation_is_the_first_of_several() {
    let translator = translator();
    let best = translator.translate(&TEXTS, &config()).unwrap();
    let several = translator.translate_n_best(&TEXTS, &config(), two()).unwrap();
    for (best, several) in best.iter().zip(&several) {
        assert_eq!((best, several.len()), (&several[0], 2));
        assert!(several[0].score >= several[1].score);
    }
}

#[test]
fn a_completed_translation_is_no_longer_than_asked() {
    let (translator, prefix) = (translator(), "to be or");
    let n = translator.tokenizer().encode_target(prefix).len();
    for (max_len, beam) in [(n + 1, 1), (n + 1, 4), (n + 2, 4)] {
        let config = DecodingConfig { max_len: Some(max_len), beam, ..config() };
        let found = translator.complete(&TEXTS, &[prefix; 3], &config, NonZeroUsize::MIN).unwrap();
        for one in found.iter().flatten() {
            assert!(one.tokens.len() >= n && one.tokens.len() + usize::from(one.is_finished) <= max_len, "{one:?}");
        }
    }
}

#[test]
fn a_text_without_tokens_has_the_empty_translation() {
    let translator = translator();
    let texts = ["", TEXTS[0], " \t ", "\u{3000}"];
    let (text, tokens, token_log_probs) = (String::new(), Vec::new(), Vec::new());
    let empty = Translation { text, tokens, log_prob: 0.0, token_log_probs, score: 0.0, is_finished: true };
    for beam in [1, 4] {
        let config = DecodingConfig { beam, ..config() };
        let found = translator.translate(&texts, &config).unwrap();
        assert_eq!([&found[0], &found[2], &found[3]], [&empty; 3]);
        assert_eq!(&found[1], &translator.translate(&TEXTS[..1], &config).unwrap()[0]);
    }
    assert_eq!(translator.translate_n_best(&texts[..1], &config(), two()).unwrap(), [vec![empty.clone()]]);
    let sampling = SamplingConfig::default();
    assert_eq!(translator.sample(&texts[..1], &config(), &sampling, two()).unwrap(), [vec![empty]]);
    assert!(translator.translate(&[""; 0], &config()).unwrap().is_empty());
}

#[test]
fn the_settings_hold_in_every_search() {
    let translator = translator();
    let tokens = |config: &DecodingConfig| {
        let mut found: Vec<Vec<u32>> = Vec::new();
        for beam in [1, 4] {
            let config = DecodingConfig { beam, ..config.clone() };
            found.extend(translator.translate(&TEXTS, &config).unwrap().into_iter().map(|one| one.tokens));
        }
        let sampling = SamplingConfig { seed: 3, ..SamplingConfig::default() };
        found.extend(
            translator.sample(&TEXTS, config, &sampling, two()).unwrap().into_iter().flatten().map(|one| one.tokens),
        );
        found
    };
    let free = tokens(&config());
    let seen: Vec<u32> = free.iter().flatten().copied().collect();
    assert!(free.iter().any(|tokens| tokens.len() > 2));
    let suppressed = tokens(&DecodingConfig { suppressed: seen.clone(), ..config() });
    assert!(suppressed.iter().flatten().all(|token| !seen.contains(token)));
    assert!(tokens(&DecodingConfig { min_len: 3, ..config() }).iter().all(|tokens| tokens.len() >= 3));
    assert!(tokens(&DecodingConfig { max_len: Some(2), ..config() }).iter().all(|tokens| tokens.len() <= 2));
    assert!(tokens(&DecodingConfig { forced_first: Some(7), ..config() }).iter().all(|tokens| tokens[0] == 7));
    for tokens in tokens(&DecodingConfig { no_repeat_ngram: 1, min_len: 4, ..config() }) {
        assert!(tokens.iter().enumerate().all(|(at, token)| !tokens[..at].contains(token)), "{tokens:?}");
    }
}

/// A model to which all tokens are equally probable; its state is its number of rows.
struct Even {
    vocab_size: usize,
}

impl NextToken for Even {
    type State = usize;

    fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    fn max_len(&self) -> Option<usize> {
        None
    }

    fn advance(&self, _: &[TokenId], state: &mut usize, _: Want) -> Result<Scores, DeviceError> {
        Ok(Scores::All(vec![-(self.vocab_size as f32).ln(); *state * self.vocab_size]))
    }

    fn reorder(&self, state: &mut usize, parents: &[usize]) {
        *state = parents.len();
    }
}

impl EncoderDecoder for Even {
    fn start(&self, source: &TokenMatrix) -> usize {
        source.n_rows()
    }
}

#[test]
fn each_text_is_drawn_by_its_own_random_numbers() {
    let tokenizer = tokenizer();
    let translator = Translator::new(Even { vocab_size: tokenizer.vocab_size() }, tokenizer).unwrap();
    let config = DecodingConfig { min_len: 8, ..config() };
    let sampling = SamplingConfig { seed: 3, ..SamplingConfig::default() };
    let drawn = |texts: &[&str]| -> Vec<Vec<u32>> {
        let found = translator.sample(texts, &config, &sampling, two()).unwrap();
        found.into_iter().flatten().map(|one| one.tokens).collect()
    };
    let together = drawn(&TEXTS);
    for (at, tokens) in together.iter().enumerate() {
        assert!(together[..at].iter().all(|other| other[..8] != tokens[..8]), "{together:?}");
    }
    assert_eq!(TEXTS.map(|text| drawn(&[text])).concat(), together, "a text's samples depend on the others");
}

#[test]
fn a_completion_begins_with_its_prefix_and_has_its_probability() {
    let (translator, tokenizer) = (translator(), tokenizer());
    let prefixes = ["not the", "", "is"];
    let found = translator.complete(&TEXTS, &prefixes, &config(), two()).unwrap();
    let model = model(tokenizer.vocab_size());
    let (begin, end) = (tokenizer.specials().begin().unwrap(), tokenizer.specials().end().unwrap());
    for ((text, prefix), completions) in TEXTS.iter().zip(prefixes).zip(&found) {
        assert_eq!(completions.len(), 2);
        for Translation { text: translation, tokens, log_prob, .. } in completions {
            assert!(translation.starts_with(prefix), "{translation:?}");
            let source = [tokenizer.encode(text), vec![end]].concat();
            let mut state = model.start(&TokenMatrix::from_rows(&[source], 0, 0));
            let (mut last, mut expected) = (begin, 0.0);
            for &token in tokens {
                expected += f64::from(model.log_probs(&[last], &mut state).unwrap()[token as usize]);
                last = token;
            }
            let of_end = f64::from(model.log_probs(&[last], &mut state).unwrap()[end as usize]);
            let differs = |expected: f64| (expected - log_prob).abs() > 1e-4;
            assert!(!differs(expected) || !differs(expected + of_end), "{log_prob} {expected} {of_end}");
        }
    }
    let free = translator.translate_n_best(&TEXTS[1..2], &config(), two()).unwrap().remove(0);
    for (completed, free) in found[1].iter().zip(&free) {
        assert_eq!(completed.tokens, free.tokens);
        assert!((completed.log_prob - free.log_prob).abs() < 1e-4);
    }
    let blank = translator.complete(&[""], &["not"], &config(), two()).unwrap();
    assert_eq!((blank[0].len(), blank[0][0].text.as_str()), (1, "not"));
}

#[test]
fn both_engines_obey_every_setting() {
    let tokenizer = tokenizer();
    let config_of = |positions| TransformerConfig {
        d_model: 8,
        d_ff: 12,
        n_heads: 2,
        n_encoder_layers: 1,
        n_decoder_layers: 1,
        positions,
        ..TransformerConfig::base(tokenizer.vocab_size())
    };
    let of_model = config_of(PositionsConfig::Learned { max_len: 12 });
    let model = || of_model.init(&BackendKind::Flex.device().unwrap(), 5).unwrap();
    let packed = Translator::new(TranslationModel::new(model(), &of_model).unwrap(), tokenizer.clone()).unwrap();
    let composed = Translator::new(TranslationModel::of(model()), tokenizer.clone()).unwrap();
    let inputs = TEXTS.map(|text| Input { text, crop: true });
    let sampling = SamplingConfig { seed: 3, top_k: 5, temperature: 0.7, ..SamplingConfig::default() };
    for settings in [
        config(),
        DecodingConfig { min_len: 6, ..config() },
        DecodingConfig { max_len: Some(6), ..config() },
        DecodingConfig { no_repeat_ngram: 1, ..config() },
        DecodingConfig { repetition_penalty: 1.5, ..config() },
    ] {
        for search in [Search::Best(two()), Search::Random(&sampling, two())] {
            for prefixes in [&[""; 0][..], &["not", "is", ""]] {
                let tokens = |translator: &Translator<TranslationModel>| {
                    let found = translator.find(&inputs, prefixes, &settings, search).unwrap();
                    found.into_iter().flatten().map(|found| found.tokens).collect::<Vec<_>>()
                };
                let found = tokens(&packed);
                assert_eq!(found, tokens(&composed), "{settings:?} {search:?} {prefixes:?}");
                assert!(found.iter().all(|tokens| tokens.len() >= settings.min_len));
                if !prefixes.is_empty() {
                    let begins = |(at, tokens): (usize, &Vec<u32>)| {
                        tokens.starts_with(&tokenizer.encode_target(prefixes[at / 2]))
                    };
                    assert!(found.iter().enumerate().all(begins), "{found:?}");
                }
            }
        }
    }
}

#[test]
fn texts_that_are_too_long_are_named_together_or_cropped() {
    let tokenizer = tokenizer();
    let small =
        TransformerConfig { d_model: 8, d_ff: 12, n_heads: 2, ..TransformerConfig::base(tokenizer.vocab_size()) };
    let positions = PositionsConfig::Learned { max_len: 6 };
    let of_model = TransformerConfig { n_encoder_layers: 1, n_decoder_layers: 1, positions, ..small };
    let model = of_model.init(&BackendKind::Flex.device().unwrap(), 5).unwrap();
    let translator = Translator::new(TranslationModel::new(model, &of_model).unwrap(), tokenizer.clone()).unwrap();
    let long = TEXTS[1].repeat(2);
    let texts = [&long[..], "be", &TEXTS[0].repeat(3), ""];
    let Err(TranslateError::TooLong { texts: named }) = translator.translate(&texts, &config()) else {
        panic!("the model has six positions");
    };
    let too_long = |idx: usize| {
        let n_tokens = tokenizer.encode(texts[idx]).len() + 1;
        (idx, TooLong { n_tokens, max_len: 6 })
    };
    assert_eq!(named, [too_long(0), too_long(2)]);
    let found = |inputs: &[Input<'_>]| {
        translator.find(inputs, &[""; 0], &config(), Search::Best(NonZeroUsize::MIN)).unwrap().concat()
    };
    let cropped = found(&texts.map(|text| Input { text, crop: true }));
    // The end of the sentence has the last position.
    let beginning = tokenizer.decode(&tokenizer.encode(&long)[..5]).unwrap();
    assert_eq!(tokenizer.encode(&beginning).len(), 5, "the text can be cut there");
    assert_eq!(cropped[..2], found(&[Input::from(&beginning), Input::from("be")]));
    let error = translator.complete(&["be"], &[&long], &config(), two()).unwrap_err().to_string();
    assert!(error.starts_with("the prefix has ") && error.contains("positions for 6"), "{error}");
}

/// Hours of attention, unless something stops it.
#[test]
fn a_model_without_a_limit_reads_a_huge_text_no_further_than_a_limit() {
    let (translator, tokenizer) = (translator(), tokenizer());
    for text in ["b".repeat(300_000), "be ".repeat(100_000)] {
        let n_tokens = tokenizer.encode(&text).len() + 1;
        let Err(TranslateError::TooLong { texts: named }) = translator.translate(&["be", &text], &config()) else {
            panic!("{n_tokens} tokens were read");
        };
        assert_eq!(named, [(1, TooLong { n_tokens, max_len: MAX_TEXT_TOKENS })]);
        assert_eq!(named[0].1.to_string(), format!("{n_tokens} tokens, and at most 16384 are read at once"));
        let error = translator.complete(&["be"], &[&text], &config(), two()).unwrap_err().to_string();
        assert!(error.starts_with("the prefix has ") && error.contains("at most 16384"), "{error}");
        let scores = translator.score(&[("be", &text[..]), (&text[..], "be"), ("be", "be")], &config()).unwrap();
        assert_eq!(scores.iter().map(Option::is_some).collect::<Vec<_>>(), [false, false, true]);
    }
}

#[test]
fn a_shortest_length_is_beyond_the_source_s() {
    let wanted = DecodingConfig { min_len: 20, ..config() };
    for beam in [1, 4] {
        let found = translator().translate(&TEXTS, &DecodingConfig { beam, ..wanted.clone() }).unwrap();
        assert!(found.iter().all(|found| found.tokens.len() >= 20));
    }
    // Where the longest length is the same, all have it, and none has room for its end.
    for beam in [1, 4] {
        let exact = DecodingConfig { beam, min_len: 6, max_len: Some(6), ..config() };
        let found = translator().translate(&TEXTS, &exact).unwrap();
        assert!(found.iter().all(|found| found.tokens.len() == 6 && !found.is_finished));
    }
    let clash = DecodingConfig { min_len: 3, max_len: Some(2), ..config() }.validate().unwrap_err().to_string();
    assert_eq!(clash, "min_len = 3 must be at most max_len");
}

/// Without an end, a translation is as long as it may be.
#[test]
fn a_bound_of_a_caller_takes_the_place_of_the_source_s() {
    let translator = translator();
    let end = translator.tokenizer().specials().end().unwrap();
    // After whichever token.
    let bad_words = (0..translator.tokenizer().vocab_size() as u32).map(|id| vec![id, end]).collect();
    let endless = DecodingConfig { bad_words, ..config() };
    let lengths = |config: &DecodingConfig| {
        let found = translator.translate(&TEXTS, config).unwrap();
        found.iter().map(|one| one.tokens.len()).collect::<Vec<_>>()
    };
    for beam in [1, 4] {
        let config = DecodingConfig { beam, ..endless.clone() };
        let frame = translator.tokenizer().pair_frame(None, None).unwrap();
        let of_source = |text: &&str| frame.around(&translator.tokenizer().encode(text)).len() + config.max_len_offset;
        let usual: Vec<usize> = TEXTS.iter().map(of_source).collect();
        assert_eq!(lengths(&config.clone().bounded(None)), usual);
        assert_eq!(lengths(&DecodingConfig { max_len: Some(60), ..config.clone() }), usual);
        for n in [2, 60] {
            assert_eq!(lengths(&config.clone().bounded(Some(n))), [n; 3]);
        }
    }
    let beyond = config().bounded(Some((1 << 16) + 1)).validate().unwrap_err().to_string();
    assert!(beyond.starts_with("max_len = "), "{beyond}");
}

#[test]
fn settings_out_of_range_are_named() {
    let refused = |config: DecodingConfig| match translator().translate(&TEXTS, &config) {
        Err(TranslateError::Decode(error)) => error,
        other => panic!("{other:?}"),
    };
    assert!(matches!(refused(DecodingConfig { beam: 0, ..config() }), DecodeError::ZeroBeam));
    assert!(refused(DecodingConfig { max_len: Some(0), ..config() }).to_string().starts_with("max_len"));
    let penalty = refused(DecodingConfig { repetition_penalty: 0.0, ..config() });
    assert!(penalty.to_string().starts_with("repetition_penalty"));
    assert!(refused(DecodingConfig { bad_words: vec![vec![]], ..config() }).to_string().starts_with("bad_words[0]"));
}

#[test]
fn a_model_that_gives_no_token_is_an_error() {
    let tokenizer = tokenizer();
    let all = (0..tokenizer.vocab_size() as u32).filter(|&id| Some(id) != tokenizer.specials().end()).collect();
    let nothing = DecodingConfig { suppressed: all, min_len: 1, ..config() };
    for beam in [1, 4] {
        let found = translator().translate(&TEXTS, &DecodingConfig { beam, ..nothing.clone() });
        let Err(TranslateError::NothingFollows { texts }) = found else { panic!("{found:?}") };
        assert_eq!(texts, [0, 1, 2]);
    }
}

#[test]
fn settings_of_older_models_are_read() {
    let old = "beam = 2\nlength_penalty = 0.6\nmax_len_offset = 50\nbatch_tokens = 2048\nprecision = \"int8\"\n";
    let config: DecodingConfig = toml::from_str(old).unwrap();
    assert_eq!(config, DecodingConfig { beam: 2, precision: config.precision, ..DecodingConfig::default() });
    let written = DecodingConfig { suppressed: vec![3], bad_words: vec![vec![4, 5]], max_len: Some(9), ..config };
    assert_eq!(toml::from_str::<DecodingConfig>(&toml::to_string(&written).unwrap()).unwrap(), written);
}
