//! Decision Transformers in and out against transformers (`tests/golden/generate_decision_transformer.py`).

use std::fs;

use attentive_backend::BackendKind;
use attentive_bundle::{Bundle, History, PlayError, Policy, Processor};
use attentive_core::{ActionSpace, Steps, TrajectoryProcessor};
use attentive_interchange::{ExportConfig, Format, ImportConfig, Imported, InterchangeError, export};
use attentive_model::{DecisionTransformerConfig, ModelConfig};
use attentive_testkit::{Area, Comparison, Golden, largest_error};
use burn::tensor::Tensor;
use serde_json::Value;

/// How far a number may be from transformers'.
const ALLOWED: f64 = 1e-4;
const FOLDERS: [&str; 2] = ["decision-transformer", "decision-transformer-released"];

fn golden() -> Golden {
    Golden::of(env!("CARGO_MANIFEST_DIR"))
}

fn import(name: &str) -> Imported {
    attentive_interchange::import(&golden().path(name), &ImportConfig::default()).unwrap()
}

fn largest_difference(actual: Tensor<3>, expected: &[f64]) -> f64 {
    let actual: Vec<f32> = actual.into_data().try_into_vec().unwrap();
    largest_error(&actual, expected)
}

fn steps(case: &Value) -> Steps {
    let number = |key: &str| case[key].as_u64().unwrap() as usize;
    let numbers = |name: &str| Golden::tensor(case, name).into_iter().map(|x| x as f32).collect();
    let (n_rows, n_steps, first) = (number("rows"), number("steps"), number("first"));
    Steps {
        n_rows,
        n_steps,
        states: numbers("states"),
        actions: numbers("actions"),
        returns: numbers("returns_to_go"),
        timesteps: (0..n_rows).flat_map(|_| (first..first + n_steps).map(|step| step as u32)).collect(),
    }
}

#[test]
fn predictions_are_those_of_transformers() {
    for kind in [BackendKind::Flex, BackendKind::NdArray] {
        for name in FOLDERS {
            let version = golden().version("transformers");
            let what = format!("predictions of a {name} read, {kind}");
            let mut comparison = Comparison::new(Area::Weights, what, format!("transformers {version}"), ALLOWED);
            let bundle = import(name).bundle;
            let model = bundle.model::<DecisionTransformerConfig>(&kind.device().unwrap()).unwrap();
            for case in golden().cases(&format!("{name}/outputs.json")) {
                let steps = steps(&case);
                let vectors = model.read(&steps, None);
                let of = format!("of {} rows of {} steps", steps.n_rows, steps.n_steps);
                let found = [
                    ("action", model.action(&vectors)),
                    ("state", model.next_state(&vectors).unwrap()),
                    ("return", model.next_return(&vectors).unwrap()),
                ];
                for (what, tensor) in found {
                    comparison.case(format!("{what} {of}"), largest_difference(tensor, &Golden::tensor(&case, what)));
                }
            }
            comparison.report();
        }
    }
}

#[test]
fn the_context_is_that_of_the_files_and_scaling_is_noted() {
    for (name, context) in FOLDERS.into_iter().zip([20, 7]) {
        let Imported { bundle, notes, .. } = import(name);
        let processor = bundle.processor.trajectory().unwrap();
        assert_eq!(*processor, TrajectoryProcessor::plain(5, ActionSpace::Continuous(3), context));
        assert!(notes[0].contains("read as they are"), "{notes:?}");
        assert_eq!(notes.len(), 1, "{notes:?}");
    }
}

#[test]
fn a_policy_does_not_act_on_what_is_not_a_number() {
    let policy = Policy::from_bundle(&import(FOLDERS[0]).bundle, &BackendKind::NdArray.device().unwrap()).unwrap();
    let act = |observation: f32| policy.act(&[&History::begin(&[observation; 5], ActionSpace::Continuous(3), 1.0)]);
    assert_eq!(act(0.5).unwrap().len(), 1);
    assert!(matches!(act(f32::NAN), Err(PlayError::NotNumbers)));
}

#[test]
fn a_policy_is_written_as_the_same_function() {
    for name in FOLDERS {
        let folder = tempfile::tempdir().unwrap();
        let mut bundle = import(name).bundle;
        let processor = bundle.processor.trajectory().unwrap().clone();
        bundle.processor = TrajectoryProcessor { state_mean: vec![0.5; 5], return_scale: 3.0, ..processor }.into();
        let notes = export(&bundle, Format::DecisionTransformer, &ExportConfig::default(), folder.path()).unwrap();
        assert!(notes.len() == 1 && notes[0].contains("processor.json"), "{notes:?}");
        let again = attentive_interchange::import(folder.path(), &ImportConfig::default()).unwrap();
        assert!(again.bundle.model == bundle.model && again.bundle.params == bundle.params);
        assert_eq!(again.bundle.processor.trajectory(), bundle.processor.trajectory());
        assert_eq!(again.notes, [""; 0]);
        let config: Value = serde_json::from_slice(&fs::read(folder.path().join("config.json")).unwrap()).unwrap();
        let original: Value =
            serde_json::from_slice(&fs::read(golden().path(name).join("config.json")).unwrap()).unwrap();
        for key in ["state_dim", "act_dim", "hidden_size", "max_ep_len", "n_layer", "n_head", "action_tanh"] {
            assert_eq!(config[key], original[key], "{key}");
        }
        bundle.save(folder.path().join("ours")).unwrap();
        let read = Bundle::read(folder.path().join("ours")).unwrap();
        assert_eq!(read.processor.trajectory(), bundle.processor.trajectory());
    }
}

#[test]
fn what_transformers_lacks_is_said() {
    let exported = |change: fn(&mut DecisionTransformerConfig)| {
        let mut bundle = import(FOLDERS[0]).bundle;
        let ModelConfig::DecisionTransformer(config) = &mut bundle.model else { panic!("a policy") };
        change(config);
        let folder = tempfile::tempdir().unwrap();
        export(&bundle, Format::DecisionTransformer, &ExportConfig::default(), folder.path())
    };
    let notes = exported(|config| (config.world_heads, config.discrete) = (false, true)).unwrap();
    assert!(notes[0].contains("zeros") && notes[1].contains("scores of the actions"), "{notes:?}");
    let error = exported(|config| config.returns = false);
    assert!(matches!(error, Err(InterchangeError::Inexpressible { .. })), "{error:?}");
}

#[test]
fn settings_and_files_that_do_not_fit_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(golden().path(FOLDERS[0])).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    let path = folder.path().join("config.json");
    let original: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let with = |key: &str, value: Value| {
        let mut config = original.clone();
        config[key] = value;
        fs::write(&path, config.to_string()).unwrap();
        attentive_interchange::import(folder.path(), &ImportConfig::default()).unwrap_err()
    };
    for (key, value) in [
        ("activation_function", "quick_gelu".into()),
        ("scale_attn_weights", false.into()),
        ("scale_attn_by_inverse_layer_idx", true.into()),
        ("add_cross_attention", true.into()),
    ] {
        let error = with(key, value);
        let InterchangeError::Unsupported { problems, .. } = &error else { panic!("{error}") };
        assert!(problems[0].contains(key), "{error}");
    }
    let error = with("n_layer", 3.into()).to_string();
    assert!(error.contains("n_layer"), "{error}");
    let error = with("state_dim", 6.into()).to_string();
    assert!(error.contains("embed_state.weight"), "{error}");
    fs::write(&path, original.to_string()).unwrap();
    fs::write(folder.path().join("processor.json"), r#"{"reads": "trajectories"}"#).unwrap();
    let error = attentive_interchange::import(folder.path(), &ImportConfig::default()).unwrap_err().to_string();
    assert!(error.contains("processor.json") && error.contains("state_mean"), "{error}");
    let processor = Processor::from(TrajectoryProcessor::plain(4, ActionSpace::Continuous(3), 20));
    processor.write(folder.path()).unwrap();
    let bundle = attentive_interchange::import(folder.path(), &ImportConfig::default()).unwrap().bundle;
    let error = Policy::from_bundle(&bundle, &BackendKind::Flex.device().unwrap()).unwrap_err();
    assert!(error.to_string().contains("do not belong together"), "{error}");
}
