//! Tables that are one with another, by the settings or by the file, and the rows that a vocabulary needs.

use std::{fs, path::Path};

use attentive_interchange::{ImportConfig, import};
use attentive_weights::Tensors;
use serde_json::{Value, json};

use crate::support::{changed, golden, read, says, with_settings};

/// Changes the tensors of a folder.
fn with_tensors(folder: &Path, change: impl FnOnce(&mut Tensors)) {
    let path = folder.join("model.safetensors");
    let mut tensors = attentive_weights::read(&path).unwrap();
    change(&mut tensors);
    attentive_weights::write(&path, &tensors, &Default::default()).unwrap();
}

#[test]
fn a_head_that_differs_is_used_although_the_settings_call_it_tied() {
    for (name, head) in [("llama", "lm_head.weight"), ("modernbert-untied", "decoder.weight")] {
        let folder = with_settings(name, &json!({ "tie_word_embeddings": true }));
        let (found, untied) = (read(folder.path()).unwrap(), read(&golden().path(name)).unwrap());
        let note = format!("{head} differs from the embeddings: it is used, although config.json calls them one");
        assert!(found.notes.contains(&note), "{name}: {:?}", found.notes);
        let (found, untied) = (found.bundle, untied.bundle);
        assert_eq!((&found.model, &found.params), (&untied.model, &untied.params), "{name}");
    }
}

#[test]
fn a_whisper_with_a_head_of_its_own_is_refused() {
    let with_head = |difference: f32| {
        changed("whisper", |folder| {
            with_tensors(folder, |tensors| {
                let mut head = tensors["model.decoder.embed_tokens.weight"].clone();
                head.values[3] += difference;
                tensors.insert("proj_out.weight".to_owned(), head);
            });
        })
    };
    let (copied, original) = (read(with_head(0.0).path()).unwrap(), read(&golden().path("whisper")).unwrap());
    assert_eq!((copied.notes, copied.bundle.params), (original.notes, original.bundle.params));
    let other = with_head(1.0);
    for drop_unknown in [false, true] {
        let options = ImportConfig { drop_unknown, ..ImportConfig::default() };
        let expected = "proj_out.weight differs from model.decoder.embed_tokens.weight: here the projection is";
        says(import(other.path(), &options), &[expected]);
    }
}

/// As `safetensors.torch.save_model` does, which keeps one name of a table that two share.
#[test]
fn a_tied_table_that_is_stored_as_the_head_alone_is_read() {
    for (name, table, head) in [
        ("gpt2", "transformer.wte.weight", "lm_head.weight"),
        ("gemma", "model.embed_tokens.weight", "lm_head.weight"),
        ("roberta-masked-lm", "roberta.embeddings.word_embeddings.weight", "lm_head.decoder.weight"),
        ("modernbert-masked-lm", "model.embeddings.tok_embeddings.weight", "decoder.weight"),
        ("whisper", "model.decoder.embed_tokens.weight", "proj_out.weight"),
    ] {
        let folder = changed(name, |folder| {
            with_tensors(folder, |tensors| {
                let shared = tensors.remove(table).unwrap();
                tensors.insert(head.to_owned(), shared);
            });
        });
        let (found, original) = (read(folder.path()).unwrap(), read(&golden().path(name)).unwrap());
        assert_eq!(found.notes, original.notes, "{name}");
        assert_eq!((&found.bundle.model, &found.bundle.params), (&original.bundle.model, &original.bundle.params));
    }
}

/// Adds entries to the vocabulary in a file.
fn add_entries(folder: &Path, file: &str, names: &[&str]) {
    let path = folder.join(file);
    let mut vocabulary: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let entries = vocabulary.as_object_mut().unwrap();
    for &name in names {
        entries.insert(name.to_owned(), json!(entries.len()));
    }
    fs::write(path, vocabulary.to_string()).unwrap();
}

#[test]
fn fewer_rows_than_tokens_are_an_error_that_names_both() {
    let t5 = changed("t5", |folder| {
        let settings = json!({ "tokenizer_class": "T5Tokenizer", "extra_ids": 40 });
        fs::write(folder.join("tokenizer_config.json"), settings.to_string()).unwrap();
    });
    let marian = changed("marian", |folder| add_entries(folder, "vocab.json", &["one", "more"]));
    let sources = changed("marian-separate", |folder| add_entries(folder, "vocab.json", &["one"]));
    let targets = changed("marian-separate", |folder| add_entries(folder, "target_vocab.json", &["one"]));
    for (folder, expected) in [
        (t5, "the tokenizer has 67 tokens and the model 36 rows: take the one that it was trained with"),
        (marian, "the tokenizer has 47 tokens and the model 45 rows: take the one that it was trained with"),
        (sources, "the tokenizer has 28 tokens for sources and the model 27 rows for them"),
        (targets, "the tokenizer has 33 tokens and the model 32 rows: take the one that it was trained with"),
    ] {
        says(read(folder.path()), &[expected]);
    }
}
