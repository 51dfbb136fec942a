//! What is opened, what is refused by name, and what is noted.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use attentive_tokenizer::{OpenOptions, Opened, SentencePiece, Tokenizer, TokenizerError, open};
use serde_json::{Map, Value, json};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn text(name: &str) -> String {
    fs::read_to_string(golden(name)).unwrap()
}

/// A folder of these files.
fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        fs::write(folder.path().join(name), content).unwrap();
    }
    folder
}

fn opened(files: &[(&str, &[u8])]) -> Opened {
    OpenOptions::default().open(folder(files).path()).unwrap()
}

#[track_caller]
fn refused(files: &[(&str, &[u8])], named: &str) {
    let error = open(folder(files).path()).err().expect("it is refused");
    assert!(error.to_string().contains(named), "{error}");
    assert!(!error.to_string().contains("damaged"), "{error}");
}

const WORDS: &str = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\ncat\ncovid\nsat\non\nmat\nCOVID\n";

fn tokens(tokenizer: &dyn Tokenizer, text: &str) -> Vec<String> {
    tokenizer.encode(text).into_iter().map(|id| tokenizer.token(id).unwrap().into_owned()).collect()
}

#[test]
fn one_capital_does_not_make_a_vocabulary_cased() {
    let Opened { tokenizer, notes, .. } = opened(&[("vocab.txt", WORDS.as_bytes())]);
    assert_eq!(tokens(&*tokenizer, "The Cat"), ["the", "cat"]);
    assert!(notes.iter().any(|note| note.contains("1 of 7")), "{notes:?}");

    let folder = folder(&[("vocab.txt", WORDS.as_bytes())]);
    for source in [folder.path().to_owned(), folder.path().join("vocab.txt")] {
        let Opened { tokenizer, notes, .. } = OpenOptions::default().lowercase(Some(false)).open(&source).unwrap();
        assert_eq!(tokens(&*tokenizer, "The COVID"), ["[UNK]", "COVID"]);
        assert_eq!(notes, <[String; 0]>::default());
    }
}

#[test]
fn case_is_followed_or_refused() {
    let json = br###"{"version": "1.0", "added_tokens": [], "post_processor": null,
        "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null,
            "lowercase": true},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "the": 3, "The": 4}}}"###;
    let words = folder(&[("tokenizer.json", json)]);
    for source in [words.path().to_owned(), words.path().join("tokenizer.json")] {
        for (lowercase, expected) in [(None, 3), (Some(true), 3), (Some(false), 4)] {
            let opened = OpenOptions::default().lowercase(lowercase).open(&source).unwrap();
            assert_eq!(opened.tokenizer.encode("The"), [expected]);
            assert!(!opened.notes.iter().any(|note| note.contains("tokenizer_config.json")), "{:?}", opened.notes);
        }
    }
    for source in [PathBuf::from("byt5"), golden("sentencepiece.unigram.model")] {
        let error = OpenOptions::default().lowercase(Some(false)).open(&source).unwrap_err().to_string();
        assert!(error.contains("can't be read as cased") && !error.contains("damaged"), "{error}");
    }
}

#[test]
fn a_byte_order_mark_is_not_part_of_a_file() {
    let marked = |text: &str| format!("\u{feff}{text}").into_bytes();
    let json = r#"{"format": "attentive-tokenizer", "version": 1, "model": {"bytes": {}}}"#;
    let files = [("words.txt", marked(WORDS)), ("ours.json", marked(json)), ("codes", marked("#version: 0.2\nt h\n"))];
    let folder = folder(&files.each_ref().map(|(name, content)| (*name, &content[..])));
    let [words, _, _] = ["words.txt", "ours.json", "codes"].map(|name| open(&folder.path().join(name)).unwrap());
    assert_eq!((words.token(0).as_deref(), words.specials().pad), (Some("[PAD]"), Some(0)));
}

#[test]
fn settings_that_are_not_known_are_noted_and_lengths_are_read() {
    let config = br#"{"do_lower_case": false, "model_max_length": 128, "new_setting": [1, 2], "padding_side": "left"}"#;
    let found = opened(&[("vocab.txt", WORDS.as_bytes()), ("tokenizer_config.json", config)]);
    assert_eq!(found.model_max_length, Some(128));
    assert_eq!(found.notes, ["tokenizer_config.json: new_setting = [1,2] is not followed"]);
    let frame = found.frame.unwrap();
    assert_eq!((frame.before, frame.after, frame.between), (vec![2], vec![3], Some(vec![3])));
    let config = br#"{"model_max_length": 1000000000000000019884624838656}"#;
    let found = opened(&[("vocab.txt", WORDS.as_bytes()), ("tokenizer_config.json", config)]);
    assert_eq!(found.model_max_length, None);
}

#[test]
fn spaces_that_transformers_takes_away_in_decoding_are_noted() {
    let bpe = br#"{"version": "1.0", "added_tokens": [], "normalizer": null, "post_processor": null,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": true},
            {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true}]},
        "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
        "model": {"type": "BPE", "vocab": {"1": 0, "2": 1, "12": 2}, "merges": [["1", "2"]]}}"#;
    let pieces = fs::read(golden("sentencepiece.unigram.model")).unwrap();
    let said = |name: &str, content: &[u8], value: &str| {
        let settings = format!(r#"{{"clean_up_tokenization_spaces": {value}}}"#);
        let notes = opened(&[(name, content), ("tokenizer_config.json", settings.as_bytes())]).notes;
        let of_spaces = |note: &String| note.contains("clean_up_tokenization_spaces = true is not followed");
        notes.into_iter().filter(of_spaces).collect::<Vec<String>>()
    };
    let notes = |name: &str, content: &[u8], value: &str| said(name, content, value).len();
    for (value, n) in [("true", 1), ("false", 0), ("null", 0)] {
        assert_eq!(notes("vocab.txt", WORDS.as_bytes(), value), n);
        assert_eq!(notes("spiece.model", &pieces, value), n);
    }
    assert_eq!(notes("tokenizer.json", bpe, "true"), 0, "as in transformers 5");

    // WordPiece's decoder takes them away but for those of the rule " ' " of transformers, which is of several tokens.
    let words = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nit\n'\ns\n.\n,\n";
    let tokenizer = opened(&[("vocab.txt", words.as_bytes())]).tokenizer;
    assert_eq!(tokenizer.decode(&tokenizer.encode("it, it's .")).unwrap(), "it, it ' s.");
    let of_wordpiece = said("vocab.txt", words.as_bytes(), "true");
    assert!(of_wordpiece[0].contains("transformers also writes \"it's\" for \"it ' s\" in"), "{of_wordpiece:?}");
    assert!(said("spiece.model", &pieces, "true")[0].contains("before marks and contractions"));
}

#[test]
fn settings_that_change_ids_and_are_not_followed_are_refused() {
    let vocab = ("vocab.txt", WORDS.as_bytes());
    refused(&[vocab, ("tokenizer_config.json", br#"{"do_basic_tokenize": false}"#)], "do_basic_tokenize = false");
    refused(&[vocab, ("tokenizer_config.json", br#"{"never_split": ["x"]}"#)], "never_split");
    // What is neither true nor false, transformers takes for one of them.
    let text = br#"{"do_lower_case": "false"}"#;
    refused(&[vocab, ("tokenizer_config.json", text)], "do_lower_case = \"false\", which is not true or false");
    for (settings, said) in [
        (&br#"{"mask_token": 5}"#[..], "mask_token = 5, which is not a token"),
        (br#"{"additional_special_tokens": ["<a>", null]}"#, "which is not a list of tokens"),
        (br#"{"extra_special_tokens": "<n>"}"#, "which is not a list of tokens"),
        (br#"{"tokenizer_class": 5}"#, "which is not a name"),
        (br#"{"model_max_length": "512"}"#, "which is not a number of tokens"),
    ] {
        refused(&[vocab, ("tokenizer_config.json", settings)], said);
    }
    let text = br#"{"extra_ids": -1}"#;
    refused(&[vocab, ("tokenizer_config.json", text)], "extra_ids = -1, which is not a number of tokens");
    let class = br#"{"tokenizer_class": "BertJapaneseTokenizer"}"#;
    refused(&[vocab, ("tokenizer_config.json", class)], "BertJapaneseTokenizer");
    refused(&[("config.json", br#"{"model_type": "bert"}"#)], "there is no vocab.txt");
    let ids = br#"{"[NEW]": 99}"#;
    refused(&[vocab, ("added_tokens.json", ids)], "\"[NEW]\" has the id 99 in the settings, and 12");
}

#[test]
fn additional_tokens_are_those_that_the_class_takes() {
    let model = fs::read(golden("sentencepiece.unigram.model")).unwrap();
    let of = |files: &[(&str, Value)]| {
        let texts: Vec<(&str, Vec<u8>)> =
            files.iter().map(|(name, value)| (*name, value.to_string().into_bytes())).collect();
        let files: Vec<(&str, &[u8])> = texts.iter().map(|(name, text)| (*name, &text[..])).collect();
        opened(&[&[("sentencepiece.bpe.model", &model[..])], &files[..]].concat())
    };
    let class = json!({"tokenizer_class": "XLMRobertaTokenizer"});
    let n = of(&[("tokenizer_config.json", class.clone())]).tokenizer.vocab_size();
    // A map beside a SentencePiece model is not read for them.
    let map = json!({"additional_special_tokens": ["<new>"]});
    let found = of(&[("tokenizer_config.json", class.clone()), ("special_tokens_map.json", map)]);
    assert_eq!(found.tokenizer.vocab_size(), n);
    assert!(found.notes.iter().any(|note| note.starts_with("special_tokens_map.json: ")), "{:?}", found.notes);
    // An object is special where it says so.
    for special in [None, Some(true)] {
        let mut token = json!({"__type": "AddedToken", "content": "<new>", "normalized": false});
        special.into_iter().for_each(|special: bool| token["special"] = json!(special));
        let mut config = class.clone();
        config["additional_special_tokens"] = json!([token]);
        let tokenizer = of(&[("tokenizer_config.json", config)]).tokenizer;
        assert_eq!(tokenizer.decode(&[n as u32]).unwrap(), if special.is_some() { "" } else { "<new>" });
        assert_eq!(tokenizer.encode("a<new>").contains(&(n as u32)), special.is_none());
    }
}

#[test]
fn sentencepiece_models_whose_ids_depend_on_a_class_are_refused_without_it() {
    let model = fs::read(golden("sentencepiece.unigram.model")).unwrap();
    refused(&[("sentencepiece.bpe.model", &model)], "tokenizer_class");
    refused(&[("spiece.model", &model), ("vocab.json", b"{}")], "vocab.json");
    refused(&[("a.model", &model), ("b.model", &model)], "a.model, b.model");
    let class = br#"{"tokenizer_class": "NllbTokenizer"}"#;
    refused(&[("sentencepiece.bpe.model", &model), ("tokenizer_config.json", class)], "NllbTokenizer");
    let found = opened(&[("spiece.model", &model)]);
    assert!(found.notes[0].contains("nothing says the class"), "{:?}", found.notes);
    refused(&[("source.spm", &model), ("vocab.json", b"{}")], "target.spm");
}

#[test]
fn vocabularies_with_word_ends_are_not_taken_for_gpt_2_s() {
    let (vocab, merges) = (br#"{"a": 0, "b</w>": 1, "ab</w>": 2}"#, b"#version: 0.2\na b</w>\n");
    refused(&[("vocab.json", vocab), ("merges.txt", merges)], "CLIP");
    let config = br#"{"tokenizer_class": "GPT2Tokenizer"}"#;
    refused(&[("vocab.json", vocab), ("merges.txt", merges), ("tokenizer_config.json", config)], "</w>");
    refused(&[("vocab.json", vocab), ("config.json", br#"{"model_type": "gpt2"}"#)], "merges.txt");
}

#[test]
fn what_stands_in_a_file_s_place_is_named_and_told_from_damage() {
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 798\n".as_bytes();
    let page = b"<!DOCTYPE html>\n<html><body>Not Found</body></html>";
    for (name, content, named) in [
        ("vocab.txt", pointer, "git lfs pull"),
        ("tokenizer.json", pointer, "git lfs pull"),
        ("spiece.model", page, "web page"),
        ("cl100k_base.tiktoken", b"IQ== 0\nIg== 1\n", "tiktoken"),
        ("m.vocab", "<unk>\t0\n\u{2581}the\t-3.2\n".as_bytes(), ".model file"),
        // What `learn_bpe` of OpenNMT's Tokenizer writes.
        (
            "bpe.model",
            "v3;false;false;false;\u{ffed}\nt h\nth e</w>\n".as_bytes(),
            "BPE model of the OpenNMT Tokenizer",
        ),
        ("codes.bpe", "v3;true;false;true;\u{ffed}\n<w> t\n<w>t h\n".as_bytes(), "learn the merges with subword-nmt"),
    ] {
        refused(&[(name, content)], named);
        let folder = folder(&[(name, content)]);
        let error = open(&folder.path().join(name)).err().unwrap();
        assert!(matches!(error, TokenizerError::Format { .. }) && error.to_string().contains(named), "{error}");
    }
}

#[test]
fn causes_are_told_once() {
    let error = open(Path::new("none/vocab.txt")).err().unwrap();
    let cause = error.source().unwrap().to_string();
    assert!(!error.to_string().contains(&cause), "{error}");
    let folder = folder(&[("tokenizer.json", b"{\"model\": ")]);
    let error = open(folder.path()).err().unwrap();
    assert!(error.source().unwrap().to_string().contains("EOF"), "{error}");
    assert!(error.to_string().contains("damaged"), "{error}");
}

#[test]
fn ranks_of_tiktoken_that_are_called_as_a_model_are_named() {
    let ranks: &[u8] = b"IQ== 0\nIg== 1\nIyM= 2\n";
    let folder = folder(&[("tokenizer.model", ranks), ("config.json", br#"{"model_type": "llama"}"#)]);
    let error = open(folder.path()).err().unwrap().to_string();
    assert!(error.contains("tokenizer.model") && error.contains("a list of tiktoken's ranks"), "{error}");
}

#[test]
fn a_tokenizer_json_that_their_library_panics_at_is_an_error_that_names_it() {
    let json = br#"{"version": "1.0", "added_tokens": [], "pre_tokenizer": null, "post_processor": null,
        "decoder": null, "normalizer": {"type": "Precompiled", "precompiled_charsmap": "AAAA"},
        "model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}}"#;
    let folder = folder(&[("tokenizer.json", json)]);
    let error = open(folder.path()).err().unwrap();
    assert!(matches!(error, TokenizerError::Library { .. }), "{error}");
    assert!(error.to_string().contains("tokenizer.json"), "{error}");
}

#[test]
fn sources_may_have_a_vocabulary_of_their_own() {
    let model = fs::read(golden("sentencepiece.unigram.model")).unwrap();
    let of_targets = br#"{"</s>": 0, "<unk>": 1, "the": 2, "<pad>": 3}"#;
    let of_sources = br#"{"</s>": 0, "<unk>": 1, "a": 2, "b": 3, "<pad>": 4}"#;
    let config = br#"{"tokenizer_class": "MarianTokenizer", "separate_vocabs": true}"#;
    let Opened { tokenizer, frame, .. } = opened(&[
        ("source.spm", &model),
        ("target.spm", &model),
        ("vocab.json", of_sources),
        ("target_vocab.json", of_targets),
        ("tokenizer_config.json", config),
    ]);
    assert_eq!((tokenizer.source_vocab_size(), tokenizer.vocab_size()), (5, 4));
    assert_eq!((tokenizer.specials().bos, tokenizer.specials().pad), (Some(3), Some(3)));
    assert_eq!(frame.unwrap().after, [0]);
    assert!(tokenizer.encode("a b").iter().all(|&id| (id as usize) < tokenizer.source_vocab_size()));
    let alone = attentive_tokenizer::Bytes::default();
    assert_eq!(alone.source_vocab_size(), alone.vocab_size());
}

#[test]
fn bytes_of_cut_characters_are_told_one_by_one() {
    let path = golden("sentencepiece.unigram_bytes.model");
    let (model, pieces) = (fs::read(&path).unwrap(), SentencePiece::from_model(&path).unwrap());
    let n = pieces.vocab_size() as u32;
    let name = |id: u32| pieces.token(id).unwrap().into_owned();
    let vocab: Map<String, Value> =
        (0..n).map(|id| (name(id), json!(id))).chain([("<pad>".to_owned(), json!(n))]).collect();
    let vocab = Value::from(vocab).to_string().into_bytes();
    let class = br#"{"tokenizer_class": "MarianTokenizer"}"#;
    let files = [("source.spm", &model[..]), ("target.spm", &model), ("vocab.json", &vocab)];
    let tokenizer = opened(&[&files[..], &[("tokenizer_config.json", class)]].concat()).tokenizer;
    let ids: Vec<u32> =
        ["<0x20>", "<0xE4>", "<0xB8>", "<0x20>"].map(|piece| (0..n).find(|&id| name(id) == piece).unwrap()).to_vec();
    assert_eq!(tokenizer.decode(&ids).unwrap(), "\u{fffd}\u{fffd}");
}

#[test]
fn the_two_files_of_gpt_2_belong_together() {
    let vocab = text("byte_level.vocab.json");
    let folder = folder(&[("vocab.json", vocab.as_bytes())]);
    let error = open(&folder.path().join("vocab.json")).err().unwrap();
    assert!(error.to_string().contains("no merges.txt beside it"), "{error}");
}

#[test]
fn added_tokens_may_be_many() {
    const N: usize = 20_000;
    let token = |id: usize, lstrip: bool| {
        json!({"id": id, "content": format!("<x{id}>"), "special": false, "single_word": false, "lstrip": lstrip,
               "rstrip": false, "normalized": false})
    };
    let bytes = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true});
    let listed: Vec<Value> = (1..=N).map(|id| token(id, false)).collect();
    let file = json!({"version": "1.0", "added_tokens": listed, "pre_tokenizer": bytes, "decoder": bytes,
                      "model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}});
    // The settings have the last word, and one token more.
    let decoder: Map<String, Value> = (1..=N + 1).map(|id| (id.to_string(), token(id, id == 7))).collect();
    let config = json!({"tokenizer_class": "PreTrainedTokenizerFast", "added_tokens_decoder": decoder});
    let [file, config] = [file, config].map(|value| value.to_string().into_bytes());
    let found = opened(&[("tokenizer.json", &file), ("tokenizer_config.json", &config)]);
    let added = found.tokenizer.added_tokens();
    assert_eq!((added.len(), added.iter().find(|token| token.lstrip).map(|token| token.id)), (N + 1, Some(7)));
    assert_eq!(found.tokenizer.encode(&format!("a <x7>a<x{}>", N + 1)), [0, 7, 0, N as u32 + 1]);
}

#[test]
fn an_added_letter_that_stands_for_a_byte_is_that_byte_in_other_texts() {
    let bytes = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true});
    // The bytes of 中 are ä, ¸ and Ń.
    let added = json!({"id": 0, "content": "ä", "single_word": false, "lstrip": false, "rstrip": false, "normalized": true,
        "special": false});
    let file = json!({"version": "1.0", "added_tokens": [added], "pre_tokenizer": bytes, "decoder": bytes,
                      "model": {"type": "BPE", "vocab": {"ä": 0, "¸": 1, "Ń": 2, "a": 3}, "merges": []}});
    let tokenizer = opened(&[("tokenizer.json", file.to_string().as_bytes())]).tokenizer;
    assert_eq!(tokenizer.encode("a中ä"), [3, 0, 1, 2, 0]);
    assert_eq!(tokenizer.decode(&[3, 0, 1, 2]).unwrap(), "a中");
}

#[test]
fn a_line_that_is_not_a_merge_is_named_with_its_file() {
    let folder = folder(&[
        ("vocab.json", br#"{"a": 0, "b": 1, "ab": 2}"#),
        ("merges.txt", b"#version: 0.2\na b b\n"),
        ("tokenizer_config.json", br#"{"tokenizer_class": "Qwen2Tokenizer"}"#),
    ]);
    let error = open(folder.path()).err().unwrap().to_string();
    assert!(error.contains("merges.txt") && error.contains("line 2"), "{error}");
}

#[test]
fn models_whose_class_is_not_known_are_refused_without_a_tokenizer_json() {
    let model = fs::read(golden("sentencepiece.unigram.model")).unwrap();
    let (vocab, merges) = (text("byte_level.vocab.json"), text("byte_level.merges.txt"));
    let byte_level = [("vocab.json", vocab.as_bytes()), ("merges.txt", merges.as_bytes())];
    for kind in ["big_bird", "rembert", "blenderbot", "deberta", "roformer", "funnel"] {
        let config = format!(r#"{{"model_type": "{kind}"}}"#);
        let config = ("config.json", config.as_bytes());
        refused(&[config, ("spiece.model", &model)], "tokenizer.json alone");
        refused(&[config, byte_level[0], byte_level[1]], "tokenizer.json alone");
        refused(&[config, ("vocab.txt", WORDS.as_bytes())], "tokenizer.json alone");
    }
    let words = folder(&[("config.json", br#"{"model_type": "albert"}"#), ("vocab.txt", WORDS.as_bytes())]);
    let opened = OpenOptions::default().lowercase(Some(false)).open(words.path()).unwrap();
    assert!(opened.notes[0].contains("the words of vocab.txt are read as BERT's"), "{:?}", opened.notes);
    let config = br#"{"tokenizer_class": "ByT5Tokenizer", "extra_ids": 5}"#;
    refused(&[("tokenizer_config.json", config)], "extra_ids is 5");
    let model = fs::read(golden("sentencepiece.bpe.model")).unwrap();
    refused(&[("spiece.model", &model), ("config.json", br#"{"model_type": "t5"}"#)], "BPE model");
}

#[test]
fn a_tokenizer_json_that_its_class_does_not_follow_is_noted() {
    let json = br#"{"version": "1.0", "added_tokens": [], "post_processor": null, "normalizer": null,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": true},
            {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true}]},
        "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
        "model": {"type": "BPE", "vocab": {"1": 0, "2": 1, "12": 2}, "merges": [["1", "2"]]}}"#;
    let class = br#"{"tokenizer_class": "GPT2Tokenizer"}"#;
    let found = opened(&[("tokenizer.json", json), ("tokenizer_config.json", class)]);
    assert_eq!(found.tokenizer.encode("12"), [0, 1]);
    assert!(
        found.notes.iter().any(|note| note.contains("pre_tokenizer is not that of GPT2Tokenizer")),
        "{:?}",
        found.notes
    );
    let lowercase = br#"{"tokenizer_class": "AlbertTokenizer", "do_lower_case": true}"#;
    let found = opened(&[("tokenizer.json", json), ("tokenizer_config.json", lowercase)]);
    assert!(
        found.notes.iter().any(|note| note.contains("normalizer is not that of AlbertTokenizer")),
        "{:?}",
        found.notes
    );
    let roberta = br#"{"tokenizer_class": "RobertaTokenizer", "cls_token": "1", "sep_token": "12"}"#;
    let frame = opened(&[("tokenizer.json", json), ("tokenizer_config.json", roberta)]).frame.unwrap();
    assert_eq!((frame.before, frame.after, frame.between), (vec![0], vec![2], Some(vec![2, 2])));
    let class = br#"{"tokenizer_class": "PreTrainedTokenizerFast"}"#;
    assert_eq!(opened(&[("tokenizer.json", json), ("tokenizer_config.json", class)]).notes, <[String; 0]>::default());
}

#[test]
fn the_space_before_a_text_is_as_the_settings_say_or_noted() {
    let bytes =
        |flag: bool| json!({"type": "ByteLevel", "add_prefix_space": flag, "trim_offsets": true, "use_regex": true});
    let whole = json!({"type": "Split", "pattern": {"Regex": "\\S+"}, "behavior": "Isolated", "invert": false});
    let split = json!({"type": "Sequence", "pretokenizers": [whole, bytes(false)]});
    let pieces = |key: &str, value: Value| json!({"type": "Metaspace", "replacement": "\u{2581}", key: value});
    let words = |pieces: Value| json!({"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, pieces]});
    let (always, never) = (pieces("prepend_scheme", json!("always")), pieces("prepend_scheme", json!("never")));
    let old = pieces("add_prefix_space", json!(true));
    let of_class = "pre_tokenizer is not that of";
    let noted = "add_prefix_space = ";
    for (class, pre_tokenizer, flag, expected) in [
        ("GPT2Tokenizer", bytes(false), json!(true), "true of tokenizer_config.json is followed"),
        ("PreTrainedTokenizerFast", bytes(false), json!(true), noted),
        ("PreTrainedTokenizerFast", bytes(true), json!(true), ""),
        ("Qwen2Tokenizer", split.clone(), json!(true), of_class),
        ("Qwen2Tokenizer", split, json!(false), ""),
        ("XLMRobertaTokenizer", words(always.clone()), json!(false), of_class),
        ("XLMRobertaTokenizer", words(always.clone()), Value::Null, ""),
        ("XLMRobertaTokenizer", words(old.clone()), json!(true), ""),
        ("CamembertTokenizer", words(never), Value::Null, of_class),
        ("RemBertTokenizer", always, json!(false), noted),
        ("BigBirdTokenizer", old, json!(false), noted),
    ] {
        let json = json!({"version": "1.0", "added_tokens": [], "normalizer": {"type": "NFC"}, "post_processor": null,
            "pre_tokenizer": pre_tokenizer, "decoder": null, "model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}});
        let config = json!({"tokenizer_class": class, "add_prefix_space": flag});
        let [json, config] = [json, config].map(|value| value.to_string().into_bytes());
        let notes = opened(&[("tokenizer.json", &json), ("tokenizer_config.json", &config)]).notes;
        let of_space = notes.iter().filter(|note| note.contains(noted) || note.contains(of_class)).collect::<Vec<_>>();
        assert_eq!(of_space.len(), usize::from(!expected.is_empty()), "{class}: {notes:?}");
        assert!(of_space.iter().all(|note| note.contains(expected)), "{class}: {notes:?}");
    }
}

#[test]
fn t5_s_pieces_are_written_as_a_model_again() {
    let proto = fs::read(golden("sentencepiece.unigram.model")).unwrap();
    let folder = folder(&[("spiece.model", &proto), ("config.json", br#"{"model_type": "xlm-roberta"}"#)]);
    fs::rename(folder.path().join("spiece.model"), folder.path().join("sentencepiece.bpe.model")).unwrap();
    let tokenizer = open(folder.path()).unwrap();
    let [model, _] = tokenizer.to_model().unwrap().sentencepiece_models().unwrap();
    let path = folder.path().join("again.model");
    fs::write(&path, model).unwrap();
    let again = SentencePiece::from_model(&path).unwrap();
    assert_eq!(again.vocab_size(), tokenizer.vocab_size());
    for text in ["The animal didn't cross the street.", "ﬁne, Ⅻ and wider", "müde Straße"] {
        assert_eq!(again.encode(text), tokenizer.encode(text));
    }
}
