//! Equality with the original tokenizers on released vocabularies, which are not part of this repository.
//!
//! They are looked for in the folder that the environment variable `ATTENTIVE_DATA` names, or in `shared/data` beside
//! the workspace; what is not there is not tested. The expected ids are those of tiktoken 0.14, transformers 5.15 and
//! sentencepiece 0.2.3; of whole books, their number and their FNV-1a hash.

#![expect(clippy::print_stderr, reason = "a skipped test says so")]

use std::path::{Path, PathBuf};

use attentive_tokenizer::{Bpe, BpeTrainer, ByteLevelBpe, PreTokenization, SentencePiece, Tokenizer, WordPiece};

/// The files, unless one is missing.
fn data<const N: usize>(names: [&str; N]) -> Option<[PathBuf; N]> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = std::env::var_os("ATTENTIVE_DATA").map_or(beside, PathBuf::from);
    let paths = names.map(|name| folder.join(name));
    match paths.iter().find(|path| !path.exists()) {
        Some(missing) => {
            eprintln!("skipped: there is no {}", missing.display());
            None
        }
        None => Some(paths),
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

/// The number of ids and the FNV-1a hash of them as little-endian 32-bit numbers.
fn digest(ids: impl IntoIterator<Item = u32>) -> (usize, u64) {
    ids.into_iter().fold((0, 0xCBF2_9CE4_8422_2325), |(n, hash), id| {
        let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3);
        (n + 1, id.to_le_bytes().into_iter().fold(hash, step))
    })
}

const SENTENCE: &str = "The animal didn't cross the street: 3 naïve ☃s, tired.";

#[test]
fn gpt_2() {
    let Some([encoder, merges, book]) = data(["gpt2/encoder.json", "gpt2/vocab.bpe", "tinyshakespeare.txt"]) else {
        return;
    };
    let tokenizer = ByteLevelBpe::from_files(&encoder, &merges).unwrap();
    assert_eq!(tokenizer.vocab_size(), 50_257);
    assert_eq!(tokenizer.specials().eos, Some(50_256));
    let expected = [464, 5044, 1422, 470, 3272, 262, 4675, 25, 513, 41492, 34719, 225, 82, 11, 10032, 13];
    assert_eq!(tokenizer.encode(SENTENCE), expected);
    assert_eq!(tokenizer.decode(&expected).unwrap(), SENTENCE);
    assert_eq!(digest(tokenizer.encode(&read(&book))), (338_025, 0xE22F_CD86_8CA9_0167));
}

#[test]
fn bert() {
    let Some([vocab, book]) = data(["bert/vocab.txt", "tinyshakespeare.txt"]) else { return };
    let tokenizer = WordPiece::from_vocab(&vocab, true).unwrap();
    assert_eq!(tokenizer.vocab_size(), 30_522);
    let expected = [1996, 4111, 2134, 1005, 1056, 2892, 1996, 2395, 1024, 1017, 15743, 100, 1010, 5458, 1012];
    assert_eq!(tokenizer.encode(SENTENCE), expected);
    assert_eq!(digest(tokenizer.encode(&read(&book))), (288_719, 0xA2A6_FD2E_A6C7_59F6));
}

#[test]
fn sentencepiece_s_test_model() {
    let Some([model, book]) = data(["sentencepiece/test_model.model", "sentencepiece/botchan.txt"]) else { return };
    let tokenizer = SentencePiece::from_model(&model).unwrap();
    assert_eq!(tokenizer.vocab_size(), 1000);
    let expected =
        [69, 163, 437, 73, 144, 24, 32, 15, 4, 860, 7, 934, 224, 4, 0, 4, 24, 19, 0, 125, 4, 0, 8, 5, 791, 6];
    assert_eq!(tokenizer.encode(SENTENCE), expected);
    let ids = read(&book).split('\n').flat_map(|line| tokenizer.encode(line)).collect::<Vec<_>>();
    assert_eq!(digest(ids), (95_515, 0xF542_6DA7_0E2C_303A));
}

#[test]
fn subword_nmt_s_test_data() {
    let names = ["subword-nmt/corpus.en", "subword-nmt/bpe.ref", "subword-nmt/corpus.bpe.ref.en"];
    let Some([corpus, codes, segmented]) = data(names) else { return };
    let text = read(&corpus);
    let trained = BpeTrainer::with_merges(1000).pre_tokenization(PreTokenization::Spaces).train(text.lines()).unwrap();
    assert_eq!(trained.to_codes(), read(&codes));
    let loaded = Bpe::from_codes(&codes, text.lines()).unwrap();
    for bpe in [trained, loaded] {
        for (line, expected) in text.lines().zip(read(&segmented).lines()) {
            let tokens = bpe.encode(line).into_iter().map(|id| match bpe.token(id).unwrap().strip_suffix("</w>") {
                Some(end) => end.to_owned(),
                None => format!("{}@@", bpe.token(id).unwrap()),
            });
            assert_eq!(tokens.collect::<Vec<_>>().join(" "), expected.trim_end());
        }
    }
}
