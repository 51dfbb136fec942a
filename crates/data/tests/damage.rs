//! Damaged corpora and token files: an error or pairs, never a panic.

use std::{fs, io::Write, path::Path};

use attentive_data::{
    BatchConfig, CorpusRules, EncodedCorpus, Epochs, OnProblem, Order, PairBatcher, ParallelFiles, Side, SpecialIds,
    Storage, TokenCache,
};
use attentive_testkit::survives;

fn letters(_side: Side, text: &str) -> Vec<u32> {
    text.chars().map(|c| 3 + u32::from(c) % 50).collect()
}

fn text() -> String {
    (0..60).map(|i| format!("wort {i}\tword {i} {}\n", "é".repeat(i % 5))).collect()
}

/// Reads a corpus to its end, and cuts it into batches.
fn read(files: &ParallelFiles, storage: &Storage) {
    let strict = CorpusRules::default();
    let lenient = CorpusRules {
        on_columns: OnProblem::Skip,
        on_invalid_utf8: OnProblem::Skip,
        on_line_count: OnProblem::Skip,
        ..CorpusRules::default()
    };
    for rules in [strict, lenient] {
        let Ok((corpus, _)) = EncodedCorpus::from_files(files, &rules, storage, letters) else { continue };
        let specials = SpecialIds { pad: 0, bos: 1, eos: 2, source_end: 2 };
        let batcher = PairBatcher::new(corpus.into(), &BatchConfig::default(), specials, Order::Shuffled { seed: 1 });
        if let Ok(batcher) = batcher {
            let _ = batcher.epoch(0).try_for_each(|batch| batch.map(drop));
        }
    }
}

fn damage(bytes: &[u8], name: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    survives(bytes, 300, |damaged| {
        fs::write(&path, damaged).unwrap();
        read(&ParallelFiles::tsv([&path]), &Storage::default());
    });
}

#[test]
fn plain_text() {
    damage(text().as_bytes(), "a.tsv");
}

#[test]
fn gzip() {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text().as_bytes()).unwrap();
    damage(&encoder.finish().unwrap(), "a.tsv.gz");
}

#[test]
fn zstandard() {
    damage(&zstd::encode_all(text().as_bytes(), 1).unwrap(), "a.tsv.zst");
}

#[test]
fn bzip2_and_xz() {
    for name in ["text-twice.bz2", "text-twice.xz", "text-utf-16le"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
        damage(&fs::read(path).unwrap(), name);
    }
}

#[test]
fn token_files() {
    let folder = tempfile::tempdir().unwrap();
    let text_path = folder.path().join("a.tsv");
    fs::write(&text_path, text()).unwrap();
    let files = ParallelFiles::tsv([&text_path]);
    let cache =
        |folder: &Path| Storage { memory_bytes: 0, cache: Some(TokenCache::new(folder.join("cache"), "letters")) };
    EncodedCorpus::from_files(&files, &CorpusRules::default(), &cache(folder.path()), letters).unwrap();
    let mut entries = fs::read_dir(folder.path().join("cache")).unwrap();
    let path = entries.next().unwrap().unwrap().path();
    survives(&fs::read(&path).unwrap(), 1_000, |damaged| {
        fs::write(&path, damaged).unwrap();
        read(&files, &cache(folder.path()));
    });
}
