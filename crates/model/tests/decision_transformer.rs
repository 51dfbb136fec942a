//! The Decision Transformer: sizes, laws, and its loss against scalar loops.

use attentive_backend::{BackendKind, Objective};
use attentive_core::{ActionSpace, Steps, TrajectoryBatch};
use attentive_model::{
    ConfigError, DecisionTransformer, DecisionTransformerConfig, ModelSpec, PolicyModel, PolicyObjective, PolicySpec,
};
use attentive_optim::Gradients;
use attentive_testkit::assert_close;
use burn::{module::Module, tensor::Tensor};
use proptest::prelude::*;

const D_STATE: usize = 3;

fn sizes(discrete: bool, returns: bool) -> DecisionTransformerConfig {
    let mut config = DecisionTransformerConfig {
        d_model: 8,
        d_ff: 6,
        n_heads: 2,
        n_layers: 2,
        max_steps: 12,
        returns,
        ..DecisionTransformerConfig::gym(1, 1)
    };
    config.set_widths(D_STATE, if discrete { ActionSpace::Discrete(4) } else { ActionSpace::Continuous(2) });
    config
}

fn model(config: &DecisionTransformerConfig) -> DecisionTransformer {
    config.init(&BackendKind::Flex.device().unwrap(), 3).unwrap()
}

/// Some numbers that no two places share.
fn numbers(n: usize, seed: usize) -> Vec<f32> {
    (0..n).map(|at| ((at * 37 + seed * 11) % 101) as f32 / 50.0 - 1.0).collect()
}

fn steps(n_rows: usize, n_steps: usize, actions: ActionSpace) -> Steps {
    let n = n_rows * n_steps;
    let actions = match actions {
        ActionSpace::Discrete(width) => {
            (0..n).flat_map(|at| (0..width).map(move |idx| f32::from(u8::from(at * 7 % width == idx)))).collect()
        }
        ActionSpace::Continuous(width) => numbers(n * width, 5),
    };
    Steps {
        n_rows,
        n_steps,
        states: numbers(n * D_STATE, 1),
        actions,
        returns: numbers(n, 2),
        timesteps: (0..n).map(|at| (at % n_steps) as u32).collect(),
    }
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().unwrap()
}

/// The predictions of a row, step by step.
fn predictions(model: &DecisionTransformer, steps: &Steps) -> Vec<Vec<f32>> {
    let predicted = model.predict(steps, None);
    let [_, _, width] = predicted.dims();
    values(predicted).chunks(width).map(<[f32]>::to_vec).collect()
}

#[test]
fn numbers_of_parameters_are_counted() {
    for discrete in [false, true] {
        for world_heads in [false, true] {
            let config = DecisionTransformerConfig { world_heads, ..sizes(discrete, !world_heads) };
            assert_eq!(model(&config).num_params(), config.n_params());
        }
    }
}

#[test]
fn configurations_that_can_not_be_are_refused_by_name() {
    let good = sizes(false, true);
    for (bad, key) in [
        (DecisionTransformerConfig { d_state: 0, ..good.clone() }, "d_state"),
        (DecisionTransformerConfig { max_steps: 1 << 30, ..good.clone() }, "max_steps"),
        (DecisionTransformerConfig { n_heads: 3, ..good.clone() }, "d_model"),
        (DecisionTransformerConfig { dropout: 1.0, ..good.clone() }, "dropout"),
        (DecisionTransformerConfig { discrete: true, action_tanh: true, ..good.clone() }, "action_tanh"),
    ] {
        assert_eq!(bad.validate().unwrap_err().keys()[0], key);
    }
    assert!(matches!(good.clone().set_vocab_size(7), Err(ConfigError::NoVocabulary { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Nothing that comes later changes an action; the action of a step itself comes later than its prediction.
    #[test]
    fn later_steps_change_no_earlier_action(
        discrete: bool, returns: bool, n_steps in 2_usize..6, at in 0_usize..6, part in 0_usize..4
    ) {
        let at = at % n_steps;
        let config = sizes(discrete, returns);
        let model = model(&config);
        let given = steps(1, n_steps, config.actions());
        let mut changed = given.clone();
        let width = config.d_action;
        match part {
            0 => changed.states[at * D_STATE] += 1.0,
            1 => changed.actions[at * width..][..width].rotate_left(1),
            2 => changed.returns[at] += 1.0,
            _ => changed.timesteps[at] = 11,
        }
        let (before, after) = (predictions(&model, &given), predictions(&model, &changed));
        // What is done at a step is seen from the next on.
        let first = if part == 1 { at + 1 } else { at };
        prop_assert_eq!(&before[..first], &after[..first]);
        let is_seen = first < n_steps && (part != 2 || returns);
        prop_assert_eq!(before[first..] != after[first..], is_seen);
    }

    /// Rows do not see one another, and padding after a row changes nothing.
    #[test]
    fn company_and_padding_change_nothing(discrete: bool, n_steps in 1_usize..5) {
        let config = sizes(discrete, true);
        let model = model(&config);
        let together = steps(2, 6, config.actions());
        let alone = Steps {
            n_rows: 1,
            n_steps,
            states: together.states[..n_steps * D_STATE].to_vec(),
            actions: together.actions[..n_steps * config.d_action].to_vec(),
            returns: together.returns[..n_steps].to_vec(),
            timesteps: together.timesteps[..n_steps].to_vec(),
        };
        let (alone, together) = (predictions(&model, &alone), predictions(&model, &together));
        for (a, b) in alone.iter().flatten().zip(together.iter().flatten()) {
            prop_assert!((a - b).abs() < 1e-5, "{a} is not {b}");
        }
    }
}

#[test]
fn the_loss_is_that_of_a_scalar_loop() {
    for discrete in [false, true] {
        let config = sizes(discrete, true);
        let model = model(&config);
        let batch = TrajectoryBatch { steps: steps(2, 3, config.actions()), lengths: vec![3, 1], indices: vec![0, 1] };
        let loss = PolicyObjective::default().loss(&model, &batch, None);
        let mut expected = 0.0;
        for (place, predicted) in predictions(&model, &batch.steps).iter().enumerate() {
            if place / 3 == 1 && place % 3 >= 1 {
                continue;
            }
            let action = &batch.steps.actions[place * config.d_action..][..config.d_action];
            let predicted: Vec<f64> = predicted.iter().map(|&x| f64::from(x)).collect();
            expected += if discrete {
                let class = action.iter().position(|&x| x == 1.0).unwrap();
                predicted.iter().map(|x| x.exp()).sum::<f64>().ln() - predicted[class]
            } else {
                let errors = predicted.iter().zip(action).map(|(x, &a)| (x - f64::from(a)).powi(2));
                errors.sum::<f64>() / config.d_action as f64
            };
        }
        assert_eq!(loss.n_targets, 4);
        for found in [loss.sum, loss.nll_sum] {
            let found = f64::from(found.into_scalar::<f32>());
            assert!((found - expected).abs() < 1e-4, "{found} is not {expected}");
        }
    }
}

#[test]
fn loss_and_gradients_agree_on_every_backend() {
    for discrete in [false, true] {
        let config = sizes(discrete, true);
        let batch = TrajectoryBatch { steps: steps(2, 3, config.actions()), lengths: vec![3, 2], indices: vec![0, 1] };
        let mut expected: Option<(f32, Gradients)> = None;
        for kind in BackendKind::ALL.into_iter().filter(|kind| kind.is_compiled_in()) {
            let model = config.init(&kind.device().unwrap().autodiff(), 3).unwrap();
            let loss = PolicyObjective::default().loss(&model, &batch, None);
            let sum = loss.sum.clone().into_scalar::<f32>();
            let gradients = Gradients::take(loss.sum.backward(), &model);
            let n_params = attentive_weights::param_shapes(&model).len();
            assert_eq!(gradients.iter().count(), n_params, "every parameter has a gradient on {kind}");
            let Some((first_sum, first)) = &expected else {
                expected = Some((sum, gradients));
                continue;
            };
            assert_close(&[sum], &[*first_sum], 1e-4, 1e-4);
            for (name, gradient) in gradients.iter() {
                let [found, first] = [gradient, first.get(name).unwrap()].map(|gradient| values(gradient.clone()));
                assert_close(&found, &first, 1e-4, 1e-4);
            }
        }
    }
}
