//! ModernBERT in and out against transformers (`tests/golden/generate_modern.py`); rows are longer than windows.

use std::{fs, path::Path};

use attentive_attention::{NormPlacement, PositionsConfig};
use attentive_backend::BackendKind;
use attentive_bundle::{AnswerConfig, Bundle, EmbeddingConfig, TaggingConfig, TextEncoder};
use attentive_core::{Encoder, EncoderInput};
use attentive_engine::{CpuBert, WeightFormat};
use attentive_interchange::{ExportConfig, Format, Imported, export};
use attentive_model::{BertConfig, EncoderSpec, ModelConfig, ModelSpec, PoolerActivation, PoolerInput};
use serde_json::{Value, json};

use crate::support::{
    case, comparison,
    encoders::{Outputs, compare, on_tensors, present},
    field, golden, read, says, with_settings,
};

/// How far a score or a vector may be from the other system's.
const ALLOWED: f64 = 1e-4;
const FOLDERS: [&str; 6] = [
    "modernbert-masked-lm",
    "modernbert-untied",
    "modernbert-classification",
    "modernbert-tags",
    "modernbert-answers",
    "modernbert-model",
];

fn import(name: &str) -> Bundle {
    let Imported { bundle, notes, .. } = read(&golden().path(name)).unwrap();
    assert_eq!(notes, [""; 0], "{name}");
    bundle
}

fn config_of(name: &str) -> BertConfig {
    import(name).spec::<BertConfig>().unwrap()
}

/// What a model computes of a case's rows, packed.
fn packed(bundle: &Bundle, case: &Value) -> Outputs {
    let model = CpuBert::new(&bundle.spec::<BertConfig>().unwrap(), &bundle.params, WeightFormat::F32).unwrap();
    let rows: Vec<Vec<u32>> = field(case, "rows");
    let rows: Vec<EncoderInput<'_>> = rows.iter().map(|row| EncoderInput::from(&row[..])).collect();
    let encoded = model.encode(&rows).unwrap();
    let hidden: Vec<f32> = encoded.texts().flatten().copied().collect();
    present([
        ("tokens", model.token_scores(&hidden).map(Result::unwrap)),
        ("labels", model.label_scores(&encoded).map(Result::unwrap)),
        ("tags", model.token_label_scores(&hidden).map(Result::unwrap)),
        ("spans", model.span_scores(&hidden).map(Result::unwrap)),
        ("hidden", Some(hidden)),
    ])
}

#[test]
fn models_that_are_read_compute_what_transformers_computes() {
    for kind in [BackendKind::Flex, BackendKind::NdArray] {
        let mut comparison = comparison(format!("vectors and scores of ModernBERTs read, {kind}"), ALLOWED);
        for name in FOLDERS {
            let case = case(name);
            compare(&mut comparison, name, &case, &on_tensors(&import(name), &case, &kind.device().unwrap()));
        }
        comparison.report();
    }
    let mut comparison = comparison("vectors and scores of ModernBERTs read, packed".into(), ALLOWED);
    for name in FOLDERS {
        let case = case(name);
        compare(&mut comparison, name, &case, &packed(&import(name), &case));
    }
    comparison.report();
}

#[test]
fn tokens_are_those_of_transformers() {
    let mut comparison = comparison("ids of the tokenizers of ModernBERTs read".into(), 0.0);
    for name in FOLDERS {
        let (bundle, case) = (import(name), case(name));
        for (text, ids) in field::<Vec<String>>(&case, "texts").iter().zip(field::<Vec<Vec<u32>>>(&case, "ids")) {
            comparison.equal(format!("{name}: {text:?}"), &bundle.tokenizer().unwrap().encode(text), &ids);
        }
    }
    comparison.report();
}

#[test]
fn models_are_written_as_transformers_writes_them() {
    let device = BackendKind::Flex.device().unwrap();
    let mut weights = comparison("weights of ModernBERTs written".into(), 0.0);
    let mut again_read = comparison("vectors and scores of ModernBERTs written and read".into(), ALLOWED);
    for name in FOLDERS {
        let (original, bundle, folder) = (golden().path(name), import(name), tempfile::tempdir().unwrap());
        let options = ExportConfig { max_len: Some(32), ..ExportConfig::default() };
        let notes = export(&bundle, Format::ModernBert, &options, folder.path()).unwrap();
        assert!(folder.path().join("tokenizer.json").is_file(), "{name}");
        assert_eq!(notes, [""; 0], "{name}");
        let json = |folder: &Path, file: &str| -> Value {
            serde_json::from_slice(&fs::read(folder.join(file)).unwrap()).unwrap()
        };
        let (mut written, mut expected) = (json(folder.path(), "config.json"), json(&original, "config.json"));
        // Half of a window counts, and versions before 5 have other names.
        written["local_attention"] = json!(2 * (written["local_attention"].as_u64().unwrap() / 2));
        expected["local_attention"] = json!(2 * (expected["local_attention"].as_u64().unwrap() / 2));
        let renamed = ["layer_types", "rope_parameters"];
        for (key, value) in written.as_object().unwrap() {
            if expected.get("global_rope_theta").is_none() || !renamed.contains(&key.as_str()) {
                assert_eq!(*value, expected[key], "{name}: {key}");
            }
        }
        let tensors = |folder: &Path| attentive_weights::read(&folder.join("model.safetensors")).unwrap();
        let (written, expected) = (tensors(folder.path()), tensors(&original));
        assert_eq!(written.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
        for (tensor, values) in &expected {
            weights.equal(format!("{name}: {tensor}"), &written[tensor], values);
        }
        fs::remove_file(folder.path().join("attentive_tokenizer.json")).unwrap();
        let Imported { bundle: again, notes, .. } = read(folder.path()).unwrap();
        assert_eq!(notes, [""; 0], "{name}");
        assert_eq!((&again.model, &again.params), (&bundle.model, &bundle.params), "{name}");
        assert_eq!(again.reading, bundle.reading, "{name}");
        // The longest text, asked for above, is that of the folder where nothing is.
        assert_eq!((bundle.lengths.model, again.lengths.model), (Some(32), Some(32)), "{name}");
        export(&bundle, Format::ModernBert, &ExportConfig::default(), folder.path()).unwrap();
        let longest = [("config.json", "max_position_embeddings"), ("tokenizer_config.json", "model_max_length")];
        assert_eq!(longest.map(|(file, key)| json(folder.path(), file)[key].as_u64()), [Some(32); 2], "{name}");
        let (ours, theirs, case) = (again.tokenizer().unwrap(), bundle.tokenizer().unwrap(), case(name));
        assert_eq!(ours.specials(), theirs.specials(), "{name}");
        for text in field::<Vec<String>>(&case, "texts") {
            assert_eq!(ours.encode(&text), theirs.encode(&text), "{name}");
        }
        compare(&mut again_read, name, &case, &on_tensors(&again, &case, &device));
    }
    weights.report();
    again_read.report();
}

/// Fine-tuning leaves the head for hidden tokens out, and with it the projection that was not the embeddings.
#[test]
fn a_projection_that_is_gone_is_not_asked_for() {
    let mut config = config_of("modernbert-untied");
    config.set_labels(vec!["bad".to_owned(), "good".to_owned()]);
    assert!(!config.tie_projection && !config.masked_lm);
    let params = attentive_weights::params(&config.init(&BackendKind::Flex.device().unwrap(), 1).unwrap());
    let bundle = Bundle { model: ModelConfig::from(config), params, ..import("modernbert-untied") };
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(export(&bundle, Format::ModernBert, &ExportConfig::default(), folder.path()).unwrap(), [""; 0]);
    assert_eq!(read(folder.path()).unwrap().bundle.params, bundle.params);
}

#[test]
fn what_is_read_fills_embeds_classifies_tags_and_answers() {
    let device = BackendKind::Flex.device().unwrap();
    for name in FOLDERS {
        let bundle = import(name);
        let encoder = TextEncoder::from_bundle(&bundle, &device, None).unwrap();
        assert_eq!(encoder.embed("an end", &EmbeddingConfig::default()).unwrap().len(), 8, "{name}");
        match name {
            "modernbert-masked-lm" => assert_eq!(encoder.fill("the [MASK] was", 3).unwrap()[0].len(), 3),
            "modernbert-classification" => assert_eq!(encoder.classify("an end").unwrap().len(), 3),
            "modernbert-tags" => {
                let how = TaggingConfig { outside: true, ..TaggingConfig::default() };
                assert!(!encoder.tag("an end", how).unwrap().is_empty());
            }
            "modernbert-answers" => {
                let answers = encoder.answer("wide?", "an end", &AnswerConfig::default()).unwrap();
                assert!("an end".contains(&answers[0].text));
            }
            _ => {}
        }
    }
}

#[test]
fn settings_are_those_of_the_file() {
    let masked_lm = config_of("modernbert-masked-lm");
    assert_eq!((masked_lm.window, &masked_lm.full_layers[..]), (Some(3), &[0, 3][..]));
    assert_eq!(masked_lm.positions, PositionsConfig::rotary(160_000.0));
    assert_eq!(masked_lm.window_theta, Some(10_000.0));
    assert_eq!([masked_lm.bias, masked_lm.first_norm, masked_lm.pooler], [false; 3]);
    let classifier = config_of("modernbert-classification");
    assert_eq!((classifier.pooler_input, classifier.labels.len()), (PoolerInput::Mean, 3));
    let tags = config_of("modernbert-tags");
    assert_eq!((tags.bias, tags.window, tags.token_labels.len()), (true, Some(3), 3));
    let answers = config_of("modernbert-answers");
    assert_eq!((answers.pooler_activation, answers.full_layers), (PoolerActivation::Relu, vec![1, 2]));
    assert_eq!(config_of("modernbert-model").full_layers, [0, 2, 4]);
    // Without any such layer, there is no window.
    let full = with_settings("modernbert-model", &json!({ "global_attn_every_n_layers": 1 }));
    let full = read(full.path()).unwrap().bundle.spec::<BertConfig>().unwrap();
    assert_eq!((full.window, full.full_layers.len(), full.window_theta), (None, 0, None));
}

#[test]
fn what_can_not_be_read_is_named() {
    let refused = [
        ("modernbert-model", json!({ "norm_bias": true }), "norm_bias is true, attention_bias false"),
        ("modernbert-masked-lm", json!({ "decoder_bias": false }), "decoder_bias is false"),
        ("modernbert-masked-lm", json!({ "classifier_activation": "relu" }), "classifier_activation is \"relu\""),
        ("modernbert-answers", json!({ "classifier_activation": "silu" }), "classifier_activation is \"silu\""),
        ("modernbert-classification", json!({ "classifier_pooling": "max" }), "classifier_pooling is \"max\""),
        ("modernbert-classification", json!({ "problem_type": "multi_label_classification" }), "problem_type"),
        ("modernbert-model", json!({ "architectures": ["ModernBertForMultipleChoice"] }), "ModernBertForMaskedLM"),
        (
            "modernbert-model",
            json!({ "rope_scaling": { "rope_type": "linear", "factor": 2.0 } }),
            "rope_scaling is set",
        ),
        ("modernbert-masked-lm", json!({ "layer_types": ["full_attention"] }), "layer_types has 1 layers of 5"),
        ("modernbert-model", json!({ "num_hidden_layers": 6 }), "num_hidden_layers is 6"),
    ];
    for (name, changes, part) in refused {
        says(read(with_settings(name, &changes).path()), &[part]);
    }
    let notes = read(with_settings("modernbert-model", &json!({ "hidden_act": "relu" })).path()).unwrap().notes;
    assert_eq!(notes, ["config.json: not followed here: hidden_act = \"relu\""]);
}

#[test]
fn what_a_format_lacks_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let refuses = |name: &str, change: &dyn Fn(&mut BertConfig), format: Format, parts: &[&str]| {
        let mut bundle = import(name);
        let mut config = bundle.spec::<BertConfig>().unwrap();
        change(&mut config);
        bundle.model = ModelConfig::from(config);
        says(export(&bundle, format, &ExportConfig::default(), folder.path()), parts);
    };
    let same = |_: &mut BertConfig| ();
    refuses(
        "modernbert-classification",
        &same,
        Format::Bert,
        &["bias: ", "gated: ", "window: ", "pooler_norm, ", "post-norm"],
    );
    let modern = Format::ModernBert;
    refuses(
        "modernbert-model",
        &|config| config.norm = NormPlacement::Both,
        modern,
        &["norm: \"both\" here, \"pre\" there"],
    );
    refuses("modernbert-model", &|config| config.first_norm = true, modern, &["first_norm: not set here, false there"]);
    refuses("modernbert-model", &|config| config.gated = false, modern, &["gated"]);
    refuses("modernbert-model", &|config| config.n_segments = 2, modern, &["n_segments: 2 here, 0 there"]);
    refuses("modernbert-masked-lm", &|config| config.spans = true, modern, &["spans: true here"]);
    refuses("modernbert-answers", &|config| config.pooler_norm = false, modern, &["pooler_norm"]);
    refuses("bert-model", &same, modern, &["gated: not set here", "positions: ", "norm: "]);
}
