//! The mean of checkpoints: of which, and what damage does.

use std::{cell::RefCell, fs, path::Path};

use attentive_trainer::{
    Averaged, CheckpointDir, EarlyStoppingConfig, Evaluate, FinishedModel, Monitored, OnDamage, Outcome, TrainError,
    TrainerConfig, Validation, average,
};

use crate::common::{Constant, Ragged, Watch, config, run, run_with};

fn trained(folder: &Path) -> (Outcome<Constant>, CheckpointDir) {
    let outcome = run(config(9), folder, &Ragged::new(), &mut Watch::default()).unwrap();
    (outcome, CheckpointDir::new(folder, 2))
}

fn weights(folder: &Path, step: u64) -> Vec<f32> {
    let file = folder.join(format!("step-{step:08}/model.safetensors"));
    attentive_weights::read(&file).unwrap()["w"].values.clone()
}

fn damage(folder: &Path, step: u64) {
    let file = folder.join(format!("step-{step:08}/model.safetensors"));
    let mut bytes = fs::read(&file).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(file, bytes).unwrap();
}

#[test]
fn it_is_of_the_checkpoints_that_were_due_last() {
    let folder = tempfile::tempdir().unwrap();
    let (outcome, checkpoints) = trained(folder.path());
    let Averaged { params, steps, left_out } =
        outcome.finished(FinishedModel::Average, Some(&checkpoints), OnDamage::Refuse).unwrap();
    assert!(steps == [6, 9] && left_out.is_empty());
    let pairs = weights(folder.path(), 6).into_iter().zip(weights(folder.path(), 9));
    let mean: Vec<f32> = pairs.map(|(a, b)| ((f64::from(a) + f64::from(b)) / 2.0) as f32).collect();
    assert_eq!(params["w"].values, mean);
}

#[test]
fn a_damaged_checkpoint_is_an_error_unless_it_may_be_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let (outcome, checkpoints) = trained(folder.path());
    damage(folder.path(), 6);
    let error = checkpoints.average(&outcome.state, OnDamage::Refuse).unwrap_err();
    assert!(matches!(&error, TrainError::NotAveraged { cause } if matches!(**cause, TrainError::Damaged { .. })));
    let text = error.to_string();
    for part in ["step-00000006", "SHA-256", "nothing is lost", "leave the checkpoint out"] {
        assert!(text.contains(part), "{part:?} is missing: {text}");
    }
    let averaged = checkpoints.average(&outcome.state, OnDamage::LeaveOut).unwrap();
    assert_eq!((averaged.steps, averaged.params["w"].values.clone()), (vec![9], weights(folder.path(), 9)));
    assert!(matches!(&averaged.left_out[..], [(path, _)] if path.ends_with("step-00000006")));
}

/// Whether a file can be read may differ from one moment to the next: here a folder stands in its place.
#[test]
fn a_file_that_cannot_be_read_is_never_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let (outcome, checkpoints) = trained(folder.path());
    let whole = checkpoints.average(&outcome.state, OnDamage::Refuse).unwrap();
    let (file, aside) = (folder.path().join("step-00000006/model.safetensors"), folder.path().join("aside"));
    fs::rename(&file, &aside).unwrap();
    for has_folder in [false, true] {
        if has_folder {
            fs::create_dir(&file).unwrap();
        }
        for on_damage in [OnDamage::Refuse, OnDamage::LeaveOut] {
            let error = checkpoints.average(&outcome.state, on_damage).unwrap_err();
            let is_unread =
                matches!(&error, TrainError::NotAveraged { cause } if matches!(**cause, TrainError::Io { .. }));
            assert!(is_unread && error.to_string().contains("try again"), "{error}");
        }
    }
    fs::remove_dir(&file).unwrap();
    fs::rename(&aside, &file).unwrap();
    assert_eq!(checkpoints.average(&outcome.state, OnDamage::Refuse).unwrap().params, whole.params);
}

#[test]
fn without_checkpoints_the_finished_model_is_the_last_one_or_the_running_mean() {
    let folder = tempfile::tempdir().unwrap();
    let (outcome, _) = trained(folder.path());
    let finished = outcome.finished(FinishedModel::Average, None, OnDamage::Refuse).unwrap();
    assert_eq!((&finished.params["w"].values, finished.steps.len()), (&outcome.model.weights(), 0));
    let folder = tempfile::tempdir().unwrap();
    let ema = TrainerConfig { ema_decay: 0.9, ..config(9) };
    let outcome = run(ema, folder.path(), &Ragged::new(), &mut Watch::default()).unwrap();
    let finished = outcome
        .finished(FinishedModel::Average, Some(&CheckpointDir::new(folder.path(), 2)), OnDamage::Refuse)
        .unwrap();
    let mean = outcome.ema.as_ref().unwrap().apply(outcome.model.clone());
    assert_eq!((&finished.params["w"].values, finished.steps.len()), (&mean.weights(), 0));
}

#[test]
fn the_best_is_the_checkpoint_that_scored_best_by_what_is_monitored() {
    for on in [Monitored::Quality, Monitored::Loss] {
        let folder = tempfile::tempdir().unwrap();
        let early = Some(EarlyStoppingConfig { on, patience: 99, min_delta: 0.0 });
        let config = TrainerConfig { early_stopping: early, ema_decay: 0.5, validate_every: 1, ..config(9) };
        let scores = RefCell::new(Vec::new());
        let mut evaluate = |model: &Constant| {
            let n = scores.borrow().len();
            scores.borrow_mut().push(model.weights());
            let quality = [1.0, 5.0, 4.0, 3.0, 2.0, 2.0, 2.0, 2.0, 2.0][n];
            Ok(Validation { nll_nats: if n == 5 { 0.5 } else { 1.0 }, scores: Vec::new(), quality: Some(quality) })
        };
        let evaluate: Option<&mut dyn Evaluate<Constant>> = Some(&mut evaluate);
        let trained = run_with(config.clone(), folder.path(), &Ragged::new(), evaluate, &mut Watch::default());
        let outcome = trained.unwrap();
        let best = if on == Monitored::Quality { 2 } else { 6 };
        let checkpoints = CheckpointDir::new(folder.path(), 2);
        assert_eq!(config.finished_model(None), FinishedModel::Best);
        let finished = outcome.finished(FinishedModel::Best, Some(&checkpoints), OnDamage::Refuse).unwrap();
        // What was scored, the running mean, and not the parameters of that step.
        assert_eq!(
            (&finished.params["w"].values, &finished.steps[..]),
            (&scores.borrow()[best - 1], &[best as u64][..])
        );
        assert_ne!(finished.params["w"].values, weights(folder.path(), best as u64));
        let last = outcome.finished(FinishedModel::Last, Some(&checkpoints), OnDamage::Refuse).unwrap();
        assert_eq!(&last.params["w"].values, scores.borrow().last().unwrap());
        damage(folder.path(), best as u64);
        let error = outcome.finished(FinishedModel::Best, Some(&checkpoints), OnDamage::LeaveOut).unwrap_err();
        assert!(matches!(error, TrainError::BestUnread { .. }), "{error}");
    }
}

#[test]
fn of_no_checkpoint_there_is_no_mean() {
    assert!(matches!(average::<&Path>(&[], OnDamage::LeaveOut), Err(TrainError::Weights(_))));
}
