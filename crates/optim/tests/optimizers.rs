//! What every optimizer keeps to: settings, names, and what a checkpoint holds of it.

use std::collections::BTreeMap;

use attentive_backend::BackendKind;
use attentive_optim::{AdamConfig, Optimizer, OptimizerConfig, OptimizerError, ParamInfo, StepSize};
use burn::tensor::{Device, Tensor};

const KINDS: [(OptimizerConfig, &str, u64); 5] = [
    (OptimizerConfig::Adam(AdamConfig { beta_1: 0.9, beta_2: 0.98, epsilon: 1e-9, weight_decay: 0.0 }), "adam", 12),
    (OptimizerConfig::Sgd {}, "sgd", 4),
    (OptimizerConfig::Momentum { decay: 0.9 }, "momentum", 8),
    (OptimizerConfig::AdaGrad { epsilon: 1e-8 }, "adagrad", 8),
    (OptimizerConfig::RmsProp { decay: 0.98, epsilon: 1e-8 }, "rmsprop", 8),
];

fn device() -> Device {
    BackendKind::Flex.device().unwrap()
}

fn values(tensor: Tensor<1>) -> Vec<f32> {
    tensor.into_data().try_into_vec().unwrap()
}

/// One update of parameters `a` and `b.c`; what they are after it.
fn update(optimizer: &mut dyn Optimizer, n: u64) -> Vec<Vec<f32>> {
    optimizer.begin();
    let size = StepSize { scale: 0.5, lr: 0.1 };
    let mut of = |name, shape: &[usize], x: f32| {
        let values_before = Tensor::from_floats([x, -1.0], &device());
        let gradient = Tensor::from_floats([n as f32, x], &device());
        values(optimizer.update(ParamInfo { name, shape }, values_before, gradient, size))
    };
    vec![of("a", &[2], 1.0), of("b.c", &[1, 2], 3.0)]
}

#[test]
fn what_is_restored_goes_on_as_what_it_was_taken_from() {
    for (kind, name, bytes) in KINDS {
        let mut optimizer = kind.init().unwrap();
        for n in 1..=3 {
            update(&mut *optimizer, n);
        }
        let state = optimizer.state();
        let n_values: usize = state.values().map(|tensor| tensor.dims()[0]).sum();
        assert_eq!((optimizer.name(), optimizer.n_updates()), (name, 3));
        // Two parameters of two values each.
        assert_eq!((kind.bytes_per_parameter(), n_values as u64 * 4), (bytes, 4 * (bytes - 4)), "{name}");
        let mut restored = kind.init().unwrap();
        restored.restore(3, state).unwrap();
        assert_eq!(update(&mut *restored, 4), update(&mut *optimizer, 4), "{name}");
        assert_eq!(restored.n_updates(), 4);
    }
}

#[test]
fn tensors_of_another_optimizer_are_refused() {
    for (kind, name, _) in KINDS {
        for (other, other_name, _) in KINDS {
            let mut trained = other.init().unwrap();
            update(&mut *trained, 1);
            let restored = kind.init().unwrap().restore(1, trained.state());
            // AdaGrad and RMSProp remember the same kind of value; SGD has nothing that would not fit.
            let squares = ["adagrad", "rmsprop"];
            let is_alike =
                name == other_name || other_name == "sgd" || (squares.contains(&name) && squares.contains(&other_name));
            assert_eq!(restored.is_ok(), is_alike, "{name} from {other_name}");
        }
    }
}

#[test]
fn half_a_state_is_refused_by_the_name_of_what_is_missing() {
    let mut adam = AdamConfig::default().init().unwrap();
    update(&mut adam, 1);
    for missing in ["a.second", "b.c.first"] {
        let mut state = adam.state();
        state.remove(missing).unwrap();
        let error = AdamConfig::default().init().unwrap().restore(1, state).unwrap_err();
        assert!(matches!(&error, OptimizerError::State { name, .. } if name[..1] == missing[..1]), "{error}");
    }
}

#[test]
fn kinds_are_read_by_name_and_every_setting_may_be_left_out() {
    for (kind, name, _) in KINDS {
        let read: OptimizerConfig = serde_json::from_str(&format!("{{\"kind\": {name:?}}}")).unwrap();
        assert_eq!(read, kind);
        let written = serde_json::to_value(kind).unwrap();
        assert_eq!(written["kind"], name);
        assert_eq!(serde_json::from_value::<OptimizerConfig>(written).unwrap(), kind);
        let error = serde_json::from_str::<OptimizerConfig>(&format!("{{\"kind\": {name:?}, \"x\": 1}}")).unwrap_err();
        assert!(error.to_string().contains("unknown field `x`"), "{name}: {error}");
    }
    let error = serde_json::from_str::<OptimizerConfig>("{\"kind\": \"lion\"}").unwrap_err();
    assert!(error.to_string().contains("`adam`, `sgd`, `momentum`, `adagrad`, `rmsprop`"), "{error}");
}

#[test]
fn settings_out_of_range_are_named() {
    let wrong = [
        (OptimizerConfig::Adam(AdamConfig { beta_2: 1.0, ..AdamConfig::default() }), "beta_2"),
        (OptimizerConfig::Momentum { decay: 1.0 }, "decay"),
        (OptimizerConfig::AdaGrad { epsilon: -1.0 }, "epsilon"),
        (OptimizerConfig::RmsProp { decay: -0.1, epsilon: 0.0 }, "decay"),
        (OptimizerConfig::RmsProp { decay: 0.5, epsilon: f64::INFINITY }, "epsilon"),
    ];
    for (config, key) in wrong {
        let error = config.init().unwrap_err();
        assert!(error.keys() == [key] && error.to_string().starts_with(&format!("{key} = ")), "{error}");
    }
}

#[test]
fn names_in_a_checkpoint_begin_with_the_parameter_s() {
    let mut adam = AdamConfig::default().init().unwrap();
    update(&mut adam, 1);
    let names: Vec<String> = adam.state().into_keys().collect();
    assert_eq!(names, ["a.first", "a.second", "b.c.first", "b.c.second"]);
    assert_eq!(adam.moments().keys().collect::<Vec<_>>(), ["a", "b.c"]);
    let nothing = BTreeMap::new();
    adam.restore(0, nothing).unwrap();
    assert!(adam.moments().is_empty() && adam.n_updates() == 0);
}
