//! Models whose sources are told the language of their target: what goes to other systems, and what is refused.

use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

use attentive_backend::BackendKind;
use attentive_bundle::{Bundle, DecodingConfig, Translator};
use attentive_interchange::{ExportConfig, Format, ImportConfig, Imported, export, import};
use attentive_model::{ModelSpec, TransformerConfig};
use attentive_tokenizer::{BpeTrainer, Tokenizer, UnigramTrainer, with_languages};
use serde_json::Value;

use crate::support::{changed, field, golden, read};

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

/// The notes of an export, and what comes back of it.
fn exported(bundle: &Bundle, format: Format, folder: &Path) -> (Vec<String>, Bundle) {
    let notes = export(bundle, format, &ExportConfig::default(), folder).unwrap();
    (notes, read(folder).unwrap().bundle)
}

/// A text that is told its target has the ids that `MarianTokenizer` gives to one that begins with it.
#[test]
fn codes_of_a_vocabulary_are_languages_of_targets() {
    for name in ["marian", "marian-separate", "marian-npz", "marian-npz-pre"] {
        let Imported { bundle, notes, .. } = read(&golden().path(name)).unwrap();
        assert!(!notes.iter().any(|note| note.contains("--target-language")), "one target: {notes:?}");
        let tokenizer = bundle.tokenizer().unwrap();
        let told = |text: &str, target| {
            let frame = tokenizer.pair_frame(Some("en"), target).unwrap();
            frame.around(&tokenizer.encode(text))
        };
        let said = told(">>de<< a street", None);
        assert_eq!((told("a street", Some("de")), told(">>de<<a street", Some("de"))), (said.clone(), said.clone()));
        assert_eq!(told("a street", None), said[1..], "{name}: none has to be said");
        assert_eq!(tokenizer.source_token(said[0]).as_deref(), Some(">>de<<"));
        let error = tokenizer.pair_frame(None, Some("fr")).unwrap_err().to_string();
        assert!(error.contains("no language \"fr\"; near it are de"), "{error}");
    }
    let tokenizer = read(&golden().path("marian")).unwrap().bundle.tokenizer().unwrap().clone();
    let case = &golden().cases("marian/tokens.json")[0];
    let (text, ids) = (&field::<Vec<String>>(case, "texts")[1], &field::<Vec<Vec<u32>>>(case, "sources")[1]);
    let rest = text.strip_prefix(">>de<< ").unwrap();
    let told = tokenizer.pair_frame(None, Some("de")).unwrap().around(&tokenizer.encode(rest));
    assert_eq!(told[..told.len() - 1], ids[..], "the end is around it");
}

/// What the vocabulary says, every export keeps; which language is the usual one, our own file.
#[test]
fn exports_keep_codes_and_note_the_usual_one() {
    let untold = read(&golden().path("marian")).unwrap().bundle;
    let mut told = untold.clone();
    told.processor = told.processor.between(Some("en"), Some("de")).unwrap();
    let languages = |bundle: &Bundle| bundle.tokenizer().unwrap().framing().unwrap().languages.clone();
    let german = "begin each source with the token of the language to translate into: >>de<<";
    for (bundle, is_noted) in [(&untold, false), (&told, true)] {
        for (format, vocabulary) in [(Format::Marian, "vocab.json"), (Format::CTranslate2, "shared_vocabulary.json")] {
            let folder = tempfile::tempdir().unwrap();
            let (notes, again) = exported(bundle, format, folder.path());
            assert_eq!(notes.iter().any(|note| note == german), is_noted, "{notes:?}");
            assert_eq!(languages(&again), languages(bundle));
            assert_eq!(translations(&again, "de"), translations(&untold, "de"));
            assert!(fs::read_to_string(folder.path().join(vocabulary)).unwrap().contains(">>de<<"));
        }
        let folder = tempfile::tempdir().unwrap();
        exported(bundle, Format::CTranslate2, folder.path());
        let settings: Value = serde_json::from_slice(&fs::read(folder.path().join("config.json")).unwrap()).unwrap();
        assert_eq!(settings["add_source_eos"], true);
    }
    let folder = tempfile::tempdir().unwrap();
    told.save(folder.path().join("saved")).unwrap();
    assert_eq!(languages(&Bundle::read(folder.path().join("saved")).unwrap()), languages(&told));
    // Other vocabularies may take its place, as before a language was the usual one.
    let other = || Arc::new(UnigramTrainer::with_vocab_size(300).train(LINES).unwrap());
    let error = told.replace_vocabulary(other()).unwrap_err().to_string();
    assert!(error.contains("stand in a frame"), "{error}");
    assert!(untold.clone().replace_vocabulary(other()).is_ok());
    // A longer one keeps the languages.
    let mut longer = untold;
    longer.extend_vocabulary(&["Okapi"], false).unwrap();
    assert!(languages(&longer).unwrap().ids.contains_key("de"));
}

#[test]
fn several_targets_without_a_usual_one_are_noted() {
    let folder = changed("marian", |folder| {
        let path = folder.join("vocab.json");
        let vocabulary = fs::read_to_string(&path).unwrap();
        fs::write(&path, vocabulary.replacen("\"E\"", "\">>fra<<\"", 1)).unwrap();
    });
    let Imported { bundle, notes, .. } = read(folder.path()).unwrap();
    let expected = "it translates into de, fra: give --target-language, or begin a text with its token, as >>de<<";
    assert!(notes.iter().any(|note| note == expected), "{notes:?}");
    assert_ne!(translations(&bundle, "de"), translations(&bundle, "fra"));
}
