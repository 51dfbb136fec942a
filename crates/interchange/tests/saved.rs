//! Folders as transformers 5 saves them: `tokenizer.json` in the place of the vocabulary's files.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::support::{changed, field, golden, read, says};

fn json_of(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// A golden folder whose vocabulary is in a `tokenizer.json`, and not in `files`.
fn saved(name: &str, files: &[&str], tokenizer: &Value, settings: &Value) -> tempfile::TempDir {
    changed(name, |folder| {
        files.iter().chain(&["pytorch_model.bin"]).for_each(|file| fs::remove_file(folder.join(file)).unwrap());
        fs::write(folder.join("tokenizer.json"), tokenizer.to_string()).unwrap();
        fs::write(folder.join("tokenizer_config.json"), settings.to_string()).unwrap();
    })
}

fn special(id: usize, content: &str) -> Value {
    json!({ "id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
            "special": true })
}

/// Holds the model of a folder against that of the golden one: equal configurations and parameters have equal logits.
fn is_that_of_its_vocabulary(folder: &Path, name: &str, texts: &[String]) {
    let (found, original) = (read(folder).unwrap(), read(&golden().path(name)).unwrap());
    assert_eq!(found.notes, original.notes);
    let (found, original) = (found.bundle, original.bundle);
    assert_eq!((&found.model, &found.params), (&original.model, &original.params));
    assert_eq!((&found.decoding, &found.generation), (&original.decoding, &original.generation));
    let [found, original] = [&found, &original].map(|bundle| bundle.tokenizer().unwrap());
    let of_texts = |specials: &attentive_tokenizer::Specials| (specials.bos, specials.eos, specials.pad);
    assert_eq!(of_texts(found.specials()), of_texts(original.specials()));
    assert_eq!(found.vocab_size(), original.vocab_size());
    for text in texts {
        let ids = found.encode(text);
        assert_eq!(ids, original.encode(text), "{text:?}");
        assert_eq!(found.encode_with_specials(text), original.encode_with_specials(text), "{text:?}");
        assert_eq!(found.decode(&ids).unwrap(), original.decode(&ids).unwrap(), "{text:?}");
    }
}

#[test]
fn a_gpt_2_with_a_tokenizer_json_alone_is_that_of_its_vocabulary() {
    let end = "<|endoftext|>";
    let of_text = json!([{ "Sequence": { "id": "A", "type_id": 0 } }]);
    let of_two = json!([{ "Sequence": { "id": "A", "type_id": 0 } }, { "Sequence": { "id": "B", "type_id": 1 } }]);
    let tokenizer = json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": [special(258, end)],
        "normalizer": null,
        "pre_tokenizer": { "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true },
        "post_processor": { "type": "TemplateProcessing", "single": of_text, "pair": of_two, "special_tokens": {} },
        "decoder": { "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true },
        "model": {
            "type": "BPE",
            "dropout": null,
            "unk_token": null,
            "continuing_subword_prefix": "",
            "end_of_word_suffix": "",
            "fuse_unk": false,
            "byte_fallback": false,
            "ignore_merges": false,
            "vocab": json_of(&golden().path("gpt2/vocab.json")),
            "merges": [["t", "h"], ["th", "e"]],
        },
    });
    let settings = json!({
        "add_prefix_space": false,
        "backend": "tokenizers",
        "bos_token": end,
        "eos_token": end,
        "errors": "replace",
        "is_local": true,
        "model_max_length": 1024,
        "tokenizer_class": "GPT2Tokenizer",
        "unk_token": end,
    });
    let folder = saved("gpt2", &["vocab.json", "merges.txt"], &tokenizer, &settings);
    let texts = ["the animal", " the  café\n☃", "a<|endoftext|>the", ""].map(str::to_owned);
    is_that_of_its_vocabulary(folder.path(), "gpt2", &texts);
}

/// The pieces of the golden `spiece.model` after its special ones; scores begin at -1, each ⅛ below the one before.
const PIECES: &str = "▁the ▁animal ▁was ▁too ▁tired ▁street ▁wide ▁end ▁a ▁an ▁ a d e h i l m n o r s t w";

#[test]
fn a_t5_with_a_tokenizer_json_alone_is_that_of_its_vocabulary() {
    let specials = ["<pad>", "</s>", "<unk>"];
    let sentinels: Vec<String> = (0..4).rev().map(|index| format!("<extra_id_{index}>")).collect();
    let pieces = PIECES.split(' ').enumerate().map(|(at, piece)| json!([piece, -1.0 - at as f64 / 8.0]));
    let vocabulary: Vec<Value> = specials
        .iter()
        .map(|name| json!([name, 0.0]))
        .chain(pieces)
        .chain(sentinels.iter().map(|name| json!([name, 0.0])))
        .collect();
    let first = vocabulary.len() - sentinels.len();
    let of_sentinels = sentinels.iter().enumerate().map(|(at, name)| special(first + at, name));
    let added: Vec<Value> =
        specials.iter().enumerate().map(|(id, name)| special(id, name)).chain(of_sentinels).collect();
    let words = json!({ "type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true });
    let [text, end] =
        [json!({ "Sequence": { "id": "A", "type_id": 0 } }), json!({ "SpecialToken": { "id": "</s>", "type_id": 0 } })];
    let other = json!({ "Sequence": { "id": "B", "type_id": 0 } });
    let tokenizer = json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": added,
        "normalizer": null,
        "pre_tokenizer": { "type": "Sequence", "pretokenizers": [{ "type": "WhitespaceSplit" }, words] },
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [text, end],
            "pair": [text, end, other, end],
            "special_tokens": { "</s>": { "id": "</s>", "ids": [1], "tokens": ["</s>"] } },
        },
        "decoder": words,
        "model": { "type": "Unigram", "unk_id": 2, "vocab": vocabulary, "byte_fallback": false },
    });
    let settings = json!({
        "backend": "tokenizers",
        "eos_token": "</s>",
        "extra_ids": 4,
        "extra_special_tokens": sentinels,
        "is_local": true,
        "model_max_length": 1e30,
        "pad_token": "<pad>",
        "tokenizer_class": "T5Tokenizer",
        "unk_id": 2,
        "unk_token": "<unk>",
    });
    let folder = saved("t5", &["spiece.model"], &tokenizer, &settings);
    let case = golden().cases("t5/tokens.json").remove(0);
    let texts: Vec<String> = field(&case, "texts");
    is_that_of_its_vocabulary(folder.path(), "t5", &texts);
    // The ids of transformers.
    let found = read(folder.path()).unwrap().bundle;
    let tokenizer = found.tokenizer().unwrap();
    let ids: Vec<Vec<u32>> = texts.iter().map(|text| tokenizer.encode(text)).collect();
    assert_eq!(ids, field::<Vec<Vec<u32>>>(&case, "ids"));
    let sentinels: Vec<u32> = (0..).map_while(|index| tokenizer.sentinel(index)).collect();
    assert_eq!(sentinels, field::<Vec<u32>>(&case, "sentinels"));
    assert_eq!(tokenizer.encode_with_specials("the <extra_id_1> was"), [3, 29, 5]);
}

/// Marian's class reads no `tokenizer.json`, and transformers 5 saves its SentencePiece models.
#[test]
fn a_marian_with_a_tokenizer_json_alone_is_refused_with_what_it_needs() {
    let model = json!({ "type": "Unigram", "unk_id": 0, "vocab": [["a", 0.0]] });
    let tokenizer = json!({ "version": "1.0", "added_tokens": [], "model": model });
    let settings = json!({ "tokenizer_class": "MarianTokenizer" });
    let folder = saved("marian", &["source.spm", "target.spm", "vocab.json"], &tokenizer, &settings);
    let error = read(folder.path()).err().unwrap().to_string();
    assert!(!error.contains("tokenizer.json"), "it would not be read: {error}");
    says(read(folder.path()), &["there is no source.spm", "is read from source.spm and target.spm and vocab.json"]);
}
