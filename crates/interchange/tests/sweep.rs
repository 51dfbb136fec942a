//! Folders of small models of every family against transformers (`tests/golden/sweep.py`): what they compute is equal within
//! 1e-4, or the folder is refused by name.
//!
//! `cargo xtask golden --check` has the folders made and says where they are; without that there is nothing to compare.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use attentive_attention::Mask;
use attentive_backend::{BackendKind, Device};
use attentive_bundle::Bundle;
use attentive_core::{Patches, Spectrograms, SpeechBatch, Steps, TokenMatrix};
use attentive_interchange::{ImportConfig, Imported, InterchangeError, import};
use attentive_model::{
    BertConfig, CanineConfig, DecisionTransformerConfig, EncoderModel, GptConfig, ImageModel, SpeechModel,
    TransformerConfig, VitConfig, WhisperConfig,
};
use burn::tensor::{Int, Tensor, TensorData};
use serde::Deserialize;
use serde_json::Value;

/// Below which the folders are.
const FOLDER: &str = "ATTENTIVE_SWEEP";
/// What the notes on differences say.
const NAMED: &str = "is rounded in the file";
/// Families that are not read.
const UNREAD: [&str; 6] = ["mixtral", "cohere", "olmo2", "granite", "stablelm", "mt5"];
/// Settings that our models do not have, and classes with other heads, as refusals name them.
const UNSUPPORTED: [&str; 27] = [
    "architectures has",
    "is \"tanh\"",
    "is \"mish\"",
    "is \"quick_gelu\"",
    "_remove_final_layer_norm",
    "attention_bias",
    "decoder_attention_heads",
    "decoder_bias",
    "decoder_ffn_dim",
    "enable_bias",
    "inner_group_num",
    "is_decoder",
    "layer_norm_elementwise_affine",
    "mscale",
    "pooler_act",
    "pooler_output_size",
    "problem_type",
    "qk_layernorm",
    "query_pre_attn_scalar",
    "rope_parameters of sliding_attention",
    "scale_attn_by_inverse_layer_idx",
    "scale_attn_weights",
    "scale_embedding",
    "truncate",
    "use_bias",
    "use_bidirectional_attention",
    "word_embed_proj_dim",
];
/// Tensors of a decoder that has no projection, or a classifier in its place.
const HEADS: [&str; 4] =
    ["missing: lm_head.", "missing: embed_out.", "not in the model: score.", "not in the model: model.score."];
/// Models of ours that no configuration makes.
const IMPOSSIBLE: [&str; 2] = ["is not a multiple of patch_size", "scaling.long-rope has 2 divisors"];
/// The line of a refusal that says how to read such a model.
const REMEDY: &str = "drop_unknown leaves out";
/// How far a value may be from the other system's.
const ALLOWED: f64 = 1e-4;

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn field<T: for<'de> Deserialize<'de>>(entry: &Value, name: &str) -> T {
    T::deserialize(&entry[name]).unwrap()
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().unwrap()
}

fn ids(rows: &[Vec<u32>], device: &Device) -> Tensor<2, Int> {
    let shape = [rows.len(), rows[0].len()];
    let ids: Vec<i64> = rows.iter().flatten().map(|&id| i64::from(id)).collect();
    Tensor::from_data(TensorData::new(ids, shape), device)
}

type Outputs = Vec<(&'static str, Vec<f32>)>;

fn of_decoder(bundle: &Bundle, rows: &[Vec<u32>], device: &Device) -> Outputs {
    let model = bundle.model::<GptConfig>(device).unwrap();
    let hidden = model.forward(ids(rows, device), None);
    vec![("logits", values(model.logits(hidden.clone()))), ("hidden", values(hidden))]
}

fn of_encoder(model: &impl EncoderModel, rows: &[Vec<u32>], entry: &Value) -> Outputs {
    let segments: Vec<Vec<u8>> = match entry.get("segments") {
        Some(_) => field(entry, "segments"),
        None => rows.iter().map(|row| vec![0; row.len()]).collect(),
    };
    let encoding = model.encode(&TokenMatrix::from_rows(rows, 0, 0), &segments.concat(), None);
    let places: Vec<u32> = (0..rows.concat().len() as u32).collect();
    let used = encoding.at(&places);
    let outputs = [
        ("hidden", Some(values(encoding.hidden.clone()))),
        ("pooled", model.pooled(&encoding).map(values)),
        ("next", model.next_sentence_scores(&encoding).map(values)),
        ("labels", model.label_scores(&encoding, None).map(values)),
        ("tokens", model.token_scores(used.clone()).map(|scores| values(scores.logits()))),
        ("tags", model.token_label_scores(used.clone(), None).map(values)),
        ("spans", model.span_scores(used).map(values)),
    ];
    outputs.into_iter().filter_map(|(name, values)| Some((name, values?))).collect()
}

fn of_images(bundle: &Bundle, entry: &Value, device: &Device) -> Outputs {
    let model = bundle.model::<VitConfig>(device).unwrap();
    let encoding = model.encode(&Patches::new(field(entry, "patches"), 2, field(entry, "grid")), None);
    let outputs = [
        ("hidden", Some(values(encoding.hidden.clone()))),
        ("pooled", model.pooled(&encoding).map(values)),
        ("labels", model.mean_label_scores(&encoding).map(values)),
    ];
    outputs.into_iter().filter_map(|(name, values)| Some((name, values?))).collect()
}

fn of_speech(bundle: &Bundle, rows: &[Vec<u32>], entry: &Value, device: &Device) -> Outputs {
    let config: WhisperConfig = bundle.spec().unwrap();
    let model = bundle.model::<WhisperConfig>(device).unwrap();
    let shape = [2 * config.max_source_len, config.n_mels];
    // Of a target, the last token is not read.
    let target: Vec<Vec<u32>> = rows.iter().map(|row| [&row[..], &[0]].concat()).collect();
    let batch = SpeechBatch {
        sound: Spectrograms::new(field(entry, "source"), shape),
        target: TokenMatrix::from_rows(&target, 0, 0),
        n_prompt: 1,
        indices: vec![0, 1],
    };
    vec![("logits", values(model.logits(model.teacher_forced(&batch, None))))]
}

fn of_policy(bundle: &Bundle, entry: &Value, device: &Device) -> Outputs {
    let model = bundle.model::<DecisionTransformerConfig>(device).unwrap();
    let [states, actions, returns] = ["states", "actions", "returns_to_go"].map(|name| field(entry, name));
    let steps = Steps { n_rows: 2, n_steps: 3, states, actions, returns, timesteps: [1, 2, 3].repeat(2) };
    let vectors = model.read(&steps, None);
    vec![
        ("action", values(model.action(&vectors))),
        ("state", values(model.next_state(&vectors).unwrap())),
        ("return", values(model.next_return(&vectors).unwrap())),
    ]
}

fn of_seq2seq(bundle: &Bundle, rows: &[Vec<u32>], entry: &Value, device: &Device) -> Outputs {
    let model = bundle.model::<TransformerConfig>(device).unwrap();
    let source: Vec<Vec<u32>> = field(entry, "source");
    let lengths: Vec<usize> = source.iter().map(Vec::len).collect();
    let mask = Mask::padding(&lengths, source[0].len(), device);
    let memory = model.encode(ids(&source, device), &mask, None);
    vec![("logits", values(model.logits(model.decode(ids(rows, device), &memory, &mask, None))))]
}

fn outputs(bundle: &Bundle, entry: &Value) -> Outputs {
    let device = BackendKind::Flex.device().unwrap();
    let rows: Vec<Vec<u32>> = Option::deserialize(&entry["rows"]).unwrap().unwrap_or_default();
    match entry["kind"].as_str().unwrap() {
        "decoder" => of_decoder(bundle, &rows, &device),
        "seq2seq" => of_seq2seq(bundle, &rows, entry, &device),
        "image" => of_images(bundle, entry, &device),
        "speech" => of_speech(bundle, &rows, entry, &device),
        "policy" => of_policy(bundle, entry, &device),
        _ => match bundle.model::<BertConfig>(&device) {
            Ok(model) => of_encoder(&model, &rows, entry),
            Err(_) => of_encoder(&bundle.model::<CanineConfig>(&device).unwrap(), &rows, entry),
        },
    }
}

/// What differs, in words; nothing if it is all equal.
fn differences(bundle: &Bundle, entry: &Value) -> Vec<String> {
    let outputs = outputs(bundle, entry);
    let expected = entry["outputs"].as_object().unwrap().iter();
    let differs = expected.filter_map(|(name, expected)| {
        let expected = Vec::<f64>::deserialize(expected).unwrap();
        let Some((_, found)) = outputs.iter().find(|(found, _)| found == name) else {
            return Some(format!("{name} is not computed"));
        };
        if found.len() != expected.len() {
            return Some(format!("{name} has {} values, expected {}", found.len(), expected.len()));
        }
        let error = attentive_testkit::largest_error(found, &expected);
        (error.is_nan() || error > ALLOWED).then(|| format!("{name} differs by {error:.1e}"))
    });
    differs.collect()
}

/// Whether a refusal names what is not read: a family, settings that are not here, or heads of other tasks, which a folder of an
/// unknown kind has.
fn is_by_name(error: &InterchangeError, kind: &Value) -> bool {
    let (problems, known) = match error {
        InterchangeError::UnknownArchitecture { found, .. } => return UNREAD.contains(&found.as_str()),
        InterchangeError::Unsupported { problems, .. } => (problems, &UNSUPPORTED[..]),
        InterchangeError::Mismatch { problems, .. } => (problems, &HEADS[..]),
        InterchangeError::Config(error) => {
            return IMPOSSIBLE.iter().any(|problem| error.to_string().contains(problem));
        }
        _ => return false,
    };
    let is_known = |problem: &String| problem.contains(REMEDY) || known.iter().any(|name| problem.contains(name));
    kind == "unknown" || problems.iter().all(is_known)
}

#[test]
#[ignore = "compares folders that sweep.py writes: cargo xtask golden --check"]
fn every_family_computes_what_transformers_does_or_is_refused_by_name() {
    let root = PathBuf::from(env::var_os(FOLDER).expect(FOLDER)).join("interchange");
    let mut folders: Vec<_> = fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.retain(|path| path.is_dir());
    folders.sort();
    let mut report = String::new();
    let (mut n_equal, mut n_refused, mut n_noted, mut failed) = (0, 0, 0, 0);
    for folder in folders {
        let (name, entry) = (folder.file_name().unwrap().to_string_lossy(), read(&folder.with_extension("json")));
        if let Some(reason) = entry.get("refused") {
            let _ = writeln!(report, "{name}: transformers says {reason}");
            continue;
        }
        let is_long = |imported: &Imported| {
            let longest = imported.bundle.spec::<GptConfig>().ok().and_then(|config| config.positions.max_len());
            let len = entry["rows"][0].as_array().map_or(0, Vec::len);
            longest.is_some_and(|longest| len > longest)
        };
        let mut imported = import(&folder, &ImportConfig::default());
        if imported.as_ref().is_ok_and(is_long) {
            imported = import(&folder, &ImportConfig { long_context: true, ..ImportConfig::default() });
        }
        match imported {
            Err(error) => {
                let is_by_name = is_by_name(&error, &entry["kind"]);
                *(if is_by_name { &mut n_refused } else { &mut failed }) += 1;
                let refused = if is_by_name { "refused" } else { "REFUSED, and is to be read" };
                let _ = writeln!(report, "{name}: {refused}: {error}");
            }
            Ok(imported) => {
                let found = match entry["kind"] == "unknown" {
                    true => vec!["it is read, although its head is not".to_owned()],
                    false => differences(&imported.bundle, &entry),
                };
                let (notes, found) = (imported.notes, found.join(", "));
                let is_noted = notes.iter().any(|note| note.contains(NAMED));
                match (found.is_empty(), is_noted) {
                    (true, _) => n_equal += 1,
                    (false, true) => {
                        n_noted += 1;
                        let _ = writeln!(report, "{name}: {found} as noted: {notes:?}");
                    }
                    (false, false) => {
                        failed += 1;
                        let _ = writeln!(report, "{name} DIFFERS: {found}; notes {notes:?}");
                    }
                }
            }
        }
    }
    let sum = format!(
        "{n_equal} folders equal, {n_refused} refused by name, {n_noted} noted, {failed} differ or are to be read"
    );
    fs::write(root.join("report.txt"), format!("{report}{sum}\n")).unwrap();
    assert_eq!(failed, 0, "{report}{sum}");
}
