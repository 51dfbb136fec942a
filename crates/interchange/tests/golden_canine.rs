//! CANINE in and out against transformers (`tests/golden/generate_canine.py`).

use std::{fs, path::Path};

use attentive_attention::NormPlacement;
use attentive_backend::BackendKind;
use attentive_bundle::Bundle;
use attentive_core::TokenMatrix;
use attentive_interchange::{ExportConfig, Format, ImportConfig, InterchangeError, export};
use attentive_model::{Canine, CanineConfig, EncoderModel, Encoding, ModelConfig};
use attentive_testkit::{Area, Comparison, Golden, largest_error};
use burn::tensor::Tensor;
use serde::Deserialize;
use serde_json::Value;

fn import(folder: &Path) -> Result<Bundle, InterchangeError> {
    attentive_interchange::import(folder, &ImportConfig::default()).map(|imported| imported.bundle)
}

/// How far a number may be from transformers'.
const ALLOWED: f64 = 1e-4;
const BACKENDS: [BackendKind; 2] = [BackendKind::Flex, BackendKind::NdArray];
const FOLDERS: [&str; 2] = ["canine", "canine-classification"];

fn golden() -> Golden {
    Golden::of(env!("CARGO_MANIFEST_DIR"))
}

fn comparison(what: impl Into<String>, allowed: f64) -> Comparison {
    let version = golden().version("transformers");
    Comparison::new(Area::Weights, what, format!("transformers {version}"), allowed)
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().unwrap()
}

/// A batch as transformers reads it, and how long its rows are.
fn encoding(model: &Canine, case: &Value) -> (Encoding, Vec<usize>) {
    let ids = TokenMatrix::from_rows(&Vec::<Vec<u32>>::deserialize(&case["ids"]).unwrap(), 0, 0);
    let segments = Vec::<Vec<u32>>::deserialize(&case["segments"]).unwrap();
    let segments = TokenMatrix::from_rows(&segments, 0, 0);
    let segments: Vec<u8> = segments.ids().iter().map(|&id| id as u8).collect();
    let extents = vec![ids.n_cols(); ids.n_rows()];
    let encoding = match ids.n_rows() {
        1 => model.encode(&ids, &segments, None),
        _ => model.encode_padded(&ids, &segments, &extents, None),
    };
    (encoding, ids.lengths().to_vec())
}

#[test]
fn canine_gives_the_vectors_of_transformers() {
    for kind in BACKENDS {
        let mut comparison = comparison(format!("vectors of a CANINE read, {kind}"), ALLOWED);
        let bundle = import(&golden().path("canine")).unwrap();
        let model = bundle.model::<CanineConfig>(&kind.device().unwrap()).unwrap();
        for case in golden().cases("canine/outputs.json") {
            let (encoding, lengths) = encoding(&model, &case);
            let [_, seq, d_model] = encoding.hidden.dims();
            let pooled = values(model.pooled(&encoding).unwrap());
            let hidden = values(encoding.hidden);
            let rows = hidden.chunks(seq * d_model).zip(&lengths);
            let real: Vec<f32> = rows.flat_map(|(row, &length)| &row[..length * d_model]).copied().collect();
            let of = format!("of {lengths:?} characters");
            comparison.case(format!("hidden {of}"), largest_error(&real, &Golden::tensor(&case, "hidden")));
            comparison.case(format!("pooled {of}"), largest_error(&pooled, &Golden::tensor(&case, "pooled")));
        }
        comparison.report();
    }
}

#[test]
fn canine_s_classes_are_scored_as_in_transformers() {
    for kind in BACKENDS {
        let mut comparison = comparison(format!("logits of a CANINE for classification read, {kind}"), ALLOWED);
        let bundle = import(&golden().path("canine-classification")).unwrap();
        let model = bundle.model::<CanineConfig>(&kind.device().unwrap()).unwrap();
        let labels = bundle.spec::<CanineConfig>().unwrap().labels;
        assert_eq!(labels, ["animal", "street", "neither"]);
        for case in golden().cases("canine-classification/outputs.json") {
            let (encoding, lengths) = encoding(&model, &case);
            let logits = values(model.label_scores(&encoding, None).unwrap());
            let difference = largest_error(&logits, &Golden::tensor(&case, "logits"));
            comparison.case(format!("of {lengths:?} characters"), difference);
        }
        comparison.report();
    }
}

#[test]
fn canines_are_written_as_they_were_read() {
    let json = |path: &Path| serde_json::from_slice::<Value>(&fs::read(path).unwrap()).unwrap();
    for name in FOLDERS {
        let (original, written) = (golden().path(name), tempfile::tempdir().unwrap());
        let bundle = import(&original).unwrap();
        let notes = export(&bundle, Format::Canine, &ExportConfig::default(), written.path()).unwrap();
        assert_eq!(notes, [""; 0]);
        let file = ["model.safetensors", "pytorch_model.bin"].map(|file| original.join(file));
        let expected = attentive_weights::read(file.iter().find(|file| file.exists()).unwrap()).unwrap();
        let found = attentive_weights::read(&written.path().join("model.safetensors")).unwrap();
        assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
        let mut comparison = comparison(format!("weights of a {name} model written"), 0.0);
        for (tensor, expected) in &expected {
            comparison.equal(tensor, &found[tensor], expected);
        }
        comparison.report();
        let (config, expected) = (json(&written.path().join("config.json")), json(&original.join("config.json")));
        for (key, value) in config.as_object().unwrap() {
            assert_eq!(*value, expected[key], "{key}");
        }
        let again = import(written.path()).unwrap();
        assert!(again.model == bundle.model && again.params == bundle.params);
        assert_eq!(again.tokenizer().unwrap().encode("é☃"), [0xe9, 0x2603]);
    }
}

#[test]
fn positions_that_are_never_used_are_made_up() {
    let mut bundle = import(&golden().path("canine")).unwrap();
    let ModelConfig::Canine(config) = &mut bundle.model else { panic!("a canine") };
    config.max_len = 20;
    let positions = bundle.params.get_mut("positions.weight").unwrap();
    positions.values.truncate(20 * 8);
    positions.shape = vec![20, 8];
    let folder = tempfile::tempdir().unwrap();
    export(&bundle, Format::Canine, &ExportConfig::default(), folder.path()).unwrap();
    let again = import(folder.path()).unwrap();
    assert!(again.model == bundle.model && again.params == bundle.params);
}

#[test]
fn what_transformers_lacks_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let exported = |change: fn(&mut CanineConfig)| {
        let mut bundle = import(&golden().path("canine")).unwrap();
        let ModelConfig::Canine(config) = &mut bundle.model else { panic!("a canine") };
        change(config);
        export(&bundle, Format::Canine, &ExportConfig::default(), folder.path())
    };
    let notes = exported(|config| (config.masked_lm, config.next_sentence) = (true, true)).unwrap();
    assert!(notes[0].contains("guesses hidden characters") && notes[1].contains("tells what follows"), "{notes:?}");
    let error = exported(|config| {
        config.norm = NormPlacement::Pre;
        config.pooler = false;
        config.max_len = 33;
    });
    let Err(InterchangeError::Inexpressible { problems, .. }) = error else { panic!("{error:?}") };
    assert_eq!(problems.len(), 3, "{problems:?}");
}

#[test]
fn settings_that_are_not_here_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(golden().path("canine-classification")).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    let path = folder.path().join("config.json");
    let mut config: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    config["hidden_act"] = "quick_gelu".into();
    config["problem_type"] = "regression".into();
    fs::write(&path, config.to_string()).unwrap();
    let Err(InterchangeError::Unsupported { problems, .. }) = import(folder.path()) else { panic!("it is refused") };
    assert!(problems[0].contains("quick_gelu") && problems[1].contains("regression"), "{problems:?}");
    config["hidden_act"] = "relu".into();
    config["problem_type"] = Value::Null;
    config["num_hash_buckets"] = 31.into();
    fs::write(&path, config.to_string()).unwrap();
    let Err(InterchangeError::Mismatch { problems, .. }) = import(folder.path()) else { panic!("it is refused") };
    assert!(problems.iter().any(|problem| problem.contains("HashBucketCodepointEmbedder_3")), "{problems:?}");
}
