//! What can't be read or written is said, all at once.

use std::{fs, path::Path};

use attentive_attention::{NormPlacement, PositionsConfig};
use attentive_bundle::Bundle;
use attentive_interchange::{ExportConfig, Format, ImportConfig, InterchangeError, export};
use attentive_model::ModelConfig;
use attentive_weights::{HostTensor, Tensors};
use serde_json::{Value, json};

fn import(folder: &Path) -> Result<Bundle, InterchangeError> {
    attentive_interchange::import(folder, &ImportConfig::default()).map(|imported| imported.bundle)
}

/// A copy of the golden Marian folder, its configuration changed.
fn folder(change: impl FnOnce(&mut Value)) -> tempfile::TempDir {
    copy("marian", change)
}

/// A copy of a golden folder, its configuration changed.
fn copy(name: &str, change: impl FnOnce(&mut Value)) -> tempfile::TempDir {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(golden).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    let config = folder.path().join("config.json");
    let mut value: Value = serde_json::from_slice(&fs::read(&config).unwrap()).unwrap();
    change(&mut value);
    fs::write(config, value.to_string()).unwrap();
    folder
}

#[track_caller]
fn says(error: Result<impl Sized, InterchangeError>, parts: &[&str]) {
    let message = error.err().expect("an error").to_string();
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
}

#[test]
fn options_that_a_model_has_no_use_for() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let import = |name: &str, options| attentive_interchange::import(&golden.join(name), &options);
    let with_case = |lowercase| ImportConfig { lowercase: Some(lowercase), ..ImportConfig::default() };
    for name in ["vit", "decision-transformer", "canine", "marian", "marian-npz", "fairseq", "gguf/llama.gguf"] {
        says(import(name, with_case(false)), &[name, "it can't be read as cased"]);
        says(import(name, with_case(true)), &[name, "it can't be read as uncased"]);
    }
    assert!(import("bert-model", with_case(false)).is_ok());
    let long = ImportConfig { long_context: true, ..ImportConfig::default() };
    for name in ["gpt2", "llama", "bert-model", "modernbert-model", "t5", "marian-npz", "whisper", "vit"] {
        says(import(name, long), &["long_context: its positions are not of two kinds"]);
    }
}

#[test]
fn architectures_and_settings_that_are_not_here() {
    says(import(Path::new("nowhere")), &["nowhere: there is no such folder or file"]);
    let other = folder(|config| config["model_type"] = json!("mamba"));
    says(import(other.path()), &["config.json", "\"mamba\"", "marian"]);
    for (found, nearest) in [
        ("mixtral", "mistral"),
        ("qwen3_moe", "qwen3"),
        ("deepseek_v3", "llama"),
        ("falcon", "gpt_neox"),
        ("mt5", "t5"),
        ("deberta-v2", "roberta"),
        ("dinov2", "vit"),
    ] {
        let other = folder(|config| config["model_type"] = json!(found));
        says(import(other.path()), &[&format!("\"{found}\""), &format!("the nearest is {nearest};")]);
    }
    let of_class = folder(|config| {
        config["model_type"] = json!("");
        config["architectures"] = json!(["MixtralForCausalLM"]);
    });
    says(import(of_class.path()), &["MixtralForCausalLM", "the nearest is mistral;"]);
    let odd = folder(|config| {
        config["activation_function"] = json!("quick_gelu");
        config["decoder_ffn_dim"] = json!(9);
        config["decoder_attention_heads"] = json!(3);
    });
    says(import(odd.path()), &["\"quick_gelu\"", "decoder_ffn_dim is 9", "decoder_attention_heads is 3"]);
    let none = folder(|config| config["d_model"] = json!(0));
    says(import(none.path()), &["d_model is 0"]);
    let text = folder(|config| config["d_model"] = json!("6"));
    says(import(text.path()), &["config.json is damaged", "d_model = \"6\": invalid type: string"]);
    let renamed = copy("distilbert-model", |config| config["dim"] = json!(6.5));
    says(import(renamed.path()), &["dim = 6.5: invalid type: floating point"]);
    let damaged = folder(|_| ());
    fs::write(damaged.path().join("config.json"), "{").unwrap();
    says(import(damaged.path()), &["config.json is damaged"]);
}

#[test]
fn every_tensor_that_does_not_fit_is_listed() {
    let folder = folder(|_| ());
    let path = folder.path().join("model.safetensors");
    let mut tensors = attentive_weights::read(&path).unwrap();
    tensors.remove("model.shared.weight");
    tensors.insert("model.encoder.layers.0.fc1.bias".into(), HostTensor { shape: vec![2], values: vec![0.0; 2] });
    tensors.insert("model.pooler".into(), HostTensor { shape: vec![1], values: vec![0.0] });
    let positions = HostTensor { shape: vec![2, 6], values: vec![0.5; 12] };
    tensors.insert("model.encoder.embed_positions.weight".into(), positions);
    attentive_weights::write(&path, &tensors, &Default::default()).unwrap();
    let expected = [
        "missing: model.shared.weight [45, 6]",
        "model.encoder.layers.0.fc1.bias: [7] by config.json, [2] in the file",
        "not in the model: model.pooler",
        "model.encoder.embed_positions.weight: not the sinusoids",
    ];
    says(import(folder.path()), &expected);
    fs::remove_file(path).unwrap();
    fs::remove_file(folder.path().join("pytorch_model.bin")).unwrap();
    says(import(folder.path()), &["has no model.safetensors or pytorch_model.bin"]);
}

#[test]
fn what_is_there_in_the_place_of_a_model_is_told() {
    let golden = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    says(import(Path::new("owner/name")), &["no such folder or file; a model of the hub is hf://owner/name"]);
    says(import(&golden("gpt2/model.safetensors")), &["it is a file: name its folder"]);
    says(import(&golden("peft-gpt2")), &["an adapter of PEFT, and no model: import the model that it changes"]);
    says(import(&golden("gguf")), &["name one of its files: gemma.gguf, "]);

    let index = |shards: &[&str]| {
        let map: serde_json::Map<String, Value> =
            shards.iter().map(|&name| (format!("of {name}"), json!(name))).collect();
        json!({ "weight_map": map }).to_string()
    };
    let shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
    let cases: [(&[(&str, String)], &str); 5] = [
        (
            &[("model.safetensors.index.json", index(&shards)), (shards[0], String::new())],
            "index.json: it lists model-00002-of-00002.safetensors, which is not beside it: get all 2 files",
        ),
        (
            &[("pytorch_model-00001-of-00002.bin", String::new())],
            "is one of several files, and pytorch_model.bin.index.json is missing, which lists them",
        ),
        (
            &[("model.fp16.safetensors", String::new())],
            "if it has all of the model's weights, call it model.safetensors",
        ),
        (&[("tf_model.h5", String::new())], "tf_model.h5 has weights of TensorFlow: save the folder again"),
        (&[("training_args.bin", String::new())], "has no model.safetensors or pytorch_model.bin"),
    ];
    for (files, expected) in cases {
        let folder = folder(|_| ());
        for weights in ["model.safetensors", "pytorch_model.bin"] {
            fs::remove_file(folder.path().join(weights)).unwrap();
        }
        files.iter().for_each(|(name, text)| fs::write(folder.path().join(name), text).unwrap());
        says(import(folder.path()), &[expected]);
    }
    // Weights of another class than the one that config.json names.
    let other = copy("bert-classification", |config| config["model_type"] = json!("roberta"));
    says(import(other.path()), &["there are tensors of 0 such, encoder.layer.…; the first tensor is bert."]);
}

#[test]
fn classes_without_the_head_that_is_read_are_refused_by_name() {
    type Change = fn(&mut Tensors);
    let only_encoder: Change = |tensors| tensors.retain(|name, _| !name.starts_with("decoder."));
    let without_head: Change = |tensors| {
        let all = std::mem::take(tensors).into_iter();
        tensors.extend(all.filter_map(|(name, tensor)| Some((name.strip_prefix("model.")?.to_owned(), tensor))));
    };
    let classifier: Change = |tensors| {
        tensors.insert("classification_head.dense.bias".into(), HostTensor { shape: vec![1], values: vec![0.0] });
    };
    let cases = [
        ("t5", "T5EncoderModel", only_encoder, "there is T5ForConditionalGeneration, which has what this lacks"),
        ("llama", "LlamaModel", without_head, "there is LlamaForCausalLM, which has what this lacks"),
        (
            "bart",
            "BartForSequenceClassification",
            classifier,
            "there is BartForConditionalGeneration; drop_unknown leaves its head out",
        ),
        // The class that is read, and one of another project, have no more to say than their tensors.
        ("llama", "LlamaForCausalLM", without_head, "do not fit its config.json"),
        ("bart", "OursForEverything", classifier, "not in the model: classification_head.dense.bias"),
    ];
    for (model, class, change, expected) in cases {
        let folder = copy(model, |config| config["architectures"] = json!([class]));
        let path = folder.path().join("model.safetensors");
        let mut tensors = attentive_weights::read(&path).unwrap();
        change(&mut tensors);
        attentive_weights::write(&path, &tensors, &Default::default()).unwrap();
        let found = import(folder.path()).expect_err("an error").to_string();
        let is_by_class = found.contains(&format!("architectures has {class:?}"));
        assert_eq!((is_by_class, found.contains(expected)), (expected.starts_with("there is "), true), "{found}");
    }
    // A setting that is not followed is another matter, whatever is written in it.
    let odd = copy("bart", |config| {
        config["architectures"] = json!(["BartModel"]);
        config["activation_function"] = json!("there are tensors of 0 such");
    });
    says(import(odd.path()), &["activation_function is \"there are tensors of 0 such\""]);
    let half = copy("t5", |config| {
        config["architectures"] = json!(["T5EncoderModel"]);
        config["is_encoder_decoder"] = json!(false);
    });
    says(import(half.path()), &["architectures has \"T5EncoderModel\"; there is T5ForConditionalGeneration"]);
    // One whose tensors fit is read under any name.
    assert!(import(copy("bart", |config| config["architectures"] = json!(["BartModel"])).path()).is_ok());
}

#[test]
fn a_missing_tokenizer_is_named() {
    let folder = folder(|_| ());
    fs::remove_file(folder.path().join("target.spm")).unwrap();
    says(import(folder.path()), &["there is no target.spm", "source.spm and target.spm and vocab.json"]);
}

#[test]
fn layers_with_other_numbers_of_heads_are_refused() {
    let mut bundle = import(folder(|_| ()).path()).unwrap();
    bundle.prune_heads(&"decoder.0.cross:1".parse().unwrap()).unwrap();
    let out = tempfile::tempdir().unwrap();
    for format in [Format::Marian, Format::CTranslate2] {
        let exported = export(&bundle, format, &ExportConfig::default(), out.path());
        says(exported, &["can't express", "pruned_heads: all of its layers have as many heads"]);
    }
    says(attentive_interchange::export_onnx(&bundle, Some(16), out.path()), &["can't express", "pruned_heads"]);
}

#[test]
fn what_a_format_lacks_is_listed() {
    let mut bundle = import(folder(|_| ()).path()).unwrap();
    let ModelConfig::Transformer(config) = &mut bundle.model else { panic!("a Marian model") };
    config.norm = NormPlacement::Pre;
    config.positions = PositionsConfig::Learned { max_len: 5 };
    config.d_k = Some(2);
    config.scale_scores = false;
    config.epsilon = 1e-6;
    let out = tempfile::tempdir().unwrap();
    let export = |format| export(&bundle, format, &ExportConfig::default(), out.path());
    says(export(Format::Marian), &["norm is", "ctranslate2", "positions: its", "d_k, d_v"]);
    says(export(Format::Pegasus), &["positions: its", "d_k, d_v", "scale_scores", "epsilon"]);
    says(export(Format::CTranslate2), &["d_k, d_v"]);
    says(export(Format::Gpt2), &["gpt2 can't express", "family is transformer"]);
    let message = "onnx".parse::<Format>().unwrap_err().to_string();
    assert!(
        message.contains("onnx")
            && message.contains("marian, pegasus, bart, mbart, m2m_100, gpt2, llama, mistral, qwen2")
            && message.contains(
                "bert, roberta, xlm-roberta, distilbert, mpnet, electra, albert, modernbert, canine, t5, decision_transformer, whisper, vit, deit, ctranslate2"
            ),
        "{message}"
    );
}
