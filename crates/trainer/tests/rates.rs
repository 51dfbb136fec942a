//! Parameters with learning rates of their own change as if all had them.

use std::{ops::ControlFlow, path::Path};

use attentive_backend::BackendKind;
use attentive_core::SequenceBatch;
use attentive_model::{CausalLmObjective, GptConfig, ModelSpec};
use attentive_optim::{AdamConfig, OptimizerConfig, ScheduleConfig};
use attentive_trainer::{CheckpointDir, Endless, Event, RateConfig, TrainError, Trainer, TrainerConfig};
use attentive_weights::Tensors;

const KINDS: [OptimizerConfig; 5] = [
    OptimizerConfig::Adam(AdamConfig { beta_1: 0.9, beta_2: 0.98, epsilon: 1e-9, weight_decay: 0.1 }),
    OptimizerConfig::Sgd {},
    OptimizerConfig::Momentum { decay: 0.9 },
    OptimizerConfig::AdaGrad { epsilon: 1e-8 },
    OptimizerConfig::RmsProp { decay: 0.98, epsilon: 1e-8 },
];

const LR: f64 = 0.01;

fn rates(rates: &[(&str, f64)]) -> Vec<RateConfig> {
    rates.iter().map(|&(pattern, factor)| RateConfig { pattern: pattern.to_owned(), factor }).collect()
}

/// Parameters after `steps` updates; a run that stops after some is resumed.
fn trained(
    kind: OptimizerConfig,
    lr: f64,
    config: &TrainerConfig,
    stop: Option<(u64, &Path)>,
) -> Result<Tensors, TrainError> {
    let data = vec![
        SequenceBatch::next_tokens(&[vec![1, 2, 3, 4], vec![5, 6, 7]], 0, vec![0, 1]),
        SequenceBatch::next_tokens(&[vec![3, 1, 2]], 0, vec![2]),
    ];
    let trainer = || {
        let model = GptConfig::gpt2_like(8, 6, [3, 2, 16]).init(&BackendKind::Flex.device().unwrap().autodiff(), 3);
        let schedule = ScheduleConfig::Constant { lr, warmup_steps: 0 };
        let builder = Trainer::builder(model.unwrap(), CausalLmObjective::default()).config(config.clone());
        let builder = builder.optimizer(kind.init().unwrap()).schedule(schedule.build(16));
        match stop {
            Some((_, folder)) => builder.checkpoints(CheckpointDir::new(folder, 2)).build(),
            None => builder.build(),
        }
    };
    if let Some((step, folder)) = stop {
        let mut breaks = |event: &Event<'_>| match event {
            Event::Step(report) if report.step == step => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        };
        let stopped = trainer()?.run(&mut Endless::new(data.clone()), None, &mut [&mut breaks])?;
        assert!(stopped.stopped);
        let (_, checkpoint) = CheckpointDir::new(folder, 2).latest()?.checkpoint.unwrap();
        let outcome = trainer()?.resume(checkpoint)?.run(&mut Endless::new(data), None, &mut [])?;
        return Ok(attentive_weights::params(&outcome.model));
    }
    Ok(attentive_weights::params(&trainer()?.run(&mut Endless::new(data), None, &mut [])?.model))
}

#[test]
fn each_parameter_moves_as_with_its_rate_for_all() {
    let one_update = TrainerConfig { steps: 1, ..TrainerConfig::default() };
    for kind in KINDS {
        let at = |factor: f64| trained(kind, LR * factor, &one_update, None).unwrap();
        // A layer is 0.5 of that above it, and embeddings of the first; of rates, the last that describes a parameter counts.
        let config = TrainerConfig {
            rates: rates(&[("*.norm", 4.0), ("decoder.layers.1", 0.25), ("*.query", 2.0)]),
            layer_decay: 0.5,
            ..one_update.clone()
        };
        let found = trained(kind, LR, &config, None).unwrap();
        let factor = |name: &str| {
            let of_pattern = match name {
                _ if name.contains(".query.") => 2.0,
                _ if name.starts_with("decoder.layers.1.") => 0.25,
                _ if name.contains(".norm.") => 4.0,
                _ => 1.0,
            };
            let layers = ["decoder.layers.0.", "decoder.layers.1.", "decoder.layers.2."];
            let of_layer = match layers.iter().position(|layer| name.starts_with(layer)) {
                Some(layer) => [0.125, 0.25, 0.5][layer],
                None if name.starts_with("decoder.") => 1.0,
                None => 0.0625,
            };
            of_pattern * of_layer
        };
        for (name, values) in &found {
            assert!(values == &at(factor(name))[name], "{kind:?}: {name}");
        }
    }
}

#[test]
fn a_run_with_rates_resumes_as_if_it_had_not_stopped() {
    for kind in KINDS {
        let config = TrainerConfig {
            steps: 6,
            rates: rates(&[("embedding", 0.5)]),
            layer_decay: 0.8,
            checkpoint_every: 2,
            ..TrainerConfig::default()
        };
        let folder = tempfile::tempdir().unwrap();
        let whole = trained(kind, LR, &config, None).unwrap();
        assert!(trained(kind, LR, &config, Some((3, folder.path()))).unwrap() == whole, "{kind:?}");
        let without = TrainerConfig { rates: Vec::new(), layer_decay: 1.0, ..config };
        assert!(trained(kind, LR, &without, None).unwrap() != whole, "{kind:?}");
    }
}

#[test]
fn patterns_without_parameters_and_rates_out_of_range_are_refused_by_name() {
    let refused = |config: TrainerConfig| {
        let error = trained(OptimizerConfig::Sgd {}, LR, &config, None).unwrap_err();
        (error.to_string(), error.keys())
    };
    let config = TrainerConfig { steps: 1, ..TrainerConfig::default() };
    let (text, keys) = refused(TrainerConfig { rates: rates(&[("encoder", 0.1)]), ..config.clone() });
    assert!(text.contains("rates has \"encoder\": no parameter that is trained has such a path"), "{text}");
    assert_eq!(keys, ["rates"]);
    // What is frozen is not trained.
    let freeze = vec!["embedding".to_owned()];
    let (text, _) = refused(TrainerConfig { rates: rates(&[("embedding", 0.1)]), freeze, ..config.clone() });
    assert!(text.contains("rates has \"embedding\""), "{text}");
    let freeze = vec!["decoder.layers".to_owned()];
    let (text, keys) = refused(TrainerConfig { layer_decay: 0.9, freeze, ..config.clone() });
    assert!(text.contains("layer_decay: no layers of the model are trained"), "{text}");
    assert_eq!(keys, ["layer_decay"]);
    for factor in [0.0, -1.0, f64::NAN] {
        let (text, keys) = refused(TrainerConfig { rates: rates(&[("decoder", factor)]), ..config.clone() });
        assert!(text.starts_with("rates = ") && keys == ["rates"], "{text}");
    }
    for layer_decay in [0.0, 1.1, f64::NAN] {
        let (text, keys) = refused(TrainerConfig { layer_decay, ..config.clone() });
        assert!(text.starts_with("layer_decay = ") && keys == ["layer_decay"], "{text}");
    }
}
