//! Folders of sentence-transformers against it (`tests/golden/generate_sentences.py`): ways of pooling, length, case, prompts.

use std::{fs, path::Path};

use attentive_backend::BackendKind;
use attentive_bundle::{Bundle, EmbeddingConfig, Pooling, TextEncoder};
use attentive_interchange::{ExportConfig, Format, ImportConfig, Imported, export, export_onnx, import};
use attentive_testkit::{Golden, largest_error, named};
use attentive_weights::{HostTensor, Tensors};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// How far a component of a vector may be from that of sentence-transformers.
const ALLOWED: f64 = 1e-5;

#[derive(Deserialize)]
struct Case {
    name: String,
    /// What the folder has beside the model.
    files: Map<String, Value>,
    /// Where the model is.
    place: String,
    /// The prompt that is asked for.
    prompt: Option<String>,
    texts: Vec<String>,
    vectors: Vec<Vec<f64>>,
}

fn golden() -> Golden {
    Golden::of(env!("CARGO_MANIFEST_DIR"))
}

fn cases() -> Vec<Case> {
    let cases = golden().cases("sentences.json");
    cases.into_iter().map(|case| serde_json::from_value(case).unwrap()).collect()
}

/// A folder with the golden BERT at `place`, and these files.
fn folder(place: &str, files: &Map<String, Value>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join(place);
    fs::create_dir_all(&model).unwrap();
    for entry in fs::read_dir(golden().path("bert-model")).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, model.join(path.file_name().unwrap())).unwrap();
    }
    for (name, content) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content.to_string()).unwrap();
        if name.contains("_Dense/") {
            let tensor = |name: &str, shape: Vec<usize>| {
                (format!("linear.{name}"), HostTensor { values: named(name, shape.iter().product()), shape })
            };
            let mut tensors = Tensors::from([tensor("weight", vec![4, 6]), tensor("bias", vec![4])]);
            tensors.retain(|name, _| name.ends_with("weight") || content["bias"] == true);
            attentive_weights::write(&path.with_file_name("model.safetensors"), &tensors, &Default::default()).unwrap();
        }
    }
    folder
}

fn read(folder: &Path) -> Imported {
    import(folder, &ImportConfig::default()).unwrap()
}

/// The bundle as it is after it was written and read.
fn saved(bundle: &Bundle) -> Bundle {
    let folder = tempfile::tempdir().unwrap();
    bundle.save(folder.path()).unwrap();
    Bundle::read(folder.path()).unwrap()
}

#[track_caller]
fn compare(case: &Case, bundle: &Bundle, how: &EmbeddingConfig) {
    let encoder = TextEncoder::from_bundle(bundle, &BackendKind::Flex.device().unwrap(), None).unwrap();
    for (text, expected) in case.texts.iter().zip(&case.vectors) {
        let found = encoder.embed(text, how).unwrap();
        let error = largest_error(&found, expected);
        assert!(error < ALLOWED, "{}: {text:?}: {error}: {found:?} {expected:?}", case.name);
    }
}

#[test]
fn vectors_are_those_of_sentence_transformers() {
    let mut n_of_queries = 0;
    for case in cases() {
        let folder = folder(&case.place, &case.files);
        let Imported { bundle, notes, .. } = read(folder.path());
        assert_eq!(notes, [""; 0], "{}", case.name);
        let bundle = saved(&bundle);
        // It is written as it was read.
        let out = tempfile::tempdir().unwrap();
        assert_eq!(export(&bundle, Format::Bert, &ExportConfig::default(), out.path()).unwrap(), [""; 0]);
        let again = read(out.path()).bundle;
        assert_eq!((&again.embedding, &again.dense), (&bundle.embedding, &bundle.dense), "{}", case.name);
        if case.prompt.as_deref() == Some("query") {
            compare(&case, &bundle, &bundle.embedding.of_queries());
            assert_eq!(bundle.embedding.of_documents().prompt.as_deref(), Some("document"), "{}", case.name);
            n_of_queries += 1;
        }
        let prompt = case.prompt.clone().or_else(|| bundle.embedding.prompt.clone());
        compare(&case, &bundle, &EmbeddingConfig { prompt, ..bundle.embedding.clone() });
    }
    assert!(n_of_queries > 0);
}

#[test]
fn settings_take_the_place_of_the_folder_s() {
    let all = cases();
    let of = |name: &str| all.iter().find(|case| case.name == name).unwrap();
    let bundle = read(folder("", &of("mean_tokens").files).path()).bundle;
    let max = EmbeddingConfig { pooling: vec![Pooling::Max], ..bundle.embedding.clone() };
    compare(of("max_tokens"), &bundle, &max);
    compare(of("unit"), &bundle, &EmbeddingConfig { normalize: true, ..bundle.embedding.clone() });
    // A model whose folder does not say how takes the text's own tokens; the frame can be asked for.
    let plain = read(&golden().path("bert-model")).bundle;
    assert_eq!(plain.embedding, EmbeddingConfig::default());
    let framed = EmbeddingConfig { frame: true, ..EmbeddingConfig::default() };
    let short =
        Case { texts: vec!["a".into()], vectors: vec![of("mean_tokens").vectors[0].clone()], ..cases().remove(0) };
    compare(&short, &plain, &framed);
    let out = tempfile::tempdir().unwrap();
    let own = Bundle { embedding: EmbeddingConfig { normalize: true, ..plain.embedding.clone() }, ..plain };
    let dense = read(folder("", &of("dense torch.nn.modules.activation.Tanh").files).path()).bundle;
    let encoder = TextEncoder::from_bundle(&dense, &BackendKind::Flex.device().unwrap(), None).unwrap();
    let wide = EmbeddingConfig { pooling: vec![Pooling::Max, Pooling::Cls], ..dense.embedding };
    let error = encoder.embed("a", &wide).unwrap_err().to_string();
    assert!(error.contains("has 12 numbers") && error.contains("takes 6"), "{error}");
    let notes = export(&own, Format::Bert, &ExportConfig::default(), out.path()).unwrap();
    assert!(notes.iter().any(|note| note.contains("embedding.frame = false is left out")), "{notes:?}");
}

#[test]
fn a_graph_has_no_vectors_of_texts_and_says_so() {
    let case = cases().into_iter().find(|case| case.name.starts_with("dense")).unwrap();
    let plain = read(&golden().path("bert-model")).bundle;
    let dense = read(folder("", &case.files).path()).bundle;
    let out = tempfile::tempdir().unwrap();
    let notes = |bundle: &Bundle| export_onnx(bundle, Some(16), &out.path().join("onnx")).unwrap().join("\n");
    assert!(notes(&dense).contains("how one of a text is made is left out: pooling, dense layers"));
    assert!(!notes(&plain).contains("how one of a text"));
}

#[test]
fn what_is_not_followed_is_refused_by_name() {
    let problem = |changes: Value| {
        let mut files = cases().into_iter().find(|case| case.name == "unit").unwrap().files;
        files.extend(changes.as_object().unwrap().clone());
        import(folder("", &files).path(), &ImportConfig::default()).expect_err("an error").to_string()
    };
    let module = |path: &str, kind: &str| json!({ "path": path, "type": kind });
    let transformer = module("", "sentence_transformers.models.Transformer");
    let pooling = module("1_Pooling", "sentence_transformers.models.Pooling");
    let [dense, normalize] = ["Dense", "Normalize"]
        .map(|name| module(&format!("2_{name}"), &format!("sentence_transformers.models.{name}")));
    let asym = module("2_Asym", "sentence_transformers.models.Asym");
    let gelu = json!({ "in_features": 6, "out_features": 4, "bias": true, "activation_function": "torch.nn.modules.activation.GELU" });
    for (changes, expected) in [
        (json!({ "modules.json": [transformer, pooling, asym] }), "sentence_transformers.models.Asym"),
        (json!({ "modules.json": [transformer, pooling, normalize, dense] }), "sentence_transformers.models.Dense"),
        (json!({ "modules.json": [transformer, pooling, dense], "2_Dense/config.json": gelu }), "activation.GELU"),
        (json!({ "modules.json": [transformer, module("", "their_own.Pooling")] }), "their_own.Pooling"),
        (json!({ "modules.json": [transformer] }), "fewer than two modules"),
        (json!({ "modules.json": [module("../x", "a"), pooling] }), "path is \"../x\""),
        (json!({ "1_Pooling/config.json": { "pooling_mode": "median" } }), "pooling_mode has \"median\""),
        (json!({ "sentence_bert_config.json": { "query_length": 32 } }), "query_length is 32"),
        (json!({ "config_sentence_transformers.json": { "truncate_dim": 3 } }), "truncate_dim is 3"),
        (json!({ "config_sentence_transformers.json": { "model_type": "SparseEncoder" } }), "\"SparseEncoder\""),
    ] {
        let message = problem(changes);
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn another_similarity_than_the_cosine_is_noted() {
    let notes = |case: &str, name: &str| {
        let mut files = cases().into_iter().find(|found| found.name == case).unwrap().files;
        files.insert("config_sentence_transformers.json".to_owned(), json!({ "similarity_fn_name": name }));
        read(folder("", &files).path()).notes
    };
    let note = "config_sentence_transformers.json: similarity_fn_name is \"dot\"; `similar` compares by cosine";
    assert_eq!(notes("mean_tokens", "dot"), [note]);
    // Of vectors of length 1, products are cosines.
    assert_eq!([notes("unit", "dot"), notes("mean_tokens", "cosine")], [Vec::<String>::new(), Vec::new()]);
}

#[test]
fn dense_layers_that_do_not_fit_are_refused() {
    let files = cases().into_iter().find(|case| case.name == "dense torch.nn.modules.activation.Tanh").unwrap().files;
    let problem = |settings: Value, weight: Option<HostTensor>| {
        let mut files = files.clone();
        files["2_Dense/config.json"].as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        let folder = folder("", &files);
        if let Some(weight) = weight {
            let path = folder.path().join("2_Dense/model.safetensors");
            let mut tensors = attentive_weights::read(&path).unwrap();
            tensors.insert("linear.weight".into(), weight);
            attentive_weights::write(&path, &tensors, &Default::default()).unwrap();
        }
        import(folder.path(), &ImportConfig::default()).expect_err("an error").to_string()
    };
    let table = |shape: [usize; 2], value: f32| {
        Some(HostTensor { shape: shape.to_vec(), values: vec![value; shape.iter().product()] })
    };
    for (settings, weight, expected) in [
        (json!({}), table([4, 6], f32::NAN), "2_Dense/linear.weight: value 0 is NaN"),
        (json!({ "out_features": 5 }), None, "out_features is 5 by config.json, and linear.weight is [4, 6]"),
        (json!({ "in_features": 7 }), None, "in_features is 7"),
        (json!({ "in_features": 7 }), table([4, 7], 0.5), "dense layer 1 takes 7 numbers, and is given 6"),
    ] {
        let message = problem(settings, weight);
        assert!(message.contains(expected), "{message}");
    }
}
