//! Models whose sources are told the language of their target: what goes to other systems, and what is refused.

use std::{collections::BTreeMap, fs};

use attentive_backend::BackendKind;
use attentive_bundle::{Bundle, DecodingConfig, Translator};
use attentive_interchange::{ExportConfig, Format, ImportConfig, export, import};
use attentive_model::{ModelSpec, TransformerConfig};
use attentive_tokenizer::{BpeTrainer, Tokenizer, UnigramTrainer, with_languages};
use serde_json::Value;

const LINES: [&str; 2] = ["the animal was too tired", "das tier war zu müde"];

/// A model with random weights that is told English and German.
fn told(tokenizer: Box<dyn Tokenizer>) -> Bundle {
    let tokenizer = with_languages(tokenizer, &[["en", "de"], ["de", "en"]]).unwrap();
    let small =
        TransformerConfig { d_model: 8, d_ff: 12, n_heads: 2, ..TransformerConfig::base(tokenizer.vocab_size()) };
    let config = TransformerConfig { n_encoder_layers: 1, n_decoder_layers: 1, ..small };
    let params = attentive_weights::params(&config.init(&BackendKind::Flex.device().unwrap(), 1).unwrap());
    Bundle::new("told", config, tokenizer, params)
}

fn unigram() -> Bundle {
    told(Box::new(UnigramTrainer::with_vocab_size(300).train(LINES).unwrap()))
}

fn translations(bundle: &Bundle, target: &str) -> Vec<String> {
    let device = BackendKind::Flex.device().unwrap();
    let translator = Translator::from_bundle(bundle, &device, None).unwrap().between(None, Some(target)).unwrap();
    let config = DecodingConfig { max_len: Some(6), ..DecodingConfig::default() };
    let found = translator.translate(&LINES, &config).unwrap();
    found.into_iter().map(|translation| format!("{:?} {:.3}", translation.tokens, translation.log_prob)).collect()
}

/// As OPUS-MT has languages: `>>de<<` is an entry of the vocabulary, and the first of a source.
#[test]
fn marian_has_the_languages_in_its_vocabulary() {
    let bundle = unigram();
    let folder = tempfile::tempdir().unwrap();
    let notes = export(&bundle, Format::Marian, &ExportConfig::default(), folder.path()).unwrap();
    assert!(notes.iter().any(|note| note.ends_with("the language to translate into: >>de<< or >>en<<")), "{notes:?}");
    let vocabulary = fs::read(folder.path().join("vocab.json")).unwrap();
    let vocabulary: BTreeMap<String, u32> = serde_json::from_slice(&vocabulary).unwrap();
    let languages = bundle.tokenizer().unwrap().framing().unwrap().languages.clone().unwrap();
    for (name, id) in &languages.ids {
        assert_eq!(vocabulary.get(&format!(">>{name}<<")), Some(id));
    }
    assert!(folder.path().join("source.spm").exists(), "{notes:?}");
    // No translation has such a token, there as here.
    let generation: Value =
        serde_json::from_slice(&fs::read(folder.path().join("generation_config.json")).unwrap()).unwrap();
    let suppressed = generation["suppress_tokens"].as_array().or(generation["bad_words_ids"].as_array()).unwrap();
    let suppressed = serde_json::to_string(suppressed).unwrap();
    assert!(languages.ids.values().all(|id| suppressed.contains(&id.to_string())), "{generation}");

    let again = import(folder.path(), &ImportConfig::default()).unwrap().bundle;
    assert_eq!(again.tokenizer().unwrap().framing(), bundle.tokenizer().unwrap().framing());
    for target in ["de", "en"] {
        assert_eq!(translations(&again, target), translations(&bundle, target), "{target}");
    }
    assert_ne!(translations(&bundle, "de"), translations(&bundle, "en"));
}

#[test]
fn formats_whose_sources_have_their_own_languages_are_refused_by_name() {
    let bpe = told(Box::new(BpeTrainer::with_merges(20).train(LINES).unwrap()));
    for bundle in [bpe, unigram()] {
        for format in [Format::MBart, Format::M2M100] {
            let folder = tempfile::tempdir().unwrap();
            let error = export(&bundle, format, &ExportConfig::default(), folder.path()).unwrap_err().to_string();
            assert!(error.contains("export it as marian"), "{error}");
        }
        let folder = tempfile::tempdir().unwrap();
        let notes = export(&bundle, Format::CTranslate2, &ExportConfig::default(), folder.path()).unwrap();
        assert!(notes.iter().any(|note| note.contains("its language too")), "{notes:?}");
    }
}
