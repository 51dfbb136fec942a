//! Runs by every optimizer: what their checkpoints hold, and which can be resumed by which.

use std::path::Path;

use attentive_optim::{AdamConfig, Optimizer, OptimizerConfig, OptimizerError, OptimizerState, ParamInfo, StepSize};
use attentive_trainer::{Checkpoint, CheckpointDir, Environment, Outcome, TrainError};
use burn::tensor::Tensor;

use crate::common::{Constant, Nearness, Ragged, Watch, builder, config, files, go_on};

const KINDS: [OptimizerConfig; 5] = [
    OptimizerConfig::Adam(AdamConfig { beta_1: 0.9, beta_2: 0.98, epsilon: 1e-9, weight_decay: 0.0 }),
    OptimizerConfig::Sgd {},
    OptimizerConfig::Momentum { decay: 0.9 },
    OptimizerConfig::AdaGrad { epsilon: 1e-8 },
    OptimizerConfig::RmsProp { decay: 0.98, epsilon: 1e-8 },
];

#[test]
fn moments_of_another_length_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    train(AdamConfig::default().init().unwrap(), 3, None, folder.path()).unwrap();
    let (_, mut checkpoint) = CheckpointDir::new(folder.path(), 2).latest().unwrap().checkpoint.unwrap();
    let moment = checkpoint.optimizer.get_mut("w.second").unwrap();
    moment.values.push(0.0);
    moment.shape = vec![moment.values.len()];
    let error = builder(config(3), folder.path()).build().unwrap().resume(checkpoint).unwrap_err();
    assert!(error.to_string().contains("w.second has another number of values"), "{error}");
}

fn train(
    optimizer: impl Optimizer + 'static,
    steps: u64,
    break_after: Option<u64>,
    folder: &Path,
) -> Result<Outcome<Constant>, TrainError> {
    let builder = builder(config(steps), folder).optimizer(optimizer);
    let mut watch = Watch { break_after, ..Watch::default() };
    go_on(builder, folder, &Ragged::new(), Some(&mut Nearness), &mut watch)
}

#[test]
fn a_run_by_any_optimizer_resumes_as_if_it_had_not_stopped() {
    for kind in KINDS {
        let [whole, folder] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let outcome = train(kind.init().unwrap(), 9, None, whole.path()).unwrap();
        assert!(outcome.model.weights().iter().all(|w| w.is_finite() && w.abs() != 0.5), "{kind:?} learns");
        train(kind.init().unwrap(), 9, Some(5), folder.path()).unwrap();
        train(kind.init().unwrap(), 9, None, folder.path()).unwrap();
        assert!(files(folder.path()) == files(whole.path()), "{kind:?}");
    }
}

#[test]
fn a_checkpoint_of_another_optimizer_is_refused_by_name() {
    for (before, now) in KINDS.iter().zip(KINDS.iter().cycle().skip(1)) {
        let folder = tempfile::tempdir().unwrap();
        train(before.init().unwrap(), 3, None, folder.path()).unwrap();
        let error = train(now.init().unwrap(), 9, None, folder.path()).unwrap_err();
        let TrainError::OtherOptimizer { found, expected } = &error else { panic!("{error}") };
        assert_eq!((&found[..], &expected[..]), (before.init().unwrap().name(), now.init().unwrap().name()));
    }
}

/// Takes the sign of each gradient, and counts updates in a tensor for each parameter.
#[derive(Debug, Default)]
struct SignSgd {
    n_updates: u64,
    counts: OptimizerState,
}

impl Optimizer for SignSgd {
    fn name(&self) -> &str {
        "sign-sgd"
    }

    fn n_updates(&self) -> u64 {
        self.n_updates
    }

    fn begin(&mut self) {
        self.n_updates += 1;
    }

    fn update(&mut self, param: ParamInfo<'_>, values: Tensor<1>, gradient: Tensor<1>, size: StepSize) -> Tensor<1> {
        let count = self.counts.remove(param.name).unwrap_or_else(|| gradient.zeros_like()) + 1.0;
        self.counts.insert(param.name.to_owned(), count);
        values - gradient.sign() * size.lr
    }

    fn state(&self) -> OptimizerState {
        self.counts.clone()
    }

    fn restore(&mut self, n_updates: u64, state: OptimizerState) -> Result<(), OptimizerError> {
        (self.n_updates, self.counts) = (n_updates, state);
        Ok(())
    }
}

#[test]
fn an_optimizer_of_one_s_own_trains_and_resumes() {
    let [whole, folder] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    train(SignSgd::default(), 9, None, whole.path()).unwrap();
    train(SignSgd::default(), 9, Some(4), folder.path()).unwrap();
    train(SignSgd::default(), 9, None, folder.path()).unwrap();
    assert!(files(folder.path()) == files(whole.path()));
    let last = Checkpoint::read(&folder.path().join("step-00000009")).unwrap();
    assert_eq!((&last.state.optimizer[..], &last.optimizer["w"].values[..]), ("sign-sgd", &[9.0, 9.0][..]));
}

/// A checkpoint that was written before checkpoints named their optimizer (`tests/golden/generate.py`).
#[test]
fn an_older_checkpoint_is_adam_s() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/step-00000006");
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("step-00000006");
    std::fs::create_dir(&copy).unwrap();
    for file in std::fs::read_dir(golden).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), copy.join(file.file_name())).unwrap();
    }
    let read = Checkpoint::read(&copy).unwrap();
    assert_eq!((&read.state.optimizer[..], read.state.best, read.state.step), ("adam", Some((-1.25, 4)), 6));
    assert_eq!((&read.state.environment, read.state.elapsed_seconds), (&Environment::default(), 1.5));
    assert_eq!(read.params["w"].values, [0.75, -0.5]);
    assert_eq!(
        (&read.optimizer["w.first"].values[..], &read.optimizer["w.second"].values[..]),
        (&[0.125, -0.25][..], &[0.5, 0.0625][..])
    );
    let outcome = train(AdamConfig::default().init().unwrap(), 9, None, folder.path()).unwrap();
    assert_eq!((outcome.state.step, outcome.state.n_updates), (9, 9));
    assert_eq!(CheckpointDir::new(folder.path(), 2).latest().unwrap().checkpoint.unwrap().1.state.optimizer, "adam");
}
