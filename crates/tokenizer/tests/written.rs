//! What tokens write one after another is what they are decoded to together.

use std::{path::Path, sync::LazyLock};

use attentive_testkit::Golden;
use attentive_tokenizer::{
    BpeTrainer, ByteLevelBpeTrainer, Bytes, Characters, CodePoints, OpenOptions, Place, PreTokenization, SentencePiece,
    TokenId, Tokenizer, UnigramTrainer, WordPieceTrainer, with_tokens,
};
use proptest::prelude::*;

use crate::folders;

const LINES: [&str; 4] = [
    "The animal did not cross the street because it was too tired.",
    "\"Don't,\" she said (twice) -- \tand  left\u{a0}the   room.",
    "Der Hund läuft über die Straße; 東京は日本の首都。 Привет, мир! مرحبا",
    " {\"a\": [1, 2.5e-3, null], \"b\": \"🙂\\n\"} ",
];

/// The bytes that tokens write from the beginning of a text on.
fn written(tokenizer: &dyn Tokenizer, ids: &[TokenId]) -> Option<Vec<u8>> {
    let (mut place, mut all) = (Place::Start, Vec::new());
    for &id in ids {
        let (bytes, next) = tokenizer.written(place, id)?;
        all.extend(bytes);
        place = next;
    }
    assert_eq!(Place::after(tokenizer, ids), Some(place));
    Some(all)
}

/// Checks a row of tokens, whatever it is; what is not text is decoded to something else.
fn check(tokenizer: &dyn Tokenizer, ids: &[TokenId]) {
    if let Some(bytes) = written(tokenizer, ids).filter(|bytes| str::from_utf8(bytes).is_ok()) {
        let decoded = tokenizer.decode_bytes(ids).unwrap();
        let entries: Vec<_> = ids.iter().map(|&id| tokenizer.token(id)).collect();
        assert_eq!(String::from_utf8(bytes).unwrap(), String::from_utf8_lossy(&decoded), "{entries:?}");
    }
}

/// Of every kind, and each with more tokens.
static TOKENIZERS: LazyLock<Vec<Box<dyn Tokenizer>>> = LazyLock::new(|| {
    let model = |name: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
        Box::new(SentencePiece::from_model(&path).unwrap()) as Box<dyn Tokenizer>
    };
    let mut tokenizers: Vec<Box<dyn Tokenizer>> = vec![
        Box::new(ByteLevelBpeTrainer::with_vocab_size(400).train(LINES).unwrap()),
        Box::new(UnigramTrainer::with_vocab_size(400).train(LINES).unwrap()),
        Box::new(Bytes::default()),
        Box::new(CodePoints::default()),
        Box::new(Characters::train(LINES).framed()),
        Box::new(WordPieceTrainer::with_vocab_size(90).train(LINES).unwrap()),
    ];
    for split in [PreTokenization::Spaces, PreTokenization::Punctuation] {
        let trainer = BpeTrainer::with_merges(200).min_frequency(1).pre_tokenization(split);
        tokenizers.push(Box::new(trainer.train(LINES).unwrap()));
    }
    let names = ["unigram", "unigram_bytes", "unigram_suffix", "bpe", "bpe_bytes", "bpe_no_prefix"];
    tokenizers.extend(names.map(|name| model(&format!("sentencepiece.{name}.model"))));
    let extended = tokenizers.iter().map(|kind| with_tokens(&**kind, &["Okapi", ".x", "<y>"], false).unwrap());
    let extended: Vec<_> = extended.collect();
    tokenizers.extend(extended);
    tokenizers
});

#[test]
fn every_token_writes_what_it_is_decoded_to() {
    for tokenizer in &*TOKENIZERS {
        let n = tokenizer.vocab_size().min(2000) as TokenId;
        (0..n).for_each(|id| check(&**tokenizer, &[id]));
        assert!(tokenizer.written(Place::Start, 0).is_some());
        assert_eq!(tokenizer.written(Place::Inside, TokenId::MAX).unwrap().0, b"", "no token, or not a character");
    }
}

#[test]
fn tokens_of_released_tokenizers_write_what_they_are_decoded_to() {
    let golden = Golden::of(env!("CARGO_MANIFEST_DIR"));
    let all = folders::all(|name| golden.path(name));
    let mut n_written = 0;
    for entry in all["folders"].as_array().unwrap() {
        let folder = tempfile::tempdir().unwrap();
        folders::write(folder.path(), &entry["files"], |name| golden.path(name));
        let Ok(opened) = OpenOptions::default().open(folder.path()) else { continue };
        let tokenizer = opened.tokenizer;
        if tokenizer.written(Place::Start, 0).is_none() {
            continue;
        }
        n_written += 1;
        for text in LINES {
            let ids = tokenizer.encode_target(text);
            check(&*tokenizer, &ids);
            ids.windows(3).for_each(|ids| check(&*tokenizer, ids));
        }
        (0..tokenizer.vocab_size().min(3000) as TokenId).for_each(|id| check(&*tokenizer, &[id]));
    }
    assert!(n_written > 20, "{n_written}");
}

proptest! {
    #[test]
    fn texts_of_any_script_are_written_by_their_tokens(text: String, line in prop::sample::select(LINES.to_vec())) {
        let text = format!("{line}{text}");
        for tokenizer in &*TOKENIZERS {
            let ids = tokenizer.encode(&text);
            check(&**tokenizer, &ids);
            // Those that give every text back write it.
            if tokenizer.decode_bytes(&ids).unwrap() == text.as_bytes() {
                prop_assert_eq!(written(&**tokenizer, &ids).unwrap(), text.as_bytes());
            }
        }
    }

    #[test]
    fn any_tokens_are_written_as_they_are_decoded(draws in prop::collection::vec(any::<u32>(), 0..30)) {
        for tokenizer in &*TOKENIZERS {
            let n = tokenizer.vocab_size() as u32;
            check(&**tokenizer, &draws.iter().map(|draw| draw % n).collect::<Vec<_>>());
        }
    }
}
