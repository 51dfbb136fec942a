//! Encoded corpora: in memory, in a temporary file, and in a cache.

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::{fs, thread};

use attentive_data::{
    CacheUse, CorpusBuilder, CorpusReport, CorpusRules, DataError, DocumentUnit, EncodedCorpus, EncodingPeers,
    ParallelFiles, Problem, SentenceCorpus, Side, Storage, TextFiles, TokenCache, TokenStream, Treatment,
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
    // 9,000 pairs: two chunks, many strides; every 7th line is empty.
    let line = |i: usize| {
        if i % 7 == 3 { String::new() } else { "ab c".repeat(1 + i % 5) }
    };
    let source: Vec<String> = (0..9000).map(line).collect();
    let target: Vec<String> = (0..9000).map(|i| format!("{i} x")).collect();
    let files = corpus_of(dir.path(), &(source.join("\n") + "\n"), &target.join("\n"));

    let encode = |storage: &Storage| EncodedCorpus::from_files(&files, &CorpusRules::default(), storage, letters);
    let (memory, report) = encode(&Storage::default()).unwrap();
    assert!(!memory.is_on_disk());
    assert_eq!((report.n_read, report.n_kept, memory.len()), (9000, 7714, 7714));
    let expected: Vec<_> = (0..9000)
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

/// One of several threads that encode together.
#[derive(Debug)]
struct Peer {
    rank: usize,
    board: Arc<(Barrier, Mutex<Vec<Vec<u8>>>)>,
}

impl EncodingPeers for Peer {
    fn place(&self) -> (usize, usize) {
        (self.rank, self.board.1.lock().unwrap().len())
    }

    fn gather(&self, mine: &[u8]) -> Result<Vec<Vec<u8>>, DataError> {
        self.board.1.lock().unwrap()[self.rank] = mine.to_vec();
        self.board.0.wait();
        let all = self.board.1.lock().unwrap().clone();
        self.board.0.wait();
        Ok(all)
    }
}

/// What each of some processes, here threads, encodes together with the others into its folder.
fn together<R: Send>(folders: &[PathBuf], encode: impl Fn(Storage) -> R + Sync) -> Vec<R> {
    let board = Arc::new((Barrier::new(folders.len()), Mutex::new(vec![Vec::new(); folders.len()])));
    thread::scope(|scope| {
        let threads = folders.iter().enumerate().map(|(rank, folder)| {
            let (board, encode) = (board.clone(), &encode);
            scope.spawn(move || {
                let peers: Option<Rc<dyn EncodingPeers>> = Some(Rc::new(Peer { rank, board }));
                let cache = Some(TokenCache { peers, ..TokenCache::new(folder, "letters") });
                encode(Storage { memory_bytes: 1000, cache })
            })
        });
        threads.collect::<Vec<_>>().into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

fn only_file(folder: &Path) -> Vec<u8> {
    let files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    fs::read(&files[0]).unwrap()
}

/// In one folder for all, in one each, and where one process has the tokens already: the bytes of one process, every text
/// encoded once.
#[test]
fn processes_encode_parts_of_the_text() {
    let dir = tempfile::tempdir().unwrap();
    let line = |i: usize| if i % 7 == 3 { " \n".to_owned() } else { "ab c".repeat(1 + i % 5) + "\n" };
    let source: String = (0..9000).map(line).collect();
    // Of every eleventh target nothing is left.
    let target: String = (0..9000).map(|i| if i % 11 == 5 { "-\n".to_owned() } else { format!("{i} x\n") }).collect();
    let files = corpus_of(dir.path(), &source, &target);
    let n_encoded = AtomicUsize::new(0);
    let encode = |storage: Storage| {
        let encode = |side: Side, text: &str| {
            n_encoded.fetch_add(1, Ordering::Relaxed);
            if text == "-" { Vec::new() } else { letters(side, text) }
        };
        let rules = CorpusRules::default();
        let (corpus, report) = EncodedCorpus::from_files(&files, &rules, &storage, encode).unwrap();
        (contents(&corpus), report)
    };
    let alone = dir.path().join("alone");
    let cache = Some(TokenCache::new(&alone, "letters"));
    let expected = encode(Storage { memory_bytes: 1000, cache });
    let n_texts = n_encoded.swap(0, Ordering::Relaxed);
    for size in [2, 3, 4] {
        let one = vec![dir.path().join(format!("one-{size}")); size];
        let own: Vec<PathBuf> = (0..size).map(|rank| dir.path().join(format!("own-{size}-{rank}"))).collect();
        let mut some = own.clone();
        some[0] = dir.path().join(format!("new-{size}"));
        for folders in [&one, &own, &some] {
            assert!(together(folders, encode).iter().all(|found| *found == expected), "{folders:?}");
            assert_eq!(n_encoded.swap(0, Ordering::Relaxed), n_texts, "{folders:?}");
            assert!(folders.iter().all(|folder| only_file(folder) == only_file(&alone)), "{folders:?}");
            // All find them now.
            assert!(together(folders, encode).iter().all(|found| *found == expected), "{folders:?}");
            assert_eq!(n_encoded.load(Ordering::Relaxed), 0, "{folders:?}");
        }
    }
}

#[test]
fn processes_encode_documents_and_sentences_together() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("text.txt");
    let line = |i: usize| if i % 5 == 4 { "\n".to_owned() } else { format!("{i} is a number\n") };
    fs::write(&path, (0..9000).map(line).collect::<String>()).unwrap();
    let files = TextFiles::new([&path], DocumentUnit::Paragraph);
    let encode = |text: &str| letters(Side::Source, text);
    let stream = |storage: Storage| {
        let (stream, _) = TokenStream::from_files(&files, &storage, Some(9), encode).unwrap();
        stream.read(0..stream.len()).unwrap().into_owned()
    };
    let sentences =
        |storage: Storage| SentenceCorpus::from_files(&files, &storage, 9, encode).unwrap().0.ids().to_vec();
    let folders = [0, 1, 2].map(|rank| dir.path().join(rank.to_string()));
    let (expected, found) = (stream(Storage::default()), together(&folders, stream));
    assert!(found.iter().all(|found| *found == expected));
    let (expected, found) = (sentences(Storage::default()), together(&folders, sentences));
    assert!(found.iter().all(|found| *found == expected));
}

/// Each encodes its own; that they differ is for others to say.
#[test]
fn processes_with_other_texts_encode_alone() {
    let dir = tempfile::tempdir().unwrap();
    let folders = [0, 1].map(|rank| dir.path().join(rank.to_string()));
    let found = together(&folders, |storage| {
        let folder = storage.cache.as_ref().unwrap().dir.clone();
        fs::create_dir_all(&folder).unwrap();
        let text = if folder.ends_with("0") { "a b\n" } else { "b\nc\n" };
        let files = corpus_of(&folder, text, text);
        contents(&EncodedCorpus::from_files(&files, &CorpusRules::default(), &storage, letters).unwrap().0)
    });
    assert_eq!([found[0].len(), found[1].len()], [1, 2]);
}
