//! Encoded corpora: in memory, in a temporary file, and in a cache.

use std::fs;
use std::path::{Path, PathBuf};

use attentive_data::{
    CorpusBuilder, CorpusReport, CorpusRules, DataError, EncodedCorpus, ParallelFiles, Problem, Side, Storage,
    TokenCache, Treatment,
};

/// One id for each letter but spaces, so that tokens and bytes differ.
fn letters(_side: Side, text: &str) -> Vec<u32> {
    text.chars().filter(|c| *c != ' ').map(u32::from).collect()
}

fn corpus_of(dir: &Path, source: &str, target: &str) -> ParallelFiles {
    let path = |name: &str, text: &str| {
        let path = dir.join(name);
        fs::write(&path, text).unwrap();
        path
    };
    ParallelFiles::sides([path("a.en", source)], [path("a.de", target)])
}

fn contents(corpus: &EncodedCorpus) -> Vec<(u64, Vec<u32>, Vec<u32>)> {
    let pair = |i| {
        let pair = corpus.pair(i).unwrap();
        (corpus.line(i), pair.source().to_vec(), pair.target().to_vec())
    };
    (0..corpus.len()).map(pair).collect()
}

#[test]
fn memory_and_disk_hold_the_same() {
    let dir = tempfile::tempdir().unwrap();
    // 3,000 pairs: several chunks, many strides; every 7th line is empty.
    let line = |i: usize| {
        if i % 7 == 3 { String::new() } else { "ab c".repeat(1 + i % 5) }
    };
    let source: Vec<String> = (0..3000).map(line).collect();
    let target: Vec<String> = (0..3000).map(|i| format!("{i} x")).collect();
    let files = corpus_of(dir.path(), &(source.join("\n") + "\n"), &target.join("\n"));

    let encode = |storage: &Storage| EncodedCorpus::from_files(&files, &CorpusRules::default(), storage, letters);
    let (memory, report) = encode(&Storage::default()).unwrap();
    assert!(!memory.is_on_disk());
    assert_eq!((report.n_read, report.n_kept, memory.len()), (3000, 2571, 2571));
    let expected: Vec<_> = (0..3000)
        .filter(|i| i % 7 != 3)
        .map(|i| (i as u64 + 1, letters(Side::Source, &source[i]), letters(Side::Target, &target[i])))
        .collect();
    assert_eq!(contents(&memory), expected);

    let cache = TokenCache { dir: dir.path().join("cache"), tokenizer: "letters".to_owned() };
    for cache in [None, Some(cache.clone()), Some(cache)] {
        let (disk, again) = encode(&Storage { memory_bytes: 1000, cache }).unwrap();
        assert!(disk.is_on_disk());
        assert_eq!(contents(&disk), expected);
        assert_eq!(again, report);
        assert_eq!((disk.n_tokens(), disk.max_id()), (memory.n_tokens(), memory.max_id()));
    }
    // One file in the cache, and no temporary ones.
    assert_eq!(fs::read_dir(dir.path().join("cache")).unwrap().count(), 1);
}

#[test]
fn lines_of_too_many_tokens() {
    let dir = tempfile::tempdir().unwrap();
    let files = corpus_of(dir.path(), "a\nb b b b\nc c c\n", "A\nB\nC\n");
    let encode = |on_over_long| {
        let rules = CorpusRules { max_tokens: 3, on_over_long, ..CorpusRules::default() };
        EncodedCorpus::from_files(&files, &rules, &Storage::default(), letters)
    };
    let (corpus, report) = encode(Treatment::Skip).unwrap();
    assert_eq!((corpus.len(), report.n_kept), (2, 2));
    assert_eq!((corpus.line(0), corpus.line(1)), (1, 3));
    assert_eq!(report.problems[&Problem::TooManyTokens].first[0].line, 2);

    let (corpus, report) = encode(Treatment::Truncate).unwrap();
    assert_eq!((corpus.len(), report.n_kept), (3, 3));
    assert_eq!(corpus.pair(1).unwrap().source(), [u32::from('b'); 3]);

    let error = encode(Treatment::Refuse).unwrap_err();
    assert!(error.to_string().contains("too many tokens, once: "), "{error}");
}

#[test]
fn what_a_tokenizer_leaves_nothing_of_is_empty() {
    let dir = tempfile::tempdir().unwrap();
    let files = corpus_of(dir.path(), "a\nb\n", "A\nB\n");
    let encode = |_: Side, text: &str| if text == "B" { Vec::new() } else { vec![1] };
    let (corpus, report) =
        EncodedCorpus::from_files(&files, &CorpusRules::default(), &Storage::default(), encode).unwrap();
    assert_eq!((corpus.len(), report.problems[&Problem::Empty].count), (1, 1));
}

/// Encodes a small corpus into a cache, and returns the folder of the one and the file of the other.
fn cached() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    reopen(dir.path()).unwrap();
    let file = fs::read_dir(dir.path().join("cache")).unwrap().next().unwrap().unwrap().path();
    (dir, file)
}

fn reopen(dir: &Path) -> Result<(EncodedCorpus, CorpusReport), DataError> {
    let files = corpus_of(dir, "a b\nc d e\n", "A\nB\n");
    let cache = TokenCache { dir: dir.join("cache"), tokenizer: "letters".to_owned() };
    let storage = Storage { memory_bytes: 0, cache: Some(cache) };
    EncodedCorpus::from_files(&files, &CorpusRules::default(), &storage, letters)
}

#[test]
fn a_token_file_is_of_one_text_rules_and_tokenizer() {
    let (dir, _) = cached();
    let files = corpus_of(dir.path(), "a b\nc d e\n", "A\nC\n");
    let count = || fs::read_dir(dir.path().join("cache")).unwrap().count();
    let storage = |tokenizer: &str| Storage {
        memory_bytes: 0,
        cache: Some(TokenCache { dir: dir.path().join("cache"), tokenizer: tokenizer.to_owned() }),
    };
    let encode = |rules: CorpusRules, tokenizer: &str| {
        let (corpus, _) = EncodedCorpus::from_files(&files, &rules, &storage(tokenizer), letters).unwrap();
        assert_eq!(corpus.pair(1).unwrap().target(), [u32::from('C')]);
    };
    encode(CorpusRules::default(), "letters");
    assert_eq!(count(), 2);
    encode(CorpusRules::default(), "letters");
    assert_eq!(count(), 2);
    encode(CorpusRules { max_tokens: 7, ..CorpusRules::default() }, "letters");
    encode(CorpusRules::default(), "other letters");
    assert_eq!(count(), 4);
}

#[test]
fn a_damaged_token_file_is_named() {
    let (dir, file) = cached();
    let whole = fs::read(&file).unwrap();
    for len in (0..whole.len()).step_by(5) {
        fs::write(&file, &whole[..len]).unwrap();
        let error = reopen(dir.path()).unwrap_err();
        assert!(matches!(&error, DataError::TokenFile { path, .. } if *path == file), "{len} bytes: {error}");
    }
    let damaged = |at: usize, byte: u8| {
        let mut bytes = whole.clone();
        bytes[at] = byte;
        fs::write(&file, bytes).unwrap();
        reopen(dir.path()).and_then(|(corpus, _)| corpus.pair(0).map(drop))
    };
    // Magic, key, number of pairs and of ids (huge ones too), the first id, the first length.
    for (at, byte) in [(0, b'x'), (16, whole[16] ^ 1), (48, 9), (55, 255), (56, 9), (63, 127), (67, 1), (92, 7)] {
        let error = damaged(at, byte).expect_err("damage goes unseen");
        assert!(matches!(&error, DataError::TokenFile { .. }), "byte {at}: {error}");
        assert!(error.to_string().contains("delete it"), "{error}");
    }
    assert!(damaged(0, whole[0]).is_ok());
}

#[test]
fn no_changed_byte_makes_a_token_file_panic() {
    let (dir, file) = cached();
    let whole = fs::read(&file).unwrap();
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] = !bytes[at];
        fs::write(&file, bytes).unwrap();
        if let Ok((corpus, _)) = reopen(dir.path()) {
            for i in 0..corpus.len() {
                let _ = (corpus.line(i), corpus.pair(i));
            }
        }
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("cache"), "a file, not a folder").unwrap();
    let error = reopen(dir.path()).unwrap_err();
    assert!(error.to_string().contains("cache"), "{error}");
}

#[test]
fn lines_follow_gaps() {
    let mut builder = CorpusBuilder::in_memory();
    for line in [2, 3, 7, 8, 20] {
        builder.push(line, &[1], &[2, 3]).unwrap();
    }
    let corpus = builder.finish().unwrap();
    assert_eq!((0..5).map(|i| corpus.line(i)).collect::<Vec<_>>(), [2, 3, 7, 8, 20]);
}
