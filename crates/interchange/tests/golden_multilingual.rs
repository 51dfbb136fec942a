//! BART, mBART, mBART-50, M2M100 and NLLB against transformers (`tests/golden/generate_multilingual.py`): ids, logits, and what
//! greedy and beam searches write; each as it is read, after a bundle's folder, and after an export.

use std::path::Path;

use attentive_attention::Mask;
use attentive_backend::{BackendKind, Device};
use attentive_bundle::{BeamRules, Bundle, DecodingConfig, Denoiser, TranslateError, TranslationModel, Translator};
use attentive_core::{EncoderDecoder, NextToken, TokenMatrix};
use attentive_interchange::{ExportConfig, Format, ImportConfig, Imported, export, import};
use attentive_model::TransformerConfig;
use attentive_testkit::{Area, Comparison, Golden, largest_error};
use attentive_tokenizer::{ByteLevelBpeTrainer, WordPieceTrainer};
use burn::tensor::{Int, Tensor, TensorData};
use serde::Deserialize;
use serde_json::Value;

/// How far a logit may be from transformers'.
const ALLOWED: f64 = 1e-4;
const BACKENDS: [BackendKind; 2] = [BackendKind::Flex, BackendKind::NdArray];
const FOLDERS: [(&str, Format); 5] = [
    ("bart", Format::Bart),
    ("mbart", Format::MBart),
    ("mbart50", Format::MBart),
    ("m2m100", Format::M2M100),
    ("nllb", Format::M2M100),
];

fn golden() -> Golden {
    Golden::of(env!("CARGO_MANIFEST_DIR"))
}

fn case(name: &str) -> Value {
    golden().cases(&format!("{name}/multilingual.json")).remove(0)
}

fn read(name: &str) -> Imported {
    import(&golden().path(name), &ImportConfig::default()).unwrap()
}

fn field<T: for<'de> Deserialize<'de>>(case: &Value, name: &str) -> T {
    T::deserialize(&case[name]).unwrap()
}

fn comparison(area: Area, what: String, allowed: f64) -> Comparison {
    Comparison::new(area, what, format!("transformers {}", golden().version("transformers")), allowed)
}

fn flex() -> Device {
    BackendKind::Flex.device().unwrap()
}

fn ids(rows: &[Vec<u32>], device: &Device) -> Tensor<2, Int> {
    let shape = [rows.len(), rows[0].len()];
    let ids: Vec<i64> = rows.iter().flatten().map(|&id| i64::from(id)).collect();
    Tensor::from_data(TensorData::new(ids, shape), device)
}

/// The largest difference to the logits that transformers has of every token.
fn error_on_tensors(bundle: &Bundle, case: &Value, device: &Device) -> f64 {
    let model = bundle.model::<TransformerConfig>(device).unwrap();
    let source = TokenMatrix::from_rows(&field::<Vec<Vec<u32>>>(case, "source"), 1, 0);
    let mask = Mask::padding(source.lengths(), source.n_cols(), device);
    let rows: Vec<Vec<u32>> = source.ids().chunks(source.n_cols()).map(<[u32]>::to_vec).collect();
    let memory = model.encode(ids(&rows, device), &mask, None);
    let logits = model.logits(model.decode(ids(&field::<Vec<_>>(case, "target"), device), &memory, &mask, None));
    let found: Vec<f32> = logits.into_data().try_into_vec().unwrap();
    largest_error(&found, &Golden::tensor(case, "logits"))
}

/// The largest difference to the log-probabilities of the last token, of the engine of the CPU.
fn error_of_engine(bundle: &Bundle, case: &Value) -> f64 {
    let model = bundle.translation_model(&flex(), None).unwrap();
    let (source, target): (Vec<Vec<u32>>, Vec<Vec<u32>>) = (field(case, "source"), field(case, "target"));
    let mut state = model.start(&TokenMatrix::from_rows(&source, 1, 0));
    let found = model.log_probs(&target.concat(), &mut state).unwrap();
    let logits = Golden::tensor(case, "logits");
    let vocab_size = logits.len() / target.concat().len();
    let rows = logits.chunks_exact(vocab_size * target[0].len());
    let last = rows.map(|row| row[row.len() - vocab_size..].to_vec()).collect::<Vec<_>>().concat();
    largest_error(&found, &attentive_testkit::log_softmax(&last, vocab_size))
}

#[test]
fn logits_are_those_of_transformers() {
    for (name, _) in FOLDERS {
        let (bundle, case) = (read(name).bundle, case(name));
        for kind in BACKENDS {
            let mut comparison = comparison(Area::Weights, format!("logits of a {name} model read, {kind}"), ALLOWED);
            comparison.case("logits", error_on_tensors(&bundle, &case, &kind.device().unwrap()));
            comparison.report();
        }
        let what = format!("log-probabilities of a {name} model read, the engine of the CPU");
        let mut comparison = comparison(Area::Weights, what, ALLOWED);
        comparison.case("the last step", error_of_engine(&bundle, &case));
        comparison.report();
    }
}

/// Holds ids, frames and text of a tokenizer against transformers'.
fn tokens_are_equal(what: &str, bundle: &Bundle, case: &Value) {
    let tokenizer = bundle.tokenizer().unwrap();
    let mut comparison = comparison(Area::Tokenizers, format!("ids and text of {what}"), 0.0);
    for entry in field::<Vec<Value>>(case, "texts") {
        let (text, language): (String, Option<String>) = (field(&entry, "text"), field(&entry, "source"));
        let framing = tokenizer.framing().unwrap();
        let frame = framing.of_source(language.as_deref()).unwrap();
        let plain = tokenizer.encode_with_specials(&text);
        let framed = [&frame.before, &plain, &frame.after].map(Vec::as_slice).concat();
        comparison.equal(format!("ids of {text:?}"), &framed, &field::<Vec<u32>>(&entry, "ids"));
        let known: Vec<u32> = plain.into_iter().filter(|&id| id != 3).collect();
        let decoded: String = field(&entry, "decoded");
        comparison.equal(format!("text of {text:?}"), &tokenizer.decode(&known).unwrap(), &decoded);
    }
    comparison.equal("entries", &tokenizer.vocab_size(), &field::<usize>(case, "n_tokens"));
    comparison.report();
}

/// What our settings are for what transformers is told.
fn decoding(bundle: &Bundle, search: &Value) -> DecodingConfig {
    let beam_rules = match &search["early_stopping"] {
        Value::Bool(true) => BeamRules::Early,
        Value::String(_) => BeamRules::Never,
        _ => BeamRules::Present,
    };
    DecodingConfig {
        beam: field(search, "num_beams"),
        length_penalty: search["length_penalty"].as_f64().unwrap_or(1.0),
        beam_rules,
        max_len: Some(12),
        // Theirs counts what the decoder reads first.
        min_len: search["min_length"].as_u64().map_or(0, |n| n as usize - 1),
        no_repeat_ngram: search["no_repeat_ngram_size"].as_u64().unwrap_or(0) as usize,
        ..bundle.decoding.clone()
    }
}

fn translator(bundle: &Bundle) -> Translator<TranslationModel> {
    Translator::from_bundle(bundle, &flex(), None).unwrap()
}

/// Holds what searches write, and their scores, against transformers'.
fn translations_are_equal(what: &str, bundle: &Bundle, case: &Value) {
    let mut written = comparison(Area::Weights, format!("what {what} writes, greedily and with beams"), 0.0);
    let mut scores = comparison(Area::Weights, format!("scores of what {what} writes with beams"), ALLOWED);
    for entry in field::<Vec<Value>>(case, "translations") {
        let [from, to] = ["from", "to"].map(|side| field::<Option<String>>(&entry, side));
        let translator = translator(bundle).between(from.as_deref(), to.as_deref()).unwrap();
        let text: String = field(&entry, "text");
        let found = &translator.translate(&[&text], &decoding(bundle, &entry["search"])).unwrap()[0];
        written.equal(format!("{text:?} by {}", entry["search"]), &found.tokens, &field::<Vec<u32>>(&entry, "written"));
        if let Some(score) = entry["score"].as_f64() {
            scores.case(format!("{text:?} by {}", entry["search"]), (found.score - score).abs());
        }
    }
    written.report();
    scores.report();
}

#[test]
fn tokenizers_and_searches_are_those_of_transformers() {
    for (name, _) in FOLDERS {
        let (bundle, case) = (read(name).bundle, case(name));
        tokens_are_equal(&format!("the tokenizer of {name}"), &bundle, &case);
        translations_are_equal(name, &bundle, &case);
        // Through a bundle's folder.
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model");
        bundle.save(&path).unwrap();
        let saved = Bundle::read(&path).unwrap();
        assert_eq!((&saved.model, &saved.decoding), (&bundle.model, &bundle.decoding));
        assert_eq!(saved.tokenizer().unwrap().framing(), bundle.tokenizer().unwrap().framing());
        tokens_are_equal(&format!("the saved tokenizer of {name}"), &saved, &case);
    }
}

/// A folder of transformers without our own file of the tokenizer.
fn without_ours(folder: &Path) {
    std::fs::remove_file(folder.join("attentive_tokenizer.json")).unwrap();
}

#[test]
fn what_is_written_is_read_as_it_was() {
    for (name, format) in FOLDERS {
        let (bundle, case) = (read(name).bundle, case(name));
        let folder = tempfile::tempdir().unwrap();
        let notes = export(&bundle, format, &ExportConfig::default(), folder.path()).unwrap();
        assert_eq!(notes, [""; 0], "{name}");
        for theirs_alone in [false, true] {
            if theirs_alone {
                without_ours(folder.path());
            }
            let again = import(folder.path(), &ImportConfig::default()).unwrap().bundle;
            assert_eq!((&again.model, &again.params), (&bundle.model, &bundle.params), "{name}");
            // Their bound is all positions, whatever the source has.
            let positions = again.spec::<TransformerConfig>().unwrap().positions.max_len();
            let longest = positions.unwrap_or(ExportConfig::MAX_LEN) - 1;
            let (max_len, max_len_offset) = (Some(longest), longest.max(bundle.decoding.max_len_offset));
            let expected = DecodingConfig { max_len, max_len_offset, ..bundle.decoding.clone() };
            assert_eq!(again.decoding, expected, "{name}");
            let framing = |bundle: &Bundle| bundle.tokenizer().unwrap().framing().cloned();
            assert_eq!(framing(&again), framing(&bundle), "{name}");
            tokens_are_equal(&format!("the exported tokenizer of {name}"), &again, &case);
        }
        let expected = attentive_weights::read(&golden().path(name).join("model.safetensors"));
        let Ok(expected) = expected else { continue };
        let written = attentive_weights::read(&folder.path().join("model.safetensors")).unwrap();
        assert_eq!(written.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{name}");
    }
}

#[test]
fn a_tokenizer_json_puts_around_a_source_what_the_model_reads() {
    // A vocabulary of BERT whose accents stay, as no class has it.
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(golden().path("bert-model").join("vocab.txt"), folder.path().join("vocab.txt")).unwrap();
    let settings = r#"{"tokenizer_class": "BertTokenizer", "strip_accents": false}"#;
    std::fs::write(folder.path().join("tokenizer_config.json"), settings).unwrap();
    let with_accents = attentive_tokenizer::open(folder.path()).unwrap();
    let texts = ["the animal was too tired", "das Tier war zu breit"];
    let byte_level = ByteLevelBpeTrainer::with_vocab_size(270).train(texts).unwrap();
    let wordpiece = WordPieceTrainer::with_vocab_size(60).train(texts).unwrap();
    let bart = read("bart").bundle;
    let class = |folder: &Path| -> Value {
        let settings: Value =
            serde_json::from_slice(&std::fs::read(folder.join("tokenizer_config.json")).unwrap()).unwrap();
        settings["tokenizer_class"].clone()
    };
    for tokenizer in [with_accents, Box::new(byte_level), Box::new(wordpiece)] {
        let expected = tokenizer.pair_frame(None, None).unwrap().source;
        assert_eq!((expected.before.len(), expected.after.len()), (0, 1));
        let bundle = Bundle::new("bart", bart.model.clone(), tokenizer, bart.params.clone());
        let out = tempfile::tempdir().unwrap();
        export(&bundle, Format::Bart, &ExportConfig::default(), out.path()).unwrap();
        let written = attentive_tokenizer::OpenOptions::default().open(&out.path().join("tokenizer.json")).unwrap();
        let frame = written.frame.unwrap();
        assert_eq!((frame.before, frame.after), (expected.before, expected.after));
        // The classes of its kind put a token before a text, whatever the file says.
        assert_eq!(class(out.path()), "PreTrainedTokenizerFast");
    }
    // What they do is what BART itself reads.
    let out = tempfile::tempdir().unwrap();
    export(&bart, Format::Bart, &ExportConfig::default(), out.path()).unwrap();
    assert_eq!(class(out.path()), "RobertaTokenizer");
}

#[test]
fn languages_that_are_missing_or_unknown_are_said() {
    let texts = ["the animal"];
    let mbart50 = read("mbart50").bundle;
    let error = translator(&mbart50).translate(&texts, &mbart50.decoding).unwrap_err();
    assert!(matches!(error, TranslateError::Frame(_)) && error.to_string().contains("each target"), "{error}");
    let error = translator(&mbart50).between(None, Some("de")).unwrap_err().to_string();
    assert!(error.contains("\"de\"; near it are de_DE"), "{error}");
    // The folder of mBART says the target's language by what the decoder begins with, and nothing of the source's.
    let mbart = read("mbart").bundle;
    let error = translator(&mbart).translate(&texts, &mbart.decoding).unwrap_err().to_string();
    assert!(error.contains("each source"), "{error}");
    translator(&mbart).between(Some("en_XX"), None).unwrap().translate(&texts, &mbart.decoding).unwrap();
    let bart = read("bart").bundle;
    let error = translator(&bart).between(Some("en_XX"), None).unwrap_err().to_string();
    assert!(error.contains("leave out \"en_XX\""), "{error}");
    let forced = DecodingConfig { forced_first: Some(9), ..bart.decoding.clone() };
    let error = translator(&bart).translate(&texts, &forced).unwrap_err().to_string();
    assert!(error.contains("forced_first is 9"), "{error}");
}

#[test]
fn hidden_tokens_are_guessed_as_transformers_does() {
    for (name, languages) in
        [("bart", None), ("mbart", Some(("en_XX", "de_DE"))), ("mbart50", Some(("en_XX", "de_DE")))]
    {
        let Imported { mut bundle, .. } = read(name);
        if let Some((source, target)) = languages {
            bundle.processor = bundle.processor.between(Some(source), Some(target)).unwrap();
        }
        assert!(bundle.uses().contains(&"fill"), "{name}");
        let denoiser = Denoiser::from_bundle(&bundle, &flex(), None).unwrap();
        let tokenizer = bundle.tokenizer().unwrap();
        let mut compared = comparison(Area::Weights, format!("guesses of hidden tokens by {name}"), ALLOWED);
        for filled in field::<Vec<Value>>(&case(name), "filled") {
            let (ids, log_probs) = (field::<Vec<Vec<u32>>>(&filled, "ids"), field::<Vec<f64>>(&filled, "log_probs"));
            let found = denoiser.fill(filled["text"].as_str().unwrap(), 3).unwrap();
            assert_eq!(found.len(), ids.len(), "{name}");
            for (candidates, (ids, log_probs)) in found.iter().zip(ids.iter().zip(log_probs.chunks(3))) {
                for (candidate, (&id, log_prob)) in candidates.iter().zip(ids.iter().zip(log_probs)) {
                    let text = tokenizer.decode(&[id]).unwrap();
                    let is_named = text.trim().is_empty() && Some(&*candidate.text) == tokenizer.token(id).as_deref();
                    assert!(candidate.text == text.trim() || is_named, "{name}: {} and {text:?}", candidate.text);
                    compared.case("log-probability", (candidate.probability.ln() - log_prob).abs());
                }
            }
        }
        compared.report();
        assert!(denoiser.fill("nothing is hidden", 3).is_err());
    }
    for name in ["m2m100", "nllb"] {
        assert!(!read(name).bundle.uses().contains(&"fill"), "{name}");
    }
    let error = Denoiser::from_bundle(
        &import(&golden().path("marian"), &ImportConfig::default()).unwrap().bundle,
        &flex(),
        None,
    );
    assert!(error.unwrap_err().to_string().contains("mask"));
}
