//! Where the tokens of a text are kept between runs.

use attentive_data::{CacheUse, Storage, TokenCache, sha256_of};
use attentive_tokenizer::{TokenId, Tokenizer};

use crate::{Log, thousands};

/// How many of a text's tokens tell whether its vocabulary suits it.
const SAMPLE: usize = 100_000;

/// One in so many of them may be unknown.
const MANY: usize = 20;

/// Storage of the tokens of a text that `tokenizer` encodes; `cache` is where later runs find them, of any tokenizer, and `how`
/// says what else decides them.
pub(crate) fn storage(cache: Option<&TokenCache>, tokenizer: &dyn Tokenizer, how: &str) -> Storage {
    let of =
        |(cache, print): (&TokenCache, String)| TokenCache { tokenizer: format!("{print} {how}"), ..cache.clone() };
    Storage { cache: cache.zip(fingerprint(tokenizer)).map(of), ..Storage::default() }
}

/// The same storage of the tokens of a text whose model is told something too, unless that is nothing.
pub(crate) fn told(storage: &Storage, what: &str) -> Storage {
    let of = |cache: TokenCache| TokenCache { tokenizer: format!("{}{what}", cache.tokenizer), ..cache };
    Storage { cache: storage.cache.clone().map(of), ..storage.clone() }
}

/// Text in which tokenizers differ, if their code does: scripts, marks, spaces, numbers, names of special tokens.
const PROBE: &str = "The animal didn't cross  the street, because it was too tired: 3.14 x 1,000 = 3140!\n\tDie müde Straße, \
                     Ａ１ ﬁ e\u{301} ½ \u{a0}x\u{200d}y 한국어 が日本 العربية हिन्दी 👩\u{200d}🚀 [MASK] <s></s> <|endoftext|> https://a.b/c_d?e=1";

/// Tells tokenizers apart, by their files and by what this version makes of a text; one that has no file is told from none.
fn fingerprint(tokenizer: &dyn Tokenizer) -> Option<String> {
    let model = serde_json::to_string(&tokenizer.to_model()?).ok()?;
    Some(sha256_of([model, format!("{:?}", tokenizer.encode(PROBE))]))
}

/// Warns of a vocabulary to which many tokens of the training text are unknown: it was made for another text.
pub(crate) fn warn_of_unknown(log: &dyn Log, tokenizer: &dyn Tokenizer, ids: impl IntoIterator<Item = TokenId>) {
    let specials = tokenizer.specials();
    let Some(unk) = specials.unk.filter(|_| specials.unk != specials.end()) else { return };
    let of_sample: Vec<bool> = ids.into_iter().take(SAMPLE).map(|id| id == unk).collect();
    let n_unknown = of_sample.iter().filter(|&&is_unknown| is_unknown).count();
    if n_unknown * MANY > of_sample.len() {
        let [n_unknown, n] = [n_unknown, of_sample.len()].map(|n| thousands(n as u64));
        log.warning(&format!(
            "{n_unknown} of the first {n} tokens of the training text are unknown to the tokenizer: it was made for other \
             texts (`doctor` shows where they are)"
        ));
    }
}

/// As [`warn_of_unknown`], of texts that are encoded here; one that can't be read ends them.
pub(crate) fn warn_of_unknown_in<E>(
    log: &dyn Log,
    tokenizer: &dyn Tokenizer,
    texts: impl IntoIterator<Item = Result<String, E>>,
) {
    let texts = texts.into_iter().map_while(Result::ok);
    warn_of_unknown(log, tokenizer, texts.flat_map(|text| tokenizer.encode(&text)));
}

/// Says what a cache was good for.
pub(crate) fn say_use(log: &dyn Log, cache_use: Option<&CacheUse>) {
    match cache_use {
        Some(cache_use) if cache_use.is_warning() => log.warning(&cache_use.to_string()),
        Some(cache_use) => say!(log, "cache     {cache_use}"),
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use std::{borrow::Cow, ops::Range};

    use attentive_tokenizer::{Bytes, Model, Specials, TokenId, UnknownId};

    use super::*;

    /// As bytes, by the same file, and with other ids: a tokenizer whose code has changed.
    struct Changed(Bytes);

    impl Tokenizer for Changed {
        fn encode(&self, text: &str) -> Vec<TokenId> {
            self.0.encode(text).into_iter().rev().collect()
        }

        fn encode_with_offsets(&self, text: &str) -> Vec<(TokenId, Range<usize>)> {
            self.0.encode_with_offsets(text)
        }

        fn decode_bytes(&self, ids: &[TokenId]) -> Result<Vec<u8>, UnknownId> {
            self.0.decode_bytes(ids)
        }

        fn vocab_size(&self) -> usize {
            self.0.vocab_size()
        }

        fn specials(&self) -> &Specials {
            self.0.specials()
        }

        fn token(&self, id: TokenId) -> Option<Cow<'_, str>> {
            self.0.token(id)
        }

        fn to_model(&self) -> Option<Model> {
            self.0.to_model()
        }
    }

    #[test]
    fn a_tokenizer_that_encodes_otherwise_is_another() {
        let print = fingerprint(&Bytes::default()).unwrap();
        assert_eq!(fingerprint(&Bytes::default()), Some(print.clone()));
        assert_ne!(fingerprint(&Changed(Bytes::default())), Some(print));
    }
}
