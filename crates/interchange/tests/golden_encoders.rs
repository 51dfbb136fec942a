//! BERT and RoBERTa in and out against transformers (`tests/golden/generate_encoders.py`).

use std::{fs, path::Path};

use attentive_backend::{BackendKind, Device};
use attentive_bundle::{Bundle, EmbeddingConfig, TextEncoder, frame_ids};
use attentive_core::TokenMatrix;
use attentive_interchange::{ExportConfig, Format, ImportConfig, InterchangeError, export};
use attentive_model::{BertConfig, EncoderModel, ModelConfig, ModelSpec};
use attentive_tokenizer::OpenOptions;
use attentive_weights::{HostTensor, Tensors};
use serde_json::{Value, json};

use crate::support::{
    self, case, comparison,
    encoders::{compare, on_tensors, values},
    field, golden, says,
};

fn import(folder: &Path) -> Result<Bundle, InterchangeError> {
    attentive_interchange::import(folder, &ImportConfig::default()).map(|imported| imported.bundle)
}

/// How far a score or a vector may be from the other system's.
const ALLOWED: f64 = 1e-4;
const BACKENDS: [BackendKind; 2] = [BackendKind::Flex, BackendKind::NdArray];
const FOLDERS: [(&str, &[&str], Format); 2] = [
    ("BERT", &["bert-pretraining", "bert-masked-lm", "bert-classification", "bert-model"], Format::Bert),
    ("RoBERTa", &["roberta-masked-lm", "roberta-classification", "roberta-model"], Format::Roberta),
];

#[test]
fn models_that_are_read_compute_what_transformers_computes() {
    for ((family, folders, _), kind) in FOLDERS.into_iter().flat_map(|each| BACKENDS.map(|kind| (each, kind))) {
        let device = kind.device().unwrap();
        let mut comparison = comparison(format!("vectors and scores of {family}s read, {kind}"), ALLOWED);
        for name in folders {
            let (bundle, case) = (import(&golden().path(name)).unwrap(), case(name));
            compare(&mut comparison, name, &case, &on_tensors(&bundle, &case, &device));
        }
        comparison.report();
    }
}

#[test]
fn tokens_are_those_of_transformers() {
    for (family, folders, _) in FOLDERS {
        let mut comparison = comparison(format!("ids of the tokenizers of {family}s read"), 0.0);
        for name in folders {
            let (bundle, case) = (import(&golden().path(name)).unwrap(), case(name));
            let texts: Vec<String> = field(&case, "texts");
            for (text, ids) in texts.iter().zip(field::<Vec<Vec<u32>>>(&case, "ids")) {
                comparison.equal(format!("{name}: {text:?}"), &bundle.tokenizer().unwrap().encode(text), &ids);
            }
        }
        comparison.report();
    }
}

#[test]
fn models_are_written_as_transformers_writes_them() {
    let device = BackendKind::Flex.device().unwrap();
    for (family, folders, format) in FOLDERS {
        let mut weights = comparison(format!("weights of {family}s written"), 0.0);
        let mut again_read = comparison(format!("vectors and scores of {family}s written and read"), ALLOWED);
        for name in folders {
            let original = golden().path(name);
            let bundle = import(&original).unwrap();
            let folder = tempfile::tempdir().unwrap();
            let notes = export(&bundle, format, &ExportConfig::default(), folder.path()).unwrap();
            assert_eq!(notes, [""; 0], "{name}");
            let json = |folder: &Path| -> Value {
                serde_json::from_slice(&fs::read(folder.join("config.json")).unwrap()).unwrap()
            };
            let (written, expected) = (json(folder.path()), json(&original));
            for (key, value) in written.as_object().unwrap() {
                assert_eq!(*value, expected[key], "{name}: {key}");
            }
            // The other is of before names were what they are.
            if original.join("model.safetensors").is_file() {
                let read = |folder: &Path| attentive_weights::read(&folder.join("model.safetensors")).unwrap();
                let (written, expected) = (read(folder.path()), read(&original));
                assert_eq!(written.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
                for (tensor, values) in &expected {
                    weights.equal(format!("{name}: {tensor}"), &written[tensor], values);
                }
            }
            fs::remove_file(folder.path().join("attentive_tokenizer.json")).unwrap();
            let again = import(folder.path()).unwrap();
            assert_eq!((&again.model, &again.params), (&bundle.model, &bundle.params), "{name}");
            let text = "the animal, THE end";
            assert_eq!(again.tokenizer().unwrap().encode(text), bundle.tokenizer().unwrap().encode(text), "{name}");
            let case = case(name);
            compare(&mut again_read, name, &case, &on_tensors(&again, &case, &device));
        }
        weights.report();
        again_read.report();
    }
}

#[test]
fn what_is_read_fills_embeds_and_classifies() {
    let device = BackendKind::Flex.device().unwrap();
    let encoder = |name: &str| TextEncoder::from_bundle(&import(&golden().path(name)).unwrap(), &device, None).unwrap();
    for name in ["bert-pretraining", "bert-masked-lm", "roberta-masked-lm"] {
        let candidates = encoder(name).fill("the [MASK] was", 3).unwrap();
        assert_eq!(candidates.iter().map(Vec::len).collect::<Vec<_>>(), [3], "{name}");
    }
    for name in ["bert-model", "roberta-model"] {
        assert_eq!(encoder(name).embed("an end", &EmbeddingConfig::default()).unwrap().len(), 6, "{name}");
    }
    for name in ["bert-classification", "roberta-classification"] {
        let mut classes = encoder(name).classify("an end").unwrap();
        classes.sort_by(|a, b| a.label.cmp(&b.label));
        assert_eq!(classes.iter().map(|class| &class.label[..]).collect::<Vec<_>>(), ["animal", "neither", "street"]);
    }
}

/// A copy of a golden folder, its configuration and its tensors changed.
fn changed(name: &str, config: impl FnOnce(&mut Value), tensors: impl FnOnce(&mut Tensors)) -> tempfile::TempDir {
    support::changed(name, |folder| {
        let path = folder.join("config.json");
        let mut value: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        config(&mut value);
        fs::write(path, value.to_string()).unwrap();
        let path = folder.join("model.safetensors");
        let mut all = attentive_weights::read(&path).unwrap();
        tensors(&mut all);
        attentive_weights::write(&path, &all, &Default::default()).unwrap();
    })
}

fn config_of(folder: &Path) -> BertConfig {
    match import(folder).unwrap().model {
        ModelConfig::Bert(config) => config,
        other => panic!("a {}", other.family()),
    }
}

#[test]
fn heads_are_those_of_the_file_and_of_its_class() {
    // The released `bert-base-uncased` has more heads than its class.
    let more = changed("bert-pretraining", |config| config["architectures"] = json!(["BertForMaskedLM"]), |_| ());
    let config = config_of(more.path());
    assert!(config.pooler && config.masked_lm && config.next_sentence);
    let less = changed("bert-model", |_| (), |tensors| tensors.retain(|name, _| !name.starts_with("pooler")));
    assert!(!config_of(less.path()).pooler);
    let missing = changed("bert-model", |config| config["architectures"] = json!(["BertForMaskedLM"]), |_| ());
    says(
        import(missing.path()),
        &["missing: cls.predictions.transform.dense.weight [6, 6]", "missing: cls.predictions.bias"],
    );
    // Old files have a pooler that the class does not use.
    let old = changed(
        "roberta-classification",
        |_| (),
        |tensors| {
            tensors.insert("roberta.pooler.dense.bias".into(), HostTensor { shape: vec![6], values: vec![0.0; 6] });
        },
    );
    assert_eq!(import(old.path()).unwrap().params, import(&golden().path("roberta-classification")).unwrap().params);
}

#[test]
fn what_does_not_fit_is_listed() {
    let odd = changed(
        "roberta-masked-lm",
        |config| {
            config["hidden_act"] = json!("relu");
            config["position_embedding_type"] = json!("relative_key");
            config["is_decoder"] = json!(true);
        },
        |_| (),
    );
    says(import(odd.path()), &["\"gelu\"", "relative_key", "is_decoder is true"]);
    let other_task = |config: &mut Value| config["architectures"] = json!(["RobertaForMultipleChoice"]);
    let other_task = changed("roberta-masked-lm", other_task, |_| ());
    says(import(other_task.path()), &["RobertaForMultipleChoice", "drop_unknown"]);
    let several =
        changed("bert-classification", |config| config["problem_type"] = json!("multi_label_classification"), |_| ());
    says(import(several.path()), &["multi_label_classification"]);
    let shapes = changed(
        "bert-model",
        |config| config["max_position_embeddings"] = json!(9),
        |tensors| {
            tensors.insert("span_head.bias".into(), HostTensor { shape: vec![2], values: vec![0.0; 2] });
            tensors.remove("embeddings.LayerNorm.bias");
        },
    );
    let expected = [
        "embeddings.position_embeddings.weight: [9, 6] by config.json, [10, 6] in the file",
        "not in the model: span_head.bias",
        "missing: embeddings.LayerNorm.bias [6]",
    ];
    says(import(shapes.path()), &expected);
    let tokenizer = changed("bert-model", |_| (), |_| ());
    fs::write(tokenizer.path().join("tokenizer_config.json"), json!({ "do_basic_tokenize": false }).to_string())
        .unwrap();
    says(import(tokenizer.path()), &["do_basic_tokenize = false"]);
    fs::remove_file(tokenizer.path().join("tokenizer_config.json")).unwrap();
    fs::remove_file(tokenizer.path().join("vocab.txt")).unwrap();
    says(import(tokenizer.path()), &["there is no vocab.txt"]);
    fs::write(tokenizer.path().join("tokenizer.json"), r#"{"model": {"type": "Unigram"}}"#).unwrap();
    says(import(tokenizer.path()), &["Missing vocab"]);
}

#[test]
fn tokenizers_are_read_as_elsewhere_and_cased_if_the_user_says_so() {
    let folder = changed("bert-model", |_| (), |_| ());
    let path = folder.path().join("tokenizer_config.json");
    let read = |lowercase| {
        let options = ImportConfig { lowercase, ..ImportConfig::default() };
        let imported = attentive_interchange::import(folder.path(), &options).unwrap();
        let tokenizer = imported.bundle.tokenizer().unwrap().clone();
        let opened = OpenOptions::default().lowercase(lowercase).open(folder.path()).unwrap();
        for text in ["The STREET, naïve 中", "the [MASK] was"] {
            assert_eq!(tokenizer.encode(text), opened.tokenizer.encode(text));
            assert_eq!(tokenizer.encode_with_specials(text), opened.tokenizer.encode_with_specials(text));
        }
        (tokenizer.encode("The"), imported.notes)
    };
    // "the" is 5 and "The" is 20; accents stay where the settings say so.
    fs::write(&path, json!({ "do_lower_case": true, "strip_accents": false, "model_max_length": 8 }).to_string())
        .unwrap();
    assert_eq!((read(None).0, read(Some(false)).0), (vec![5], vec![20]));
    fs::remove_file(&path).unwrap();
    let (ids, notes) = read(None);
    assert_eq!(ids, [5]);
    assert!(notes.iter().any(|note| note.contains("read as uncased")), "{notes:?}");
    assert_eq!(read(Some(false)).0, [20]);
}

/// The probability of the likeliest token in the place of the mask of a row.
fn likeliest(bundle: &Bundle, row: &[u32], device: &Device) -> f64 {
    let model = bundle.model::<BertConfig>(device).unwrap();
    let encoding = model.encode(&TokenMatrix::from_rows(&[row], 0, 0), &vec![0; row.len()], None);
    let at = row.iter().position(|&id| id == bundle.tokenizer().unwrap().specials().mask.unwrap()).unwrap();
    let logits = values(model.token_logits(encoding.hidden).unwrap());
    let n = logits.len() / row.len();
    let of_mask = &logits[at * n..][..n];
    let sum: f64 = of_mask.iter().map(|&logit| f64::from(logit).exp()).sum();
    of_mask.iter().map(|&logit| f64::from(logit).exp() / sum).fold(0.0, f64::max)
}

#[test]
fn a_mask_takes_the_space_before_it_where_its_folder_says_so() {
    let device = BackendKind::Flex.device().unwrap();
    let mut found = Vec::new();
    for lstrip in [true, false] {
        let folder = changed("roberta-masked-lm", |_| (), |_| ());
        let path = folder.path().join("tokenizer_config.json");
        let mut settings: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        settings["mask_token"] = json!({ "__type": "AddedToken", "content": "<mask>", "lstrip": lstrip, "rstrip": false,
                                         "single_word": false, "normalized": false });
        fs::write(&path, settings.to_string()).unwrap();
        let bundle = import(folder.path()).unwrap();
        let encoder = TextEncoder::from_bundle(&bundle, &device, None).unwrap();
        let tokenizer = bundle.tokenizer().unwrap();
        let text = "a <mask>";
        let frame = frame_ids(&**tokenizer).unwrap();
        let row = [vec![frame.begin], tokenizer.encode_with_specials(text), vec![frame.end]].concat();
        let candidates = encoder.fill(text, 1).unwrap().remove(0);
        assert!((candidates[0].probability - likeliest(&bundle, &row, &device)).abs() < 1e-6);
        found.push(row.len());
        // What is written says the same.
        let out = tempfile::tempdir().unwrap();
        export(&bundle, Format::Roberta, &ExportConfig::default(), out.path()).unwrap();
        let written = fs::read(out.path().join("tokenizer_config.json")).unwrap();
        let written: Value = serde_json::from_slice(&written).unwrap();
        assert_eq!(written["mask_token"]["lstrip"], lstrip);
    }
    assert_eq!(found[0] + 1, found[1], "a token for the space");
}

/// What neither `BertTokenizer` nor `RobertaTokenizer` can be is written as the `tokenizer.json` that it is.
#[test]
fn a_tokenizer_of_another_class_is_written_as_its_own_file() {
    // As multilingual E5: a BERT over the pieces of XLM-RoBERTa; accents that stay; tokens after a vocabulary.
    let pieces = import(&golden().path("xlm-roberta-model")).unwrap();
    let accents = changed("bert-model", |_| (), |_| ());
    let settings = json!({ "do_lower_case": true, "strip_accents": false }).to_string();
    fs::write(accents.path().join("tokenizer_config.json"), settings).unwrap();
    let accents = import(accents.path()).unwrap();
    let with_added = |name: &str| {
        let mut bundle = import(&golden().path(name)).unwrap();
        bundle.extend_vocabulary(&["zqword".to_owned()], false).unwrap();
        bundle
    };
    for (bundle, format, has_segments) in [
        (pieces, Format::Bert, false),
        (accents, Format::Bert, true),
        (with_added("bert-model"), Format::Bert, true),
        (with_added("roberta-model"), Format::Roberta, false),
    ] {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(export(&bundle, format, &ExportConfig::default(), folder.path()).unwrap(), [""; 0]);
        fs::remove_file(folder.path().join("attentive_tokenizer.json")).unwrap();
        let settings = fs::read(folder.path().join("tokenizer_config.json")).unwrap();
        let settings: Value = serde_json::from_slice(&settings).unwrap();
        assert_eq!(settings["tokenizer_class"], "PreTrainedTokenizerFast");
        assert_eq!(settings["model_input_names"].is_null(), has_segments);
        // Without a note: what is around a text is in the file.
        let imported = attentive_interchange::import(folder.path(), &ImportConfig::default()).unwrap();
        assert_eq!(imported.notes, [""; 0]);
        assert_eq!(imported.bundle.reading, bundle.reading);
        let [ours, theirs] = [&imported.bundle, &bundle].map(|bundle| bundle.tokenizer().unwrap());
        assert_eq!(frame_ids(&**ours).unwrap(), frame_ids(&**theirs).unwrap());
        for text in ["the animal, THE end", "naïve zqword street", "an ☃  wide"] {
            assert_eq!(ours.encode(text), theirs.encode(text), "{text:?}");
        }
    }
    // A class may give segments to a model that has none.
    let folder = tempfile::tempdir().unwrap();
    let bundle = import(&golden().path("distilbert-model")).unwrap();
    export(&bundle, Format::DistilBert, &ExportConfig::default(), folder.path()).unwrap();
    let settings = fs::read_to_string(folder.path().join("tokenizer_config.json")).unwrap();
    assert!(settings.contains("model_input_names") && !settings.contains("token_type_ids"), "{settings}");
}

#[test]
fn what_an_export_leaves_in_its_folder_is_noted() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("README.md"), "mine").unwrap();
    let notes = |name: &str, format: Format| {
        let bundle = import(&golden().path(name)).unwrap();
        export(&bundle, format, &ExportConfig::default(), folder.path()).unwrap()
    };
    assert_eq!([notes("bert-model", Format::Bert), notes("bert-model", Format::Bert)].concat(), [""; 0]);
    let left = notes("roberta-model", Format::Roberta);
    assert!(left.len() == 1 && left[0].ends_with("of this model: tokenizer.json, vocab.txt"), "{left:?}");
}

#[test]
fn a_bert_can_be_a_roberta() {
    let bundle = import(&golden().path("roberta-masked-lm")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    export(&bundle, Format::Bert, &ExportConfig::default(), folder.path()).unwrap();
    let again = import(folder.path()).unwrap();
    let ModelConfig::Bert(config) = &again.model else { panic!("a BERT") };
    assert_eq!((config.first_position, config.max_len()), (0, Some(9)));
    let device = BackendKind::Flex.device().unwrap();
    let (mut comparison, case) =
        (comparison("vectors and scores of a RoBERTa as BERT".into(), ALLOWED), case("roberta-masked-lm"));
    compare(&mut comparison, "roberta-masked-lm", &case, &on_tensors(&again, &case, &device));

    let other = tempfile::tempdir().unwrap();
    export(&again, Format::Roberta, &ExportConfig::default(), other.path()).unwrap();
    let bundle = import(other.path()).unwrap();
    compare(&mut comparison, "roberta-masked-lm", &case, &on_tensors(&bundle, &case, &device));
    let pretraining = import(&golden().path("bert-pretraining")).unwrap();
    says(export(&pretraining, Format::Roberta, &ExportConfig::default(), other.path()), &["next_sentence: "]);
}
