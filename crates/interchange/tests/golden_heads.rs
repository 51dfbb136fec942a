//! Tags, answers, classes of pairs and scores against transformers and sentence-transformers
//! (`tests/golden/generate_heads.py`).

use std::{fs, ops::Range, path::Path};

use attentive_backend::{BackendKind, Device};
use attentive_bundle::{
    Aggregation, AnswerConfig, Bundle, EncodeError, Input, Pair, ReadingConfig, ScoreActivation, TaggingConfig,
    TextEncoder,
};
use attentive_core::TokenMatrix;
use attentive_interchange::{ExportConfig, Format, ImportConfig, Imported, InterchangeError, export};
use attentive_model::{BertConfig, EncoderModel, ModelConfig};
use attentive_testkit::{Area, Comparison, Golden, largest_error};
use burn::tensor::Tensor;
use serde::Deserialize;
use serde_json::{Value, json};

/// How far a score may be from the other system's.
const ALLOWED: f64 = 1e-4;
const BACKENDS: [BackendKind; 2] = [BackendKind::Flex, BackendKind::NdArray];
const TAGGERS: [(&str, Format); 2] = [("bert-tags", Format::Bert), ("roberta-tags", Format::Roberta)];
const READERS: [(&str, Format); 2] = [("bert-answers", Format::Bert), ("roberta-answers", Format::Roberta)];
const OF_PAIRS: [(&str, Format); 2] = [("bert-pairs", Format::Bert), ("roberta-pairs", Format::Roberta)];
const RANKERS: [(&str, Format); 2] = [("bert-rank", Format::Bert), ("roberta-rank", Format::Roberta)];

fn import(folder: &Path) -> Result<Imported, InterchangeError> {
    attentive_interchange::import(folder, &ImportConfig::default())
}

fn bundle(name: &str) -> Bundle {
    let Imported { bundle, notes, .. } = import(&golden().path(name)).unwrap();
    assert_eq!(notes, [""; 0], "{name}");
    bundle
}

fn golden() -> Golden {
    Golden::of(env!("CARGO_MANIFEST_DIR"))
}

fn cases(name: &str) -> Vec<Value> {
    golden().cases(&format!("{name}/outputs.json"))
}

fn field<T: for<'de> Deserialize<'de>>(case: &Value, name: &str) -> T {
    T::deserialize(&case[name]).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn comparison(what: String, package: &str) -> Comparison {
    Comparison::new(Area::Weights, what, format!("{package} {}", golden().version(package)), ALLOWED)
}

fn encoder(bundle: &Bundle, kind: BackendKind) -> TextEncoder {
    TextEncoder::from_bundle(bundle, &kind.device().unwrap(), None).unwrap()
}

/// The scores of a head of single texts that a case has the ids of.
fn logits(
    bundle: &Bundle,
    ids: &[u32],
    n_first: usize,
    head: impl Fn(&<BertConfig as attentive_model::ModelSpec>::Model, Tensor<2>) -> Option<Tensor<2>>,
    device: &Device,
) -> Vec<f64> {
    let model = bundle.model::<BertConfig>(device).unwrap();
    let segments: Vec<u8> = (0..ids.len()).map(|at| u8::from(at >= n_first)).collect();
    let encoding = model.encode(&TokenMatrix::from_rows(&[ids], 0, 0), &segments, None);
    let places: Vec<u32> = (0..ids.len() as u32).collect();
    let scores = head(&model, encoding.at(&places)).unwrap();
    scores.into_data().try_into_vec::<f32>().unwrap().into_iter().map(f64::from).collect()
}

/// Bytes of a text that are these characters.
fn bytes(text: &str, chars: Range<usize>) -> Range<usize> {
    let byte = |n: usize| text.char_indices().map(|(at, _)| at).chain([text.len()]).nth(n).unwrap();
    byte(chars.start)..byte(chars.end)
}

#[derive(Debug, Deserialize)]
struct Found {
    #[serde(default)]
    label: String,
    score: f64,
    start: usize,
    end: usize,
}

fn strategy(name: &str) -> Aggregation {
    match name {
        "none" => Aggregation::None,
        "simple" => Aggregation::Simple,
        "first" => Aggregation::First,
        "average" => Aggregation::Average,
        "max" => Aggregation::Max,
        other => panic!("{other}"),
    }
}

#[test]
fn tags_are_those_of_transformers() {
    for (name, kind) in TAGGERS.into_iter().flat_map(|(name, _)| BACKENDS.map(|kind| (name, kind))) {
        let (bundle, mut comparison) = (bundle(name), comparison(format!("tags of {name}, {kind}"), "transformers"));
        let encoder = encoder(&bundle, kind);
        for case in cases(name) {
            let text: String = field(&case, "text");
            let ids: Vec<u32> = field(&case, "ids");
            let head = |model: &_, vectors| EncoderModel::token_label_scores(model, vectors, None);
            let found = logits(&bundle, &ids, ids.len(), head, &kind.device().unwrap());
            comparison.case(format!("{text:?}: logits"), largest_error(&found, &Golden::tensor(&case, "logits")));
            for (how, expected) in field::<std::collections::BTreeMap<String, Vec<Found>>>(&case, "tags") {
                let config = TaggingConfig { aggregation: strategy(&how), outside: false };
                let tags = encoder.tag(&text, config).unwrap();
                let found: Vec<_> = tags.iter().map(|tag| (tag.label.clone(), tag.range.clone())).collect();
                let wanted: Vec<_> =
                    expected.iter().map(|tag| (tag.label.clone(), bytes(&text, tag.start..tag.end))).collect();
                assert_eq!(found, wanted, "{name}, {how}: {text:?}");
                let scores: Vec<f64> = tags.iter().map(|tag| tag.score).collect();
                let wanted: Vec<f64> = expected.iter().map(|tag| tag.score).collect();
                comparison.case(format!("{text:?}, {how}"), largest_error(&scores, &wanted));
            }
        }
        comparison.report();
    }
}

#[test]
fn what_is_outside_is_a_tag_if_it_is_asked_for() {
    let encoder = encoder(&bundle("bert-tags"), BackendKind::Flex);
    let text = "the animal's end — wide-street café";
    for aggregation in [Aggregation::None, Aggregation::Simple, Aggregation::Average] {
        let [all, inside] =
            [true, false].map(|outside| encoder.tag(text, TaggingConfig { aggregation, outside }).unwrap());
        let kept: Vec<_> = all.iter().filter(|tag| tag.label != "O").cloned().collect();
        assert_eq!(kept, inside);
        let covered: String = all.iter().map(|tag| &text[tag.range.clone()]).collect();
        let letters = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
        assert_eq!(letters(&covered), letters(text));
    }
    // Together as alone, and cropped as far as there are positions.
    let long = "the animal was wide ".repeat(40);
    assert!(matches!(encoder.tag(&long, TaggingConfig::default()), Err(EncodeError::TooLong(_))));
    let how = TaggingConfig { aggregation: Aggregation::None, outside: true };
    let inputs = [Input::from(text), Input::from(&long), Input { crop: true, ..Input::from(&long) }];
    let found = encoder.tag_all(&inputs, how).unwrap();
    assert_eq!(found[0].as_ref().unwrap(), &encoder.tag(text, how).unwrap());
    assert!(found[1].is_err());
    assert_eq!(found[2].as_ref().unwrap().len(), 62);
}

#[test]
fn answers_are_those_of_transformers() {
    for (name, kind) in READERS.into_iter().flat_map(|(name, _)| BACKENDS.map(|kind| (name, kind))) {
        let bundle = bundle(name);
        let mut comparison = comparison(format!("answers of {name}, {kind}"), "transformers");
        let encoder = encoder(&bundle, kind);
        let all = cases(name).remove(0);
        let ids: Vec<u32> = field(&all, "ids");
        // BERT's question ends with its first [SEP]; in RoBERTa there is one segment.
        let n_first =
            if name.starts_with("bert") { ids.iter().position(|&id| id == 3).unwrap() + 1 } else { ids.len() };
        let found = logits(
            &bundle,
            &ids,
            n_first,
            |model: &_, vectors| EncoderModel::span_scores(model, vectors),
            &kind.device().unwrap(),
        );
        comparison.case("logits".to_owned(), largest_error(&found, &Golden::tensor(&all, "logits")));
        for case in field::<Vec<Value>>(&all, "answers") {
            let (question, text): (String, String) = (field(&case, "question"), field(&case, "context"));
            let how = AnswerConfig {
                top_k: field(&case, "top_k"),
                max_answer_len: field(&case, "longest"),
                window: field(&case, "window"),
                stride: Some(field(&case, "stride")),
                no_answer: field(&case, "none"),
            };
            let answers = encoder.answer(&question, &text, &how).unwrap();
            let expected: Vec<Found> = field(&case, "answers");
            let found: Vec<_> = answers.iter().map(|answer| answer.range.clone()).collect();
            let wanted: Vec<_> = expected.iter().map(|answer| bytes(&text, answer.start..answer.end)).collect();
            assert_eq!(found, wanted, "{name}: {question:?} of {text:?}: {how:?}");
            assert!(answers.iter().all(|answer| answer.text == text[answer.range.clone()]));
            let scores: Vec<f64> = answers.iter().map(|answer| answer.score).collect();
            let wanted: Vec<f64> = expected.iter().map(|answer| answer.score).collect();
            comparison.case(format!("{question:?} of {text:?}"), largest_error(&scores, &wanted));
        }
        comparison.report();
    }
}

#[test]
fn questions_may_be_too_long_and_texts_empty() {
    let encoder = encoder(&bundle("bert-answers"), BackendKind::Flex);
    let how = AnswerConfig { no_answer: true, ..AnswerConfig::default() };
    assert_eq!(encoder.answer("wide?", " ", &how).unwrap(), []);
    let question = "the animal ".repeat(32);
    let error = encoder.answer(&question, "wide", &how).unwrap_err().to_string();
    assert!(error.contains("64 tokens") && error.contains("shorten it"), "{error}");
    // A question that leaves room for one token of the text.
    let found = encoder.answer(&"a ".repeat(60), "the wide end", &AnswerConfig { top_k: 3, ..how }).unwrap();
    assert_eq!(found.len(), 3);
}

#[test]
fn pairs_have_the_classes_of_transformers() {
    for (name, kind) in OF_PAIRS.into_iter().flat_map(|(name, _)| BACKENDS.map(|kind| (name, kind))) {
        let mut comparison = comparison(format!("classes of pairs of {name}, {kind}"), "transformers");
        let encoder = encoder(&bundle(name), kind);
        let case = cases(name).remove(0);
        for (texts, logits, crop) in [("pairs", "logits", false), ("long", "cut", true)] {
            let texts: Vec<[String; 2]> = field(&case, texts);
            let pairs: Vec<Pair<'_>> = texts.iter().map(|[first, second]| Pair { first, second, crop }).collect();
            let found = encoder.classify_pairs(&pairs).unwrap();
            for ((text, found), logits) in texts.iter().zip(found).zip(field::<Vec<Vec<f64>>>(&case, logits)) {
                let mut classes = found.unwrap();
                classes.sort_by_key(|class| ["no", "yes", "maybe"].iter().position(|label| *label == class.label));
                let sum: f64 = logits.iter().map(|logit| logit.exp()).sum();
                let expected: Vec<f64> = logits.iter().map(|logit| logit.exp() / sum).collect();
                let found: Vec<f64> = classes.iter().map(|class| class.probability).collect();
                comparison.case(format!("{text:?}"), largest_error(&found, &expected));
            }
            // Those that are cut would be too long.
            let whole: Vec<Pair<'_>> = pairs.iter().map(|pair| Pair { crop: false, ..*pair }).collect();
            assert!(encoder.classify_pairs(&whole).unwrap().iter().all(|found| found.is_err() == crop), "{name}");
        }
        comparison.report();
    }
}

#[test]
fn scores_are_those_of_cross_encoders() {
    for (name, kind) in RANKERS.into_iter().flat_map(|(name, _)| BACKENDS.map(|kind| (name, kind))) {
        let mut comparison = comparison(format!("scores of pairs of {name}, {kind}"), "sentence-transformers");
        let mut bundle = bundle(name);
        let case = cases(name).remove(0);
        let texts: Vec<[String; 2]> = field(&case, "pairs");
        let pairs: Vec<Pair<'_>> = texts.iter().map(|[first, second]| Pair { first, second, crop: false }).collect();
        let logits = field::<Vec<Vec<f64>>>(&case, "logits").concat();
        for (score, expected) in
            [(ScoreActivation::Sigmoid, field::<Vec<f64>>(&case, "scores")), (ScoreActivation::Identity, logits)]
        {
            bundle.reading.score = score;
            let encoder = encoder(&bundle, kind);
            let found: Vec<f64> = encoder.score_pairs(&pairs).unwrap().into_iter().map(Result::unwrap).collect();
            comparison.case(format!("{score:?}"), largest_error(&found, &expected));
            let classes = encoder.classify_pairs(&pairs).unwrap().remove(0).unwrap();
            assert_eq!((classes.len(), classes[0].probability), (1, found[0]));
        }
        comparison.report();
    }
}

#[test]
fn heads_are_written_as_transformers_writes_them() {
    for (name, format) in [TAGGERS, READERS, OF_PAIRS, RANKERS].concat() {
        let (bundle, original) = (bundle(name), golden().path(name));
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(export(&bundle, format, &ExportConfig::default(), folder.path()).unwrap(), [""; 0], "{name}");
        let json = |folder: &Path| -> Value {
            serde_json::from_slice(&fs::read(folder.join("config.json")).unwrap()).unwrap()
        };
        let (written, expected) = (json(folder.path()), json(&original));
        for (key, value) in written.as_object().unwrap() {
            assert_eq!(*value, expected[key], "{name}: {key}");
        }
        let read = |folder: &Path| attentive_weights::read(&folder.join("model.safetensors")).unwrap();
        assert_eq!(read(folder.path()), read(&original), "{name}");
        // With our own file of the tokenizer, and without.
        for _ in 0..2 {
            let again = import(folder.path()).unwrap().bundle;
            assert_eq!((&again.model, &again.params, &again.reading), (&bundle.model, &bundle.params, &bundle.reading));
            let _ = fs::remove_file(folder.path().join("attentive_tokenizer.json"));
        }
        // A bundle's folder keeps how pairs are read.
        let saved = folder.path().join("saved");
        bundle.save(&saved).unwrap();
        assert_eq!(Bundle::read(&saved).unwrap().reading, bundle.reading);
    }
}

/// A copy of a golden folder, a file of it changed.
fn changed(name: &str, file: &str, change: impl FnOnce(&mut Value)) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(golden().path(name)).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    let path = folder.path().join(file);
    let mut value: Value = fs::read(&path).map_or(json!({}), |text| serde_json::from_slice(&text).unwrap());
    change(&mut value);
    fs::write(path, value.to_string()).unwrap();
    folder
}

fn config_of(bundle: &Bundle) -> &BertConfig {
    match &bundle.model {
        ModelConfig::Bert(config) => config,
        other => panic!("a {}", other.family()),
    }
}

#[test]
fn a_classifier_without_a_class_is_told_by_its_tensors() {
    for (name, of_tokens) in
        [("bert-tags", true), ("roberta-tags", true), ("bert-pairs", false), ("roberta-pairs", false)]
    {
        let folder = changed(name, "config.json", |config| config["architectures"] = json!(null));
        let found = import(folder.path()).unwrap().bundle;
        let config = config_of(&found);
        assert_eq!((config.token_labels.is_empty(), config.labels.is_empty()), (!of_tokens, of_tokens), "{name}");
        assert_eq!(found.params, bundle(name).params);
    }
}

#[test]
fn what_becomes_of_a_score_is_what_the_folder_says() {
    let score = |file: &str, change: &dyn Fn(&mut Value)| {
        let folder = changed("bert-rank", file, change);
        fs::write(folder.path().join("modules.json"), MODULE.to_string().replace("PATH", "")).unwrap();
        if file == "config.json" {
            fs::remove_file(folder.path().join("modules.json")).unwrap();
        }
        let Imported { bundle, notes, .. } = import(folder.path()).unwrap();
        (bundle, notes)
    };
    const MODULE: &str = r#"[{"idx": 0, "name": "0", "path": "PATH", "type": "sentence_transformers.base.modules.transformer.Transformer"}]"#;
    let identity = "torch.nn.modules.linear.Identity";
    let says = [
        score("config.json", &|config| config["sentence_transformers"] = json!({ "activation_fn": identity })),
        score("config.json", &|config| config["sbert_ce_default_activation_function"] = json!(identity)),
        score("config.json", &|config| config["problem_type"] = json!("regression")),
        score("config_sentence_transformers.json", &|settings| {
            *settings = json!({ "model_type": "CrossEncoder", "activation_fn": identity, "prompts": {} });
        }),
    ];
    for (bundle, notes) in &says {
        assert_eq!((bundle.reading.score, &notes[..]), (ScoreActivation::Identity, &[][..]));
        let folder = tempfile::tempdir().unwrap();
        export(bundle, Format::Bert, &ExportConfig::default(), folder.path()).unwrap();
        assert_eq!(import(folder.path()).unwrap().bundle.reading.score, ScoreActivation::Identity);
    }
    let (bundle, notes) =
        score("config.json", &|config| config["sentence_transformers"] = json!({ "activation_fn": "torch.nn.ReLU" }));
    assert_eq!(bundle.reading, ReadingConfig::default());
    assert!(notes.iter().any(|note| note.contains("torch.nn.ReLU")), "{notes:?}");
    let cut = changed("bert-rank", "config_sentence_transformers.json", |settings| {
        *settings = json!({ "model_type": "CrossEncoder" });
    });
    fs::write(cut.path().join("sentence_bert_config.json"), r#"{"max_seq_length": 5}"#).unwrap();
    let notes = import(cut.path()).unwrap().notes;
    assert!(notes.iter().any(|note| note.contains("max_seq_length = 5 is not followed")), "{notes:?}");
    // Of several labels there are probabilities.
    let folder = changed("bert-pairs", "config.json", |config| {
        config["sentence_transformers"] = json!({ "activation_fn": identity });
    });
    let notes = import(folder.path()).unwrap().notes;
    assert!(notes.iter().any(|note| note.contains("Identity, which is not followed")), "{notes:?}");
    let folder = changed("bert-pairs", "config.json", |config| config["problem_type"] = json!("regression"));
    assert!(import(folder.path()).unwrap_err().to_string().contains("problem_type is \"regression\""));
}

#[test]
fn a_use_that_a_model_has_no_head_for_is_refused() {
    let says = |error: EncodeError, parts: &[&str]| {
        let message = error.to_string();
        for part in parts {
            assert!(message.contains(part), "{part:?} is not in: {message}");
        }
    };
    let [tagger, reader, several] =
        ["bert-tags", "roberta-answers", "bert-pairs"].map(|name| encoder(&bundle(name), BackendKind::Flex));
    let pair = [Pair { first: "a", second: "an end", crop: false }];
    says(
        tagger.answer("a", "an end", &AnswerConfig::default()).unwrap_err(),
        &["finds answers", "bert, for tag, embed"],
    );
    says(reader.tag("a", TaggingConfig::default()).unwrap_err(), &["classes of tokens", "for answer, embed"]);
    says(reader.classify("a").unwrap_err(), &["tells classes", "for answer, embed"]);
    says(several.score_pairs(&pair).unwrap_err(), &["a single label", "for classify, embed"]);
    says(several.fill("[MASK]", 1).unwrap_err(), &["guesses hidden tokens", "for classify, embed"]);
}

#[test]
fn two_classifiers_have_one_name_elsewhere() {
    let mut bundle = bundle("bert-pairs");
    let ModelConfig::Bert(config) = &mut bundle.model else { panic!("a BERT") };
    config.token_labels = vec!["O".to_owned(), "B-ANI".to_owned()];
    let folder = tempfile::tempdir().unwrap();
    let error = export(&bundle, Format::Bert, &ExportConfig::default(), folder.path()).unwrap_err().to_string();
    assert!(error.contains("token_labels: "), "{error}");
    // BERT's tokenizer puts one token between two texts, RoBERTa's two.
    let bundle = self::bundle("roberta-pairs");
    let notes = export(&bundle, Format::Bert, &ExportConfig::default(), folder.path()).unwrap();
    assert!(notes.iter().any(|note| note.contains("separators is 2")), "{notes:?}");
}
