//! Token files: the ids of a corpus on disk. All but the magic, the key and the hash, which no bytes would hit by chance.
#![no_main]

use std::{fs, path::PathBuf, sync::OnceLock};

use attentive_data::{
    BatchConfig, CorpusRules, EncodedCorpus, Epochs, Order, PairBatcher, ParallelFiles, Side, SpecialIds, Storage,
    TokenCache,
};
use attentive_fuzz::{file, folder};
use libfuzzer_sys::fuzz_target;
use sha2::{Digest, Sha256};

/// Bytes of the magic and the key.
const PREFIX: usize = 48;

fuzz_target!(|bytes: &[u8]| {
    static WHOLE: OnceLock<(PathBuf, Vec<u8>)> = OnceLock::new();
    let corpus = || {
        let letters = |_: Side, text: &str| text.chars().map(|c| 3 + u32::from(c) % 50).collect();
        let cache = TokenCache::new(folder().join("cache"), "letters");
        let storage = Storage { memory_bytes: 0, cache: Some(cache) };
        let files = ParallelFiles::tsv([folder().join("a.tsv")]);
        EncodedCorpus::from_files(&files, &CorpusRules::default(), &storage, letters)
    };
    let (path, whole) = WHOLE.get_or_init(|| {
        file("a.tsv", b"ein Wort\ta word\nzwei\ttwo\n");
        corpus().expect("a corpus of two pairs");
        let mut files = fs::read_dir(folder().join("cache")).expect("the cache was made");
        let path = files.next().expect("a token file").expect("it can be read").path();
        let whole = fs::read(&path).expect("it can be read");
        (path, whole)
    });
    fs::write(path, [&whole[..PREFIX], &Sha256::digest(bytes), bytes].concat()).expect("room for a temporary file");
    if let Ok((corpus, _)) = corpus() {
        let specials = SpecialIds { pad: 0, bos: 1, eos: 2 };
        let batcher = PairBatcher::new(corpus.into(), &BatchConfig::default(), specials, Order::Shuffled { seed: 1 });
        if let Ok(batcher) = batcher {
            let _ = batcher.epoch(0).try_for_each(|batch| batch.map(drop));
        }
    }
});
