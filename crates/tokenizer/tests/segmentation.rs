//! Equality with sentencepiece and subword-nmt where pieces overlap, formats are old, and characters are rare.

use std::{collections::BTreeSet, fs};

use attentive_testkit::{Area, Comparison, Golden};
use attentive_tokenizer::{
    Bpe, BpeTrainer, Characters, DictionaryBpe, PreTokenization, SentencePiece, Specials, Tokenizer, load, open, save,
    with_languages,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::folders;

fn golden() -> Golden {
    Golden::of(env!("CARGO_MANIFEST_DIR"))
}

fn text(name: &str) -> String {
    fs::read_to_string(golden().path(name)).unwrap()
}

fn field<T: DeserializeOwned>(value: &Value, name: &str) -> T {
    T::deserialize(&value[name]).unwrap()
}

fn segmentation() -> Value {
    let read = |name| serde_json::from_str::<Value>(&text(name)).unwrap();
    let mut all = read("segmentation.json");
    all["version_1"] = read("segmentation.version_1.json")["version_1"].take();
    all
}

fn comparison(what: &str, system: &str, package: &str) -> Comparison {
    Comparison::new(Area::Tokenizers, what, format!("{system} {}", golden().version(package)), 0.0)
}

#[test]
fn overlapping_user_defined_pieces_and_ties_equal_the_sentencepiece_library() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.model");
    let mut comparison = comparison("SentencePiece Unigram, overlaps", "sentencepiece", "sentencepiece");
    for model in segmentation()["unigram"].as_array().unwrap() {
        fs::write(&path, folders::decoded(model["model"].as_str().unwrap())).unwrap();
        let tokenizer = SentencePiece::from_model(&path).unwrap();
        let (texts, ids): (Vec<String>, Vec<Vec<u32>>) = (field(model, "texts"), field(model, "ids"));
        for (text, expected) in texts.iter().zip(ids) {
            comparison.equal(text, &tokenizer.encode(text), &expected);
        }
    }
    comparison.report();
}

/// Text in the form in which subword-nmt writes it: a mark by itself only ends the piece before it.
fn segmented(bpe: &Bpe, line: &str) -> String {
    let mut words = vec![Vec::new()];
    for id in bpe.encode(line) {
        let token = bpe.token(id).unwrap().into_owned();
        let (text, ends) = token.strip_suffix("</w>").map_or((&*token, false), |text| (text, true));
        if !text.is_empty() {
            words.last_mut().unwrap().push(text.to_owned());
        }
        if ends {
            words.push(Vec::new());
        }
    }
    words.iter().filter(|word| !word.is_empty()).map(|word| word.join("@@ ")).collect::<Vec<_>>().join(" ")
}

#[test]
fn codes_of_the_first_version_segment_as_subword_nmt_does() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("codes");
    let golden = segmentation();
    fs::write(&path, golden["version_1"]["codes"].as_str().unwrap()).unwrap();
    let corpus = text("corpus.txt");
    let bpe = Bpe::from_codes(&path, corpus.lines()).unwrap();
    let expected: Vec<String> = field(&golden["version_1"], "segmented");
    let mut comparison = comparison("BPE segmentation, version 0.1", "subword-nmt", "subword-nmt");
    for (line, expected) in corpus.lines().zip(expected) {
        comparison.equal(line, &segmented(&bpe, line), &expected.trim_end().to_owned());
        assert_eq!(bpe.decode(&bpe.encode(line)).unwrap(), line);
    }
    comparison.report();
    assert_eq!(open(&path).unwrap().vocab_size(), Bpe::from_codes::<&str>(&path, []).unwrap().vocab_size());
}

#[test]
fn fastbpe_s_codes_segment_as_those_without_counts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("codes");
    fs::write(&path, segmentation()["fastbpe"].as_str().unwrap()).unwrap();
    let corpus = text("corpus.txt");
    let bpe = Bpe::from_codes(&path, corpus.lines()).unwrap();
    for (line, expected) in corpus.lines().zip(text("subword_nmt.segmented").lines()) {
        assert_eq!(segmented(&bpe, line), expected.trim_end());
    }
    assert!(open(&path).is_ok());
}

/// A dictionary with the pieces of texts as subword-nmt cuts them, after fairseq's special tokens.
fn dictionary<'a>(segmented: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let pieces: BTreeSet<&str> = segmented.into_iter().flat_map(str::split_whitespace).collect();
    ["<s>", "<pad>", "</s>", "<unk>"].into_iter().chain(pieces).map(str::to_owned).collect()
}

const SPECIALS: Specials =
    Specials { pad: Some(1), bos: Some(0), eos: Some(2), unk: Some(3), mask: None, cls: None, sep: None };

#[test]
fn dictionaries_have_the_pieces_of_subword_nmt() {
    let (folder, golden) = (tempfile::tempdir().unwrap(), segmentation());
    let path = folder.path().join("codes");
    let corpus = text("corpus.txt");
    let of_today: Vec<String> = text("subword_nmt.segmented").lines().map(str::to_owned).collect();
    let formats = [
        (text("subword_nmt.codes"), &of_today),
        (golden["fastbpe"].as_str().unwrap().to_owned(), &of_today),
        (golden["version_1"]["codes"].as_str().unwrap().to_owned(), &field(&golden["version_1"], "segmented")),
    ];
    let mut comparison = comparison("pieces in a dictionary", "subword-nmt", "subword-nmt");
    for (codes, segmented) in formats {
        fs::write(&path, codes).unwrap();
        let vocab = dictionary(segmented.iter().map(String::as_str));
        let tokenizer = DictionaryBpe::with_lists(Some([&path, &path]), None, vocab, SPECIALS).unwrap();
        let saved = folder.path().join("tokenizer.json");
        save(&tokenizer, &saved).unwrap();
        for tokenizer in [&tokenizer as &dyn Tokenizer, &*load(&saved).unwrap()] {
            for (line, expected) in corpus.lines().zip(segmented) {
                let ids = tokenizer.encode(line);
                let found: Vec<String> = ids.iter().map(|&id| tokenizer.token(id).unwrap().into_owned()).collect();
                comparison.equal(line, &found.join(" "), &expected.trim_end().to_owned());
                let words: Vec<&str> = line.split_whitespace().collect();
                assert_eq!(tokenizer.decode(&ids).unwrap(), words.join(" "));
                assert_eq!((tokenizer.encode_target(line), tokenizer.sample(line, 0.0, 1)), (ids.clone(), ids.clone()));
                let spans = tokenizer.encode_with_offsets(line);
                assert!(spans.iter().map(|(id, _)| *id).eq(ids));
                let covered: String = spans.into_iter().map(|(_, range)| &line[range]).collect();
                assert_eq!(covered, words.concat());
            }
        }
    }
    comparison.report();
}

#[test]
fn dictionaries_of_both_sides_have_their_own_ids() {
    let folder = tempfile::tempdir().unwrap();
    let codes = folder.path().join("codes");
    // A merge of which the dictionaries do not have the half, and a character that no merge knows.
    fs::write(&codes, "#version: 0.2\na b\nab c</w>\n").unwrap();
    let [source, target] = ["c@@ abc ☃", "abc a@@ b ☃@@"].map(|entries| dictionary([entries]));
    let tokenizer = DictionaryBpe::with_lists(Some([&codes, &codes]), Some(source), target, SPECIALS).unwrap();
    assert_eq!(tokenizer.encode("abc  ab\tc\u{2003}☃ "), [4, 3, 3, 3, 6]);
    assert_eq!(tokenizer.encode_target("ab abc ☃x"), [4, 6, 5, 7, 3]);
    let written = tokenizer.encode_target_with_offsets("ab abc ☃x");
    let places = [(4, 0..1), (6, 1..2), (5, 3..6), (7, 7..10), (3, 10..11)];
    assert_eq!(written, places);
    assert_eq!((tokenizer.source_token(4).as_deref(), tokenizer.token(4).as_deref()), (Some("abc"), Some("a@@")));
    assert_eq!(tokenizer.decode(&[0, 5, 4, 6, 2]).unwrap(), "abc ab");
    assert_eq!((tokenizer.source_vocab_size(), tokenizer.vocab_size()), (7, 8));
    // With strength 1, no merge is applied.
    let samples_of_both = |tokenizer: &dyn Tokenizer| {
        assert_eq!((tokenizer.sample("abc", 0.0, 1), tokenizer.sample_target("abc", 0.0, 1)), (vec![4], vec![5]));
        assert_eq!(tokenizer.sample("abc", 1.0, 1), [3, 3, 3]);
        assert_eq!(tokenizer.sample_target("abc", 1.0, 1), [4, 3, 3]);
    };
    samples_of_both(&tokenizer);
    samples_of_both(&*with_languages(Box::new(tokenizer), &[["en", "de"], ["fr", "en"]]).unwrap());
    let words = DictionaryBpe::with_lists(None, None, dictionary(["the cat"]), SPECIALS).unwrap();
    assert_eq!(words.encode("the dog cat"), [5, 3, 4]);
    let without_unk = DictionaryBpe::with_lists(None, None, vec!["a".to_owned()], Specials::default());
    assert!(without_unk.unwrap_err().to_string().contains("vocab has no <unk>"));
}

#[test]
fn characters_are_covered_as_in_the_sentencepiece_library() {
    let corpus = text("corpus.txt");
    let expected: Vec<(f64, String)> = field(&segmentation(), "coverage");
    let mut comparison = comparison("character coverage", "sentencepiece", "sentencepiece");
    for (coverage, characters) in expected {
        let (tokenizer, report) = Characters::train_covering(corpus.lines(), coverage);
        let n = tokenizer.vocab_size() as u32 - 1;
        let found: String = (0..n).map(|id| tokenizer.token(id).unwrap().into_owned()).collect();
        comparison.equal(format!("coverage {coverage}"), &found, &characters);
        let n_all = Characters::train(corpus.lines()).vocab_size() - 1;
        assert_eq!(report.n_uncovered_characters, n_all - characters.chars().count());
    }
    comparison.report();
}

#[test]
fn rare_characters_become_bytes_in_byte_pair_encoding() {
    let lines = ["too tired too tired too tired", "too wide ☃"];
    let trainer = || BpeTrainer::with_merges(20).pre_tokenization(PreTokenization::Spaces).min_frequency(1);
    let (all, report) = trainer().train_with_report(lines).unwrap();
    assert_eq!(report.n_uncovered_characters, 0);
    let shown = |bpe: &Bpe, text: &str| {
        bpe.encode(text).into_iter().map(|id| bpe.token(id).unwrap().into_owned()).collect::<Vec<_>>()
    };
    assert_eq!(shown(&all, "☃"), ["☃</w>"]);
    let (covering, report) = trainer().character_coverage(0.96).train_with_report(lines).unwrap();
    assert_eq!(report.n_uncovered_characters, 1);
    assert_eq!(shown(&covering, "☃"), ["<0xE2>", "<0x98>", "<0x83>", "</w>"]);
    assert_eq!(covering.decode(&covering.encode(lines[1])).unwrap(), lines[1]);
}
