//! Equality with the original tokenizers on the texts of `tests/golden/texts.py`.

use std::path::PathBuf;

use attentive_testkit::{Area, Comparison, Golden};
use attentive_tokenizer::{
    Bpe, BpeTrainer, ByteLevelBpe, ByteLevelBpeTrainer, Bytes, CodePoints, PreTokenization, SentencePiece, Tokenizer,
    WordPiece,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

type Ids = Vec<u32>;

fn golden() -> Golden {
    Golden::of(env!("CARGO_MANIFEST_DIR"))
}

fn path(name: &str) -> PathBuf {
    golden().path(name)
}

/// A comparison with a package of requirements.txt.
fn comparison(what: &str, system: &str, package: &str) -> Comparison {
    Comparison::new(Area::Tokenizers, what, format!("{system} {}", golden().version(package)), 0.0)
}

fn text(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap()
}

fn json<T: DeserializeOwned>(name: &str) -> T {
    serde_json::from_str(&text(name)).unwrap()
}

fn field<T: DeserializeOwned>(value: &Value, name: &str) -> T {
    T::deserialize(&value[name]).unwrap()
}

fn cases() -> Vec<String> {
    json("cases.json")
}

#[track_caller]
fn assert_ids(comparison: &mut Comparison, tokenizer: &dyn Tokenizer, expected: &[Ids]) {
    assert_eq!(cases().len(), expected.len());
    for (text, expected) in cases().iter().zip(expected) {
        comparison.equal(format!("ids of {text:?}"), &tokenizer.encode(text), expected);
    }
}

#[track_caller]
fn assert_decoded(comparison: &mut Comparison, tokenizer: &dyn Tokenizer, ids: &[Ids], expected: &[String]) {
    for (ids, expected) in ids.iter().zip(expected) {
        comparison.equal(format!("text of {ids:?}"), &tokenizer.decode(ids).unwrap(), expected);
    }
}

#[test]
fn codes_equal_those_of_subword_nmt() {
    let corpus = text("corpus.txt");
    let bpe = BpeTrainer::with_merges(400).pre_tokenization(PreTokenization::Spaces).train(corpus.lines()).unwrap();
    let mut comparison = comparison("BPE codes learnt", "subword-nmt", "subword-nmt");
    let (codes, expected) = (bpe.to_codes(), text("subword_nmt.codes"));
    for (code, expected) in codes.lines().zip(expected.lines()) {
        comparison.equal(expected, &code, &expected);
    }
    comparison.report();
    assert_eq!(codes, expected);
}

/// Text in the form in which subword-nmt writes it.
fn segmented(bpe: &Bpe, line: &str) -> String {
    let tokens = bpe.encode(line).into_iter().map(|id| match bpe.token(id).unwrap().strip_suffix("</w>") {
        Some(end) => end.to_owned(),
        None => format!("{}@@", bpe.token(id).unwrap()),
    });
    tokens.collect::<Vec<_>>().join(" ") + "\n"
}

#[test]
fn segmentation_equals_that_of_subword_nmt() {
    let (corpus, expected) = (text("corpus.txt"), text("subword_nmt.segmented"));
    let read = Bpe::from_codes(&path("subword_nmt.codes"), corpus.lines()).unwrap();
    let trained = BpeTrainer::with_merges(400).pre_tokenization(PreTokenization::Spaces).train(corpus.lines()).unwrap();
    let mut comparison = comparison("BPE segmentation", "subword-nmt", "subword-nmt");
    for bpe in [read, trained] {
        for (line, expected) in corpus.lines().zip(expected.split_inclusive('\n')) {
            comparison.equal(line, &segmented(&bpe, line), &expected);
        }
    }
    comparison.report();
}

fn byte_level() -> ByteLevelBpe {
    ByteLevelBpe::from_files(&path("byte_level.vocab.json"), &path("byte_level.merges.txt")).unwrap()
}

#[test]
fn byte_level_ids_equal_those_of_tiktoken() {
    let mut comparison = comparison("byte-level BPE", "tiktoken", "tiktoken");
    assert_ids(&mut comparison, &byte_level(), &json::<Vec<Ids>>("byte_level.ids.json"));
    comparison.report();
}

#[test]
fn byte_level_training_equals_that_of_hugging_face() {
    let trained = ByteLevelBpeTrainer::with_vocab_size(700).train(text("corpus.txt").lines()).unwrap();
    let expected = byte_level();
    assert_eq!(trained.vocab_size(), expected.vocab_size());
    let mut comparison = comparison("byte-level BPE learnt", "Hugging Face tokenizers", "tokenizers");
    for id in 0..expected.vocab_size() as u32 {
        comparison.equal(id, &trained.token(id), &expected.token(id));
    }
    comparison.report();
    assert_eq!(trained.specials(), expected.specials());
    let mut comparison = self::comparison("byte-level BPE learnt, ids", "tiktoken", "tiktoken");
    assert_ids(&mut comparison, &trained, &json::<Vec<Ids>>("byte_level.ids.json"));
    comparison.report();
}

#[test]
fn wordpiece_equals_hugging_face_s_bert_tokenizer() {
    let golden: Value = json("wordpiece.json");
    let mut comparison = comparison("WordPiece, pairs too", "Hugging Face transformers", "transformers");
    for (name, lowercase) in [("uncased", true), ("cased", false)] {
        let tokenizer = WordPiece::from_vocab(&path("wordpiece.vocab.txt"), lowercase).unwrap();
        let ids: Vec<Ids> = field(&golden, name);
        assert_ids(&mut comparison, &tokenizer, &ids);
        assert_decoded(&mut comparison, &tokenizer, &ids, &field::<Vec<String>>(&golden, &format!("{name}_decoded")));
        let pairs: Vec<(Ids, Vec<u8>)> = field(&golden, &format!("{name}_pairs"));
        let texts = cases();
        for ((first, second), (ids, segment_ids)) in texts.iter().zip(&texts[1..]).zip(pairs) {
            let segments = tokenizer.with_segments(first, Some(second));
            let actual = (segments.ids, segments.segment_ids);
            comparison.equal(format!("{first:?} {second:?}"), &actual, &(ids, segment_ids));
        }
    }
    comparison.report();
}

/// The library's ids and text for all cases, and its text for ids that no text gives.
fn check_sentencepiece(comparison: &mut Comparison, golden: &str, variant: &str) {
    let golden: Value = json(golden);
    let tokenizer = SentencePiece::from_model(&path(&format!("sentencepiece.{variant}.model"))).unwrap();
    let ids: Vec<Ids> = field(&golden, variant);
    assert_ids(comparison, &tokenizer, &ids);
    assert_decoded(comparison, &tokenizer, &ids, &field::<Vec<String>>(&golden, &format!("{variant}_decoded")));
    let scrambled: Vec<(Ids, String)> = field(&golden, &format!("{variant}_scrambled"));
    let (ids, texts): (Vec<_>, Vec<_>) = scrambled.into_iter().unzip();
    assert_decoded(comparison, &tokenizer, &ids, &texts);

    // What is written as a model file is read as an equal one.
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy.model");
    std::fs::write(&copy, tokenizer.to_model_bytes()).unwrap();
    assert_eq!(SentencePiece::from_model(&copy).unwrap().to_model_bytes(), tokenizer.to_model_bytes());
}

#[test]
fn unigram_models_equal_the_sentencepiece_library() {
    let mut comparison = comparison("SentencePiece Unigram", "sentencepiece", "sentencepiece");
    for variant in ["unigram", "unigram_bytes", "unigram_suffix"] {
        check_sentencepiece(&mut comparison, "sentencepiece.unigram.json", variant);
    }
    comparison.report();
}

/// Unknown text as itself, or as bytes.
#[test]
fn pieces_equal_those_of_the_sentencepiece_library() {
    let golden: Value = json("sentencepiece.pieces.json");
    for variant in ["unigram", "bpe_bytes"] {
        let tokenizer = SentencePiece::from_model(&path(&format!("sentencepiece.{variant}.model"))).unwrap();
        let expected: Vec<Vec<String>> = field(&golden, variant);
        for (text, expected) in cases().iter().zip(expected) {
            assert_eq!(tokenizer.pieces(text), expected, "{variant}: {text:?}");
        }
    }
}

#[test]
fn bpe_models_equal_the_sentencepiece_library() {
    let mut comparison = comparison("SentencePiece BPE", "sentencepiece", "sentencepiece");
    for variant in ["bpe", "bpe_bytes", "bpe_no_prefix"] {
        check_sentencepiece(&mut comparison, "sentencepiece.bpe.json", variant);
    }
    comparison.report();
}

#[test]
fn bytes_equal_hugging_face_s_byt5_tokenizer() {
    let golden: Value = json("plain.json");
    let bytes = Bytes::default();
    let mut comparison = comparison("ByT5 bytes", "Hugging Face transformers", "transformers");
    assert_ids(&mut comparison, &bytes, &field::<Vec<Ids>>(&golden, "byt5"));
    comparison.report();
    assert_eq!(bytes.vocab_size(), field::<usize>(&golden, "byt5_vocab_size"));
    let sentinels: Ids = (0..125).map(|index| bytes.extra_id(index).unwrap()).collect();
    assert_eq!(sentinels, field::<Ids>(&golden, "byt5_sentinels"));
    assert_eq!(bytes.extra_id(125), None);
}

#[test]
fn code_points_equal_hugging_face_s_canine_tokenizer() {
    let golden: Value = json("plain.json");
    let code_points = CodePoints::default();
    let mut comparison = comparison("CANINE code points", "Hugging Face transformers", "transformers");
    assert_ids(&mut comparison, &code_points, &field::<Vec<Ids>>(&golden, "canine"));
    comparison.report();
    assert_eq!(code_points.vocab_size(), field::<usize>(&golden, "canine_vocab_size"));
    let specials = code_points.specials();
    let specials: Ids = [specials.pad, specials.cls, specials.sep, specials.mask].into_iter().flatten().collect();
    assert_eq!(specials, field::<Ids>(&golden, "canine_specials"));
}
