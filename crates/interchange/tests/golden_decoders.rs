//! Decoders against transformers (`tests/golden/generate_decoders.py`): one configuration here, an architecture each there.

use std::{fs, ops::ControlFlow, path::Path};

use attentive_attention::Activation;
use attentive_backend::{BackendKind, Device};
use attentive_bundle::{Bundle, Generator, Lengths};
use attentive_core::LanguageModel;
use attentive_interchange::{ExportConfig, Format, ImportConfig, Imported, InterchangeError, export, import};
use attentive_model::GptConfig;
use attentive_testkit::{Area, Comparison, Golden, largest_error};
use burn::tensor::{Int, Tensor, TensorData};
use serde::Deserialize;
use serde_json::{Value, json};

/// How far a logit may be from transformers'.
const ALLOWED: f64 = 1e-4;

const FOLDERS: [(&str, Format); 18] = [
    ("llama", Format::Llama),
    ("llama-old", Format::Llama),
    ("llama-dynamic", Format::Llama),
    ("mistral", Format::Mistral),
    ("qwen2", Format::Qwen2),
    ("qwen3", Format::Qwen3),
    ("gemma", Format::Gemma),
    ("gemma2", Format::Gemma2),
    ("gemma3", Format::Gemma3),
    ("gemma3-pictures", Format::Gemma3),
    ("phi", Format::Phi),
    ("phi3", Format::Phi3),
    ("phi3-long", Format::Phi3),
    ("phi3-longer", Format::Phi3),
    ("gpt-neox", Format::GptNeoX),
    ("gpt-neox-in-turn", Format::GptNeoX),
    ("starcoder2", Format::Starcoder2),
    ("opt", Format::Opt),
];

fn golden() -> Golden {
    Golden::of(env!("CARGO_MANIFEST_DIR"))
}

/// As a user reads it whose texts are longer than those of pre-training, if those of the golden are.
fn options(name: &str) -> ImportConfig {
    ImportConfig { long_context: name == "phi3-longer", ..ImportConfig::default() }
}

fn read(name: &str) -> Imported {
    import(&golden().path(name), &options(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn case(name: &str) -> Value {
    golden().cases(&format!("{name}/logits.json")).remove(0)
}

fn field<T: for<'de> Deserialize<'de>>(case: &Value, name: &str) -> T {
    T::deserialize(&case[name]).unwrap()
}

fn compare(what: String, found: &[f32], expected: &[f64]) {
    let mut comparison =
        Comparison::new(Area::Weights, what, format!("transformers {}", golden().version("transformers")), ALLOWED);
    comparison.case("logits", largest_error(found, expected));
    comparison.report();
}

fn logits(bundle: &Bundle, rows: &[Vec<u32>], device: &Device) -> Vec<f32> {
    let model = bundle.model::<GptConfig>(device).unwrap();
    let ids: Vec<i64> = rows.iter().flatten().map(|&id| i64::from(id)).collect();
    let ids = Tensor::<2, Int>::from_data(TensorData::new(ids, [rows.len(), rows[0].len()]), device);
    model.logits(model.forward(ids, None)).into_data().try_into_vec().unwrap()
}

#[test]
fn logits_are_those_of_transformers() {
    for (name, kind) in
        FOLDERS.iter().flat_map(|(name, _)| [BackendKind::Flex, BackendKind::NdArray].map(|k| (name, k)))
    {
        let case = case(name);
        let found = logits(&read(name).bundle, &field::<Vec<_>>(&case, "ids"), &kind.device().unwrap());
        compare(format!("logits of a {name} model read, {kind}"), &found, &Golden::tensor(&case, "logits"));
    }
}

#[test]
fn the_engine_gives_the_log_probabilities_of_transformers() {
    let device = BackendKind::Flex.device().unwrap();
    for (name, _) in FOLDERS {
        let case = case(name);
        let model = read(name).bundle.text_model(&device, None).unwrap();
        let rows: Vec<Vec<u32>> = field(&case, "ids");
        let logits = Golden::tensor(&case, "logits");
        let vocab_size = logits.len() / rows.concat().len();
        let expected = attentive_testkit::log_softmax(&logits, vocab_size);
        let of_row = |(row, expected): (&Vec<u32>, &[f64])| {
            let targets = row[1..].iter().enumerate();
            targets.map(|(at, &target)| expected[at * vocab_size + target as usize]).collect::<Vec<f64>>()
        };
        let of_texts: Vec<f64> =
            rows.iter().zip(expected.chunks(vocab_size * rows[0].len())).flat_map(of_row).collect();
        let found: Vec<f32> = rows.iter().flat_map(|row| model.log_probs_of(row).unwrap()).collect();
        compare(format!("log-probabilities of a {name} model read, the engine of the CPU"), &found, &of_texts);
    }
}

#[test]
fn texts_go_on_as_in_transformers() {
    let device = BackendKind::Flex.device().unwrap();
    for (name, _) in FOLDERS {
        let (Imported { bundle, .. }, case) = (read(name), case(name));
        let tokenizer = bundle.tokenizer().unwrap();
        let texts: Vec<String> = field(&case, "texts");
        let begin: Vec<u32> = match bundle.generation.begin {
            true => bundle.generation.begin_id.or(tokenizer.specials().eos).into_iter().collect(),
            false => Vec::new(),
        };
        let encoded: Vec<Vec<u32>> = texts.iter().map(|text| [&begin[..], &tokenizer.encode(text)].concat()).collect();
        assert_eq!(encoded, field::<Vec<Vec<u32>>>(&case, "encoded"), "{name}");
        let generator = Generator::from_bundle(&bundle, &device, None).unwrap();
        let mut config = bundle.generation.clone();
        (config.max_tokens, config.sampling.temperature) = (12, 0.0);
        let mut text = String::new();
        let on_text = |piece: &str| {
            text += piece;
            ControlFlow::Continue(())
        };
        generator.generate(&texts[0], &config, on_text).unwrap();
        let expected: Vec<u32> = field(&case, "generated");
        assert!(!expected.is_empty());
        assert_eq!(text, tokenizer.decode(&expected).unwrap(), "{name}");
    }
}

#[test]
fn what_is_read_is_said() {
    for (name, _) in FOLDERS {
        let padding = "the vocabulary has 3 rows that no token has: they are never chosen";
        let pictures = "the model reads pictures too, which is left out (vision_tower, multi_modal_projector): here it reads texts";
        let short = "texts have up to 32 tokens, and the positions of these; long_context reads longer ones";
        let dynamic =
            "rope_type is \"dynamic\": texts end at 64 tokens, after which positions would change with each token";
        let first = [("gemma3-pictures", pictures), ("phi3-long", short), ("llama-dynamic", dynamic)];
        let first = first.into_iter().filter(|(of, _)| *of == name).map(|(_, note)| note);
        assert_eq!(read(name).notes, first.chain([padding]).collect::<Vec<_>>(), "{name}");
    }
}

#[test]
fn models_are_written_as_they_were_read() {
    for (name, format) in FOLDERS {
        let folder = tempfile::tempdir().unwrap();
        let bundle = read(name).bundle;
        let max_len = bundle.model.max_len().is_none().then_some(64);
        let notes = export(&bundle, format, &ExportConfig { max_len, ..ExportConfig::default() }, folder.path());
        assert_eq!(notes.unwrap_or_else(|error| panic!("{name}: {error}")), [""; 0], "{name}");
        let again = import(folder.path(), &options(name)).unwrap().bundle;
        assert_eq!(again.params, bundle.params, "{name}");
        assert_eq!(serde_json::to_value(&again.model).unwrap()["vocab_size"], json!(41));
        let case = case(name);
        let found = logits(&again, &field::<Vec<_>>(&case, "ids"), &BackendKind::Flex.device().unwrap());
        compare(format!("logits of a {name} model written and read again"), &found, &Golden::tensor(&case, "logits"));
        let ids = |bundle: &Bundle| bundle.tokenizer().unwrap().encode("the animal was too  wide");
        assert_eq!((ids(&again), again.generation.begin_id), (ids(&bundle), bundle.generation.begin_id), "{name}");
    }
}

#[test]
fn the_longest_text_is_written_as_it_was_read() {
    let written = |folder: &Path| {
        let json = |file: &str| -> Value { serde_json::from_slice(&fs::read(folder.join(file)).unwrap()).unwrap() };
        let number = |file: &str, key: &str| json(file)[key].as_u64();
        [number("config.json", "max_position_embeddings"), number("tokenizer_config.json", "model_max_length")]
    };
    let folders = || (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for (name, format) in FOLDERS {
        let ((saved, folder), bundle) = (folders(), read(name).bundle);
        bundle.save(saved.path().join("bundle")).unwrap();
        let bundle = Bundle::read(saved.path().join("bundle")).unwrap();
        export(&bundle, format, &ExportConfig::default(), folder.path()).unwrap();
        // Of pictures, the texts' settings are a table of their own there.
        assert_eq!(written(folder.path()), [Some(64), None], "{name}");
    }
    // What is asked for counts, and is kept from then on.
    let ((first, second), bundle) = (folders(), read("llama").bundle);
    let options = ExportConfig { max_len: Some(77), ..ExportConfig::default() };
    export(&bundle, Format::Llama, &options, first.path()).unwrap();
    let again = import(first.path(), &ImportConfig::default()).unwrap().bundle;
    export(&again, Format::Llama, &ExportConfig::default(), second.path()).unwrap();
    assert_eq!([first, second].map(|folder| written(folder.path())), [[Some(77); 2]; 2]);
    // A model that was not imported says nothing.
    let (folder, _) = folders();
    let own = Bundle { lengths: Lengths::default(), ..bundle };
    export(&own, Format::Llama, &ExportConfig::default(), folder.path()).unwrap();
    assert_eq!(written(folder.path()), [Some(ExportConfig::MAX_LEN as u64), None]);
}

#[test]
fn a_text_begins_there_as_it_does_here() {
    // The file of its tokenizer puts nothing before a text; settings beside it may.
    let mut bundle = read("gpt-neox").bundle;
    assert_eq!((bundle.generation.begin, bundle.generation.begin_id), (false, None));
    (bundle.generation.begin, bundle.generation.begin_id) = (true, Some(1));
    let folder = tempfile::tempdir().unwrap();
    export(&bundle, Format::GptNeoX, &ExportConfig::default(), folder.path()).unwrap();
    let again = import(folder.path(), &ImportConfig::default()).unwrap().bundle;
    assert_eq!((again.generation.begin, again.generation.begin_id), (true, Some(1)));
    let ids = |bundle: &Bundle| bundle.tokenizer().unwrap().encode("the animal was too  wide");
    assert_eq!(ids(&again), ids(&bundle));
}

#[test]
fn what_an_architecture_lacks_is_named() {
    let refused = |name: &str, format: Format| {
        let folder = tempfile::tempdir().unwrap();
        match export(&read(name).bundle, format, &ExportConfig::default(), folder.path()) {
            Err(InterchangeError::Inexpressible { problems, .. }) => problems.join("; "),
            other => panic!("{name} as {format}: {other:?}"),
        }
    };
    for (name, format, expected) in [
        ("gemma3", Format::Llama, "qk_norm: true here, not set there"),
        ("gemma2", Format::Gemma, "attention_cap: 0.6 here, not set there"),
        ("mistral", Format::Llama, "window: 4 here, not set there"),
        ("qwen2", Format::Llama, "qkv_bias: true here, false there"),
        ("phi", Format::GptNeoX, "projection_bias: true here, not set there"),
        ("phi", Format::Llama, "\"n_features\":"),
        ("gemma3", Format::Mistral, "window_theta: "),
        ("llama", Format::Opt, "norm_kind: \"rms\" here, \"layer\" there"),
        ("llama", Format::Gpt2, "positions: its positions are learned"),
    ] {
        let problems = refused(name, format);
        assert!(problems.contains(expected), "{name} as {format}: {problems}");
    }
}

/// A folder with some of its settings changed.
fn with_settings(name: &str, changes: &Value) -> Result<Imported, InterchangeError> {
    let folder = tempfile::tempdir().unwrap();
    for file in fs::read_dir(golden().path(name)).unwrap() {
        let path = file.unwrap().path();
        fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    let path = folder.path().join("config.json");
    let mut settings: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let (Value::Object(settings), Value::Object(changes)) = (&mut settings, changes) else { panic!("objects") };
    settings.extend(changes.clone());
    fs::write(&path, serde_json::to_vec(settings).unwrap()).unwrap();
    import(folder.path(), &ImportConfig::default())
}

#[test]
fn settings_are_followed_refused_or_noted() {
    for (name, changes, expected) in [
        ("llama", json!({ "rope_parameters": { "rope_type": "proportional" } }), "rope_type is \"proportional\""),
        (
            "phi3-long",
            json!({ "rope_parameters": { "rope_type": "longrope", "short_factor": [1.0] } }),
            "long_factor is not",
        ),
        ("llama", json!({ "rope_parameters": { "rope_type": "linear" } }), "factor is missing"),
        ("llama", json!({ "rope_parameters": { "rope_type": "yarn", "factor": 2.0, "mscale": 0.7 } }), "mscale = 0.7"),
        (
            "llama",
            json!({ "rope_parameters": { "rope_type": "default", "partial_rotary_factor": 0.5 } }),
            "partial_rotary_factor is 0.5",
        ),
        ("llama", json!({ "attention_bias": true }), "attention_bias and mlp_bias differ"),
        ("llama", json!({ "hidden_act": "swishy" }), "hidden_act is \"swishy\""),
        ("llama", json!({ "hidden_size": "eight" }), "hidden_size is \"eight\""),
        ("llama", json!({ "num_hidden_layers": null }), "num_hidden_layers is missing"),
        ("llama", json!({ "num_hidden_layers": 3 }), "num_hidden_layers is 3"),
        ("phi", json!({ "qk_layernorm": true }), "qk_layernorm is true"),
        ("gemma3", json!({ "query_pre_attn_scalar": 7 }), "query_pre_attn_scalar is 7"),
        ("gemma3", json!({ "layer_types": vec!["full_attention"; 2] }), "layer_types has 2 layers of 3"),
        ("gemma3", json!({ "layer_types": vec!["chunked_attention"; 3] }), "\"chunked_attention\""),
        ("opt", json!({ "word_embed_proj_dim": 4 }), "word_embed_proj_dim is 4"),
        ("llama", json!({ "model_type": "mamba" }), "model_type is \"mamba\""),
    ] {
        let error = with_settings(name, &changes).expect_err("refused").to_string();
        assert!(error.contains(expected), "{changes}: {error}");
    }
    let noted = with_settings("llama", &json!({ "residual_multiplier": 0.5, "sliding_window": 7 })).unwrap().notes;
    assert!(noted[0].contains("residual_multiplier = 0.5, sliding_window = 7"), "{noted:?}");
}

/// As the class of each in transformers does.
#[test]
fn an_architecture_follows_the_settings_of_its_own_names_and_notes_others() {
    let config = |name: &str, changes: &Value| {
        let Imported { bundle, notes, .. } = with_settings(name, changes).unwrap();
        (bundle.spec::<GptConfig>().unwrap(), notes.join("; "))
    };
    for (name, changes) in [
        (
            "llama",
            json!({ "rotary_pct": 0.5, "partial_rotary_factor": 0.5, "rotary_emb_base": 7, "hidden_activation": "gelu" }),
        ),
        ("gpt-neox", json!({ "partial_rotary_factor": 0.75, "rope_theta": 7 })),
        ("mistral", json!({ "rope_local_base_freq": 7 })),
        ("gemma", json!({ "hidden_activation": "relu" })),
        ("gemma2", json!({ "hidden_act": "relu" })),
    ] {
        let ((expected, _), (found, notes)) = (config(name, &json!({})), config(name, &changes));
        assert_eq!(found, expected, "{name}");
        for key in changes.as_object().unwrap().keys() {
            assert!(notes.contains(&format!("{key} = ")), "{name}: {key}: {notes}");
        }
    }
    let yarn =
        |original: u32| json!({ "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": original });
    let both = config("llama", &json!({ "rope_parameters": yarn(64), "original_max_position_embeddings": 32 }));
    assert_eq!(both, config("llama", &json!({ "rope_parameters": yarn(32) })));
}

#[test]
fn released_gemmas_call_the_approximation_gelu() {
    let released = json!({ "hidden_act": "gelu", "hidden_activation": null });
    let config = |bundle: &Bundle| bundle.spec::<GptConfig>().unwrap().activation;
    let exact = with_settings("gemma", &json!({ "hidden_act": "gelu_python" })).unwrap().bundle;
    assert_eq!(config(&with_settings("gemma", &released).unwrap().bundle), Activation::GeluTanh);
    assert_eq!(config(&exact), Activation::Gelu);
    let folder = tempfile::tempdir().unwrap();
    export(&exact, Format::Gemma, &ExportConfig::default(), folder.path()).unwrap();
    assert_eq!(config(&import(folder.path(), &ImportConfig::default()).unwrap().bundle), Activation::Gelu);
}

/// As `rope_parameters` of transformers' configurations are made of both.
#[test]
fn a_scaling_of_the_older_name_counts_before_positions_of_the_newer() {
    let positions = |name: &str, changes: &Value| {
        let config = with_settings(name, changes).unwrap().bundle.spec::<GptConfig>().unwrap();
        (config.positions, config.window_theta)
    };
    let base = |theta: f64| json!({ "rope_type": "default", "rope_theta": theta });
    let linear = json!({ "rope_type": "linear", "factor": 2.0 });
    let scaled = |theta: f64| json!({ "rope_type": "linear", "factor": 2.0, "rope_theta": theta });
    assert_eq!(
        positions("llama", &json!({ "rope_parameters": base(77.0), "rope_scaling": linear })),
        positions("llama", &json!({ "rope_parameters": scaled(10_000.0) })),
    );
    assert_eq!(
        positions("llama", &json!({ "rope_parameters": scaled(77.0), "rope_scaling": {} })),
        positions("llama", &json!({ "rope_parameters": scaled(77.0) })),
    );
    let of_two = |full: Value| json!({ "full_attention": full, "sliding_attention": base(7.0) });
    assert_eq!(
        positions("gemma3", &json!({ "rope_parameters": of_two(base(77.0)), "rope_scaling": linear })),
        positions("gemma3", &json!({ "rope_parameters": of_two(scaled(77.0)) })),
    );
    let unknown = json!({ "rope_scaling": { "rope_type": "proportional" } });
    let refused = with_settings("llama", &unknown).expect_err("refused").to_string();
    assert!(refused.contains("rope_type is \"proportional\""), "{refused}");
}

#[test]
fn one_base_of_all_layers_is_written_as_such() {
    let base = json!({ "rope_type": "default", "rope_theta": 20_000.0 });
    let changes = json!({ "rope_parameters": { "full_attention": base, "sliding_attention": base } });
    let bundle = with_settings("gemma3", &changes).unwrap().bundle;
    let config = |bundle: &Bundle| bundle.spec::<GptConfig>().unwrap();
    let before = config(&bundle);
    assert!(before.window.is_some() && before.window_theta.is_none());
    let folder = tempfile::tempdir().unwrap();
    export(&bundle, Format::Gemma3, &ExportConfig::default(), folder.path()).unwrap();
    let again = config(&import(folder.path(), &ImportConfig::default()).unwrap().bundle);
    assert_eq!((again.positions, again.window, again.window_theta), (before.positions, before.window, None));
}

#[test]
fn norms_that_two_sub_layers_have_each_become_one() {
    let (device, rows) = (BackendKind::Flex.device().unwrap(), field::<Vec<Vec<u32>>>(&case("phi"), "ids"));
    let mut bundle = read("phi").bundle;
    for (name, tensor) in &mut bundle.params {
        if name.contains("feed_forward_add_norm.norm.") {
            tensor
                .values
                .iter_mut()
                .enumerate()
                .for_each(|(at, value)| *value = *value * 0.75 + 0.01 * at as f32 - 0.05);
        }
    }
    let folder = tempfile::tempdir().unwrap();
    export(&bundle, Format::Phi, &ExportConfig::default(), &folder.path().join("phi")).unwrap();
    let again = import(&folder.path().join("phi"), &ImportConfig::default()).unwrap().bundle;
    let [found, expected] = [&again, &bundle].map(|bundle| logits(bundle, &rows, &device));
    let changed = logits(&read("phi").bundle, &rows, &device);
    assert!(largest_error(&found, &expected) < 1e-5 && largest_error(&changed, &expected) > 1e-3);
    // A gain of 0 hides what the second norm reads.
    bundle.params.get_mut("decoder.layers.1.self_attention_add_norm.norm.gamma").unwrap().values[0] = 0.0;
    let refused = export(&bundle, Format::Phi, &ExportConfig::default(), &folder.path().join("none")).unwrap_err();
    assert!(refused.to_string().contains("the two norms of layer 1 differ"), "{refused}");
}
