//! Folders of models: ids, special tokens and frames equal those of transformers, for what is published and what it saves.

use attentive_testkit::{Area, Comparison, Golden};
use attentive_tokenizer::{Frame, OpenOptions, Opened, load, save};
use serde_json::Value;

use crate::folders;

fn golden() -> Golden {
    Golden::of(env!("CARGO_MANIFEST_DIR"))
}

fn all() -> Value {
    folders::all(|name| golden().path(name))
}

fn strings(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

fn ids(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect()
}

fn opened(files: &Value) -> Opened {
    let folder = tempfile::tempdir().unwrap();
    folders::write(folder.path(), files, |name| golden().path(name));
    OpenOptions::default().open(folder.path()).unwrap_or_else(|error| {
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        panic!("{error}: {cause:?}")
    })
}

/// What differs from the expectations of an entry; the number of comparisons is added to `n`.
fn differences(entry: &Value, cases: &[String], with_specials: &[String], n: &mut usize) -> Vec<String> {
    let name = entry["name"].as_str().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    let Opened { tokenizer, frame, .. } = opened(&entry["files"]);
    save(&*tokenizer, &path).unwrap();
    let mut found = Vec::new();
    let mut compare = |what: String, actual: Vec<u32>, expected: &Value| {
        *n += 1;
        if actual != ids(expected) {
            found.push(format!("{name}: {what}: {actual:?} instead of {expected}"));
        }
    };
    let Frame { before, after, .. } = frame.unwrap_or_default();
    compare("frame".to_owned(), [before, after].concat(), &entry["frame"]);
    compare("size".to_owned(), vec![tokenizer.source_vocab_size() as u32], &serde_json::json!([entry["n"]]));
    for tokenizer in [tokenizer, load(&path).unwrap()] {
        for (text, expected) in cases.iter().zip(entry["ids"].as_array().unwrap()) {
            compare(format!("{text:?}"), tokenizer.encode(text), expected);
        }
        for (text, expected) in with_specials.iter().zip(entry["with_specials"].as_array().unwrap()) {
            compare(format!("{text:?} with special tokens"), tokenizer.encode_with_specials(text), expected);
        }
        // Of two vocabularies, ids that text becomes are not those that become text.
        if tokenizer.source_vocab_size() == tokenizer.vocab_size() {
            for (row, expected) in entry["with_specials"].as_array().unwrap().iter().zip(strings(&entry["decoded"])) {
                let text: Vec<u32> = tokenizer.decode(&ids(row)).unwrap().chars().map(u32::from).collect();
                compare(format!("text of {row}"), text, &expected.chars().map(u32::from).collect::<Vec<_>>().into());
            }
        }
    }
    found
}

#[test]
fn ids_equal_those_of_transformers() {
    let all = all();
    let (cases, with_specials) = (strings(&all["cases"]), strings(&all["with_specials"]));
    let mut comparison = Comparison::new(Area::Tokenizers, "model folders", "Hugging Face transformers 5.24.0", 0.0);
    let mut n = 0;
    let entries = all["folders"].as_array().unwrap().iter();
    let found: Vec<_> = entries.flat_map(|entry| differences(entry, &cases, &with_specials, &mut n)).collect();
    assert!(found.is_empty(), "{} of {n} differ:\n{}", found.len(), found.join("\n"));
    comparison.equal("differences", &found.len(), &0);
    comparison.report();
}

/// The ids that transformers 5 gives: its class counts `<|endoftext|>` among its special tokens, named or not.
#[test]
fn a_folder_of_whisper_s_vocabulary_has_its_frame() {
    let is_printable = |byte: u8| matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    let mut others = '\u{100}'..;
    let of_byte = |byte| if is_printable(byte) { Some(char::from(byte)) } else { others.next() };
    let mut vocab: Vec<String> = (0..=255).filter_map(of_byte).map(String::from).collect();
    vocab.extend(["he", "<|endoftext|>"].map(String::from));
    let ids: serde_json::Map<String, Value> = vocab.into_iter().zip((0_u32..).map(Value::from)).collect();
    let steering = ["startoftranscript", "en", "de", "translate", "transcribe", "notimestamps"];
    let added = (258..).zip(steering).map(|(id, name): (u32, &str)| {
        let token = serde_json::json!({"content": format!("<|{name}|>"), "lstrip": false, "rstrip": false,
                                       "single_word": false, "normalized": false, "special": true});
        (id.to_string(), token)
    });
    let added: serde_json::Map<String, Value> = added.collect();
    let config = serde_json::json!({"tokenizer_class": "WhisperTokenizer", "added_tokens_decoder": added});
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| std::fs::write(folder.path().join(name), text).unwrap();
    write("vocab.json", Value::from(ids).to_string());
    write("merges.txt", "#version: 0.2\nh e\n".to_owned());
    write("tokenizer_config.json", config.to_string());
    let Opened { tokenizer, frame, .. } = OpenOptions::default().open(folder.path()).unwrap();
    let Frame { before, after, .. } = frame.unwrap();
    assert_eq!((before, after), (vec![258, 263], vec![257]));
    assert_eq!(tokenizer.specials().eos, Some(257));
    assert_eq!(tokenizer.encode_with_specials("he<|endoftext|><|de|>"), [256, 257, 260]);
}
