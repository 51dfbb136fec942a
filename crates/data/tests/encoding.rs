//! Encoded corpora: in memory, in a temporary file, and in a cache.

use std::fs;
use std::path::{Path, PathBuf};

use attentive_data::{
    CacheUse, CorpusBuilder, CorpusReport, CorpusRules, DataError, DocumentUnit, EncodedCorpus, ParallelFiles, Problem,
    SentenceCorpus, Side, Storage, TextFiles, TokenCache, TokenStream, Treatment,
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

    let cache = TokenCache::new(dir.path().join("cache"), "letters");
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
    let cache = TokenCache::new(dir.join("cache"), "letters");
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
        cache: Some(TokenCache::new(dir.path().join("cache"), tokenizer)),
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
fn a_damaged_token_file_is_never_used_and_made_anew() {
    let (dir, file) = cached();
    let whole = fs::read(&file).unwrap();
    let expected = contents(&reopen(dir.path()).unwrap().0);
    let mut damaged: Vec<Vec<u8>> = (0..whole.len()).step_by(5).map(|len| whole[..len].to_vec()).collect();
    damaged.extend((0..whole.len()).map(|at| {
        let mut bytes = whole.clone();
        bytes[at] = !bytes[at];
        bytes
    }));
    damaged.push([&whole[..], b"more"].concat());
    for bytes in damaged {
        fs::write(&file, &bytes).unwrap();
        let (corpus, _) = reopen(dir.path()).unwrap();
        assert_eq!(contents(&corpus), expected);
        let cache_use = corpus.cache_use().unwrap();
        assert!(cache_use.is_warning() && cache_use.to_string().contains("encoded again"), "{cache_use}");
        assert!(matches!(cache_use, CacheUse::Replaced { path, .. } if *path == file), "{cache_use}");
        assert!(fs::read(&file).unwrap() == whole);
    }
    let (corpus, _) = reopen(dir.path()).unwrap();
    assert_eq!((contents(&corpus), corpus.cache_use()), (expected, Some(&CacheUse::Read(file))));
}

#[test]
fn a_cache_that_cannot_be_written_is_named_and_not_needed() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("cache"), "a file, not a folder").unwrap();
    let (corpus, _) = reopen(dir.path()).unwrap();
    let cache_use = corpus.cache_use().unwrap();
    assert!(cache_use.is_warning() && cache_use.to_string().contains("cache"), "{cache_use}");
    assert_eq!(corpus.len(), 2);
}

#[test]
fn a_second_run_encodes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("text");
    fs::write(&path, "one\ntwo\n\nthree\n\n \nfour five\n").unwrap();
    let storage = Storage { cache: Some(TokenCache::new(dir.path().join("cache"), "letters")), ..Storage::default() };
    let files = |unit| TextFiles::new([&path], unit);
    let never = |_: &str| -> Vec<u32> { panic!("encoded again") };
    let once = |text: &str| letters(Side::Source, text);
    for unit in [DocumentUnit::Line, DocumentUnit::Paragraph, DocumentUnit::File] {
        let (first, reports) = TokenStream::from_files(&files(unit), &storage, Some(9), once).unwrap();
        let (second, again) = TokenStream::from_files(&files(unit), &storage, Some(9), never).unwrap();
        assert_eq!((first.read(0..first.len()).unwrap(), reports), (second.read(0..second.len()).unwrap(), again));
        let (first, written) = SentenceCorpus::from_files(&files(unit), &storage, 9, once).unwrap();
        let (second, read) = SentenceCorpus::from_files(&files(unit), &storage, 9, never).unwrap();
        assert!(matches!((written, read), (Some(CacheUse::Written(a)), Some(CacheUse::Read(b))) if a == b));
        let (plain, _) = SentenceCorpus::from_files(&files(unit), &Storage::default(), 9, once).unwrap();
        for corpus in [&first, &second] {
            assert_eq!(corpus.ids(), plain.ids());
            assert_eq!(corpus.n_documents(), plain.n_documents());
            assert!(corpus.sentences().eq(plain.sentences()));
        }
    }
    // Another text, another tokenizer: each has a file of its own.
    let other = TokenCache::new(dir.path().join("cache"), "other letters");
    let other = Storage { cache: Some(other), ..Storage::default() };
    let (stream, _) = TokenStream::from_files(&files(DocumentUnit::Line), &other, Some(9), once).unwrap();
    assert!(matches!(stream.cache_use(), Some(CacheUse::Written(_))));
}

#[test]
fn tokens_of_a_text_that_was_moved_are_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let storage = Storage { cache: Some(TokenCache::new(dir.path().join("cache"), "letters")), ..Storage::default() };
    let encode =
        |files: &ParallelFiles| EncodedCorpus::from_files(files, &CorpusRules::default(), &storage, letters).unwrap();
    encode(&corpus_of(dir.path(), "a\n\nc\n", "A\nB\nC\n"));
    let moved = ["a.en", "a.de"].map(|name| {
        fs::rename(dir.path().join(name), dir.path().join(format!("moved.{name}"))).unwrap();
        dir.path().join(format!("moved.{name}"))
    });
    let files = ParallelFiles::sides([&moved[0]], [&moved[1]]);
    let (corpus, report) = encode(&files);
    assert!(matches!(corpus.cache_use(), Some(CacheUse::Read(_))));
    let [source, target] = [&report.source, &report.target].map(|files| files[0].path.clone());
    assert_eq!([source, target], moved);
    assert_eq!(*report.problems[&Problem::Empty].first[0].path, *moved[0]);
    assert_eq!(files.digests().unwrap(), [report.source, report.target]);
}

#[test]
fn a_cache_is_as_large_as_it_may_be() {
    let dir = tempfile::tempdir().unwrap();
    let encode = |line: &str, max_bytes| {
        let files = corpus_of(dir.path(), line, line);
        let cache = TokenCache { max_bytes, ..TokenCache::new(dir.path().join("cache"), "letters") };
        let storage = Storage { cache: Some(cache), ..Storage::default() };
        EncodedCorpus::from_files(&files, &CorpusRules::default(), &storage, letters)
            .unwrap()
            .0
            .cache_use()
            .cloned()
            .unwrap()
    };
    let CacheUse::Written(first) = encode("a", u64::MAX) else { panic!("not written") };
    let size = fs::metadata(&first).unwrap().len();
    assert!(matches!(encode("b", u64::MAX), CacheUse::Written(_)));
    let long_ago = |path: &Path, seconds| {
        let file = fs::File::options().write(true).open(path).unwrap();
        file.set_modified(std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds)).unwrap();
    };
    let CacheUse::Read(second) = encode("b", u64::MAX) else { panic!("not read") };
    long_ago(&first, 1);
    long_ago(&second, 2);
    // Reading one keeps it from being the oldest.
    assert_eq!(encode("a", u64::MAX), CacheUse::Read(first.clone()));
    // What is not a token file is not the cache's to delete, however old and large.
    let other = dir.path().join("cache/text");
    fs::write(&other, vec![0; 4 * size as usize]).unwrap();
    long_ago(&other, 0);
    // What a killed run was writing is.
    let half = dir.path().join("cache/.tmp.tokens");
    fs::write(&half, [0]).unwrap();
    long_ago(&half, 0);
    assert!(matches!(encode("c", 2 * size + size / 2), CacheUse::Written(_)));
    assert!(first.exists() && !second.exists() && other.exists() && !half.exists());
    assert!(matches!(encode("d", 10), CacheUse::NotKept { .. }));
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
