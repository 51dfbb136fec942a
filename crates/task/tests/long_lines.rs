//! Lines among others whose translation no token can begin.

use std::{fs, num::NonZeroUsize, sync::Arc};

use attentive_backend::BackendKind;
use attentive_bundle::{DecodingConfig, Search, Shortlist, TranslationModel, Translator};
use attentive_collective::Alone;
use attentive_model::{ModelSpec, TransformerConfig};
use attentive_task::{Lines, LongLines, OnLong, Synthesis, SyntheticPairs};
use attentive_tokenizer::{BpeTrainer, Tokenizer};

/// A translator of random weights, and settings by which it writes something for "a" and nothing for "b".
fn made() -> (Translator<TranslationModel>, DecodingConfig) {
    let tokenizer = BpeTrainer::with_merges(4).train(["ab ba", "aab abb"]).unwrap();
    let small =
        TransformerConfig { d_model: 8, d_ff: 8, n_heads: 2, ..TransformerConfig::base(tokenizer.vocab_size()) };
    let config = TransformerConfig { n_encoder_layers: 1, n_decoder_layers: 1, ..small };
    let model = config.init(&BackendKind::Flex.device().unwrap(), 3).unwrap();
    let model = TranslationModel::new(model, &config).unwrap();
    let ids = tokenizer.encode("a");
    let list = Shortlist::new(Vec::new(), ids.iter().map(|&id| (id, ids.clone())));
    let translator = Translator::new(model, Arc::new(tokenizer)).unwrap().with_shortlist(Some(Arc::new(list)));
    // The end, which the shortlist leaves to "b", does not begin a translation.
    (translator, DecodingConfig { min_len: 1, max_len: Some(4), ..DecodingConfig::default() })
}

#[test]
fn a_text_that_nothing_follows_ends_a_block_after_the_texts_before_it() {
    let (translator, config) = made();
    let lines = LongLines { on_long: OnLong::Error, warn: |_| {} };
    let place = |idx: usize| format!("line {}", idx + 1);
    for (beam, batch_tokens) in [(1, 1), (1, 4_096), (3, 1), (3, 4_096)] {
        let config = DecodingConfig { beam, batch_tokens, ..config.clone() };
        let search = (&config, Search::Best(NonZeroUsize::MIN));
        // The shorter one is searched for first.
        let texts = ["a", "b b b", "b", "a a"];
        let (found, refused) = lines.translate(&translator, &texts, "", search, place).unwrap();
        assert_eq!(found, translator.translate_n_best(&["a"], &config, NonZeroUsize::MIN).unwrap());
        let said = refused.unwrap().to_string();
        assert!(said.starts_with("line 2: no token can begin its translation"), "{said}");

        let (found, refused) = lines.translate(&translator, &["a", "", "a a"], "", search, place).unwrap();
        assert!(found.len() == 3 && refused.is_none(), "{refused:?}");
    }
}

#[test]
fn pairs_that_are_made_end_at_the_line_that_nothing_follows() {
    let (translator, config) = made();
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text");
    fs::write(&text, "a\n\nb\na\n").unwrap();
    let (synthesis, identity) = (Synthesis::Distilled, String::new());
    let pairs = SyntheticPairs { translator: &translator, config: &config, sampling: None, synthesis, identity };
    let lines = Lines::open(&[text], "text", |_| {});
    let error = pairs.write(&Alone, lines, None, &folder.path().join("out"), &(), &|| true).unwrap_err().to_string();
    assert!(error.contains("text:3: no token can begin its translation"), "{error}");
}
