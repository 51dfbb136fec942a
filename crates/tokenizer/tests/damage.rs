//! Damaged files of every format that is read: an error or a tokenizer that works, never a panic.

use std::{
    fs,
    path::{Path, PathBuf},
};

use attentive_testkit::survives;
use attentive_tokenizer::{
    Bpe, BpeTrainer, ByteLevelBpe, ByteLevelBpeTrainer, Characters, DictionaryBpe, SentencePiece, Specials, Tokenizer,
    TokenizerError, UnigramTrainer, WordPiece, WordPieceTrainer, load, open, save,
};

use crate::folders;

const LINES: [&str; 3] = ["to be, or  not to be: that is the question", "ö \"ö\"\t— ö", "too tired, too wide"];

/// Damages of each file.
const N: u64 = 300;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// Uses what was read in spite of its damage.
fn try_out<T: Tokenizer + ?Sized>(read: Result<Box<T>, TokenizerError>) {
    if let Ok(tokenizer) = read {
        let text = "Not \"to\" be,\tthat is  öffentlich ☃ [MASK] <s>";
        let ids = tokenizer.encode(text);
        let _ = (tokenizer.encode_with_specials(text), tokenizer.sample(text, 0.5, 7));
        assert!(tokenizer.encode_with_offsets(text).iter().all(|(_, range)| text.get(range.clone()).is_some()));
        let _ = tokenizer.decode(&ids);
        let _ = tokenizer.decode(&[0, 7, u32::MAX]);
        let _ = (tokenizer.vocab_size(), tokenizer.specials());
    }
}

/// Damages `bytes`, which `read` reads from a file.
fn damage(bytes: &[u8], name: &str, read: impl Fn(&Path)) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    survives(bytes, N, |damaged| {
        fs::write(&path, damaged).unwrap();
        read(&path);
    });
}

#[test]
fn tokenizer_json() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    let vocab = ["<unk>", "to", "b@@", "e"].map(str::to_owned).to_vec();
    let specials = Specials { unk: Some(0), ..Specials::default() };
    let codes = golden("subword_nmt.codes");
    let dictionary = DictionaryBpe::with_lists(Some([&codes, &codes]), None, vocab, specials).unwrap();
    let kinds: [Box<dyn Tokenizer>; 6] = [
        Box::new(dictionary),
        Box::new(BpeTrainer::with_merges(20).train(LINES).unwrap()),
        Box::new(ByteLevelBpeTrainer::with_vocab_size(270).train(LINES).unwrap()),
        Box::new(WordPieceTrainer::with_vocab_size(60).train(LINES).unwrap()),
        Box::new(UnigramTrainer::with_vocab_size(290).train(LINES).unwrap()),
        Box::new(Characters::train(LINES)),
    ];
    for tokenizer in kinds {
        save(&*tokenizer, &path).unwrap();
        damage(&fs::read(&path).unwrap(), "tokenizer.json", |path| try_out(load(path)));
    }
}

#[test]
fn sentencepiece_models() {
    for name in ["sentencepiece.unigram.model", "sentencepiece.bpe_bytes.model"] {
        damage(&fs::read(golden(name)).unwrap(), "a.model", |path| {
            try_out(SentencePiece::from_model(path).map(Box::new));
        });
    }
}

#[test]
fn codes_vocabularies_and_merges() {
    let codes = fs::read(golden("subword_nmt.codes")).unwrap();
    damage(&codes, "codes", |path| try_out(Bpe::from_codes(path, LINES).map(Box::new)));
    let vocab = fs::read(golden("wordpiece.vocab.txt")).unwrap();
    damage(&vocab, "vocab.txt", |path| try_out(WordPiece::from_vocab(path, true).map(Box::new)));
    let (vocab, merges) = (golden("byte_level.vocab.json"), golden("byte_level.merges.txt"));
    damage(&fs::read(&vocab).unwrap(), "vocab.json", |path| {
        try_out(ByteLevelBpe::from_files(path, &merges).map(Box::new));
    });
    damage(&fs::read(&merges).unwrap(), "merges.txt", |path| {
        try_out(ByteLevelBpe::from_files(&vocab, path).map(Box::new));
    });
}

/// Every file of every folder of `folders.json`, with the others whole.
#[test]
fn folders_of_models() {
    let all = folders::all(golden);
    let entries = all["folders"].as_array().unwrap();
    for name in ["bert_added_normalized", "gpt2_added_decoder", "gpt2_prefix_space_saved", "clip", "t5_added", "marian"]
    {
        let entry = entries.iter().find(|entry| entry["name"] == name).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let files = folders::write(folder.path(), &entry["files"], golden);
        for path in files {
            let whole = fs::read(&path).unwrap();
            survives(&whole, N / 6, |damaged| {
                fs::write(&path, damaged).unwrap();
                try_out(open(folder.path()));
            });
            fs::write(&path, whole).unwrap();
        }
    }
}
