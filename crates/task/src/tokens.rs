//! Where the tokens of a text are kept between runs.

use std::path::Path;

use attentive_data::{CacheUse, Storage, TokenCache, sha256_of};
use attentive_tokenizer::Tokenizer;

use crate::Log;

/// Storage of the tokens of a text that `tokenizer` encodes; `cache` is the folder where later runs find them, and `how`
/// says what else decides them.
pub(crate) fn storage(cache: Option<&Path>, tokenizer: &dyn Tokenizer, how: &str) -> Storage {
    let cache = cache.zip(fingerprint(tokenizer)).map(|(dir, print)| TokenCache::new(dir, format!("{print} {how}")));
    Storage { cache, ..Storage::default() }
}

/// Tells tokenizers apart; one that has no file is told from none.
fn fingerprint(tokenizer: &dyn Tokenizer) -> Option<String> {
    Some(sha256_of([serde_json::to_string(&tokenizer.to_model()?).ok()?]))
}

/// Says what a cache was good for.
pub(crate) fn say_use(log: &dyn Log, cache_use: Option<&CacheUse>) {
    match cache_use {
        Some(cache_use) if cache_use.is_warning() => log.warning(&format!("warning: {cache_use}")),
        Some(cache_use) => say!(log, "cache     {cache_use}"),
        None => {}
    }
}
