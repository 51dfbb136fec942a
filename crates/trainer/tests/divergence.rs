//! Losses that are not numbers: skipped, gone back from, and in the end diagnosed.

use std::{cell::Cell, fs};

use attentive_core::Position;
use attentive_trainer::{CheckpointDir, DivergenceConfig, TrainError, TrainerConfig};

use crate::common::{Ragged, Watch, config, run};

#[test]
fn an_update_that_is_not_finite_is_left_out_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let poison = |position| position == Position { epoch: 1, batch_idx: 0 };
    let mut watch = Watch::default();
    let outcome = run(config(6), folder.path(), &Ragged { poison, ..Ragged::new() }, &mut watch).unwrap();
    assert_eq!((watch.n_skipped, outcome.state.divergence.n_skipped), (1, 1));
    assert_eq!((outcome.state.step, outcome.state.n_updates), (6, 5));
    assert!(watch.rolled_back_to.is_empty());
    assert!(outcome.model.weights().iter().all(|w| w.is_finite()));
}

#[test]
fn several_in_a_row_lead_back_to_the_last_healthy_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    // Updates 8 to 11 are bad, 9 is saved among them; the second time all are well.
    let poison = |position: Position| position >= Position { epoch: 4, batch_idx: 2 };
    let data = Ragged { poison, n_poisoned: Cell::new(8) };
    let divergence = DivergenceConfig { max_bad: 4, lr_factor: 0.25, ..DivergenceConfig::default() };
    let mut watch = Watch::default();
    let outcome = run(TrainerConfig { divergence, ..config(16) }, folder.path(), &data, &mut watch).unwrap();
    assert_eq!(watch.rolled_back_to, [6]);
    assert_eq!(watch.saved, [0, 3, 4, 6, 8, 9, 8, 9, 12, 15, 16]);
    assert_eq!((outcome.state.step, outcome.state.n_updates), (16, 16));
    let state = outcome.state.divergence;
    assert_eq!((state.n_skipped, state.n_rollbacks, state.lr_scale, state.n_bad), (4, 1, 0.25, 0));
    let mut healthy = Watch::default();
    run(config(16), tempfile::tempdir().unwrap().path(), &Ragged::new(), &mut healthy).unwrap();
    assert_eq!(watch.lrs[&6], healthy.lrs[&6]);
    assert_eq!(watch.lrs[&7], healthy.lrs[&7] * 0.25);
}

#[test]
fn a_callback_ends_training_where_it_went_back() {
    let folder = tempfile::tempdir().unwrap();
    let data = Ragged { poison: |position| position.epoch >= 4, ..Ragged::new() };
    let divergence = DivergenceConfig { max_bad: 3, ..DivergenceConfig::default() };
    let mut watch = Watch { breaks_at_rollback: true, ..Watch::default() };
    let outcome = run(TrainerConfig { divergence, ..config(40) }, folder.path(), &data, &mut watch).unwrap();
    assert!(outcome.stopped);
    assert_eq!((&watch.rolled_back_to[..], outcome.state.step), (&[6][..], 6));
    assert_eq!(outcome.state.divergence.n_rollbacks, 1);
}

/// A checkpoint that is kept for good is not where a run goes on if training went back from it.
#[test]
fn what_training_went_back_from_is_not_kept_for_good() {
    let folder = tempfile::tempdir().unwrap();
    // Updates 8 to 11 are bad, and 9 is saved among them.
    let poison = |position: Position| position >= Position { epoch: 4, batch_idx: 2 };
    let divergence = DivergenceConfig { max_bad: 4, ..DivergenceConfig::default() };
    let config = || TrainerConfig { divergence, keep_every: 9, ..config(16) };
    let mut watch = Watch { breaks_at_rollback: true, ..Watch::default() };
    run(config(), folder.path(), &Ragged { poison, ..Ragged::new() }, &mut watch).unwrap();
    assert!(watch.saved.contains(&9) && watch.rolled_back_to == [6], "{:?}", watch.saved);
    let (_, newest) = CheckpointDir::new(folder.path(), 2).latest().unwrap().checkpoint.unwrap();
    assert_eq!((newest.state.step, newest.state.divergence.n_rollbacks), (6, 1));
    let mut resumed = Watch::default();
    let outcome = run(config(), folder.path(), &Ragged::new(), &mut resumed).unwrap();
    assert_eq!((resumed.losses.keys().next(), outcome.state.divergence.lr_scale), (Some(&7), 0.5));
}

#[test]
fn a_run_that_only_diverges_stops_with_a_diagnosis() {
    let folder = tempfile::tempdir().unwrap();
    let data = Ragged { poison: |position| position.epoch >= 2, ..Ragged::new() };
    let mut watch = Watch::default();
    let error = run(config(1_000), folder.path(), &data, &mut watch).unwrap_err();
    let TrainError::Diverged { n_rollbacks, diagnosis } = &error else { panic!("{error}") };
    assert_eq!((*n_rollbacks, &watch.rolled_back_to[..]), (3, &[3, 3, 3][..]));
    // Updates 4 to 23 are bad; 23 reads batches 44 and 45, and batch 44 is the last of pass 14, from 0.
    assert_eq!((diagnosis.step, diagnosis.n_bad), (23, 20));
    assert_eq!(diagnosis.examples, [142]);
    assert_eq!((&diagnosis.broken_gradients[..], diagnosis.n_gradients), (&["w".to_owned()][..], 1));
    assert!(diagnosis.broken_params.is_empty() && diagnosis.loss_nats.is_nan());
    let [(name, norm)] = &diagnosis.largest_norms[..] else { panic!("{diagnosis}") };
    assert!(name == "w" && norm.is_finite());
    let text = error.to_string();
    for part in ["after going back 3 times", "clip_norm", "[142]", "1 of 1 not finite: w", "all finite"] {
        assert!(text.contains(part), "{part:?} is missing: {text}");
    }
}

/// Some checkpoints are whole, and of bad updates: what is told is that training diverged.
#[test]
fn where_the_only_healthy_checkpoint_is_damaged_the_diagnosis_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let data = || Ragged { poison: |_| true, ..Ragged::new() };
    let divergence = DivergenceConfig { max_bad: 5, ..DivergenceConfig::default() };
    let config = || TrainerConfig { divergence, ..config(40) };
    let mut watch = Watch { break_after: Some(4), ..Watch::default() };
    run(config(), folder.path(), &data(), &mut watch).unwrap();
    fs::write(CheckpointDir::new(folder.path(), 2).path(0).join("model.safetensors"), "").unwrap();
    let error = run(config(), folder.path(), &data(), &mut Watch::default()).unwrap_err();
    assert!(matches!(error, TrainError::Diverged { n_rollbacks: 0, .. }), "{error}");
}

#[test]
fn damaged_checkpoints_on_the_way_back_are_named() {
    let folder = tempfile::tempdir().unwrap();
    // Updates 8 to 11 are bad; that after 7 would be gone back to, and is damaged.
    let poison = |position: Position| position >= Position { epoch: 4, batch_idx: 2 };
    let data = || Ragged { poison, ..Ragged::new() };
    let divergence = DivergenceConfig { max_bad: 4, ..DivergenceConfig::default() };
    let config = || TrainerConfig { divergence, ..config(16) };
    let mut watch = Watch { break_after: Some(7), ..Watch::default() };
    run(config(), folder.path(), &data(), &mut watch).unwrap();
    let damaged = CheckpointDir::new(folder.path(), 2).path(7);
    fs::write(damaged.join("model.safetensors"), "").unwrap();
    let mut watch = Watch { breaks_at_rollback: true, ..Watch::default() };
    run(config(), folder.path(), &data(), &mut watch).unwrap();
    assert_eq!(watch.rolled_back_to, [6]);
    let [note] = &watch.passed_over[..] else { panic!("{:?}", watch.passed_over) };
    let named = format!("note: passing over {}: ", damaged.display());
    assert!(note.starts_with(&named) && note.contains("model.safetensors"), "{note}");
}

#[test]
fn a_run_that_is_killed_after_going_back_goes_back_again() {
    // The poison is in the data: whoever comes there meets it.
    let poison = |position: Position| position.epoch >= 4;
    let divergence = DivergenceConfig { max_bad: 3, max_rollbacks: 2, ..DivergenceConfig::default() };
    let config = || TrainerConfig { divergence, ..config(40) };
    let whole = tempfile::tempdir().unwrap();
    let whole = run(config(), whole.path(), &Ragged { poison, ..Ragged::new() }, &mut Watch::default());
    let folder = tempfile::tempdir().unwrap();
    for stop in [7, 9] {
        let mut watch = Watch { break_after: Some(stop), ..Watch::default() };
        run(config(), folder.path(), &Ragged { poison, ..Ragged::new() }, &mut watch).unwrap();
    }
    let resumed = run(config(), folder.path(), &Ragged { poison, ..Ragged::new() }, &mut Watch::default());
    // Norms of gradients before the first bad one are known to the session alone that saw them.
    let diagnosis = |result: Result<_, TrainError>| match result.map(|_| ()).unwrap_err() {
        TrainError::Diverged { n_rollbacks, diagnosis } => {
            (n_rollbacks, diagnosis.step, diagnosis.lr, diagnosis.examples)
        }
        other => panic!("{other}"),
    };
    assert_eq!(diagnosis(resumed), diagnosis(whole));
}
