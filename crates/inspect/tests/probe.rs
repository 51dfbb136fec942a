//! Linear classifiers on the vectors of layers.

use std::sync::Arc;

use attentive_backend::{BackendKind, Device};
use attentive_bundle::Bundle;
use attentive_core::mix64;
use attentive_inspect::{InspectError, LabelledParts, LogisticRegression, probe};
use attentive_model::{BertConfig, GptConfig, ModelConfig, ModelSpec, TransformerConfig};
use attentive_testkit::{Fixture, assert_close};
use attentive_tokenizer::{BpeTrainer, Characters, Tokenizer, WordPieceTrainer};
use serde_json::Value;

fn device() -> Device {
    BackendKind::Flex.device().unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

#[test]
fn classifiers_are_those_of_scikit_learn() {
    let golden: Value = serde_json::from_str(include_str!("golden/logistic.json")).unwrap();
    for case in golden["cases"].as_array().unwrap() {
        let features: Vec<f32> = numbers(&case["features"]).into_iter().map(|x| x as f32).collect();
        let labels: Vec<u32> = numbers(&case["labels"]).into_iter().map(|label| label as u32).collect();
        let n_classes = case["n_classes"].as_u64().unwrap() as usize;
        let found = LogisticRegression::fit(&features, &labels, n_classes, case["penalty"].as_f64().unwrap());
        let rows = features.chunks(features.len() / labels.len());
        let log_probabilities: Vec<f64> = rows.flat_map(|row| found.log_probabilities(row)).collect();
        assert_close(&log_probabilities, &numbers(&case["log_probabilities"]), 1e-4, 1e-4);
    }
}

/// At the least mean there is no slope: each class is expected as often as it is there, and so is each feature with it, up to
/// the penalty.
#[test]
fn the_classifier_expects_each_class_as_often_as_it_is_there() {
    let (n, d, n_classes) = (50, 3, 4);
    let features = Fixture::new(5).normal(n * d);
    let labels: Vec<u32> = (0..n).map(|at| (at * at % 7 % n_classes) as u32).collect();
    let found = LogisticRegression::fit(&features, &labels, n_classes, 1e-2);
    for class in 0..n_classes {
        let expected: f64 = features.chunks(d).map(|row| found.log_probabilities(row)[class].exp()).sum();
        let there = labels.iter().filter(|&&label| label as usize == class).count();
        assert_close(&[expected], &[there as f64], 0.0, 1e-4);
    }
    // All of one class, or nothing to tell them by.
    let one = LogisticRegression::fit(&[1.0, 2.0], &[1, 1], 2, 1.0);
    assert_eq!(one.class_of(&[1.5]), 1);
    let nothing = LogisticRegression::fit(&[0.0; 4], &[0, 1, 1, 1], 2, 1.0);
    assert_close(&[nothing.log_probabilities(&[0.0])[1].exp()], &[0.75], 0.0, 1e-6);
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

#[test]
fn lines_of_words_are_texts() {
    let texts = LabelledParts::of_words(&lines("the\tD\ndog\tN\n\n\nit\tP\r\n")).unwrap();
    assert_eq!(texts.iter().map(|text| (&text.text[..], text.line)).collect::<Vec<_>>(), [("the dog", 1), ("it", 5)]);
    assert_eq!(texts[0].parts, [(0..3, "D".to_owned()), (4..7, "N".to_owned())]);
    assert_eq!(texts[1].parts, [(0..2, "P".to_owned())]);
    let error = LabelledParts::of_words(&lines("the\tD\ndog")).unwrap_err().to_string();
    assert!(error.starts_with("line 2: there is no tab"), "{error}");
    for (text, problem) in
        [("a\tB\tC", "more than one tab"), ("a\t", "the label after"), ("\tB", "the word or text before")]
    {
        let errors = [LabelledParts::of_words, LabelledParts::of_texts].map(|read| read(&lines(text)).unwrap_err());
        assert!(errors.iter().all(|error| error.to_string().contains(problem)), "{errors:?}");
    }
    let texts = LabelledParts::of_texts(&lines("the dog\tgood\n\nit\tbad")).unwrap();
    assert_eq!((texts.len(), &texts[1].parts), (2, &vec![(0..2, "bad".to_owned())]));
}

const WORDS: [&str; 12] = ["to", "be", "or", "not", "no", "on", "bet", "rot", "toe", "bore", "note", "bone"];

fn bundle<C: ModelSpec + Into<ModelConfig>>(config: C, tokenizer: Arc<dyn Tokenizer>) -> Bundle {
    let mut params = attentive_weights::params(&config.init(&device(), 7).unwrap());
    for tensor in params.values_mut().filter(|tensor| tensor.shape.len() == 2) {
        tensor.values.iter_mut().for_each(|value| *value *= 4.0);
    }
    Bundle::new("model", config, tokenizer, params)
}

/// Texts of a few words at random, each with the label that `label` gives the word at its place.
fn texts(seed: u64, n: u64, label: impl Fn(&[&str], usize) -> &'static str) -> Vec<LabelledParts> {
    let mut all = Vec::new();
    for text in 0..n {
        let word = |at: u64| WORDS[(mix64(1000 * seed + 10 * text + at) % WORDS.len() as u64) as usize];
        let words: Vec<&str> = (0..4).map(word).collect();
        all.extend((0..4).map(|at| format!("{}\t{}", words[at], label(&words, at))));
        all.push(String::new());
    }
    LabelledParts::of_words(&all).unwrap()
}

#[test]
fn a_layer_that_sees_words_tells_them_apart() {
    let joined = WORDS.join(" ");
    let wordpiece: Arc<dyn Tokenizer> = Arc::new(WordPieceTrainer::with_vocab_size(60).train([&joined]).unwrap());
    let bpe: Arc<dyn Tokenizer> = Arc::new(BpeTrainer::with_vocab_size(300).train([&joined]).unwrap());
    let characters: Arc<dyn Tokenizer> = Arc::new(Characters::train([&joined]));
    let sizes = TransformerConfig { d_model: 16, d_ff: 24, n_heads: 4, ..TransformerConfig::base(bpe.vocab_size()) };
    let short = |words: &[&str], at: usize| if words[at].len() < 3 { "short" } else { "long" };
    let (train, test) = (texts(0, 60, short), texts(1, 30, short));
    for bundle in [
        bundle(BertConfig::bert_like(wordpiece.vocab_size(), 40, [2, 2, 16]), wordpiece),
        bundle(GptConfig::gpt2_like(characters.vocab_size(), 40, [2, 2, 16]), characters),
        bundle(TransformerConfig { n_encoder_layers: 2, n_decoder_layers: 1, ..sizes }, bpe),
    ] {
        let found = probe(&bundle, [&train, &test], Some(1), &device()).unwrap();
        assert_eq!((found.n_parts, found.layers.len()), ([240, 120], 3), "all words have tokens");
        assert_eq!(found.labels, ["long", "short"]);
        let n_long = test.iter().flat_map(|text| &text.parts).filter(|(_, label)| label == "long").count();
        let most = if train.iter().flat_map(|text| &text.parts).filter(|(_, label)| label == "long").count() >= 120 {
            n_long
        } else {
            120 - n_long
        };
        assert_close(&[found.majority], &[most as f64 / 120.0], 1e-12, 0.0);
        // Few words, so that the labels of each are learned, and those of the control task too.
        let input = found.layers[0];
        assert!(input.accuracy > found.majority + 0.1, "{found:?}");
        assert_close(&[input.selectivity().unwrap()], &[input.accuracy - input.control.unwrap()], 1e-12, 0.0);
        let again = probe(&bundle, [&train, &test], Some(1), &device()).unwrap();
        assert_eq!(found, again, "a seed is a control task");
        let without = probe(&bundle, [&train, &test], None, &device()).unwrap();
        assert!(without.layers.iter().all(|layer| layer.control.is_none()));
        assert_eq!(without.layers[1].accuracy, found.layers[1].accuracy);
    }
}

/// The other words of a text are seen by layers, and not by embeddings.
#[test]
fn what_the_input_does_not_know_a_layer_does() {
    let joined = WORDS.join(" ");
    let tokenizer: Arc<dyn Tokenizer> = Arc::new(WordPieceTrainer::with_vocab_size(60).train([&joined]).unwrap());
    let bundle = bundle(BertConfig::bert_like(tokenizer.vocab_size(), 40, [1, 2, 32]), tokenizer);
    let others = |words: &[&str], at: usize| {
        let is_other = |(place, word): &(usize, &&str)| *place != at && word.contains('t');
        if words.iter().enumerate().filter(is_other).count() > 1 { "some" } else { "few" }
    };
    let (train, test) = (texts(0, 200, others), texts(1, 100, others));
    let found = probe(&bundle, [&train, &test], None, &device()).unwrap();
    let [input, first] = [0, 1].map(|layer| found.layers[layer].accuracy);
    assert!(first > input + 0.05, "{found:?}");
}

#[test]
fn what_can_not_be_probed_is_refused() {
    let tokenizer: Arc<dyn Tokenizer> = Arc::new(Characters::train(["to be"]));
    let bundle = bundle(GptConfig::gpt2_like(tokenizer.vocab_size(), 10, [1, 2, 16]), tokenizer);
    let of = |text: &str| LabelledParts::of_words(&lines(text)).unwrap();
    let probe = |train: &str, test: &str| probe(&bundle, [&of(train), &of(test)], None, &device());
    assert!(matches!(probe("to\tA", "be\tA"), Err(InspectError::FewLabels { n_labels: 1, n_tested: 1 })));
    assert!(matches!(probe("to\tA\nbe\tB", ""), Err(InspectError::FewLabels { n_labels: 2, n_tested: 0 })));
    let error = probe("to\tA\n\nto be to be to\tB", "be\tA").unwrap_err().to_string();
    assert!(error.starts_with("line 3: the text has 14 tokens"), "{error}");
    // A label that was not there is told wrong.
    let found = probe("to\tA\nbe\tB", "be\tC\nbe\tB").unwrap();
    assert_eq!((found.layers[0].accuracy, found.majority), (0.5, 0.0));
}
