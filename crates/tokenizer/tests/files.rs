//! Files: what is saved is loaded equal, and what is damaged is an error that names it.

use std::fs;
use std::path::{Path, PathBuf};

use attentive_tokenizer::{
    Bpe, BpeTrainer, ByteLevelBpe, ByteLevelBpeTrainer, Bytes, Characters, CodePoints, SentencePiece, Tokenizer,
    TokenizerError, UnigramTrainer, WordPiece, WordPieceTrainer, load, save,
};

const LINES: [&str; 3] = ["to be, or  not to be: that is the question", "ö \"ö\"\t— ö", "too tired, too wide"];
const TEXT: &str = "Not \"to\" be,\tthat is  öffentlich ☃";

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn model(name: &str) -> SentencePiece {
    SentencePiece::from_model(&golden(name)).unwrap()
}

fn every_kind() -> Vec<Box<dyn Tokenizer>> {
    vec![
        Box::new(BpeTrainer::with_merges(50).train(LINES).unwrap()),
        Box::new(ByteLevelBpeTrainer::with_vocab_size(280).train(LINES).unwrap()),
        Box::new(WordPieceTrainer::with_vocab_size(80).lowercase(false).train(LINES).unwrap()),
        Box::new(UnigramTrainer::with_vocab_size(300).train(LINES).unwrap()),
        Box::new(model("sentencepiece.unigram.model")),
        Box::new(model("sentencepiece.bpe_bytes.model")),
        Box::new(Bytes::default()),
        Box::new(CodePoints::default()),
        Box::new(Characters::train(LINES)),
        Box::new(Characters::train(LINES).framed()),
    ]
}

#[test]
fn a_saved_tokenizer_of_any_kind_is_loaded_equal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    for tokenizer in every_kind() {
        save(&*tokenizer, &path).unwrap();
        let json = fs::read_to_string(&path).unwrap();
        let loaded = load(&path).unwrap();
        assert_eq!(loaded.encode(TEXT), tokenizer.encode(TEXT));
        assert_eq!(loaded.decode(&loaded.encode(TEXT)).unwrap(), tokenizer.decode(&tokenizer.encode(TEXT)).unwrap());
        assert_eq!(loaded.specials(), tokenizer.specials());
        assert_eq!(loaded.vocab_size(), tokenizer.vocab_size());
        save(&*loaded, &path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), json);
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left in the folder");
}

#[test]
fn a_tokenizer_json_cut_anywhere_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    for tokenizer in every_kind() {
        save(&*tokenizer, &path).unwrap();
        let json = fs::read(&path).unwrap();
        let end = json.len() - 3; // without the last brace
        for len in (0..end).step_by(end / 40 + 1).chain([end]) {
            fs::write(&path, &json[..len]).unwrap();
            let error = load(&path).map(|_| ()).unwrap_err();
            assert!(!matches!(error, TokenizerError::Version { .. }), "{error}");
            assert!(error.to_string().contains("tokenizer.json"), "{error}");
        }
    }
}

#[test]
fn contradictions_in_tokenizer_json_are_errors_that_name_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    assert!(matches!(load(&path).map(|_| ()).unwrap_err(), TokenizerError::Io { .. }));

    save(&BpeTrainer::with_merges(5).train(["abc abc"]).unwrap(), &path).unwrap();
    let json = fs::read_to_string(&path).unwrap();
    let after = |from: &str, to: &str| {
        assert!(json.contains(from));
        fs::write(&path, json.replacen(from, to, 1)).unwrap();
        load(&path).map(|_| ()).unwrap_err()
    };
    assert!(matches!(after("\"version\": 1", "\"version\": 9"), TokenizerError::Version { found: 9, .. }));
    assert!(matches!(after("\"bpe\"", "\"ngram\""), TokenizerError::Json { .. }));
    for (from, to, named) in [
        ("attentive-tokenizer", "other", "other"),
        ("\"<pad>\"", "\"<pod>\"", "<pod>"),
        ("\"abc</w>\"", "\"a\"", "\"a\""),
        ("\"abc</w>\"", "\"x\"", "merges[1]"),
    ] {
        let error = after(from, to);
        assert!(matches!(error, TokenizerError::Invalid { .. }), "{from}: {error}");
        assert!(error.to_string().contains(named), "{error}");
    }
}

#[test]
fn a_tokenizer_without_a_file_says_so() {
    struct Lengths;
    impl Tokenizer for Lengths {
        fn encode(&self, text: &str) -> Vec<u32> {
            vec![text.len() as u32]
        }
        fn encode_with_offsets(&self, text: &str) -> Vec<(u32, std::ops::Range<usize>)> {
            vec![(text.len() as u32, 0..text.len())]
        }
        fn decode_bytes(&self, _: &[u32]) -> Result<Vec<u8>, attentive_tokenizer::UnknownId> {
            Ok(Vec::new())
        }
        fn vocab_size(&self) -> usize {
            usize::MAX
        }
        fn specials(&self) -> &attentive_tokenizer::Specials {
            const {
                &attentive_tokenizer::Specials {
                    pad: None,
                    bos: None,
                    eos: None,
                    unk: None,
                    mask: None,
                    cls: None,
                    sep: None,
                }
            }
        }
        fn token(&self, _: u32) -> Option<std::borrow::Cow<'_, str>> {
            None
        }
    }
    let error = save(&Lengths, Path::new("lengths.json")).unwrap_err();
    assert!(matches!(error, TokenizerError::NoFile { .. }));
}

#[test]
fn a_model_file_damaged_anywhere_is_an_error_or_a_model_but_no_panic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged.model");
    for name in ["sentencepiece.unigram.model", "sentencepiece.bpe_bytes.model"] {
        let bytes = fs::read(golden(name)).unwrap();
        for at in (0..bytes.len()).step_by(bytes.len() / 100) {
            fs::write(&path, &bytes[..at]).unwrap();
            let _ = SentencePiece::from_model(&path).map(|model| model.encode(TEXT));
            let mut flipped = bytes.clone();
            flipped[at] ^= 0x55;
            fs::write(&path, &flipped).unwrap();
            if let Ok(model) = SentencePiece::from_model(&path) {
                let ids = model.encode(TEXT);
                model.decode(&ids).unwrap();
            }
        }
    }
}

#[test]
fn damaged_vocabularies_are_errors_that_name_file_and_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let error = |result: Result<(), TokenizerError>, named: &str| {
        let error = result.unwrap_err();
        assert!(error.to_string().contains(named), "{error}");
    };
    let none: [&str; 0] = [];
    let codes = |text: &str| Bpe::from_codes(&file("codes", text), none).map(|_| ());
    assert!(codes("t h\n").is_ok(), "the first version of the format has no first line");
    error(codes("th\n"), "line 1");
    error(codes("#version: 0.2\nt h\nth e e</w>\n"), "line 3");
    error(codes("#version: 0.2\n< s\n<s >\n"), "line 3");
    error(codes(""), "line 1");
    // That file is whole.
    assert!(matches!(codes("#version: 0.2\n< s\n<s >\n"), Err(TokenizerError::Unsupported { .. })));

    let vocab = |text: &str| WordPiece::from_vocab(&file("vocab.txt", text), true).map(|_| ());
    error(vocab("[PAD]\n[UNK]\n[CLS]\n"), "[SEP]");

    let (json, merges) = (golden("byte_level.vocab.json"), golden("byte_level.merges.txt"));
    let byte_level = |vocab: &Path, merges: &Path| ByteLevelBpe::from_files(vocab, merges).map(|_| ());
    error(byte_level(&file("encoder.json", "{\"a\":0,"), &merges), "encoder.json");
    error(byte_level(&file("encoder.json", "{\"a\":0,\"b\":2}"), &merges), "where 1 should come");
    error(byte_level(&json, &file("vocab.bpe", "#version: 0.2\na b\nabc\n")), "line 3");
    let other = byte_level(&file("encoder.json", "{\"\u{ff5c}\":0}"), &file("vocab.bpe", "#version: 0.2\n"));
    assert!(matches!(other, Err(TokenizerError::Unsupported { .. })), "{other:?}");
    error(byte_level(&json, &file("vocab.bpe", "q q\nqq q\n")), "merges[0]");
}
