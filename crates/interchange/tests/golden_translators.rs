//! Marian's files and CTranslate2's folders of them against CTranslate2 (`tests/golden/generate_translators.py`).

use std::{collections::BTreeMap, fs, path::Path};

use attentive_backend::{BackendKind, Device};
use attentive_bundle::{Bundle, DecodingConfig, Translator};
use attentive_interchange::{ExportConfig, Format, ImportCache, Imported, Quantization, export};
use attentive_model::TransformerConfig;
use attentive_testkit::{Area, Comparison};
use serde_json::{Value, json};

use crate::support::{
    changed, field, golden, read,
    translators::{Case, distance, log_probs, refusal},
};

/// How far a log-probability may be from CTranslate2's.
const ALLOWED: f64 = 1e-4;
const BACKENDS: [BackendKind; 2] = [BackendKind::Flex, BackendKind::NdArray];

fn comparison(what: impl Into<String>, allowed: f64) -> Comparison {
    let system = format!("ctranslate2 {}", golden().version("ctranslate2"));
    Comparison::new(Area::Weights, what, system, allowed)
}

/// The ids of pieces, by a vocabulary of CTranslate2's folder.
fn vocabulary(folder: &Path, side: &str) -> BTreeMap<String, u32> {
    let files = [format!("{side}_vocabulary.json"), "shared_vocabulary.json".to_owned()];
    let path = files.iter().map(|file| folder.join(file)).find(|path| path.is_file()).unwrap();
    let entries: Vec<String> = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    entries.into_iter().zip(0..).collect()
}

/// Compares what an imported model computes with what CTranslate2 does: ids, log-probabilities, translations.
fn agrees(bundle: &Bundle, case: &Value, comparison: &mut Comparison, device: &Device) {
    let folder = golden().path(case["name"].as_str().unwrap());
    let [of_sources, of_targets] = ["source", "target"].map(|side| vocabulary(&folder, side));
    let by_id = |pieces: &[String], ids: &BTreeMap<String, u32>| -> Vec<u32> {
        pieces.iter().map(|piece| ids.get(piece).copied().unwrap_or(ids["<unk>"])).collect()
    };
    let tokenizer = bundle.tokenizer().unwrap();
    let texts: Vec<String> = field(case, "texts");
    let sources: Vec<Vec<u32>> = texts.iter().map(|text| tokenizer.encode(text)).collect();
    let expected =
        field::<Vec<Vec<String>>>(case, "sources").iter().map(|row| by_id(row, &of_sources)).collect::<Vec<_>>();
    assert_eq!(sources, expected, "{}", case["name"]);
    let forced = tokenizer.encode_target(&field::<String>(case, "forced"));
    assert_eq!(forced, by_id(&field::<Vec<String>>(case, "forced_pieces"), &of_targets));

    let found = log_probs(bundle, &sources, &forced, device);
    comparison.case(&case["name"], distance(&found, case));

    let greedy = DecodingConfig { beam: 1, length_penalty: 0.0, max_len: Some(12), ..bundle.decoding.clone() };
    let translations = Translator::from_bundle(bundle, device, None).unwrap().translate(&texts, &greedy).unwrap();
    let expected: Vec<Vec<String>> = field(case, "translations");
    for (translation, expected) in translations.iter().zip(&expected) {
        assert_eq!(translation.tokens, by_id(expected, &of_targets), "{}", case["name"]);
    }
}

#[test]
fn folders_of_ctranslate2_compute_the_same_here() {
    for kind in BACKENDS {
        let device = kind.device().unwrap();
        let mut exact = comparison(format!("log-probabilities of CTranslate2's folders read, {kind}"), ALLOWED);
        let mut rounded = comparison(format!("the same with weights and sinusoids of 16 bits, {kind}"), 1e-2);
        for case in golden().cases("translators.json") {
            let Imported { bundle, architecture, notes, .. } =
                read(&golden().path(case["name"].as_str().unwrap())).unwrap();
            assert_eq!(architecture, "TransformerSpec");
            let of_16_bits = case["quantization"].as_str().unwrap().ends_with("float16");
            let expected =
                of_16_bits.then_some("encoder/position_encodings/encodings is rounded: the exact sinusoids are used");
            assert_eq!(notes, expected.into_iter().collect::<Vec<_>>(), "{}", case["name"]);
            agrees(&bundle, &case, if of_16_bits { &mut rounded } else { &mut exact }, &device);
        }
        exact.report();
        rounded.report();
    }
}

#[test]
fn an_exported_folder_comes_back() {
    let model = read(&golden().path("marian")).unwrap().bundle;
    for quantization in Quantization::ALL {
        let folder = tempfile::tempdir().unwrap();
        let options = ExportConfig { max_len: Some(16), quantization };
        export(&model, Format::CTranslate2, &options, folder.path()).unwrap();
        let again = read(folder.path()).unwrap();
        assert_eq!(again.notes, [""; 0]);
        assert_eq!(
            again.bundle.tokenizer().unwrap().encode("the animal"),
            model.tokenizer().unwrap().encode("the animal")
        );
        let (found, expected) = (&again.bundle.params, &model.params);
        assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
        for (name, tensor) in expected {
            let largest = tensor.values.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
            let allowed = if quantization == Quantization::Float32 { 0.0 } else { largest / 254.0 * 1.001 };
            let near = tensor.values.iter().zip(&found[name].values).all(|(a, b)| (a - b).abs() <= allowed);
            assert!(near, "{quantization} {name}");
        }
    }
}

fn with_settings(changes: Value) -> impl Fn(&Path) {
    move |folder| {
        let path = folder.join("config.json");
        let mut settings: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        settings.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        fs::write(&path, settings.to_string()).unwrap();
    }
}

const FOLDER: &str = "ctranslate2-of-marian-npz-float32";

/// Replaces bytes of `model.bin` that are there once.
fn with_bytes(from: &'static [u8], to: &'static [u8]) -> impl Fn(&Path) {
    move |folder| {
        let path = folder.join("model.bin");
        let mut bytes = fs::read(&path).unwrap();
        let at = bytes.windows(from.len()).position(|window| window == from).unwrap();
        bytes[at..at + to.len()].copy_from_slice(to);
        fs::write(&path, bytes).unwrap();
    }
}

#[test]
fn what_a_folder_of_ctranslate2_asks_for_is_followed_or_refused() {
    let cases: [Case; 15] = [
        // The sine of 4, in the table of positions, is not a number: they are not sinusoids, nor learnt.
        (Box::new(with_bytes(b"\xcf\xbd\x41\xbf", b"\0\0\xc0\x7f")), "positions.weight"),
        (Box::new(with_settings(json!({"add_source_bos": true}))), "add_source_bos is true"),
        (Box::new(with_settings(json!({"decoder_start_token": null}))), "decoder_start_token is null"),
        (Box::new(with_settings(json!({"multi_query_attention": true}))), "multi_query_attention is true"),
        (Box::new(with_settings(json!({"quantization_bits": 4}))), "quantization_bits: weights in groups of few bits"),
        (Box::new(with_settings(json!({"eos_token": "<end>"}))), "does not have <end>"),
        (Box::new(with_bytes(b"TransformerSpec", b"TransformerSpex")), "it is a TransformerSpex"),
        (Box::new(with_bytes(b"TransformerSpec\0\x07", b"TransformerSpec\0\x08")), "revision 8 of TransformerSpec"),
        (Box::new(with_bytes(b"\x06\0\0\0", b"\x05\0\0\0")), "version 5 of CTranslate2's layout"),
        (Box::new(with_bytes(b"decoder/scale_alibi", b"decoder/scale_alibj")), "scale_alibj is 0: it is not followed"),
        (
            Box::new(with_bytes(b"layer_0/ffn/linear_0/bias", b"layer_0/ffn/linear_0/bios")),
            "not in the model: decoder/layer_0/ffn/linear_0/bios",
        ),
        (Box::new(|folder| fs::remove_file(folder.join("source.spm")).unwrap()), "put the SentencePiece models"),
        (Box::new(|folder| fs::remove_file(folder.join("config.json")).unwrap()), "config.json"),
        (Box::new(|folder| fs::write(folder.join("shared_vocabulary.json"), "[\"a\"]").unwrap()), "[1, 1] entries"),
        (
            Box::new(|folder| {
                let path = folder.join("shared_vocabulary.json");
                let mut entries: Vec<String> = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
                entries.push("more".to_owned());
                fs::write(&path, json!(entries).to_string()).unwrap();
            }),
            "have [48, 48] entries, and its tables [47, 47] rows, of sources and of targets: take the vocabularies",
        ),
    ];
    for (change, expected) in cases {
        let message = refusal(FOLDER, change);
        assert!(message.contains(expected), "{message}, not {expected}");
    }
}

#[test]
fn vocabularies_in_lines_and_one_model_for_both_are_read() {
    let folder = changed(FOLDER, |folder| {
        let entries: Vec<String> =
            serde_json::from_slice(&fs::read(folder.join("shared_vocabulary.json")).unwrap()).unwrap();
        fs::write(folder.join("shared_vocabulary.txt"), entries.join("\n") + "\n").unwrap();
        fs::remove_file(folder.join("shared_vocabulary.json")).unwrap();
        fs::rename(folder.join("source.spm"), folder.join("sentencepiece.model")).unwrap();
        fs::write(folder.join("vmap.txt"), "").unwrap();
        with_settings(json!({"add_source_eos": false, "another": 1}))(folder);
    });
    let Imported { bundle, notes, .. } = read(folder.path()).unwrap();
    let whole = read(&golden().path(FOLDER)).unwrap().bundle;
    assert_eq!(bundle.params, whole.params);
    assert_eq!(bundle.tokenizer().unwrap().encode("the animal"), whole.tokenizer().unwrap().encode("the animal"));
    assert_eq!(notes.len(), 3, "{notes:?}");
    assert!(notes[0].contains("add_source_eos") && notes[1].contains("another") && notes[2].contains("vmap.txt"));
}

#[test]
fn another_model_s_tokenizer_is_refused() {
    let message = refusal(FOLDER, |folder| {
        let other = read(&golden().path("marian")).unwrap().bundle;
        attentive_tokenizer::save(&**other.tokenizer().unwrap(), &folder.join("attentive_tokenizer.json")).unwrap();
    });
    assert!(message.contains("not the tokenizer of the vocabulary"), "{message}");
}

const MARIAN: [&str; 2] = ["marian-npz", "marian-npz-pre"];

#[test]
fn files_of_marian_compute_what_ctranslate2_makes_of_them() {
    for kind in BACKENDS {
        let device = kind.device().unwrap();
        let mut comparison = comparison(format!("log-probabilities of Marian's .npz read, {kind}"), ALLOWED);
        for case in golden().cases("translators.json").iter().filter(|case| case["quantization"] == "float32") {
            let Imported { bundle, architecture, stored, notes } =
                read(&golden().path(case["marian"].as_str().unwrap())).unwrap();
            assert_eq!((architecture, &stored[..]), ("Marian's transformer", &["F32".to_owned()][..]));
            assert_eq!(notes, ["decoder.yml: not followed here: normalize"]);
            assert_eq!(bundle.decoding.beam, 6);
            agrees(&bundle, case, &mut comparison, &device);
        }
        comparison.report();
    }
}

#[test]
fn marian_and_ctranslate2_hold_the_same() {
    for name in MARIAN {
        let [ours, theirs] = [name.to_owned(), format!("ctranslate2-of-{name}-float32")]
            .map(|name| read(&golden().path(&name)).unwrap().bundle);
        assert_eq!(ours.params, theirs.params, "{name}");
        let config = |bundle: &Bundle| toml_of(&bundle.model.spec::<TransformerConfig>().unwrap());
        assert_eq!(config(&ours), config(&theirs), "{name}");
    }
}

fn toml_of(config: &TransformerConfig) -> Value {
    serde_json::to_value(config).unwrap()
}

#[test]
fn a_model_of_marian_comes_back_from_a_bundle_and_from_ctranslate2() {
    for name in MARIAN {
        let bundle = read(&golden().path(name)).unwrap().bundle;
        let folder = tempfile::tempdir().unwrap();
        let saved = folder.path().join("saved");
        bundle.save(&saved).unwrap();
        assert_eq!(Bundle::read(&saved).unwrap().params, bundle.params);
        let out = folder.path().join("ctranslate2");
        export(&bundle, Format::CTranslate2, &ExportConfig::default(), &out).unwrap();
        assert_eq!(read(&out).unwrap().bundle.params, bundle.params);
        // One has a vocabulary for each side.
        let theirs = golden().path(&format!("ctranslate2-of-{name}-float32"));
        for file in ["shared", "source", "target"].map(|side| format!("{side}_vocabulary.json")) {
            let list = |folder: &Path| -> Option<Vec<String>> {
                fs::read(folder.join(&file)).ok().map(|bytes| serde_json::from_slice(&bytes).unwrap())
            };
            let (ours, theirs) = (list(&out), list(&theirs));
            assert_eq!(ours.is_some(), theirs.is_some(), "{name}: {file}");
            // Ours may have the token that translations begin with after theirs.
            assert!(ours.unwrap_or_default().starts_with(&theirs.unwrap_or_default()), "{name}: {file}");
        }
    }
}

#[test]
fn a_kept_model_is_imported_again_when_a_file_next_to_its_checkpoint_changes() {
    let (folder, kept) = (changed("marian-npz", |_| ()), tempfile::tempdir().unwrap());
    let (path, cache) = (folder.path().join("model.npz"), ImportCache::new(kept.path()));
    let is_imported = || cache.model(&path, "1").unwrap().1.is_some();
    assert_eq!([is_imported(), is_imported()], [true, false]);
    let settings = folder.path().join("decoder.yml");
    let text = fs::read_to_string(&settings).unwrap();
    fs::write(&settings, text + "\n").unwrap();
    assert_eq!([is_imported(), is_imported()], [true, false]);
    // What a training that goes on writes there is not a part of the model.
    for other in ["model.iter2000.npz", "model.npz.optimizer.npz", "train.log"] {
        fs::write(folder.path().join(other), "another").unwrap();
        assert!(!is_imported(), "{other}");
    }
}

/// A copy of the file of a model, whose options are changed; they are as long as before.
fn with_options(from: &'static str, to: &'static str) -> impl Fn(&Path) {
    assert_eq!(from.len(), to.len());
    move |folder| {
        let path = folder.join("model.npz");
        let mut bytes = fs::read(&path).unwrap();
        let text = b"bert-train-type-embeddings";
        let start = bytes.windows(text.len()).position(|window| window == text).unwrap();
        let content = start - 128;
        let length = 128 + bytes[start..].iter().position(|&byte| byte == 0).unwrap() + 1;
        let at = bytes.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
        let before = crc_32(&bytes[content..content + length]).to_le_bytes();
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
        let after = crc_32(&bytes[content..content + length]).to_le_bytes();
        let places: Vec<usize> = (0..bytes.len() - 4).filter(|&at| bytes[at..at + 4] == before).collect();
        assert_eq!(places.len(), 2, "in the archive's directory and before the content");
        places.into_iter().for_each(|at| bytes[at..at + 4].copy_from_slice(&after));
        fs::write(path, bytes).unwrap();
    }
}

/// CRC-32 of zip archives, by its definition.
fn crc_32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), step))
}

#[test]
fn what_files_of_marian_ask_for_is_followed_or_refused() {
    let cases: [Case; 15] = [
        (Box::new(with_options("type: transformer", "type: multi-s2s##")), "type is \"multi-s2s##\""),
        (
            Box::new(with_options(
                "activation: swish\ntransformer-ffn-depth",
                "activation: gelu#\ntransformer-ffn-depth",
            )),
            "gelu#",
        ),
        (
            Box::new(with_options("transformer-preprocess: \"\"", "transformer-preprocess: nd")),
            "[\"n\", \"an\", \"\"] without dropout",
        ),
        (
            Box::new(with_options("transformer-postprocess-emb: d", "transformer-postprocess-emb: a")),
            "transformer-postprocess-emb has",
        ),
        (Box::new(with_options("right-left: false", "right-left: true ")), "right-left is \"true\""),
        (Box::new(with_options("dec-depth: 1", "dec-depth: 9")), "dec-depth is 9"),
        (Box::new(with_options("transformer-dim-ffn: 7", "transformer-dim-ffn: 8")), "encoder_l1_ffn_W1: [8, 8]"),
        (Box::new(with_options("dim-emb: 8", "dim-emb: x")), "dim-emb is \"x\", not a number"),
        (Box::new(with_options("dim-emb: 8", "dim-emb= 8")), "model.npz is damaged"),
        (Box::new(|folder| fs::remove_file(folder.join("source.spm")).unwrap()), "put the SentencePiece models"),
        (Box::new(|folder| fs::write(folder.join("vocab.yml"), "</s>: 0\n<unk>: 2\n").unwrap()), "where 1 should come"),
        (Box::new(|folder| fs::write(folder.join("vocab.yml"), "a: 0\n<unk>: 1\n").unwrap()), "does not have </s>"),
        (
            Box::new(|folder| {
                fs::write(folder.join("decoder.yml"), "models: [a.npz, b.npz]\n").unwrap();
                fs::copy(folder.join("model.npz"), folder.join("another.npz")).unwrap();
            }),
            "several models",
        ),
        // One of an ensemble whose others were not downloaded.
        (
            Box::new(|folder| fs::write(folder.join("decoder.yml"), "models: [model.npz, b.npz]\n").unwrap()),
            "several models",
        ),
        (
            Box::new(|folder| {
                fs::remove_file(folder.join("decoder.yml")).unwrap();
                fs::copy(folder.join("vocab.yml"), folder.join("vocab.de.yml")).unwrap();
            }),
            "2 vocabularies",
        ),
    ];
    for (change, expected) in cases {
        let message = refusal("marian-npz", change);
        assert!(message.contains(expected), "{message}, not {expected}");
    }
}

#[test]
fn a_model_is_found_by_its_own_name_and_without_a_decoder() {
    let whole = read(&golden().path("marian-npz")).unwrap().bundle;
    let folder = changed("marian-npz", |folder| {
        fs::remove_file(folder.join("decoder.yml")).unwrap();
        fs::copy(folder.join("model.npz"), folder.join("another.npz")).unwrap();
        // An entry without a row.
        let vocabulary = fs::read_to_string(folder.join("vocab.yml")).unwrap();
        fs::write(folder.join("vocab.yml"), format!("{vocabulary}more: {}\n", vocabulary.lines().count())).unwrap();
    });
    let Imported { bundle, notes, .. } = read(&folder.path().join("another.npz")).unwrap();
    assert_eq!((bundle.params, bundle.decoding.beam), (whole.params, DecodingConfig::default().beam));
    assert!(notes.len() == 2 && notes[0].contains("the rest is unknown"), "{notes:?}");
}

#[test]
fn norms_of_embeddings_and_fairseq_s_sinusoids_come_back_from_ctranslate2() {
    for name in ["bart", "m2m100"] {
        let bundle = read(&golden().path(name)).unwrap().bundle;
        let config = |bundle: &Bundle| bundle.model.spec::<TransformerConfig>().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let max_len = bundle.model.max_len().or(Some(16));
        let options = ExportConfig { max_len, ..ExportConfig::default() };
        export(&bundle, Format::CTranslate2, &options, folder.path()).unwrap();
        let again = read(folder.path()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(again.notes.iter().all(|note| note.contains("rows that no token has")), "{:?}", again.notes);
        assert_eq!(again.bundle.params, bundle.params, "{name}");
        let expected = TransformerConfig { dropout: config(&again.bundle).dropout, ..config(&bundle) };
        let expected = TransformerConfig { attention_dropout: 0.0, activation_dropout: 0.0, ..expected };
        assert_eq!(config(&again.bundle), expected, "{name}");
    }
}
