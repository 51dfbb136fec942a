//! BERT's kin in and out against transformers (`tests/golden/generate_kin.py`).

use std::{fs, path::Path};

use attentive_attention::{NormPlacement, RelativeBuckets};
use attentive_backend::BackendKind;
use attentive_bundle::{Bundle, EmbeddingConfig, TextEncoder};
use attentive_core::{Encoder, EncoderInput};
use attentive_engine::{CpuBert, WeightFormat};
use attentive_interchange::{ExportConfig, Format, Imported, export};
use attentive_model::{BertConfig, ModelConfig, ModelSpec, PoolerActivation};
use attentive_testkit::{Comparison, Golden, largest_error};
use serde_json::{Value, json};

use crate::support::{
    case, comparison,
    encoders::{Outputs, compare, on_tensors, present},
    field, golden, read, says, with_settings,
};

/// How far a score or a vector may be from the other system's.
const ALLOWED: f64 = 1e-5;
const FOLDERS: [(&str, &[&str], Format); 5] = [
    ("DistilBERT", &["distilbert-masked-lm", "distilbert-classification", "distilbert-model"], Format::DistilBert),
    ("XLM-RoBERTa", &["xlm-roberta-masked-lm", "xlm-roberta-classification", "xlm-roberta-model"], Format::XlmRoberta),
    ("MPNet", &["mpnet-masked-lm", "mpnet-classification", "mpnet-model"], Format::Mpnet),
    ("ELECTRA", &["electra-generator", "electra-discriminator", "electra-classification"], Format::Electra),
    ("ALBERT", &["albert-masked-lm", "albert-pretraining", "albert-classification"], Format::Albert),
];

fn import(name: &str) -> Bundle {
    read(&golden().path(name)).unwrap().bundle
}

/// The same of the rows of the first segment, packed: the last row of every case.
fn packed(bundle: &Bundle, case: &Value) -> Outputs {
    let model = CpuBert::new(&bundle.spec::<BertConfig>().unwrap(), &bundle.params, WeightFormat::F32).unwrap();
    let rows: Vec<Vec<u32>> = field(case, "rows");
    let encoded = model.encode(&[EncoderInput::from(&rows.last().unwrap()[..])]).unwrap();
    let hidden = encoded.texts().next().unwrap().to_vec();
    let scores = model.token_scores(&hidden).map(Result::unwrap);
    let labels = model.label_scores(&encoded).map(Result::unwrap);
    present([("hidden", Some(hidden)), ("tokens", scores), ("labels", labels)])
}

/// Holds what was found against the end of what is expected.
fn compare_last(comparison: &mut Comparison, name: &str, case: &Value, found: &Outputs) {
    for (tensor, found) in found.iter().filter(|(tensor, _)| case["tensors"].get(*tensor).is_some()) {
        let expected = Golden::tensor(case, tensor);
        let last = &expected[expected.len() - found.len()..];
        comparison.case(format!("{name}: {tensor}"), largest_error(found, last));
    }
}

#[test]
fn models_that_are_read_compute_what_transformers_computes() {
    for (family, folders, _) in FOLDERS {
        for kind in [BackendKind::Flex, BackendKind::NdArray] {
            let mut comparison = comparison(format!("vectors and scores of {family}s read, {kind}"), ALLOWED);
            for name in folders {
                let (case, device) = (case(name), kind.device().unwrap());
                compare(&mut comparison, name, &case, &on_tensors(&import(name), &case, &device));
            }
            comparison.report();
        }
        let mut comparison = comparison(format!("vectors and scores of {family}s read, packed"), ALLOWED);
        for name in folders {
            let case = case(name);
            let found = packed(&import(name), &case);
            assert!(found.len() > 1 || name.ends_with("-model") || name.ends_with("-discriminator"), "{name}");
            compare_last(&mut comparison, name, &case, &found);
        }
        comparison.report();
    }
}

#[test]
fn tokens_are_those_of_transformers() {
    for (family, folders, _) in FOLDERS {
        let mut comparison = comparison(format!("ids of the tokenizers of {family}s read"), 0.0);
        for name in folders {
            let (bundle, case) = (import(name), case(name));
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
            let bundle = import(name);
            let folder = tempfile::tempdir().unwrap();
            let notes = export(&bundle, format, &ExportConfig::default(), folder.path()).unwrap();
            assert_eq!(notes, [""; 0], "{name}");
            let json = |folder: &Path| -> Value {
                serde_json::from_slice(&fs::read(folder.join("config.json")).unwrap()).unwrap()
            };
            let (written, expected) = (json(folder.path()), json(&original));
            // Heads of pre-training that are left out have a class of their own.
            let is_whole = !["electra-discriminator", "albert-pretraining"].contains(name);
            for (key, value) in
                written.as_object().unwrap().iter().filter(|(key, _)| is_whole || *key != "architectures")
            {
                assert_eq!(*value, expected[key], "{name}: {key}");
            }
            if is_whole && original.join("model.safetensors").is_file() {
                let tensors = |folder: &Path| attentive_weights::read(&folder.join("model.safetensors")).unwrap();
                let (written, expected) = (tensors(folder.path()), tensors(&original));
                assert_eq!(written.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
                for (tensor, values) in &expected {
                    weights.equal(format!("{name}: {tensor}"), &written[tensor], values);
                }
            }
            fs::remove_file(folder.path().join("attentive_tokenizer.json")).unwrap();
            let Imported { bundle: again, notes, .. } = read(folder.path()).unwrap();
            assert_eq!(notes, [""; 0], "{name}");
            assert_eq!((&again.model, &again.params), (&bundle.model, &bundle.params), "{name}");
            let (ours, theirs) = (again.tokenizer().unwrap(), bundle.tokenizer().unwrap());
            assert_eq!(ours.specials(), theirs.specials(), "{name}");
            for text in ["the animal, THE end", "an ☃  wide"] {
                assert_eq!(ours.encode(text), theirs.encode(text), "{name}");
            }
            let case = case(name);
            compare(&mut again_read, name, &case, &on_tensors(&again, &case, &device));
        }
        weights.report();
        again_read.report();
    }
}

/// A class of its own would make a tokenizer's normaliser and words anew, by settings.
#[test]
fn tokenizers_of_pieces_are_written_as_what_their_file_says() {
    let mut n = 0;
    for (_, folders, format) in FOLDERS {
        for name in folders {
            let bundle = import(name);
            let model = bundle.tokenizer().unwrap().to_model().unwrap();
            let Some(file) = model.hugging_face_json() else { continue };
            let folder = tempfile::tempdir().unwrap();
            export(&bundle, format, &ExportConfig::default(), folder.path()).unwrap();
            let json = |text: &str| serde_json::from_str::<Value>(text).unwrap();
            let read = |name: &str| json(&fs::read_to_string(folder.path().join(name)).unwrap());
            assert_eq!(read("tokenizer_config.json")["tokenizer_class"], "PreTrainedTokenizerFast", "{name}");
            for part in ["normalizer", "pre_tokenizer", "decoder", "model"] {
                assert_eq!(read("tokenizer.json")[part], json(file)[part], "{name}: {part}");
            }
            n += 1;
        }
    }
    assert!(n > 2);
}

#[test]
fn what_is_left_out_is_noted() {
    for (_, folders, _) in FOLDERS {
        for name in folders {
            let notes = read(&golden().path(name)).unwrap().notes;
            let expected = match *name {
                "electra-discriminator" => Some("discriminator_predictions.…"),
                "albert-pretraining" => Some("sop_classifier.…"),
                "mpnet-masked-lm" => Some("vocab.txt: nothing says whether it is cased"),
                _ => None,
            };
            assert_eq!(notes.len(), usize::from(expected.is_some()), "{name}: {notes:?}");
            assert!(notes.iter().all(|note| note.starts_with(expected.unwrap_or_default())), "{name}: {notes:?}");
        }
    }
}

#[test]
fn what_is_read_fills_embeds_and_classifies() {
    let device = BackendKind::Flex.device().unwrap();
    for (_, folders, _) in FOLDERS {
        for name in folders {
            let bundle = import(name);
            let config = bundle.spec::<BertConfig>().unwrap();
            let encoder = TextEncoder::from_bundle(&bundle, &device, None).unwrap();
            assert_eq!(encoder.embed("an", &EmbeddingConfig::default()).unwrap().len(), 6, "{name}");
            if config.masked_lm {
                assert_eq!(encoder.fill("[MASK]", 3).unwrap()[0].len(), 3, "{name}");
            }
            if !config.labels.is_empty() {
                assert_eq!(encoder.classify("an").unwrap().len(), 3, "{name}");
            }
        }
    }
}

#[test]
fn what_can_not_be_read_is_named() {
    says(read(with_settings("albert-masked-lm", &json!({ "inner_group_num": 2 })).path()), &["inner_group_num is 2"]);
    let groups = with_settings("albert-masked-lm", &json!({ "num_hidden_groups": 3 }));
    says(read(groups.path()), &["num_hidden_groups is 3", "encoder.albert_layer_groups."]);
    let buckets = with_settings("mpnet-model", &json!({ "relative_attention_num_buckets": 16 }));
    says(read(buckets.path()), &["relative_attention_num_buckets is 16"]);
    says(
        read(with_settings("distilbert-model", &json!({ "n_layers": 3 })).path()),
        &["n_layers is 3", "transformer.layer."],
    );
    let gelu = with_settings("electra-generator", &json!({ "hidden_act": "relu" }));
    says(read(gelu.path()), &["hidden_act is \"relu\"", "\"gelu\""]);
    let other = with_settings("distilbert-model", &json!({ "architectures": ["DistilBertForMultipleChoice"] }));
    says(read(other.path()), &["DistilBertForMultipleChoice", "DistilBertForMaskedLM"]);
    // Without a setting, the class's own value counts; one of another class is noted.
    let missing = with_settings("electra-classification", &json!({ "embedding_size": null }));
    says(read(missing.path()), &["embeddings.word_embeddings.weight: [26, 128] by config.json, [26, 4] in the file"]);
    let more = with_settings("distilbert-model", &json!({ "layer_norm_eps": 0.5, "hidden_size": null }));
    let notes = read(more.path()).unwrap().notes;
    assert_eq!(notes, ["config.json: not followed here: layer_norm_eps = 0.5"]);
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
    refuses("albert-masked-lm", &same, Format::Bert, &["d_embedding", "n_layer_groups"]);
    refuses("mpnet-model", &same, Format::Roberta, &["relative_buckets", "n_segments"]);
    refuses("distilbert-classification", &same, Format::Bert, &["pooler_activation", "n_segments"]);
    refuses("bert-model", &same, Format::DistilBert, &["pooler: ", "n_segments"]);
    refuses("bert-model", &same, Format::Albert, &["d_embedding"]);
    refuses("distilbert-model", &|config| config.epsilon = 1e-5, Format::DistilBert, &["epsilon"]);
    refuses("electra-generator", &|config| config.norm = NormPlacement::Pre, Format::Electra, &["post-norm"]);
    let buckets = Some(RelativeBuckets { n_buckets: 8, max_distance: 9 });
    refuses("mpnet-model", &|config| config.relative_buckets = buckets, Format::Mpnet, &["relative_buckets"]);
}

/// A model of the one family that is one of the other too is written for both.
#[test]
fn formats_of_one_layout_take_each_other_s_models() {
    let device = BackendKind::Flex.device().unwrap();
    let mut comparison = comparison("vectors and scores of an XLM-RoBERTa as RoBERTa".into(), ALLOWED);
    let folder = tempfile::tempdir().unwrap();
    let bundle = import("xlm-roberta-classification");
    export(&bundle, Format::Roberta, &ExportConfig::default(), folder.path()).unwrap();
    let again = read(folder.path()).unwrap().bundle;
    let case = case("xlm-roberta-classification");
    compare(&mut comparison, "xlm-roberta-classification", &case, &on_tensors(&again, &case, &device));
    comparison.report();
}

#[test]
fn configurations_are_those_of_the_papers() {
    let config = |name: &str| import(name).spec::<BertConfig>().unwrap();
    let albert = config("albert-pretraining");
    assert_eq!((albert.n_layers, albert.n_layer_groups, albert.d_embedding), (3, Some(2), Some(4)));
    let electra = [config("electra-generator").d_embedding, config("electra-discriminator").d_embedding];
    assert_eq!(electra, [Some(4), None]);
    let mpnet = config("mpnet-model");
    assert_eq!((mpnet.relative_buckets, mpnet.max_len()), (Some(RelativeBuckets::default()), Some(8)));
    let distilbert = config("distilbert-classification");
    assert_eq!((distilbert.n_segments, distilbert.pooler_activation), (0, PoolerActivation::Relu));
}
