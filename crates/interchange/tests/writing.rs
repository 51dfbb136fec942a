//! How texts are to be written, by `generation_config.json`: followed, or noted.

use std::fs;

use attentive_backend::BackendKind;
use attentive_bundle::{Bundle, DecodingConfig, Translator};
use attentive_decode::SamplingConfig;
use attentive_interchange::{ExportConfig, Format, Imported, export};
use serde_json::{Value, json};

use crate::support::{changed, read, with_settings};

/// A golden folder with these settings of writing.
fn written(name: &str, settings: &Value) -> Imported {
    let folder = changed(name, |folder| {
        fs::write(folder.join("generation_config.json"), settings.to_string()).unwrap();
    });
    read(folder.path()).unwrap()
}

#[test]
fn the_usual_length_is_followed_or_noted_where_a_file_says_it() {
    let found = written("marian", &json!({ "max_length": 20 }));
    assert_eq!(found.notes, [""; 0]);
    // Theirs counts the token that a translation begins with.
    assert_eq!(found.bundle.decoding.max_len, Some(19));
    let folder = with_settings("marian", &json!({ "max_length": 20, "forced_eos_token_id": null }));
    assert_eq!(read(folder.path()).unwrap().bundle.decoding.max_len, Some(19));
    // Theirs counts the prompt of a continuation.
    let found = written("gpt2", &json!({ "max_length": 20 }));
    assert_eq!(found.notes, ["generation_config.json: not followed here: max_length = 20"]);
    let folder = with_settings("bert-model", &json!({ "max_length": 20 }));
    assert_eq!(read(folder.path()).unwrap().notes, [""; 0], "an encoder writes nothing");
}

#[test]
fn a_length_that_is_followed_does_not_depend_on_the_source() {
    for settings in [json!({ "max_length": 61 }), json!({ "max_new_tokens": 60 })] {
        let bundle = written("marian", &settings).bundle;
        let config = DecodingConfig { beam: 1, ..bundle.decoding.clone() };
        let translator = Translator::from_bundle(&bundle, &BackendKind::Flex.device().unwrap(), None).unwrap();
        // As many as transformers 5.23 writes for these five tokens: no end comes before.
        let found = &translator.translate(&["the animal was tired"], &config).unwrap()[0];
        assert_eq!((found.tokens.len(), found.is_finished), (60, false), "{settings}");
    }
}

#[test]
fn a_length_of_all_positions_does_not_depend_on_the_source() {
    // As OPUS-MT's 512 of 512 are. The golden model never ends this text, which would be cut after five tokens and 50.
    let found = written("marian", &json!({ "max_length": 64 }));
    assert_eq!(found.notes, [""; 0]);
    let n_tokens = |bundle: &Bundle| {
        let config = DecodingConfig { beam: 1, ..bundle.decoding.clone() };
        let translator = Translator::from_bundle(bundle, &BackendKind::Flex.device().unwrap(), None).unwrap();
        translator.translate(&["the animal was tired"], &config).unwrap()[0].tokens.len()
    };
    assert_eq!(n_tokens(&found.bundle), 63);
    // What is exported says the same.
    let folder = tempfile::tempdir().unwrap();
    let notes = export(&found.bundle, Format::Marian, &ExportConfig::default(), folder.path()).unwrap();
    assert_eq!(notes, [""; 0]);
    assert_eq!(read(folder.path()).unwrap().bundle.decoding, found.bundle.decoding);
    // More tokens than positions there cannot be.
    assert_eq!(written("bart", &json!({ "max_length": 1000 })).bundle.decoding.max_len, Some(39));
}

#[test]
fn the_file_of_generation_counts_alone_beside_settings_of_the_model() {
    let of_model = json!({ "num_beams": 7, "no_repeat_ngram_size": 2, "max_length": 33, "forced_eos_token_id": 0 });
    let found = read(with_settings("marian", &of_model).path()).unwrap();
    let DecodingConfig { beam, no_repeat_ngram, max_len, .. } = found.bundle.decoding;
    assert_eq!((beam, no_repeat_ngram, max_len), (7, 2, Some(32)));
    // As transformers 5.23 has it: of these it takes the beam alone.
    let folder = with_settings("marian", &of_model);
    fs::write(folder.path().join("generation_config.json"), json!({ "num_beams": 3 }).to_string()).unwrap();
    let found = read(folder.path()).unwrap();
    assert_eq!(found.notes, ["config.json: not followed here: max_length = 33, no_repeat_ngram_size = 2"]);
    let DecodingConfig { beam, no_repeat_ngram, max_len, .. } = found.bundle.decoding;
    assert_eq!((beam, no_repeat_ngram, max_len), (3, 0, None));
}

#[test]
fn a_bound_by_the_source_is_told_where_another_is_written() {
    let mut bundle = written("t5", &json!({})).bundle;
    let folder = tempfile::tempdir().unwrap();
    let exported = |bundle: &Bundle| export(bundle, Format::T5, &ExportConfig::default(), folder.path()).unwrap();
    assert_eq!(exported(&bundle), [""; 0]);
    // Of which transformers would make 20 where nothing is said.
    assert_eq!(read(folder.path()).unwrap().bundle.decoding.max_len, Some(ExportConfig::MAX_LEN - 1));
    bundle.decoding.max_len_offset = 7;
    assert!(exported(&bundle)[0].contains("max_len_offset = 7"), "{:?}", exported(&bundle));
}

#[test]
fn a_penalty_of_another_kind_is_noted_with_the_reason() {
    for name in ["gpt2", "marian"] {
        let found = written(name, &json!({ "repetition_penalty": 1.5 }));
        let why = "another function than repetition_penalty here";
        let expected = format!("generation_config.json: not followed here: repetition_penalty = 1.5 ({why})");
        assert_eq!(found.notes, [expected], "{name}");
    }
}

#[test]
fn strings_that_end_a_text_are_followed() {
    for (said, expected) in [(json!("\n"), vec!["\n"]), (json!(["\n\n", "User:"]), vec!["\n\n", "User:"])] {
        let found = written("gpt2", &json!({ "stop_strings": said }));
        assert_eq!(found.notes, [""; 0]);
        assert_eq!(found.bundle.generation.stop, expected);
    }
    let found = written("gpt2", &json!({ "stop_strings": [""] }));
    assert_eq!(found.notes, ["generation_config.json: not followed here: stop_strings = [\"\"]"]);
}

#[test]
fn what_is_drawn_from_is_what_the_file_says() {
    let found = written(
        "gpt2",
        &json!({ "do_sample": true, "temperature": 0.5, "top_k": 9, "top_p": 0.75, "min_p": 0.125, "typical_p": 0.875,
                 "epsilon_cutoff": 0.25, "eta_cutoff": 0.375 }),
    );
    assert_eq!(found.notes, [""; 0]);
    let expected = SamplingConfig {
        temperature: 0.5,
        top_k: 9,
        top_p: 0.75,
        min_p: 0.125,
        typical_p: 0.875,
        epsilon_cutoff: 0.25,
        eta_cutoff: 0.375,
        ..SamplingConfig::default()
    };
    assert_eq!(found.bundle.generation.sampling, expected);
}
