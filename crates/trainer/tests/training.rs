//! The loop: means over ragged micro-batches, resuming, early stopping, the running mean.

use attentive_backend::{BackendKind, Loss, Objective};
use attentive_core::{Batch, Dropout, Epochs, mix64};
use attentive_optim::AdamConfig;
use attentive_trainer::{EarlyStoppingConfig, Monitored, TrainError, TrainerConfig, Update, Validation};
use burn::tensor::Tensor;

use crate::common::{Constant, Numbers, Ragged, SquaredError, Watch, builder, config, files, go_on, run, run_with};

/// Says nothing of batches of one number.
struct OfMore;

impl Objective<Constant> for OfMore {
    type Batch = Numbers;

    fn loss(&self, model: &Constant, batch: &Numbers, pass: Option<&Dropout>) -> Loss {
        let zero = || Tensor::zeros([1], &model.w.device());
        match batch.n_targets() {
            1 => Loss { sum: zero(), nll_sum: zero(), n_targets: 0 },
            _ => SquaredError.loss(model, batch, pass),
        }
    }
}

#[test]
fn a_batch_without_targets_changes_nothing() {
    let update = |batches: &[u64]| {
        let device = BackendKind::Flex.device().unwrap().autodiff();
        let mut update = Update::of(Constant::new(&device), &OfMore);
        for &idx in batches {
            update.add(&Ragged::new().batch(&0, idx).unwrap(), None);
        }
        let (model, report) = update.step(&mut AdamConfig::default().init().unwrap(), 0.1);
        (model.weights(), report.n_targets, report.skipped)
    };
    assert_eq!(update(&[0]), (vec![0.5, -0.5], 0, false));
    assert_eq!(update(&[0, 1]), update(&[1]));
}

fn with_everything(steps: u64) -> TrainerConfig {
    let early = EarlyStoppingConfig { on: Monitored::Quality, patience: 100, min_delta: 0.0 };
    TrainerConfig { ema_decay: 0.9, keep_every: 5, early_stopping: Some(early), ..config(steps) }
}

#[test]
fn resuming_equals_never_having_stopped() {
    let whole_dir = tempfile::tempdir().unwrap();
    let mut whole_watch = Watch::default();
    let whole = run(with_everything(13), whole_dir.path(), &Ragged::new(), &mut whole_watch).unwrap();

    // Stopped between checkpoints, on one, on a validation, on both, and at the end, before its validation.
    for stops in [vec![5], vec![3, 6], vec![4], vec![8, 9], vec![12], vec![1, 2, 13]] {
        let folder = tempfile::tempdir().unwrap();
        let mut watch = Watch::default();
        for &stop in &stops {
            watch.break_after = Some(stop);
            let outcome = run(with_everything(13), folder.path(), &Ragged::new(), &mut watch).unwrap();
            assert!(outcome.stopped && outcome.state.step == stop, "{stops:?}");
        }
        watch.break_after = None;
        let resumed = run(with_everything(13), folder.path(), &Ragged::new(), &mut watch).unwrap();
        assert!(!resumed.stopped);
        assert_eq!(resumed.model.weights(), whole.model.weights());
        assert_eq!(
            (&watch.losses, &watch.lrs, &watch.qualities),
            (&whole_watch.losses, &whole_watch.lrs, &whole_watch.qualities),
            "{stops:?}"
        );
        let (mine, theirs) = (files(folder.path()), files(whole_dir.path()));
        assert_eq!(mine.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>(), "{stops:?}");
        for (name, bytes) in theirs {
            assert!(mine[&name] == bytes, "{name} differs after stops at {stops:?}");
        }
    }
}

#[test]
fn a_finished_run_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let finished = run(config(6), folder.path(), &Ragged::new(), &mut Watch::default()).unwrap();
    let mut watch = Watch::default();
    let again = run(config(6), folder.path(), &Ragged::new(), &mut watch).unwrap();
    assert_eq!(again.model.weights(), finished.model.weights());
    assert!(!again.stopped && watch.losses.is_empty() && watch.saved.is_empty() && watch.qualities.is_empty());
}

#[test]
fn two_ragged_micro_batches_are_one_batch() {
    // The mean is over targets, not over batches: 1 + 2 numbers in the first update.
    let folder = tempfile::tempdir().unwrap();
    let mut watch = Watch::default();
    run(config(1), folder.path(), &Ragged::new(), &mut watch).unwrap();
    assert_eq!(watch.n_targets, 3);
    let noise = |micro_idx: u64| {
        let pass = Dropout::new(mix64(5 ^ mix64(1 ^ mix64(micro_idx))));
        (pass.next_key() % 100) as f64 / 1000.0
    };
    let numbers = [(0.0, noise(0)), (3.0, noise(1)), (4.0, noise(1))];
    let error = |w: f64| numbers.iter().map(|(y, noise)| (w - y - noise).powi(2)).sum::<f64>();
    let expected = (error(0.5) + error(-0.5)) / 3.0;
    assert!((watch.losses[&1] - expected).abs() < 1e-5, "{} against {expected}", watch.losses[&1]);
}

#[test]
fn training_ends_when_it_gets_no_better() {
    // The first weight passes 2 and goes away from it again: it is best when it passes.
    let folder = tempfile::tempdir().unwrap();
    let early_stopping = Some(EarlyStoppingConfig { on: Monitored::Loss, patience: 2, min_delta: 0.0 });
    let config = TrainerConfig { early_stopping, validate_every: 1, ..config(1_000) };
    let mut watch = Watch::default();
    let outcome = run(config, folder.path(), &Ragged::new(), &mut watch).unwrap();
    let (best, best_step) = outcome.state.best.unwrap();
    assert!(!outcome.stopped && outcome.state.step < 1_000);
    assert_eq!(outcome.state.step, best_step + 2);
    assert!(watch.qualities.values().all(|&quality| quality <= best));
    // The best and the last are there.
    assert!(watch.saved.contains(&best_step) && watch.saved.ends_with(&[best_step + 2]));
    assert!(folder.path().join(format!("step-{best_step:08}")).exists());
}

#[test]
fn what_was_best_by_another_measure_is_forgotten() {
    let early_stopping = Some(EarlyStoppingConfig { on: Monitored::Quality, patience: 3, min_delta: 0.0 });
    let config = |steps| TrainerConfig { early_stopping, validate_every: 1, ..config(steps) };
    for (before, after, best) in [
        (Some("BLEU"), Some("loss"), (-1.0, 4)),
        (Some("BLEU"), Some("BLEU"), (30.0, 3)),
        (None, Some("BLEU"), (30.0, 3)),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let train = |steps: u64, measure: Option<&str>, quality: f64| {
            let mut evaluate =
                |_: &Constant| Ok(Validation { nll_nats: 1.0, scores: Vec::new(), quality: Some(quality) });
            let trainer = builder(config(steps), folder.path()).measure(measure.map(str::to_owned));
            let mut watch = Watch::default();
            let outcome = go_on(trainer, folder.path(), &Ragged::new(), Some(&mut evaluate), &mut watch).unwrap();
            (outcome.state.best.unwrap(), outcome.state.early_stopping.n_stale, watch.forgotten)
        };
        train(2, before, 29.0);
        train(3, before, 30.0);
        // A run that is complete compares nothing.
        assert_eq!(train(3, after, -1.0), ((30.0, 3), 0, vec![]));
        let (n_stale, forgotten) = if best.1 == 4 { (0, vec![3]) } else { (1, vec![]) };
        assert_eq!(train(4, after, -1.0), (best, n_stale, forgotten), "{before:?} {after:?}");
    }
}

#[test]
fn the_running_mean_is_what_is_validated() {
    let folder = tempfile::tempdir().unwrap();
    let config = TrainerConfig { ema_decay: 0.9, ..config(8) };
    let mut watch = Watch::default();
    let outcome = run(config, folder.path(), &Ragged::new(), &mut watch).unwrap();
    let mean = outcome.ema.unwrap().apply(outcome.model.clone());
    assert_ne!(mean.weights(), outcome.model.weights());
    assert_eq!(watch.qualities[&8], -f64::from((mean.weights()[0] - 2.0).abs()));
}

#[test]
fn a_run_without_validation_keeps_no_best_and_validates_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut watch = Watch::default();
    let outcome = run_with(config(9), folder.path(), &Ragged::new(), None, &mut watch).unwrap();
    assert!(watch.qualities.is_empty() && !outcome.stopped);
    assert_eq!((outcome.state.best, outcome.state.validated_step), (None, 0));
    // Saved at the start and where it was due; with validation the steps 4 and 8 are due too, as the best.
    assert_eq!(watch.saved, [0, 3, 6, 9]);
    let mut validated = Watch::default();
    let same = run(config(9), tempfile::tempdir().unwrap().path(), &Ragged::new(), &mut validated).unwrap();
    assert_eq!((same.model.weights(), &validated.losses), (outcome.model.weights(), &watch.losses));
}

#[test]
fn a_run_without_validation_resumes_as_any_other() {
    let [whole, folder] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    run_with(config(9), whole.path(), &Ragged::new(), None, &mut Watch::default()).unwrap();
    let mut watch = Watch { break_after: Some(4), ..Watch::default() };
    run_with(config(9), folder.path(), &Ragged::new(), None, &mut watch).unwrap();
    run_with(config(9), folder.path(), &Ragged::new(), None, &mut Watch::default()).unwrap();
    assert!(files(folder.path()) == files(whole.path()));
}

#[test]
fn early_stopping_without_validation_is_refused_before_the_first_update() {
    let folder = tempfile::tempdir().unwrap();
    let early_stopping = Some(EarlyStoppingConfig { on: Monitored::Loss, patience: 2, min_delta: 0.0 });
    let mut watch = Watch::default();
    let config = TrainerConfig { early_stopping, ..config(9) };
    let error = run_with(config, folder.path(), &Ragged::new(), None, &mut watch).unwrap_err();
    assert_eq!(error.keys(), ["early_stopping.patience"]);
    assert!(error.to_string().contains("no validation data"), "{error}");
    assert!(watch.saved.is_empty() && watch.losses.is_empty());
}

#[test]
fn a_score_that_is_nan_is_not_the_best() {
    let folder = tempfile::tempdir().unwrap();
    let mut evaluate = |model: &Constant| {
        let nll_nats = if model.weights()[0] > 0.6 { f64::from(model.weights()[1]).abs() } else { f64::NAN };
        Ok(Validation { nll_nats, scores: Vec::new(), quality: None })
    };
    let config = TrainerConfig { validate_every: 1, ..config(8) };
    let data = Ragged::new();
    let outcome = run_with(config, folder.path(), &data, Some(&mut evaluate), &mut Watch::default()).unwrap();
    let (best, step) = outcome.state.best.unwrap();
    assert!(best <= 0.0 && step > 1, "the loss with its sign turned: {best} after {step}");
}

#[test]
fn settings_out_of_range_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let early_stopping = Some(EarlyStoppingConfig { on: Monitored::Loss, patience: 0, min_delta: 0.0 });
    let wrong = [
        ("accumulate", TrainerConfig { accumulate: 0, ..config(1) }),
        ("clip_norm", TrainerConfig { clip_norm: -1.0, ..config(1) }),
        ("ema_decay", TrainerConfig { ema_decay: 1.0, ..config(1) }),
        ("early_stopping.patience", TrainerConfig { early_stopping, ..config(1) }),
    ];
    for (name, config) in wrong {
        let error = run(config, folder.path(), &Ragged::new(), &mut Watch::default()).unwrap_err();
        assert!(matches!(error, TrainError::Setting { key, .. } if key == name), "{error}");
        assert!(error.to_string().starts_with(&format!("{name} = ")) && error.keys() == [name], "{error}");
    }
}
