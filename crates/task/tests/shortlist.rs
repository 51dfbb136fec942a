//! A learned shortlist against IBM model 1 on whole tables, and that of a model's folder.

use std::{cell::Cell, fs, sync::Arc};

use attentive_bundle::{Bundle, BundleError, Shortlist};
use attentive_core::{TokenId, mix64};
use attentive_model::{ModelConfig, RnnConfig, TransformerConfig};
use attentive_task::{Error, ShortlistLearning};
use attentive_tokenizer::{BpeTrainer, Tokenizer};

type IdPair = [Vec<TokenId>; 2];

/// Tokens of a source, and for most of them the token that it is translated by, among others, in any order.
fn corpus(n_pairs: u64, n_tokens: u64) -> Vec<IdPair> {
    let random = |pair: u64, at: u64| mix64(pair * 1_009 + at);
    let pair = |pair: u64| {
        let source: Vec<u64> = (0..1 + random(pair, 0) % 6).map(|at| random(pair, 1 + at) % n_tokens).collect();
        let mut target: Vec<u64> = source.iter().filter(|&&token| random(pair, 50 + token) % 4 > 0).copied().collect();
        target.extend((0..random(pair, 20) % 3).map(|at| random(pair, 21 + at) % n_tokens));
        target.sort_by_key(|&token| random(pair, 100 + token));
        [source, target].map(|tokens| tokens.into_iter().map(|token| token as TokenId).collect())
    };
    (0..n_pairs).map(pair).collect()
}

fn learn(learning: &ShortlistLearning, corpus: &[IdPair]) -> Shortlist {
    learning.learn(|| Ok(corpus.iter().map(|pair| Ok(pair.clone())))).unwrap()
}

/// The probability of each target token for each source token, the last of which is none: `[source + 1][target]`, by the formulas
/// of Brown et al. 1993, equations 14 and 17.
fn probabilities(corpus: &[IdPair], n_tokens: usize, n_rounds: usize) -> Vec<Vec<f64>> {
    let mut t = vec![vec![1.0; n_tokens]; n_tokens + 1];
    for _ in 0..n_rounds {
        let mut counts = vec![vec![0.0; n_tokens]; n_tokens + 1];
        for [source, target] in corpus {
            for &e in target {
                let origins: Vec<usize> = [n_tokens].into_iter().chain(source.iter().map(|&f| f as usize)).collect();
                let total: f64 = origins.iter().map(|&f| t[f][e as usize]).sum();
                for f in origins {
                    counts[f][e as usize] += t[f][e as usize] / total;
                }
            }
        }
        for row in &mut counts {
            let total: f64 = row.iter().sum();
            row.iter_mut().filter(|_| total > 0.0).for_each(|count| *count /= total);
        }
        t = counts;
    }
    t
}

#[test]
fn the_tokens_are_the_most_probable_of_model_1() {
    const N: usize = 23;
    let corpus = corpus(200, N as u64);
    for (n_per_token, n_frequent, n_rounds) in [(1, 0, 1), (3, 2, 5), (100, 100, 4)] {
        let learning = ShortlistLearning { n_per_token, n_frequent, n_rounds, ..ShortlistLearning::default() };
        let found = learn(&learning, &corpus);
        let t = probabilities(&corpus, N, n_rounds);
        for (source, row) in t[..N].iter().enumerate() {
            let kept = found.of_token(source as TokenId);
            let n_possible = row.iter().filter(|&&p| p > 0.0).count();
            assert_eq!(kept.len(), n_possible.min(n_per_token), "{source}");
            let least = kept.iter().map(|&token| row[token as usize]).fold(f64::INFINITY, f64::min);
            assert!(kept.windows(2).all(|two| row[two[0] as usize] >= row[two[1] as usize] - 1e-12), "{source}");
            for token in (0..N as TokenId).filter(|token| !kept.contains(token)) {
                assert!(row[token as usize] <= least + 1e-12, "{source}: {token} is more probable than {kept:?}");
            }
        }
        let n_of = |token: TokenId| corpus.iter().flat_map(|[_, target]| target).filter(|&&id| id == token).count();
        let mut frequent: Vec<TokenId> = (0..N as TokenId).filter(|&token| n_of(token) > 0).collect();
        frequent.sort_by_key(|&token| (usize::MAX - n_of(token), token));
        frequent.truncate(n_frequent);
        assert_eq!(found.frequent(), frequent);
    }
}

#[test]
fn translations_are_found_in_little_memory() {
    const N: u64 = 40;
    let corpus = corpus(2_000, N);
    let all = ShortlistLearning { n_per_token: 1, n_rounds: 10, ..ShortlistLearning::default() };
    for learning in [all, ShortlistLearning { max_candidates: 300, ..all }] {
        let found = learn(&learning, &corpus);
        for token in 0..N as TokenId {
            assert_eq!(found.of_token(token), [token], "{learning:?}");
        }
    }
    let few = ShortlistLearning { n_per_token: 100, max_candidates: 300, ..all };
    let found = learn(&few, &corpus);
    let n_kept: usize = (0..N as TokenId).map(|token| found.of_token(token).len()).sum();
    assert!(n_kept <= 300, "{n_kept}");
}

#[test]
fn a_text_that_changes_while_it_is_read_is_refused() {
    let (corpus, n_read) = (corpus(9, 5), Cell::new(0));
    let read = || {
        n_read.set(n_read.get() + 1);
        Ok(corpus.iter().skip(n_read.get() / 3).map(|pair| Ok(pair.clone())))
    };
    let error = ShortlistLearning::default().learn(read).unwrap_err();
    assert!(error.to_string().starts_with("the text had 9 pairs and then 8"), "{error}");
}

#[test]
fn the_tokens_of_a_model_s_shortlist_are_those_of_its_tokenizer() {
    let tokenizer: Arc<dyn Tokenizer> = Arc::new(BpeTrainer::with_merges(12).train(["ab ba", "aab abb"]).unwrap());
    let n = tokenizer.vocab_size();
    let bundle =
        |config: ModelConfig| Bundle::new("model", config, tokenizer.clone(), attentive_weights::Tensors::new());
    let transformer = bundle(TransformerConfig::base(n).into());
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let source = file("source", "ab\n\nba aab\nab ba\n");
    let source = [source];
    let target = [file("target", "ba\nab\naab\nba aab\n")];
    let learning = ShortlistLearning::default();
    let found = learning.of_files(&transformer, [&source, &target], &()).unwrap();
    // The second pair has a blank line.
    let pairs = [["ab", "ba"], ["ba aab", "aab"], ["ab ba", "ba aab"]];
    let ids = pairs.map(|[source, target]| [tokenizer.encode(source), tokenizer.encode_target(target)]);
    assert_eq!(found, learn(&learning, &ids));
    assert!(found.n_source_tokens() > 0);

    let short = learning.of_files(&transformer, [&source, &[file("short", "ba\n")]], &());
    assert!(matches!(short, Err(Error::Data(_))), "{short:?}");
    // A command that has no such settings does not advise to set them.
    assert!(short.unwrap_err().to_string().ends_with("; align the two sides"));
    let bytes = folder.path().join("bytes");
    fs::write(&bytes, b"ba\nab\n\xff\nba aab\n").unwrap();
    let error = learning.of_files(&transformer, [&source, &[bytes]], &()).unwrap_err().to_string();
    assert!(error.ends_with("bytes:3; convert the file to UTF-8"), "{error}");
    let blank = [file("blank", "\n")];
    let error = learning.of_files(&transformer, [&blank, &blank], &()).unwrap_err().to_string();
    assert!(error.contains("no pairs of sentences"), "{error}");
    let other = learning.of_files(&bundle(RnnConfig::rnn_search(n).into()), [&source, &target], &());
    assert!(matches!(other, Err(Error::Bundle(BundleError::Family { .. }))), "{other:?}");
}
