//! Adapters in and out against PEFT (`tests/golden/generate_peft.py`).

use std::{collections::BTreeSet, fs, path::Path};

use attentive_backend::{BackendKind, Device};
use attentive_bundle::{Adapter, Bundle};
use attentive_interchange::{
    Format, InterchangeError, export_adapter, is_adapter, merge_adapter, model_and_adapter, read_adapter, with_adapter,
};
use attentive_model::{AdapterConfig, AdapterKind, BertConfig, GptConfig, ModelSpec};
use attentive_testkit::{Area, Comparison, assert_close, largest_error, named};
use attentive_weights::{Source, Tensors};
use burn::tensor::{Int, Tensor, TensorData};
use serde_json::Value;

use crate::support::{case, changed, encoders, field, golden, read, says};

/// How far a logit may be from PEFT's.
const ALLOWED: f64 = 1e-5;
const FOLDERS: [&str; 6] = ["peft-llama", "peft-llama-dora", "peft-gpt2", "peft-gpt2-dora", "peft-phi3", "peft-bert"];

fn base(name: &str) -> Bundle {
    read(&golden().path(name)).unwrap().bundle
}

/// The model that a golden adapter changes, and the changed model.
fn merged(folder: &Path, base: &Bundle) -> Result<Bundle, InterchangeError> {
    let mut bundle = base.clone();
    merge_adapter(&mut bundle, folder)?;
    Ok(bundle)
}

fn outputs(bundle: &Bundle, case: &Value, device: &Device) -> encoders::Outputs {
    if bundle.model.spec::<BertConfig>().is_some() {
        return encoders::on_tensors(bundle, case, device);
    }
    let rows: Vec<Vec<i64>> = field(case, "ids");
    let ids = Tensor::<2, Int>::from_data(TensorData::new(rows.concat(), [rows.len(), rows[0].len()]), device);
    let model = bundle.model::<GptConfig>(device).unwrap();
    vec![("logits", encoders::values(model.logits(model.forward(ids, None))))]
}

#[test]
fn changed_models_compute_what_they_do_under_peft() {
    for kind in [BackendKind::Flex, BackendKind::NdArray] {
        let what = format!("adapters read, {kind}");
        let mut comparison = Comparison::new(Area::Weights, what, "PEFT 0.21.2", ALLOWED);
        for name in FOLDERS {
            let (case, device) = (case(name), kind.device().unwrap());
            let base = base(&field::<String>(&case, "base"));
            let bundle = merged(&golden().path(name), &base).unwrap_or_else(|error| panic!("{name}: {error}"));
            let found = outputs(&bundle, &case, &device);
            encoders::compare(&mut comparison, name, &case, &found);
            // Without the adapter, it is another model.
            let before = outputs(&base, &case, &device);
            let (output, _) = case["tensors"].as_object().unwrap().iter().next().unwrap();
            let of = |outputs: &encoders::Outputs| {
                outputs.iter().find(|(name, _)| *name == output.as_str()).map(|(_, values)| values.clone()).unwrap()
            };
            let moved = largest_error(&of(&found), &of(&before));
            assert!(moved > 0.01, "{name}: {moved}");
        }
        comparison.report();
    }
}

#[test]
fn adapters_over_a_folder_are_those_that_are_merged() {
    let folder = tempfile::tempdir().unwrap();
    for name in FOLDERS {
        let base = base(&field::<String>(&case(name), "base"));
        let path = folder.path().join(name);
        base.save(&path).unwrap();
        let shared = Bundle::open_shared(&path).unwrap();
        let found = with_adapter(&shared, &golden().path(name)).unwrap().params.all().unwrap();
        let merged = merged(&golden().path(name), &base).unwrap();
        assert_eq!(found.len(), merged.params.len(), "{name}");
        for (param, expected) in &merged.params {
            assert_eq!(found[param].values, expected.values, "{name}, {param}");
        }
        let none = with_adapter(&shared, &path).unwrap_err();
        assert!(matches!(none, InterchangeError::NoAdapter { .. }), "{none}");
    }
}

#[test]
fn a_model_s_own_folder_may_have_the_sign_of_an_adapter() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["m", "m+1", "m+1+b", "a", "a+2"] {
        fs::create_dir(folder.path().join(name)).unwrap();
    }
    let path = |name: &str| folder.path().join(name);
    for (written, model, adapter) in [
        ("m", "m", None),
        ("m+1", "m+1", None),
        ("m+1+b", "m+1+b", None),
        ("m+{}a", "m", Some("a")),
        ("m+1+{}a", "m+1", Some("a")),
        ("m+1+{}a+2", "m+1", Some("a+2")),
        ("m+1+b+{}a+2", "m+1+b", Some("a+2")),
        // Of what is not there, an error names the part.
        ("m+1+{}none", "m+1", Some("none")),
        ("n+{}a", "n", Some("a")),
        ("n", "n", None),
    ] {
        let written = path(&written.replace("{}", &format!("{}/", folder.path().display())));
        let (found, over) = model_and_adapter(&written);
        let found = (found.to_owned(), over.map(Path::to_owned));
        assert_eq!(found, (path(model), adapter.map(path)), "{}", written.display());
    }
}

/// An adapter of ours on a golden model, all of whose numbers are far from zero, and the changed parameters.
fn trained(bundle: &Bundle, config: &AdapterConfig) -> (Adapter, Tensors) {
    let device = BackendKind::Flex.device().unwrap();
    let all = match bundle.model.spec::<BertConfig>() {
        Some(spec) => attached(&spec, bundle, config, &device),
        None => attached(&bundle.model.spec::<GptConfig>().unwrap(), bundle, config, &device),
    };
    let (mut params, adapter) = Adapter::split(all, config).unwrap();
    adapter.merge(&mut params).unwrap();
    (adapter, params)
}

fn attached<C: ModelSpec>(spec: &C, bundle: &Bundle, config: &AdapterConfig, device: &Device) -> Tensors {
    let model = attentive_weights::load(spec.blank(device).unwrap(), bundle.params.clone()).unwrap();
    let mut params = attentive_weights::params(&config.attach(model, 1).unwrap().0);
    let is_trained = |name: &str| name.contains(".adapter.") || name.starts_with("classifier.");
    for (name, param) in params.iter_mut().filter(|(name, _)| is_trained(name)) {
        let change = named(name, param.values.len());
        param.values.iter_mut().zip(change).for_each(|(value, change)| *value += 0.3 * change);
    }
    params
}

fn on(targets: &[&str]) -> AdapterConfig {
    let targets = targets.iter().map(|&target| target.into()).collect();
    AdapterConfig { rank: 2, alpha: 3.0, targets, ..AdapterConfig::default() }
}

#[test]
fn adapters_that_are_written_are_read_again() {
    let dora = |config: AdapterConfig| AdapterConfig { kind: AdapterKind::Dora, ..config };
    let stable = |config: AdapterConfig| AdapterConfig { rank_stabilized: true, ..config };
    let layers = ["*.self_attention.*", "*.feed_forward.*"];
    let with_classifier = AdapterConfig { train: vec!["classifier".into()], ..on(&["encoder", "pooler"]) };
    for (name, format, config) in [
        ("llama", Format::Llama, on(&layers)),
        ("llama", Format::Llama, dora(on(&["*.query", "*.outer"]))),
        ("gpt2", Format::Gpt2, on(&["*.query", "*.value", "*.inner"])),
        ("gpt2", Format::Gpt2, stable(on(&layers))),
        ("gpt2", Format::Gpt2, dora(on(&layers))),
        ("phi3", Format::Phi3, stable(on(&layers))),
        ("bert-classification", Format::Bert, with_classifier.clone()),
        ("bert-classification", Format::Bert, dora(with_classifier)),
    ] {
        let before = base(name);
        let (adapter, params) = trained(&before, &config);
        let after = Bundle { params, ..before.clone() };
        let folder = tempfile::tempdir().unwrap();
        export_adapter(&after, &(adapter.clone(), config.clone()), format, folder.path()).unwrap();
        assert!(is_adapter(folder.path()));
        let again = merged(folder.path(), &before).unwrap();
        for (param, expected) in &after.params {
            assert_close(&again.params[param].values, &expected.values, 1e-6, 1e-6);
        }
        // Nothing but the adapter is in the folder.
        let paths: BTreeSet<String> = read_adapter(folder.path(), &before).unwrap().changes.into_keys().collect();
        assert!(adapter.changes.keys().all(|path| paths.contains(path)), "{name}: {paths:?}");
        let size = fs::metadata(folder.path().join("adapter_model.safetensors")).unwrap().len();
        assert!(size < 4 * 10 * adapter.n_params() as u64 + 20_000, "{name}: {size} bytes");
    }
}

/// Gemma stores what a gain is above 1.
#[test]
fn norms_that_are_trained_as_a_whole_are_written_as_the_model_s_are() {
    let before = base("gemma");
    let gains = before.params.iter().filter(|(name, _)| name.ends_with(".gamma"));
    let params: Tensors = gains.map(|(name, gain)| (name.clone(), gain.clone())).collect();
    let adapter = Adapter { params, ..Adapter::default() };
    let folder = tempfile::tempdir().unwrap();
    export_adapter(&before, &(adapter.clone(), on(&[])), Format::Gemma, folder.path()).unwrap();
    let stored = attentive_weights::read(&golden().path("gemma/model.safetensors")).unwrap();
    let written = attentive_weights::read(&folder.path().join("adapter_model.safetensors")).unwrap();
    assert_eq!(written.len(), adapter.params.len());
    for (name, gain) in &written {
        let name = name.strip_prefix("base_model.model.").unwrap();
        assert_close(&gain.values, &stored[name].values, 0.0, 1e-6);
    }
    let again = read_adapter(folder.path(), &before).unwrap();
    for (name, gain) in &adapter.params {
        assert_close(&again.params[name].values, &gain.values, 0.0, 1e-6);
    }
}

#[test]
fn what_has_no_place_is_refused_by_name() {
    let llama = base("llama");
    // Of another model.
    says(
        read_adapter(&golden().path("peft-gpt2"), &llama),
        &["the adapter does not fit the model", "transformer.h.0.attn.c_attn: the model has no"],
    );
    says(read_adapter(&golden().path("peft-llama"), &base("gpt2")), &["model.layers.0.mlp.down_proj"]);
    // Of a family whose names are not compared with those of transformers.
    let says_family = ["peft-gpt2: ", "transformers' names of a decision-transformer are not known here"];
    says(read_adapter(&golden().path("peft-gpt2"), &base("decision-transformer")), &says_family);
    // Changes of tables.
    let embedding = changed("peft-llama", |folder| {
        let path = folder.join("adapter_model.safetensors");
        let mut tensors = attentive_weights::read(&path).unwrap();
        let matrix = tensors.values().next().unwrap().clone();
        tensors.insert("base_model.model.model.embed_tokens.lora_embedding_A".into(), matrix);
        attentive_weights::write(&path, &tensors, &std::collections::BTreeMap::new()).unwrap();
    });
    says(read_adapter(embedding.path(), &llama), &["embed_tokens.lora_embedding_A"]);
    let half = changed("peft-llama", |folder| {
        let path = folder.join("adapter_model.safetensors");
        let mut tensors = attentive_weights::read(&path).unwrap();
        tensors.remove("base_model.model.model.layers.0.mlp.up_proj.lora_B.weight").unwrap();
        attentive_weights::write(&path, &tensors, &std::collections::BTreeMap::new()).unwrap();
    });
    says(read_adapter(half.path(), &llama), &["model.layers.0.mlp.up_proj: lora_A or lora_B is missing"]);
    // DoRA on a part of a module.
    let config = AdapterConfig { kind: AdapterKind::Dora, ..on(&["*.query"]) };
    let gpt2 = base("gpt2");
    let (adapter, params) = trained(&gpt2, &config);
    let folder = tempfile::tempdir().unwrap();
    let written = export_adapter(&Bundle { params, ..gpt2 }, &(adapter, config), Format::Gpt2, folder.path());
    says(written, &["c_attn", "all of the module's parts"]);
}

/// transformers lays an adapter that is in a model's folder over the model.
#[test]
fn an_adapter_beside_a_model_is_noted() {
    let folder = changed("gpt2", |folder| {
        for file in ["adapter_config.json", "adapter_model.safetensors"] {
            fs::copy(golden().path("peft-gpt2").join(file), folder.join(file)).unwrap();
        }
    });
    let found = read(folder.path()).unwrap();
    assert_eq!(found.notes.len(), 1, "{:?}", found.notes);
    assert!(found.notes[0].starts_with("adapter_config.json: not followed here: merge"), "{:?}", found.notes);
    assert_eq!(found.bundle.params, base("gpt2").params);
}
