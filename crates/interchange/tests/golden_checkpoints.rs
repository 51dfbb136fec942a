//! Checkpoints of fairseq and OpenNMT-py against a reference of the published definitions, and CTranslate2
//! (`tests/golden/generate_checkpoints.py`).

use std::{fs, path::Path};

use attentive_attention::{NormKind, NormPlacement, PositionsConfig};
use attentive_backend::BackendKind;
use attentive_bundle::{Bundle, DecodingConfig, Translator};
use attentive_interchange::{ExportConfig, Format, ImportConfig, Imported, export, import};
use attentive_model::TransformerConfig;
use attentive_testkit::{Area, Comparison};
use serde_json::Value;

use crate::support::{
    changed, field, golden, read,
    translators::{Case, distance, log_probs, refusal},
};

const ALLOWED: f64 = 1e-4;

fn cases() -> Vec<Value> {
    golden().cases("checkpoints.json")
}

fn name(case: &Value) -> &str {
    case["name"].as_str().unwrap()
}

#[test]
fn checkpoints_compute_what_their_programs_define() {
    for kind in [BackendKind::Flex, BackendKind::NdArray] {
        let device = kind.device().unwrap();
        let system = format!("torch {}", golden().version("torch"));
        let what = format!("log-probabilities of fairseq's and OpenNMT-py's checkpoints, {kind}");
        let mut comparison = Comparison::new(Area::Weights, what, system, ALLOWED);
        for case in cases() {
            let Imported { bundle, architecture, stored, .. } =
                read(&golden().path(name(&case))).unwrap_or_else(|error| panic!("{}: {error}", name(&case)));
            assert_eq!(architecture, format!("{}'s transformer", case["system"].as_str().unwrap()));
            let half = name(&case) == "fairseq-old";
            assert!(stored.contains(&if half { "f16" } else { "f32" }.to_owned()), "{stored:?}");

            let tokenizer = bundle.tokenizer().unwrap();
            let frame = tokenizer.pair_frame(None, None).unwrap();
            assert_eq!((frame.begin, frame.source.after), (field(&case, "begin"), field(&case, "source_end")));
            let texts: Vec<String> = field(&case, "texts");
            let sources: Vec<Vec<u32>> = texts.iter().map(|text| tokenizer.encode(text)).collect();
            assert_eq!(sources, field::<Vec<Vec<u32>>>(&case, "sources"), "{}", name(&case));
            let forced = tokenizer.encode_target(&field::<String>(&case, "forced"));
            assert_eq!(forced, field::<Vec<u32>>(&case, "forced_ids"), "{}", name(&case));
            comparison.case(name(&case), distance(&log_probs(&bundle, &sources, &forced, &device), &case));

            let greedy = DecodingConfig { beam: 1, length_penalty: 0.0, max_len: Some(12), ..bundle.decoding.clone() };
            let translations =
                Translator::from_bundle(&bundle, &device, None).unwrap().translate(&texts, &greedy).unwrap();
            let tokens: Vec<Vec<u32>> = translations.into_iter().map(|translation| translation.tokens).collect();
            assert_eq!(tokens, field::<Vec<Vec<u32>>>(&case, "translations"), "{}", name(&case));
        }
        comparison.report();
    }
}

fn config(name: &str) -> TransformerConfig {
    read(&golden().path(name)).unwrap().bundle.model.spec().unwrap()
}

#[test]
fn settings_of_checkpoints_are_followed() {
    let iwslt = config("fairseq");
    assert_eq!((iwslt.d_ff, iwslt.n_encoder_layers, iwslt.n_decoder_layers, iwslt.n_heads), (10, 2, 1, 2));
    assert_eq!(
        (iwslt.dropout, iwslt.attention_dropout, iwslt.share_embeddings, iwslt.tie_projection),
        (0.3, 0.1, true, true)
    );
    assert_eq!((iwslt.positions, iwslt.norm), (PositionsConfig::FairseqSinusoidal { first: 2 }, NormPlacement::Post));
    let old = config("fairseq-old");
    assert_eq!((old.norm, old.share_embeddings, old.tie_projection), (NormPlacement::Pre, false, false));
    let learned = config("fairseq-learned");
    // 22 and 26 rows, of which two are of no position.
    assert_eq!(learned.positions, PositionsConfig::Learned { max_len: 20 });
    assert!(learned.embedding_norm && !learned.scale_embeddings && learned.tie_projection && !learned.share_embeddings);
    let opennmt = config("opennmt");
    assert_eq!((opennmt.epsilon, opennmt.dropout, opennmt.projection_bias), (1e-6, 0.1, true));
    let gated = config("opennmt-gated");
    assert_eq!((gated.gated, gated.norm_kind, gated.n_kv_heads, gated.epsilon), (true, NormKind::Rms, Some(1), 1e-5));
    assert_eq!(gated.positions, PositionsConfig::FairseqSinusoidal { first: 0 });
}

#[test]
fn what_is_not_followed_is_noted() {
    let notes = |name: &str| read(&golden().path(name)).unwrap().notes;
    assert!(
        notes("fairseq").iter().all(|note| note.starts_with("words are split at spaces")),
        "{:?}",
        notes("fairseq")
    );
    for name in ["fairseq-learned", "opennmt", "opennmt-gated"] {
        assert_eq!(notes(name), [""; 0], "{name}");
    }
    let folder = changed("fairseq", replacing(b"adam_betas", b"attn_betas"));
    let notes = read(folder.path()).unwrap().notes;
    assert!(notes[0].contains("not followed here: attn_betas = \"(0.9, 0.98)\""), "{notes:?}");
    let folder = changed("fairseq", |folder| fs::remove_file(folder.join("bpecodes")).unwrap());
    let message = read(folder.path()).unwrap_err().to_string();
    assert!(message.contains("put the codes of subword-nmt or fastBPE"), "{message}");
    let folder = changed("fairseq", |folder| {
        for name in ["dict.en.txt", "dict.de.txt"] {
            let path = folder.join(name);
            let words = fs::read_to_string(&path).unwrap().replace("@@", "__");
            fs::write(path, words).unwrap();
        }
        fs::remove_file(folder.join("bpecodes")).unwrap();
    });
    let Imported { bundle, notes, .. } = read(folder.path()).unwrap();
    assert!(notes.len() == 1 && notes[0].starts_with("the vocabulary has words"), "{notes:?}");
    let tokenizer = bundle.tokenizer().unwrap();
    assert_eq!(tokenizer.encode("the cats__").iter().filter(|&&id| id == 3).count(), 1);
}

/// Replaces bytes of a checkpoint, where they are first.
fn replacing(from: &'static [u8], to: &'static [u8]) -> impl Fn(&Path) {
    assert_eq!(from.len(), to.len());
    move |folder| {
        edit(folder, |bytes| {
            let at = bytes.windows(from.len()).position(|window| window == from).unwrap();
            bytes[at..at + to.len()].copy_from_slice(to);
        });
    }
}

/// Turns a truth value over, or gives a small number another value.
fn setting(key: &'static str, value: u8) -> impl Fn(&Path) {
    move |folder| {
        edit(folder, |bytes| {
            // The key as a text of 32 bits of length, the number that it is kept under, then the value.
            let text = [&(key.len() as u32).to_le_bytes()[..], key.as_bytes()].concat();
            let at = bytes.windows(text.len()).position(|window| window == text).unwrap() + text.len();
            let at = at + if bytes[at] == b'q' { 2 } else { 5 };
            match bytes[at] {
                0x88 | 0x89 => bytes[at] = value,
                b'K' => bytes[at + 1] = value,
                other => panic!("{key} begins with {other}"),
            }
        });
    }
}

const ON: u8 = 0x88;
const OFF: u8 = 0x89;

fn edit(folder: &Path, change: impl Fn(&mut Vec<u8>)) {
    let names = ["checkpoint_best.pt", "model.pt", "model_step_7.pt"];
    let path = names.map(|name| folder.join(name)).into_iter().find(|path| path.is_file()).unwrap();
    let mut bytes = fs::read(&path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

fn all_refused(name: &str, cases: impl IntoIterator<Item = Case>) {
    for (change, expected) in cases {
        let message = refusal(name, change);
        assert!(message.contains(expected), "{message}, not {expected}");
    }
}

#[test]
fn what_fairseq_s_checkpoints_ask_for_is_followed_or_refused() {
    let numbers = |folder: &Path| {
        for language in ["en", "de"] {
            let path = folder.join(format!("dict.{language}.txt"));
            let n_lines = fs::read_to_string(&path).unwrap().lines().count();
            fs::write(path, (0..n_lines).map(|n| format!("{n} 1\n")).collect::<String>()).unwrap();
        }
        fs::remove_file(folder.join("bpecodes")).unwrap();
    };
    let cases: [Case; 16] = [
        (Box::new(numbers), "its entries are numbers"),
        (Box::new(replacing(b"transformer_wmt_en_de", b"lightconv_wmt_en_de__")), "arch is \"lightconv_wmt_en_de__\""),
        (Box::new(replacing(b"translation", b"multilinguk")), "task is \"multilinguk\"; there are translation"),
        (Box::new(replacing(b"relu", b"tanh")), "activation_fn is \"tanh\""),
        (Box::new(setting("no_cross_attention", ON)), "no_cross_attention is True: every layer of a decoder has one"),
        (Box::new(setting("cross_self_attention", ON)), "cross_self_attention is True"),
        (Box::new(setting("adaptive_input", ON)), "adaptive_input is True"),
        (Box::new(setting("no_token_positional_embeddings", ON)), "no_token_positional_embeddings is True"),
        (Box::new(setting("quant_noise_scalar", 1)), "quant_noise_scalar is 1"),
        (Box::new(setting("encoder_learned_pos", ON)), "encoder_learned_pos is true and decoder_learned_pos is false"),
        (
            Box::new(setting("decoder_attention_heads", 4)),
            "encoder_attention_heads is 2 and decoder_attention_heads is 4",
        ),
        (Box::new(setting("decoder_output_dim", 9)), "decoder_output_dim is 9 and the others are 8"),
        (Box::new(setting("encoder_ffn_embed_dim", 11)), "encoder_ffn_embed_dim is 11"),
        (Box::new(setting("encoder_layers", 200)), "encoder_layers is 200"),
        (Box::new(|folder| fs::write(folder.join("dict.en.txt"), "the 3\nxyz\n").unwrap()), "line 2 is \"xyz\""),
        (Box::new(|folder| fs::write(folder.join("dict.en.txt"), "the 3\n").unwrap()), "vocabularies have [5, "),
    ];
    all_refused("fairseq", cases);
    let pre_norm: [Case; 3] = [
        // The version of the encoder, 3.0, becomes 1.0.
        (
            Box::new(replacing(b"\x01\0\0\0\0\0\0\0\0\0\x40\x40", b"\x01\0\0\0\0\0\0\0\0\0\x80\x3f")),
            "encoder.version is 1: fairseq does not normalise after the last layer",
        ),
        (Box::new(setting("encoder_normalize_before", OFF)), "encoder_normalize_before is false and decoder_"),
        (
            Box::new(|folder| {
                fs::rename(folder.join("dict.de.txt"), folder.join("dict.nl.txt")).unwrap();
            }),
            "dict.de.txt is missing: put the dictionaries",
        ),
    ];
    all_refused("fairseq-old", pre_norm);
}

#[test]
fn what_opennmt_py_s_checkpoints_ask_for_is_followed_or_refused() {
    let cases: [Case; 8] = [
        (Box::new(replacing(b"transformer", b"brnn_______")), "encoder_type is \"brnn_______\"; there are transformer"),
        (Box::new(replacing(b"scaled-dot", b"averaged__")), "self_attn_type is \"averaged__\""),
        (Box::new(replacing(b"softmax", b"sparse_")), "generator_function is \"sparse_\""),
        (
            Box::new(setting("max_relative_positions", 20)),
            "max_relative_positions is 20: positions are added to embeddings",
        ),
        (Box::new(setting("position_encoding", OFF)), "position_encoding is False"),
        (Box::new(setting("copy_attn", ON)), "copy_attn is True"),
        (Box::new(setting("dec_layers", 3)), "dec_layers is 3"),
        (Box::new(|folder| fs::remove_file(folder.join("source.spm")).unwrap()), "put the SentencePiece models"),
    ];
    all_refused("opennmt", cases);
    let old: [Case; 2] = [
        (
            Box::new(replacing(b"itos", b"itoz")),
            "the vocabulary of src is an object of onmt.inputters.text_dataset.TextMultiField",
        ),
        (Box::new(|folder| fs::remove_file(folder.join("bpecodes")).unwrap()), "put the codes of subword-nmt"),
    ];
    all_refused("opennmt-old", old);
    let gated: [Case; 1] =
        [(Box::new(|folder| fs::remove_file(folder.join("model_step_7.safetensors")).unwrap()), "has no model")];
    all_refused("opennmt-gated", gated);
}

#[test]
fn a_checkpoint_is_found_by_its_own_name_and_others_are_refused() {
    let path = golden().path("fairseq").join("checkpoint_best.pt");
    assert!(import(&path, &ImportConfig::default()).is_ok());
    let folder = changed("opennmt", |folder| {
        fs::copy(folder.join("model_step_7.pt"), folder.join("model_step_8.pt")).unwrap();
    });
    let message = read(folder.path()).unwrap_err().to_string();
    assert!(message.contains("several checkpoints: name one of them"), "{message}");
    assert!(read(&folder.path().join("model_step_8.pt")).is_ok());
    let folder = changed("fairseq", replacing(b"\x03\0\0\0cfg", b"\x03\0\0\0xyz"));
    let message = read(folder.path()).unwrap_err().to_string();
    assert!(message.contains("it is not a translator's checkpoint"), "{message}");
}

#[test]
fn checkpoints_come_back_from_bundles_and_other_formats() {
    for case in cases() {
        let bundle = read(&golden().path(name(&case))).unwrap().bundle;
        let folder = tempfile::tempdir().unwrap();
        let saved = folder.path().join("saved");
        bundle.save(&saved).unwrap();
        let again = Bundle::read(&saved).unwrap();
        assert_eq!(again.params, bundle.params, "{}", name(&case));
        let ids = |bundle: &Bundle| bundle.tokenizer().unwrap().encode("the animal was");
        assert_eq!(ids(&again), ids(&bundle));
    }
    let bundle = read(&golden().path("fairseq")).unwrap().bundle;
    let folder = tempfile::tempdir().unwrap();
    export(&bundle, Format::CTranslate2, &ExportConfig::default(), folder.path()).unwrap();
    let again = read(folder.path()).unwrap().bundle;
    assert_eq!(again.params, bundle.params);
    assert_eq!(again.tokenizer().unwrap().encode("the animal"), bundle.tokenizer().unwrap().encode("the animal"));
}
