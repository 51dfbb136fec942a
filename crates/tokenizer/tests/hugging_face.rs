//! Hugging Face's tokenizers as a judge of ours, and as a kind of ours.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use attentive_testkit::Golden;
use attentive_tokenizer::{
    ByteLevelBpeTrainer, Frame, HuggingFace, Tokenizer, TokenizerError, WordPieceTrainer, from_tokenizer_json, load,
    save,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use unicode_normalization::{UnicodeNormalization, char::canonical_combining_class};

const LINES: [&str; 5] = [
    "The gardener could not reach the pears because the ladder was too short.",
    "the gardener left the pears, because they weren't ripe, and it's late ...",
    "Der Gärtner läuft über die Straße; 12 Birnen wiegen 2,5 kg!",
    "\"Ripe?\" -- they'll   ask\tthe gardener (twice), and he'd say: naïve café 梨 子 ☃",
    "gardeners' gardens, ladders' ladders, pears and pear trees",
];

/// A tokenizer of ours and Hugging Face's of the same vocabulary.
struct Pair {
    ours: Box<dyn Tokenizer>,
    theirs: HuggingFace,
}

static PAIRS: LazyLock<Vec<Pair>> = LazyLock::new(|| {
    let byte_level = ByteLevelBpeTrainer::with_vocab_size(400).train(LINES).unwrap();
    let cased = WordPieceTrainer::with_vocab_size(150).lowercase(false).train(LINES).unwrap();
    let uncased = WordPieceTrainer::with_vocab_size(150).train(LINES).unwrap();
    let tokenizers: [Box<dyn Tokenizer>; 3] = [Box::new(byte_level), Box::new(cased), Box::new(uncased)];
    tokenizers.map(|ours| Pair { theirs: read(&translated(&*ours).to_string()).unwrap(), ours }).into()
});

fn read(json: &str) -> Result<HuggingFace, TokenizerError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    fs::write(&path, json).unwrap();
    HuggingFace::read(&path)
}

/// The `tokenizer.json` of Hugging Face that says what ours does.
fn translated(ours: &dyn Tokenizer) -> Value {
    let written = ours.to_model().unwrap().to_hugging_face_json(&Frame::default());
    let written: Value = serde_json::from_str(&written.unwrap()).unwrap();
    if written["model"]["type"] == "WordPiece" {
        return written;
    }
    // Ours trims white space off the ranges of tokens, and its own words keep it.
    let model = serde_json::to_value(ours.to_model().unwrap()).unwrap();
    let ids: serde_json::Map<_, _> =
        (0..ours.vocab_size() as u32).map(|id| (ours.token(id).unwrap().into_owned(), id.into())).collect();
    let specials = ours.specials().iter().map(|id| {
        json!({"id": id, "content": ours.token(id), "special": true, "single_word": false, "lstrip": false,
               "rstrip": false, "normalized": false})
    });
    let mut file = json!({"version": "1.0", "added_tokens": specials.collect::<Vec<_>>()});
    let bytes = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": true});
    let parts = json!({"model": {"type": "BPE", "vocab": ids, "merges": model["byte_level_bpe"]["merges"]},
                       "pre_tokenizer": bytes, "decoder": bytes});
    file.as_object_mut().unwrap().extend(parts.as_object().unwrap().clone());
    file
}

/// ASCII, any Unicode, and text like that of the vocabularies, with what they treat specially.
fn text() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        "<s>", "<pad>", "[CLS]", "[UNK]", " ", "  ", "\t", "\r\n", "\u{a0}", "'s", "they'll", "gardener", "Pears",
        "##", "é", "e\u{301}", "ß", "梨", "☃", "🙂", "\u{200d}", "12", ".", "?!", "\0",
    ]);
    prop_oneof![
        "[ -~]{0,60}",
        "[a-zäöüéß ,.'\"!?-]{0,60}",
        any::<String>(),
        prop::collection::vec(part, 0..20).prop_map(|parts| parts.concat()),
    ]
}

/// Whether normalisation leaves combining marks in their order.
fn is_in_order(text: &str) -> bool {
    let classes: Vec<u8> = text.nfd().map(canonical_combining_class).collect();
    let unordered: Vec<u8> = text.chars().flat_map(UnicodeNormalization::nfd).map(canonical_combining_class).collect();
    classes == unordered
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn ours_equal_theirs(text in text(), numbers in prop::collection::vec(any::<u32>(), 0..20)) {
        for Pair { ours, theirs } in PAIRS.iter() {
            let ids = ours.encode(&text);
            prop_assert_eq!(&ids, &theirs.encode(&text));
            // Theirs gives marks that are put in order the places that they have then, ours those of the text.
            if is_in_order(&text) {
                prop_assert_eq!(ours.encode_with_words(&text), theirs.encode_with_words(&text));
            }
            prop_assert_eq!(ours.continuation(), theirs.continuation());
            prop_assert_eq!(ours.decode_bytes(&ids), theirs.decode_bytes(&ids));
            let any_ids: Vec<_> = numbers.iter().map(|number| number % ours.vocab_size() as u32).collect();
            prop_assert_eq!(ours.decode_bytes(&any_ids), theirs.decode_bytes(&any_ids));
        }
    }
}

#[test]
fn every_character_is_of_the_same_kind() {
    // The planes that have characters, but for tags and private use.
    for first in (0..0x4_0000).step_by(256) {
        let text: String = (first..first + 256).filter_map(char::from_u32).map(|c| format!("r{c}e\n")).collect();
        for Pair { ours, theirs } in PAIRS.iter() {
            assert_eq!(ours.encode(&text), theirs.encode(&text), "from U+{first:04X}");
        }
    }
}

#[test]
fn theirs_have_the_same_vocabulary_and_are_saved_and_loaded_equal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    for Pair { ours, theirs } in PAIRS.iter() {
        save(theirs, &path).unwrap();
        let loaded = load(&path).unwrap();
        assert_eq!(loaded.encode(LINES[3]), theirs.encode(LINES[3]));
        for theirs in [theirs, &*loaded] as [&dyn Tokenizer; 2] {
            assert_eq!(theirs.specials(), ours.specials());
            assert_eq!(theirs.vocab_size(), ours.vocab_size());
            for id in 0..=ours.vocab_size() as u32 {
                assert_eq!((theirs.token(id), theirs.decode(&[id])), (ours.token(id), ours.decode(&[id])));
            }
        }
    }
}

#[test]
fn the_mask_of_a_written_file_takes_the_space_before_it() {
    let ours = ByteLevelBpeTrainer::with_vocab_size(300).train(LINES).unwrap();
    let theirs = read(&ours.to_model().unwrap().to_hugging_face_json(&Frame::default()).unwrap()).unwrap();
    let text = "the <mask> pears";
    assert_eq!(theirs.encode_with_specials(text), ours.encode_with_specials(text));
}

#[test]
fn what_is_around_texts_is_written_where_a_file_puts_nothing_there() {
    // A normaliser that is not ours: the file stays the library's.
    let mut json = translated(&*PAIRS[2].ours);
    json["normalizer"]["strip_accents"] = json!(false);
    json["post_processor"] = Value::Null;
    let file = json.to_string();
    let tokenizer = read(&file).unwrap();
    let [begin, end] = ["[CLS]", "[SEP]"].map(|name| json["model"]["vocab"][name].as_u64().unwrap() as u32);
    let written = |frame: &Frame| tokenizer.to_model().unwrap().to_hugging_face_json(frame).unwrap();
    assert_eq!(written(&Frame::default()), file);
    let frame = Frame { before: vec![begin], after: vec![end], between: Some(vec![end]) };
    let framed = written(&frame);
    assert!(framed.contains(&json["model"].to_string()), "all else is as it was");
    let theirs: tokenizers::Tokenizer = framed.parse().unwrap();
    let ids = theirs.encode(LINES[3], true).unwrap();
    assert_eq!(ids.get_ids(), [&[begin][..], &tokenizer.encode(LINES[3]), &[end]].concat());
    // What a file says stays.
    let again = read(&framed).unwrap().to_model().unwrap();
    assert_eq!(again.to_hugging_face_json(&Frame { before: vec![end], ..Frame::default() }), Some(framed));
}

#[test]
fn a_file_of_wordpiece_decodes_as_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    let ours = &PAIRS[2].ours;
    let mut json = translated(&**ours);
    for decoder in [Value::Null, json!({"type": "WordPiece", "prefix": "##", "cleanup": false})] {
        json["decoder"] = decoder;
        fs::write(&path, json.to_string()).unwrap();
        let ids = ours.encode(LINES[0]);
        let text = from_tokenizer_json(&path).unwrap().decode(&ids);
        assert_eq!(text, HuggingFace::read(&path).unwrap().decode(&ids));
        assert_ne!(text, ours.decode(&ids));
    }
}

#[test]
fn text_is_neither_cut_nor_padded_nor_dropped_at_random() {
    let mut json = translated(&*PAIRS[0].ours);
    json["model"]["dropout"] = json!(0.5);
    json["truncation"] = json!({"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0});
    json["padding"] = json!({"strategy": {"Fixed": 90}, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 1,
                             "pad_type_id": 0, "pad_token": "<pad>"});
    let theirs = read(&json.to_string()).unwrap();
    assert_eq!(theirs.encode(LINES[0]), PAIRS[0].ours.encode(LINES[0]));
}

/// `tests/golden/generate_patterns.py`: there another engine reads them.
#[test]
fn patterns_find_what_they_find_in_python() {
    for case in Golden::of(env!("CARGO_MANIFEST_DIR")).cases("patterns.json") {
        let pattern = &case["pattern"];
        let texts: BTreeMap<String, Vec<String>> = serde_json::from_value(case["texts"].clone()).unwrap();
        let pieces: BTreeSet<&String> = texts.values().flatten().collect();
        let mut vocab: BTreeMap<&str, usize> = pieces.iter().map(|piece| piece.as_str()).zip(1..).collect();
        vocab.insert("[UNK]", 0);
        let split = json!({"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false});
        let json = json!({"version": "1.0", "added_tokens": [], "pre_tokenizer": split,
                          "model": {"type": "WordLevel", "vocab": vocab, "unk_token": "[UNK]"}});
        let tokenizer = read(&json.to_string()).unwrap();
        for (text, expected) in &texts {
            let ids = tokenizer.encode(text);
            let found: Vec<_> = ids.iter().map(|&id| tokenizer.token(id).unwrap()).collect();
            assert_eq!(found, *expected, "{pattern}, {text:?}");
        }
    }
}

#[test]
fn damaged_files_are_errors() {
    assert!(matches!(HuggingFace::read(Path::new("none.json")).unwrap_err(), TokenizerError::Io { .. }));
    let json = translated(&*PAIRS[1].ours).to_string();
    for at in (0..json.len()).step_by(json.len() / 100).filter(|&at| json.is_char_boundary(at)) {
        assert!(matches!(read(&json[..at]).unwrap_err(), TokenizerError::Json { .. }));
        if let Ok(theirs) = read(&format!("{}7{}", &json[..at], &json[json.ceil_char_boundary(at + 1)..])) {
            theirs.decode(&theirs.encode(LINES[3])).unwrap();
        }
    }
    let table = r#""normalizer":{"type":"Precompiled","precompiled_charsmap":"AAAA"},"was":"#;
    let error = read(&json.replace(r#""normalizer":"#, table)).unwrap_err();
    assert!(matches!(error, TokenizerError::Library { .. }), "{error}");
    let unknown = r#""pre_tokenizer":{"type":"Foo"},"was":"#;
    let error = read(&json.replace(r#""pre_tokenizer":"#, unknown)).unwrap_err().to_string();
    assert!(error.contains("it has a pre_tokenizer of an unknown kind at line 1"), "{error}");
    let error = read(&json.replace(r#""unk_token":"[UNK]""#, r#""unk_token":"[unknown]""#)).unwrap_err();
    assert!(matches!(error, TokenizerError::Invalid { .. }), "{error}");
}
