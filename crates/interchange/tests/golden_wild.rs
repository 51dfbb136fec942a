//! Folders as they are found against transformers (`tests/golden/generate_wild.py`): tables that are said to be one and are
//! not, padded vocabularies, buffers, settings that are stale or missing.

use std::{fs, path::Path};

use attentive_attention::{Mask, NormPlacement};
use attentive_backend::{BackendKind, Device};
use attentive_bundle::{Bundle, DecodingConfig, GenerationConfig, TextEncoder, Translator};
use attentive_core::TokenMatrix;
use attentive_interchange::{ExportConfig, Format, ImportConfig, Imported, InterchangeError, export, import};
use attentive_model::{BertConfig, EncoderModel, GptConfig, ModelSpec, Transformer, TransformerConfig};
use attentive_testkit::{Area, Comparison, Golden, largest_error};
use attentive_tokenizer::{Marian, Tokenizer};
use attentive_weights::HostTensor;
use burn::tensor::{Int, Tensor, TensorData};
use serde::Deserialize;
use serde_json::{Value, json};

/// How far a logit may be from transformers'.
const ALLOWED: f64 = 1e-4;
const BACKENDS: [BackendKind; 2] = [BackendKind::Flex, BackendKind::NdArray];

fn golden() -> Golden {
    Golden::of(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> Imported {
    import(&golden().path(name), &ImportConfig::default()).unwrap()
}

/// The model, written as a bundle and read again.
fn saved(bundle: &Bundle) -> Bundle {
    let folder = tempfile::tempdir().unwrap();
    bundle.save(folder.path()).unwrap();
    Bundle::read(folder.path()).unwrap()
}

fn field<T: for<'de> Deserialize<'de>>(case: &Value, name: &str) -> T {
    T::deserialize(&case[name]).unwrap()
}

fn case(name: &str) -> Value {
    golden().cases(name).remove(0)
}

fn ids(rows: &[Vec<u32>], device: &Device) -> Tensor<2, Int> {
    let shape = [rows.len(), rows[0].len()];
    let ids: Vec<i64> = rows.iter().flatten().map(|&id| i64::from(id)).collect();
    Tensor::from_data(TensorData::new(ids, shape), device)
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().unwrap()
}

/// Holds what a model computes against what transformers computes.
fn compare(what: &str, kind: BackendKind, found: Vec<(&str, Vec<f32>)>, case: &Value) {
    let system = format!("transformers {}", golden().version("transformers"));
    let mut comparison = Comparison::new(Area::Weights, format!("{what}, {kind}"), system, ALLOWED);
    for (name, found) in found {
        comparison.case(name, largest_error(&found, &Golden::tensor(case, name)));
    }
    comparison.report();
}

#[track_caller]
fn notes(imported: &Imported, expected: &[&[&str]]) {
    assert_eq!(imported.notes.len(), expected.len(), "{:#?}", imported.notes);
    for (note, parts) in imported.notes.iter().zip(expected) {
        assert!(parts.iter().all(|part| note.contains(part)), "{parts:?} is not in: {note}");
    }
}

#[test]
fn a_gpt_2_uses_the_head_epsilon_and_settings_of_its_folder() {
    let (imported, case) = (read("wild-gpt2"), case("wild-gpt2/logits.json"));
    let expected: [&[&str]; 4] = [
        &["config.json", "prefix = \"Once\"", "task_specific_params"],
        &["lm_head.weight differs from the embeddings", "used"],
        &["left out: position_ids"],
        &["5 rows that no token has", "never chosen"],
    ];
    notes(&imported, &expected);
    let config = imported.bundle.spec::<GptConfig>().unwrap();
    assert!(!config.tie_projection && config.epsilon == 0.01);
    let sampling = &imported.bundle.generation.sampling;
    assert_eq!((sampling.temperature, sampling.top_k), (0.0, 7));
    for kind in BACKENDS {
        let device = kind.device().unwrap();
        let model = imported.bundle.model::<GptConfig>(&device).unwrap();
        let logits = model.logits(model.forward(ids(&field::<Vec<_>>(&case, "ids"), &device), None));
        compare("logits of a GPT-2 with a head of its own", kind, vec![("logits", values(logits))], &case);
    }
    // Through a bundle's folder; what would be chosen is padding.
    let bundle = saved(&imported.bundle);
    let tokens: Vec<u32> = field(&case, "generated");
    let expected = format!("the a{}", bundle.tokenizer().unwrap().decode(&tokens).unwrap());
    assert_eq!(bundle.generation.no_repeat_ngram, 2);
    assert!(!bundle.generation.begin, "nothing stands before a prompt, as in transformers");
    let unbound = GenerationConfig { begin: true, no_repeat_ngram: 0, ..bundle.generation.clone() };
    let config = GenerationConfig { max_tokens: tokens.len(), ..unbound };
    let device = BackendKind::Flex.device().unwrap();
    let generator = attentive_bundle::Generator::from_bundle(&bundle, &device, None).unwrap();
    let mut text = "the a".to_owned();
    let mut keep = |piece: &str| {
        text += piece;
        std::ops::ControlFlow::Continue(())
    };
    let config =
        GenerationConfig { sampling: attentive_decode::SamplingConfig { top_k: 0, ..config.sampling }, ..config };
    generator.generate("the a", &config, &mut keep).unwrap();
    assert_eq!(text, expected);
}

#[test]
fn a_bert_uses_the_head_and_the_bias_of_its_file() {
    let (imported, case) = (read("wild-bert"), case("wild-bert/outputs.json"));
    let expected: [&[&str]; 4] = [
        &["\"OurOwnGuesser\"", "tensors say"],
        &["cls.predictions.decoder.bias differs from cls.predictions.bias"],
        &["cls.predictions.decoder.weight differs from the embeddings"],
        &["5 rows that no token has"],
    ];
    notes(&imported, &expected);
    let rows: Vec<Vec<u32>> = field(&case, "rows");
    for kind in BACKENDS {
        let model = imported.bundle.model::<BertConfig>(&kind.device().unwrap()).unwrap();
        let encoding = model.encode(&TokenMatrix::from_rows(&rows, 0, 0), &[0; 10], None);
        let tokens = model.token_logits(encoding.hidden.clone()).unwrap();
        let found = vec![("hidden", values(encoding.hidden)), ("tokens", values(tokens))];
        compare("scores of a BERT with a head of its own", kind, found, &case);
    }
    let encoder =
        TextEncoder::from_bundle(&saved(&imported.bundle), &BackendKind::Flex.device().unwrap(), None).unwrap();
    let n_tokens = imported.bundle.tokenizer().unwrap().vocab_size();
    let candidates = encoder.fill("the [MASK]", 1_000).unwrap().remove(0);
    assert_eq!(candidates.len(), n_tokens, "a guess for every token and for nothing else");
    // It is written as it was read.
    let folder = tempfile::tempdir().unwrap();
    export(&imported.bundle, Format::Bert, &ExportConfig::default(), folder.path()).unwrap();
    let again = import(folder.path(), &ImportConfig::default()).unwrap().bundle;
    assert_eq!((&again.model, &again.params), (&imported.bundle.model, &imported.bundle.params));
}

#[test]
fn classes_are_as_many_as_the_classifier_has() {
    let (imported, case) = (read("wild-labels"), case("wild-labels/outputs.json"));
    notes(&imported, &[&["id2label names 2 classes and the classifier has 3"]]);
    let rows: Vec<Vec<u32>> = field(&case, "rows");
    for kind in BACKENDS {
        let model = imported.bundle.model::<BertConfig>(&kind.device().unwrap()).unwrap();
        assert_eq!(imported.bundle.spec::<BertConfig>().unwrap().labels, field::<Vec<String>>(&case, "names"));
        let encoding = model.encode(&TokenMatrix::from_rows(&rows, 0, 0), &[0; 10], None);
        let scores = model.label_scores(&encoding, None).unwrap();
        let found = vec![("hidden", values(encoding.hidden)), ("labels", values(scores))];
        compare("scores of a classifier with stale names", kind, found, &case);
    }
}

/// The scores after each token of `target`, whose rows are equally long.
fn logits(model: &Transformer, case: &Value, device: &Device) -> Vec<f32> {
    let source = TokenMatrix::from_rows(&field::<Vec<Vec<u32>>>(case, "source"), 0, 0);
    let mask = Mask::padding(source.lengths(), source.n_cols(), device);
    let rows: Vec<Vec<u32>> = source.ids().chunks(source.n_cols()).map(<[u32]>::to_vec).collect();
    let memory = model.encode(ids(&rows, device), &mask, None);
    values(model.logits(model.decode(ids(&field::<Vec<_>>(case, "target"), device), &memory, &mask, None)))
}

#[test]
fn encoder_decoders_use_the_tables_of_their_files() {
    let of_marian: [&[&str]; 3] = [
        &["model.encoder.embed_tokens.weight and model.decoder.embed_tokens.weight differ"],
        &["lm_head.weight differs from model.decoder.embed_tokens.weight"],
        &["5 rows that no token has"],
    ];
    let of_t5: [&[&str]; 3] = [
        &["encoder.embed_tokens.weight and decoder.embed_tokens.weight differ"],
        &["lm_head.weight differs from decoder.embed_tokens.weight"],
        &["5 rows that no token has"],
    ];
    for (name, expected) in [("wild-marian", &of_marian[..]), ("wild-t5", &of_t5)] {
        let (imported, case) = (read(name), case(&format!("{name}/logits.json")));
        notes(&imported, expected);
        for kind in BACKENDS {
            let device = kind.device().unwrap();
            let model = imported.bundle.model::<TransformerConfig>(&device).unwrap();
            let what = format!("logits of {name}, whose tables differ");
            compare(&what, kind, vec![("logits", logits(&model, &case, &device))], &case);
        }
        let bundle = saved(&imported.bundle);
        let tokens: Vec<u32> = field(&case, "generated");
        let device = BackendKind::Flex.device().unwrap();
        let translator = Translator::from_bundle(&bundle, &device, None).unwrap();
        let config = DecodingConfig { beam: 1, max_len_offset: 6, ..DecodingConfig::default() };
        let found = &translator.translate(&[field::<String>(&case, "text")], &config).unwrap()[0];
        assert_eq!(found.tokens, tokens, "{name}");
    }
    let DecodingConfig { beam, no_repeat_ngram, max_len, .. } = read("wild-marian").bundle.decoding;
    // All 64 positions, of which the token that a translation begins with has one.
    assert_eq!((beam, no_repeat_ngram, max_len), (6, 3, Some(63)));
}

#[test]
fn pegasus_tokens_are_those_of_transformers() {
    let case = case("wild-pegasus/tokens.json");
    let tokenizer = Marian::pegasus(&golden().path("wild-pegasus/spiece.model"), 0).unwrap();
    let system = format!("transformers {}", golden().version("transformers"));
    let mut comparison = Comparison::new(Area::Tokenizers, "ids and text of Pegasus' tokenizer", system, 0.0);
    let rows: Vec<Vec<u32>> = field(&case, "ids");
    for (text, expected) in field::<Vec<String>>(&case, "texts").iter().zip(&rows) {
        comparison.equal(format!("ids of {text:?}"), &tokenizer.encode(text), expected);
    }
    let unk: u32 = field(&case, "unk");
    for (ids, expected) in
        rows.iter().zip(field::<Vec<String>>(&case, "decoded")).filter(|(ids, _)| !ids.contains(&unk))
    {
        comparison.equal(format!("text of {ids:?}"), &tokenizer.decode(ids).unwrap(), &expected);
    }
    comparison.equal("entries", &tokenizer.vocab_size(), &field::<usize>(&case, "n_tokens"));
    let specials = tokenizer.specials();
    let found = [specials.pad, specials.eos, specials.unk];
    comparison.equal("special ids", &found, &["pad", "eos", "unk"].map(|name| Some(field::<u32>(&case, name))));
    comparison.report();
}

/// A copy of a golden folder, its settings and tensors changed.
fn changed(name: &str, settings: &Value, tensors: &[(&str, HostTensor)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(golden().path(name)).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    let path = folder.path().join("config.json");
    let mut config: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    config.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    fs::write(&path, config.to_string()).unwrap();
    let path = folder.path().join("model.safetensors");
    let mut all = attentive_weights::read(&path).unwrap();
    all.extend(tensors.iter().map(|(name, tensor)| ((*name).to_owned(), tensor.clone())));
    attentive_weights::write(&path, &all, &Default::default()).unwrap();
    folder
}

fn vector(values: &[f32]) -> HostTensor {
    HostTensor { shape: vec![values.len()], values: values.to_vec() }
}

fn problems(folder: &Path) -> String {
    let result: Result<Imported, InterchangeError> = import(folder, &ImportConfig::default());
    result.expect_err("an error").to_string()
}

#[test]
fn heads_of_other_tasks_are_left_out_where_that_is_asked_for() {
    let choice = changed(
        "bert-model",
        &json!({ "architectures": ["BertForMultipleChoice"] }),
        &[("span_head.bias", vector(&[0.0, 1.0])), ("classifier.bias", vector(&[0.0, 1.0]))],
    );
    let message = problems(choice.path());
    assert!(message.contains("BertForMultipleChoice") && message.contains("drop_unknown"), "{message}");
    let options = ImportConfig { drop_unknown: true, ..ImportConfig::default() };
    let found = import(choice.path(), &options).unwrap();
    notes(&found, &[&["\"BertForMultipleChoice\"", "left out"], &["left out: span_head.bias"]]);
    assert_eq!(found.bundle.params, read("bert-model").bundle.params);
    let unnamed = changed("bert-model", &json!({}), &[("span_head.bias", vector(&[0.0, 1.0]))]);
    let message = problems(unnamed.path());
    assert!(message.contains("not in the model: span_head.bias") && message.contains("drop_unknown"), "{message}");
}

#[test]
fn a_vocabulary_with_fewer_rows_than_tokens_is_an_error() {
    let folder = changed("bert-model", &json!({}), &[]);
    let path = folder.path().join("vocab.txt");
    let words = fs::read_to_string(&path).unwrap() + "one\nmore\n";
    fs::write(path, words).unwrap();
    let message = problems(folder.path());
    assert!(message.contains("the tokenizer has 28 tokens and the model 26 rows"), "{message}");
    assert!(!message.contains("damaged") && !message.contains("config.json"), "{message}");
    let folder = changed("gpt2", &json!({}), &[]);
    let path = folder.path().join("vocab.json");
    let mut vocabulary: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    vocabulary["one"] = json!(vocabulary.as_object().unwrap().len());
    vocabulary["more"] = json!(vocabulary.as_object().unwrap().len());
    fs::write(&path, vocabulary.to_string()).unwrap();
    let message = problems(folder.path());
    assert_eq!(message.matches(" rows").count(), 1, "{message}");
}

#[test]
fn layers_are_counted_before_anything_is_made_for_them() {
    for (name, key, prefix) in [
        ("gpt2", "n_layer", "h."),
        ("marian", "encoder_layers", "model.encoder.layers."),
        ("marian", "decoder_layers", "model.decoder.layers."),
        ("t5", "num_layers", "encoder.block."),
        ("t5", "num_decoder_layers", "decoder.block."),
        ("bert-model", "num_hidden_layers", "encoder.layer."),
        ("canine", "num_hidden_layers", "encoder.layer."),
    ] {
        let folder = changed(name, &json!({ key: 1000 }), &[]);
        let message = problems(folder.path());
        assert!(message.contains(&format!("{key} is 1000")) && message.contains(prefix), "{name}: {message}");
    }
}

#[test]
fn a_parameter_that_is_not_a_number_is_named() {
    let values = [0.0, 0.0, f32::NAN, 0.0, 0.0, 0.0];
    let folder = changed("gpt2", &json!({}), &[("transformer.ln_f.bias", vector(&values))]);
    let message = problems(folder.path());
    assert!(message.contains("decoder.norm.beta: value 2 is NaN"), "{message}");
}

#[test]
fn settings_of_writing_are_followed_or_noted() {
    let write = |name: &str, settings: Value| {
        let folder = changed(name, &json!({}), &[]);
        fs::write(folder.path().join("generation_config.json"), settings.to_string()).unwrap();
        import(folder.path(), &ImportConfig::default()).unwrap()
    };
    let rules = json!({ "min_new_tokens": 2, "no_repeat_ngram_size": 3, "suppress_tokens": [9, 8],
                        "bad_words_ids": [[7], [6, 7]], "max_new_tokens": 5, "repetition_penalty": 1.5 });
    let found = write("gpt2", rules.clone());
    notes(&found, &[&["generation_config.json", "repetition_penalty = 1.5"]]);
    let GenerationConfig { max_tokens, min_tokens, no_repeat_ngram, suppressed, bad_words, .. } =
        found.bundle.generation;
    assert_eq!((max_tokens, min_tokens, no_repeat_ngram), (5, 2, 3));
    assert_eq!((suppressed, bad_words.clone()), (vec![9, 8], vec![vec![7], vec![6, 7]]));
    let found = write("marian", rules);
    notes(&found, &[&["generation_config.json", "repetition_penalty = 1.5"]]);
    let DecodingConfig { max_len, min_len, no_repeat_ngram, suppressed, bad_words: of_decoding, .. } =
        found.bundle.decoding;
    assert_eq!((max_len, min_len, no_repeat_ngram), (Some(5), 2, 3));
    assert_eq!((suppressed, of_decoding), (vec![9, 8], bad_words));
    // Theirs count the token that a translation begins with; what no text could end with is not followed.
    let end = found.bundle.processor.tokenizer().unwrap().specials().eos.unwrap();
    let found = write(
        "marian",
        json!({ "max_length": 9, "min_length": 3, "forced_bos_token_id": 11, "suppress_tokens": [end], "repetition_penalty": 1.5 }),
    );
    let noted = format!("suppress_tokens = [{end}]");
    notes(&found, &[&["generation_config.json", &noted, "repetition_penalty = 1.5"]]);
    let DecodingConfig { max_len, min_len, forced_first, .. } = found.bundle.decoding;
    assert_eq!((max_len, min_len, forced_first), (Some(8), 2, Some(11)));
    // What its own use would refuse, or would not end here, is not followed.
    let found = write("gpt2", json!({ "min_new_tokens": 9, "max_new_tokens": 5 }));
    notes(&found, &[&["generation_config.json", "min_new_tokens = 9"]]);
    let found = write("nllb", json!({ "forced_bos_token_id": 5 }));
    notes(&found, &[&["3 rows that no token has"], &["generation_config.json", "forced_bos_token_id = 5"]]);
    let found = write("bart", json!({ "no_repeat_ngram_size": 1, "forced_bos_token_id": 0 }));
    notes(&found, &[&["3 rows that no token has"], &["generation_config.json", "no_repeat_ngram_size = 1"]]);
    let found = write("bert-model", json!({ "num_beams": 3 }));
    notes(&found, &[&["generation_config.json", "num_beams = 3"]]);
}

#[test]
fn a_byte_level_vocabulary_without_some_of_the_bytes_is_read() {
    let folder = changed("gpt2", &json!({ "eos_token_id": [0, 5] }), &[]);
    fs::remove_file(folder.path().join("generation_config.json")).ok();
    let path = folder.path().join("vocab.json");
    let vocabulary = fs::read_to_string(&path).unwrap();
    assert!(vocabulary.contains("\"!\""));
    fs::write(&path, vocabulary.replace("\"!\"", "\"<unused>\"")).unwrap();
    let found = import(folder.path(), &ImportConfig::default()).unwrap();
    notes(&found, &[]);
    assert_eq!(found.bundle.generation.ends, [0, 5]);
    let bundle = saved(&found.bundle);
    let tokenizer = bundle.tokenizer().unwrap();
    let whole = read("gpt2").bundle;
    assert_eq!(tokenizer.encode("the a"), whole.tokenizer().unwrap().encode("the a"));
    assert_eq!(tokenizer.encode("a!b"), whole.tokenizer().unwrap().encode("ab"));
}

#[test]
fn a_pegasus_is_read_with_the_tokenizer_of_the_released_models() {
    let pieces = golden().path("wild-pegasus");
    let tokenizer = attentive_tokenizer::open(&pieces).unwrap();
    let config = TransformerConfig {
        d_model: 8,
        d_ff: 6,
        n_heads: 2,
        n_encoder_layers: 1,
        n_decoder_layers: 1,
        norm: NormPlacement::Pre,
        ..TransformerConfig::base(tokenizer.vocab_size())
    };
    let device = BackendKind::Flex.device().unwrap();
    let tensors = attentive_weights::params(&config.init(&device, 1).unwrap());
    let bundle = Bundle::new("pegasus", config, tokenizer, tensors);
    let folder = tempfile::tempdir().unwrap();
    export(&bundle, Format::Pegasus, &ExportConfig::default(), folder.path()).unwrap();
    for name in ["attentive_tokenizer.json", "source.spm", "target.spm", "vocab.json", "tokenizer_config.json"] {
        fs::remove_file(folder.path().join(name)).ok();
    }
    fs::copy(pieces.join("spiece.model"), folder.path().join("spiece.model")).unwrap();
    let found = import(folder.path(), &ImportConfig::default()).unwrap();
    assert_eq!((&found.bundle.model, &found.bundle.params), (&bundle.model, &bundle.params));
    let text = "the animal was tired";
    assert_eq!(found.bundle.tokenizer().unwrap().encode(text), bundle.tokenizer().unwrap().encode(text));
    assert!(
        Translator::from_bundle(&saved(&found.bundle), &device, None)
            .unwrap()
            .translate(&[text], &found.bundle.decoding)
            .is_ok()
    );
}

#[test]
fn gelu_python_is_the_exact_gelu() {
    let folder = changed("roberta-model", &json!({ "hidden_act": "gelu_python", "model_type": null }), &[]);
    assert_eq!(
        read("roberta-model").bundle.model,
        import(folder.path(), &ImportConfig::default()).unwrap().bundle.model
    );
}

#[test]
fn second_names_of_settings_count_before_the_first() {
    for (name, changes, notes) in [
        ("gpt2", json!({ "n_head": null, "num_attention_heads": 2, "hidden_size": 6 }), 0),
        ("gpt2", json!({ "n_head": 3, "num_attention_heads": 2 }), 1),
        ("bart", json!({ "encoder_layers": 3, "num_hidden_layers": 2 }), 1),
    ] {
        let found = import(changed(name, &changes, &[]).path(), &ImportConfig::default()).unwrap();
        assert_eq!(found.bundle.model, read(name).bundle.model, "{name} {changes}");
        let said = found.notes.iter().filter(|note| note.contains(" counts before "));
        assert_eq!(said.count(), notes, "{:?}", found.notes);
    }
}

#[test]
fn a_configuration_without_type_and_classes_is_known_by_its_tensors() {
    for name in ["bert-pretraining", "bert-model"] {
        let folder = changed(name, &json!({ "model_type": null, "architectures": null }), &[]);
        let imported = import(folder.path(), &ImportConfig::default()).unwrap();
        assert_eq!(imported.architecture, "bert");
        let said = "config.json does not say what the model is: its tensors are named as those of bert";
        assert!(imported.notes.iter().any(|note| note == said), "{:?}", imported.notes);
    }
    // A RoBERTa's positions begin elsewhere: its bare names are not taken for a BERT's.
    let folder = changed("roberta-model", &json!({ "model_type": null, "architectures": null }), &[]);
    let message = problems(folder.path());
    assert!(message.contains("model_type is \"\""), "{message}");
}

#[test]
fn a_configuration_without_a_type_or_classes_names_what_can_be_read() {
    let folder = changed("bert-model", &json!({ "model_type": "", "architectures": ["MambaForCausalLM"] }), &[]);
    let message = problems(folder.path());
    for part in ["MambaForCausalLM", "marian, pegasus, bart", "bert, roberta"] {
        assert!(message.contains(part), "{part} is not in: {message}");
    }
    let found = changed("bert-model", &json!({ "model_type": null, "architectures": ["BertModel"] }), &[]);
    assert!(import(found.path(), &ImportConfig::default()).is_ok());
}

#[test]
fn an_untied_head_is_written_with_the_bias_that_it_has_there() {
    for (name, format, head) in
        [("wild-bert", Format::Bert, "cls.predictions"), ("roberta-masked-lm", Format::Roberta, "lm_head")]
    {
        let table = attentive_weights::read(&golden().path(name).join("model.safetensors")).unwrap();
        let mut own = table.iter().find(|(name, _)| name.ends_with("word_embeddings.weight")).unwrap().1.clone();
        own.values.iter_mut().for_each(|value| *value += 0.5);
        let folder = changed(name, &json!({}), &[(&format!("{head}.decoder.weight"), own)]);
        let found = import(folder.path(), &ImportConfig::default()).unwrap().bundle;
        let out = tempfile::tempdir().unwrap();
        export(&found, format, &ExportConfig::default(), out.path()).unwrap();
        let written = attentive_weights::read(&out.path().join("model.safetensors")).unwrap();
        assert_eq!(written[&format!("{head}.decoder.bias")], found.params["masked_lm.bias"], "{name}");
    }
}

#[test]
fn a_text_is_drawn_only_where_do_sample_says_so() {
    for (settings, temperature, top_k) in [
        (json!({}), 0.0, 0),
        (json!({ "temperature": 0.5, "top_k": 7 }), 0.0, 7),
        (json!({ "do_sample": true }), 1.0, 50),
        (json!({ "do_sample": true, "temperature": 0.5, "top_k": 0 }), 0.5, 0),
        (json!({ "do_sample": true, "top_k": 7 }), 1.0, 7),
    ] {
        let folder = changed("gpt2", &json!({}), &[]);
        fs::write(folder.path().join("generation_config.json"), settings.to_string()).unwrap();
        let found = import(folder.path(), &ImportConfig::default()).unwrap();
        let sampling = &found.bundle.generation.sampling;
        assert_eq!((sampling.temperature, sampling.top_k), (temperature, top_k), "{settings}");
        assert_eq!(found.notes, [""; 0], "{settings}");
    }
}

#[test]
fn the_function_of_a_t5_is_that_of_dense_act_fn() {
    let read = |settings: Value| {
        let folder = changed("t5", &settings, &[]);
        import(folder.path(), &ImportConfig::default()).map(|found| found.bundle.spec::<TransformerConfig>().unwrap())
    };
    // As `T5Config.from_dict` of transformers 5.23.0 has it.
    let found = read(json!({ "dense_act_fn": "gelu" })).unwrap();
    assert_eq!(found.activation, attentive_attention::Activation::Gelu);
    let found =
        read(json!({ "feed_forward_proj": "relu", "dense_act_fn": "silu", "is_gated_act": found.gated })).unwrap();
    assert_eq!(found.activation, attentive_attention::Activation::Silu);
    let message = read(json!({ "dense_act_fn": "tanh" })).unwrap_err().to_string();
    assert!(message.contains("dense_act_fn is \"tanh\""), "{message}");
}

#[test]
fn an_end_that_is_forced_and_a_beginning_without_effect() {
    let of = |config: Value, settings: Value| {
        let folder = changed("marian", &config, &[]);
        fs::write(folder.path().join("generation_config.json"), settings.to_string()).unwrap();
        import(folder.path(), &ImportConfig::default()).unwrap()
    };
    let end = read("marian").bundle.tokenizer().unwrap().specials().eos.unwrap();
    let opus = json!({ "bos_token_id": end, "forced_eos_token_id": end, "max_length": 512 });
    notes(&of(json!({ "max_position_embeddings": 512 }), opus), &[]);
    let bound = json!({ "forced_eos_token_id": end, "max_length": 9 });
    notes(&of(json!({}), bound), &[&["generation_config.json", "forced_eos_token_id"]]);
    let found = of(json!({ "repetition_penalty": 1.5 }), json!({}));
    notes(&found, &[&["config.json: not followed here: repetition_penalty = 1.5"]]);
    assert!(!found.notes[0].contains("generation_config"), "the file that says it: {}", found.notes[0]);
}

#[test]
fn two_tensors_of_one_name_are_refused() {
    let folder = changed("gpt2", &json!({}), &[("wte.weight", vector(&[0.0]))]);
    let message = problems(folder.path());
    assert!(message.contains("transformer.wte.weight and wte.weight are one tensor"), "{message}");
}

#[test]
fn names_with_a_wrapper_before_all_of_them_are_read() {
    for wrapper in ["module.", "_orig_mod.", "module._orig_mod."] {
        let folder = changed("gpt2", &json!({}), &[]);
        let path = folder.path().join("model.safetensors");
        let tensors = attentive_weights::read(&path).unwrap();
        let wrapped = tensors.into_iter().map(|(name, tensor)| (format!("{wrapper}{name}"), tensor)).collect();
        attentive_weights::write(&path, &wrapped, &Default::default()).unwrap();
        assert_eq!(import(folder.path(), &ImportConfig::default()).unwrap().bundle.params, read("gpt2").bundle.params);
    }
}

#[test]
fn quantized_weights_are_refused() {
    let folder = changed("gpt2", &json!({ "quantization_config": { "quant_method": "bitsandbytes" } }), &[]);
    let message = problems(folder.path());
    assert!(message.contains("quantization_config") && message.contains("bitsandbytes"), "{message}");
    // The kind of a tensor is in the file's header: i32 has as many bytes as f32.
    let folder = changed("bert-model", &json!({}), &[]);
    let path = folder.path().join("model.safetensors");
    let bytes = fs::read(&path).unwrap();
    let header_len = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let mut header: Value = serde_json::from_slice(&bytes[8..][..header_len]).unwrap();
    let mut write = |tensor: &str, changes: Value| {
        header[tensor].as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let header = header.to_string();
        let changed = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &bytes[8 + header_len..]].concat();
        fs::write(&path, changed).unwrap();
    };
    write("encoder.layer.0.output.dense.weight", json!({ "dtype": "I32" }));
    for drop_unknown in [false, true] {
        let options = ImportConfig { drop_unknown, ..ImportConfig::default() };
        let message = import(folder.path(), &options).expect_err("an error").to_string();
        assert!(message.contains("encoder.layer.0.output.dense.weight: whole numbers"), "{message}");
    }
    // Of a kind that is not known here, the name is said.
    write("embeddings.word_embeddings.weight", json!({ "dtype": "F8_E4M3", "shape": [26, 24] }));
    let message = problems(folder.path());
    assert!(message.contains("embeddings.word_embeddings.weight: it holds F8_E4M3"), "{message}");
}

#[test]
fn classes_that_are_called_by_numbers() {
    let settings = json!({ "id2label": { "0": 0, "1": 1, "2": true }, "label2id": { "0": "0" } });
    for name in ["wild-labels", "bert-classification", "roberta-classification"] {
        let folder = changed(name, &settings, &[]);
        let found = import(folder.path(), &ImportConfig::default()).unwrap();
        let labels = found.bundle.spec::<BertConfig>().unwrap().labels.clone();
        if labels.len() == 3 {
            assert_eq!(labels, ["0", "1", "true"], "{name}");
        }
    }
}

#[test]
fn vocabularies_that_no_text_can_be_made_of() {
    for (name, file, text) in
        [("gpt2", "vocab.json", "{}"), ("bert-model", "vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n")]
    {
        let folder = changed(name, &json!({}), &[]);
        fs::write(folder.path().join(file), text).unwrap();
        fs::write(folder.path().join("merges.txt"), "").unwrap();
        let message = problems(folder.path());
        assert!(message.contains("its vocabulary is empty"), "{name}: {message}");
    }
    let folder = changed("bert-model", &json!({}), &[]);
    let path = folder.path().join("vocab.txt");
    fs::write(&path, fs::read_to_string(&path).unwrap().replace("[MASK]", "[unused0]")).unwrap();
    let message = problems(folder.path());
    assert!(message.contains("vocab.txt: the tokenizer has no mask token"), "{message}");
}

#[test]
fn the_padding_of_a_roberta_is_that_of_its_tokenizer() {
    let folder = changed("roberta-model", &json!({ "pad_token_id": 0 }), &[]);
    let message = problems(folder.path());
    assert!(message.contains("pad_token_id is 0") && message.contains("the tokenizer's padding is 1"), "{message}");
}

#[test]
fn what_stands_in_the_place_of_a_file_is_named() {
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 798\n";
    for (text, expected) in [(pointer, "git lfs pull"), ("<!DOCTYPE html><html>Sorry</html>", "a web page")] {
        for file in ["config.json", "model.safetensors", "pytorch_model.bin", "generation_config.json"] {
            let folder = changed("gpt2", &json!({}), &[]);
            if file.ends_with("bin") {
                fs::remove_file(folder.path().join("model.safetensors")).unwrap();
            }
            fs::write(folder.path().join(file), text).unwrap();
            let message = problems(folder.path());
            assert!(message.contains(file) && message.contains(expected), "{message}");
        }
    }
}

#[test]
fn positions_that_are_rounded_are_noted() {
    let config = read("marian").bundle.spec::<TransformerConfig>().unwrap();
    let row = |round: &dyn Fn(f32) -> f32| {
        let angle = |at: usize, dim: usize| at as f64 / 10_000_f64.powf(2.0 * dim as f64 / config.d_model as f64);
        let half = config.d_model / 2;
        let value = |at: usize, dim: usize| if dim < half { angle(at, dim).sin() } else { angle(at, dim - half).cos() };
        let values = (0..9).flat_map(|at| (0..config.d_model).map(move |dim| (at, dim)));
        let values = values.map(|(at, dim)| round(value(at, dim) as f32)).collect();
        HostTensor { shape: vec![9, config.d_model], values }
    };
    // f16 has eleven bits.
    for (tensor, expected) in [
        (row(&|value| value), &[][..]),
        (row(&|value| (value * 1024.0).round() / 1024.0), &[&["exact sinusoids are used"][..]]),
    ] {
        let folder = changed("marian", &json!({}), &[("model.encoder.embed_positions.weight", tensor)]);
        notes(&import(folder.path(), &ImportConfig::default()).unwrap(), expected);
    }
}
