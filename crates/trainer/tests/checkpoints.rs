//! Checkpoints: what is kept, what damage does, older formats, failed writes.

use std::{fs, path::Path};

use attentive_trainer::{Checkpoint, CheckpointDir, Endless, Environment, TrainError, Trainer, TrainerConfig};
use proptest::prelude::*;

use crate::common::{Constant, Nearness, Ragged, SquaredError, Watch, builder, config, files, go_on, run};

/// Trains to the end.
fn train(steps: u64, folder: &Path) -> Watch {
    let mut watch = Watch::default();
    run(config(steps), folder, &Ragged::new(), &mut watch).unwrap();
    watch
}

/// Trains as if to `steps`, and is interrupted before.
fn train_until(stop: u64, steps: u64, folder: &Path) {
    let mut watch = Watch { break_after: Some(stop), ..Watch::default() };
    run(config(steps), folder, &Ragged::new(), &mut watch).unwrap();
}

fn kept(folder: &Path) -> Vec<u64> {
    CheckpointDir::new(folder, 2).list().unwrap().iter().filter_map(|path| CheckpointDir::step_of(path)).collect()
}

#[test]
fn the_newest_the_best_and_every_nth_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut watch = Watch::default();
    let config = TrainerConfig { keep_every: 4, ..config(14) };
    let outcome = run(config, folder.path(), &Ragged::new(), &mut watch).unwrap();
    let best = outcome.state.best.unwrap().1;
    // Due after 3, 6, 9, 12 and 14; validated after 4, 8, 12 and 14, and saved where that was best.
    let mut expected = vec![0, 12, 14, best];
    expected.extend(watch.saved.iter().filter(|&step| step.is_multiple_of(4)));
    expected.sort_unstable();
    expected.dedup();
    assert_eq!(kept(folder.path()), expected);
    assert_eq!(outcome.state.scheduled, [12, 14]);
    let averaged = CheckpointDir::new(folder.path(), 1).averaged(&outcome.state);
    assert_eq!(averaged, [folder.path().join("step-00000014")]);
}

#[test]
fn a_damaged_checkpoint_is_named_and_passed_over() {
    let whole_dir = tempfile::tempdir().unwrap();
    train(12, whole_dir.path());
    let whole = files(whole_dir.path());

    type Damage = fn(&Path);
    let damages: [(&str, Damage); 6] = [
        ("model.safetensors", cut),
        ("model.safetensors", flip),
        ("optimizer.safetensors", flip),
        ("state.toml", flip),
        ("manifest.toml", cut),
        ("state.toml", |path| fs::remove_file(path).unwrap()),
    ];
    for (part, damage) in damages {
        let folder = tempfile::tempdir().unwrap();
        train_until(9, 12, folder.path());
        assert_eq!(kept(folder.path()).last(), Some(&9));
        damage(&folder.path().join("step-00000009").join(part));

        let newest = CheckpointDir::new(folder.path(), 2).latest().unwrap();
        let [(path, problem)] = &newest.damaged[..] else { panic!("{part}: {:?}", newest.damaged) };
        assert!(path.ends_with("step-00000009") && problem.to_string().contains(part), "{problem}");
        assert!(newest.checkpoint.unwrap().1.state.step < 9);
        // The run goes on from the one before, and to the same end.
        train(12, folder.path());
        assert!(files(folder.path()) == whole, "{part}");
    }
}

fn cut(path: &Path) {
    let bytes = fs::read(path).unwrap();
    fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
}

fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let at = bytes.len() - 3;
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn if_none_is_whole_each_is_named() {
    let folder = tempfile::tempdir().unwrap();
    train(6, folder.path());
    for step in kept(folder.path()) {
        flip(&folder.path().join(format!("step-{step:08}/model.safetensors")));
    }
    let error = CheckpointDir::new(folder.path(), 2).latest().unwrap_err();
    assert!(matches!(error, TrainError::AllDamaged { .. }), "{error}");
    assert!(error.to_string().contains("step-00000003") && error.to_string().contains("step-00000006"), "{error}");
    // A folder without any is a run that was killed before its first.
    assert!(CheckpointDir::new(folder.path().join("none"), 2).latest().unwrap().checkpoint.is_none());
}

#[test]
fn what_a_kill_leaves_behind_does_no_harm() {
    let whole_dir = tempfile::tempdir().unwrap();
    train(9, whole_dir.path());
    let folder = tempfile::tempdir().unwrap();
    train_until(6, 9, folder.path());
    // Killed while it wrote, and while it replaced.
    for left in ["writing", "replaced"] {
        fs::create_dir(folder.path().join(left)).unwrap();
        fs::write(folder.path().join(left).join("model.safetensors"), "half").unwrap();
    }
    train(9, folder.path());
    assert!(files(folder.path()) == files(whole_dir.path()));
    assert!(!folder.path().join("writing").exists());
}

/// Killed after a checkpoint was published and before the one that it replaces was deleted, or while it was.
#[test]
fn a_checkpoint_that_should_be_gone_is_removed_at_the_next_start() {
    let [whole, folder] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    train(9, whole.path());
    train_until(8, 9, folder.path());
    assert_eq!(kept(folder.path()), [3, 4, 6, 8]);
    for left in ["step-00000002", "removed"] {
        fs::create_dir(folder.path().join(left)).unwrap();
        fs::write(folder.path().join(left).join("manifest.toml"), "format = 2").unwrap();
    }
    train_until(9, 9, folder.path());
    assert!(!folder.path().join("removed").exists());
    assert!(!kept(folder.path()).contains(&2));
    // Nothing is deleted that a run may have to go back to.
    train(9, folder.path());
    assert!(files(folder.path()) == files(whole.path()));
}

#[test]
fn a_manifest_lists_files_of_a_checkpoint_alone() {
    for name in ["/dev/zero", "../step-00000000/model.safetensors", "notes.txt", ""] {
        let folder = tempfile::tempdir().unwrap();
        train(3, folder.path());
        let path = folder.path().join("step-00000003/manifest.toml");
        let manifest = fs::read_to_string(&path).unwrap();
        let listed = format!("\n[files.{name:?}]\nn_bytes = 1\nsha256 = \"00\"\n");
        fs::write(&path, manifest + &listed).unwrap();
        let error = Checkpoint::read(path.parent().unwrap()).unwrap_err();
        assert!(matches!(error, TrainError::Damaged { .. }) && error.to_string().contains("not a file of"), "{error}");
    }
}

#[test]
fn a_checkpoint_under_another_step_s_name_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    train(3, folder.path());
    let [of_3, of_7, copy] = ["step-00000003", "step-00000007", "copy"].map(|name| folder.path().join(name));
    fs::rename(&of_3, &of_7).unwrap();
    let error = Checkpoint::read(&of_7).unwrap_err().to_string();
    assert!(error.contains("it is of step 3, and its folder of step 7"), "{error}");
    // A folder that names no step says nothing.
    fs::rename(&of_7, &copy).unwrap();
    assert_eq!(Checkpoint::read(&copy).unwrap().state.step, 3);
}

#[test]
fn a_run_that_goes_on_elsewhere_is_told_so_and_its_checkpoints_tell() {
    let folder = tempfile::tempdir().unwrap();
    let session = |steps, simd: Option<&str>| {
        let environment = Environment { simd: simd.map(str::to_owned), ..Environment::default() };
        let mut watch = Watch::default();
        let builder = builder(config(steps), folder.path()).environment(environment);
        go_on(builder, folder.path(), &Ragged::new(), None, &mut watch).unwrap();
        watch.changes
    };
    assert_eq!(session(3, Some("avx2")), [""; 0]);
    assert_eq!(session(6, Some("avx2")), [""; 0]);
    assert_eq!(session(9, Some("portable")), ["SIMD level was avx2 and is portable"]);
    assert_eq!(session(12, None), [""; 0]);
    let simd = |step| Checkpoint::read(&folder.path().join(step)).unwrap().state.environment.simd;
    assert_eq!((simd("step-00000009"), simd("step-00000012")), (Some("portable".into()), None));
}

#[test]
fn a_run_needs_no_folder() {
    let device = attentive_backend::BackendKind::Flex.device().unwrap().autodiff();
    let builder = |config| Trainer::builder(Constant::new(&device), SquaredError).config(config);
    let mut watch = Watch::default();
    let trainer = builder(TrainerConfig { keep_every: 2, ..config(9) }).build().unwrap();
    let outcome = trainer.run(&mut Endless::new(&Ragged::new()), Some(&mut Nearness), &mut [&mut watch]).unwrap();
    assert_eq!((outcome.state.step, watch.saved.len(), watch.qualities.len()), (9, 0, 3));
    assert_eq!(outcome.state.scheduled, [0; 0]);
    // There is nothing to go back to.
    let poison = Ragged { poison: |_| true, ..Ragged::new() };
    let trainer = builder(config(30)).build().unwrap();
    let error = trainer.run(&mut Endless::new(&poison), None, &mut []).unwrap_err();
    assert!(matches!(error, TrainError::Diverged { n_rollbacks: 0, .. }), "{error}");
}

#[test]
fn a_checkpoint_that_cannot_be_written_leaves_those_before_whole() {
    let whole_dir = tempfile::tempdir().unwrap();
    train(9, whole_dir.path());
    let folder = tempfile::tempdir().unwrap();
    train_until(6, 9, folder.path());
    let before = files(folder.path());
    // A file where the temporary folder should be.
    fs::write(folder.path().join("writing"), "").unwrap();
    let error = run(config(9), folder.path(), &Ragged::new(), &mut Watch::default()).unwrap_err();
    assert!(matches!(error, TrainError::NotSaved { .. }), "{error}");
    assert!(error.to_string().contains("make room and resume"), "{error}");
    assert!(files(folder.path()) == before);
    fs::remove_file(folder.path().join("writing")).unwrap();
    train(9, folder.path());
    assert!(files(folder.path()) == files(whole_dir.path()));
}

/// Format 1 had its state in JSON and no manifest.
#[test]
fn the_first_format_is_read() {
    let folder = tempfile::tempdir().unwrap();
    train(6, folder.path());
    let path = folder.path().join("step-00000006");
    for part in ["manifest.toml", "clock.toml", "state.toml"] {
        fs::remove_file(path.join(part)).unwrap();
    }
    let state = r#"{"step": 6, "n_updates": 6, "position": {"epoch": 4, "batch_idx": 0},
        "best": [-0.5, 4], "n_targets": 24, "elapsed_seconds": 1.5}"#;
    fs::write(path.join("state.json"), state).unwrap();
    let read = Checkpoint::read(&path).unwrap().state;
    assert_eq!((read.step, read.elapsed_seconds, read.validated_step), (6, 1.5, 6));
    assert!(read.scheduled.ends_with(&[6]), "{:?}", read.scheduled);
    assert_eq!(train(9, folder.path()).losses.keys().next(), Some(&7));
}

#[test]
fn a_later_format_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    train(3, folder.path());
    let path = folder.path().join("step-00000003");
    let manifest = fs::read_to_string(path.join("manifest.toml")).unwrap();
    fs::write(path.join("manifest.toml"), manifest.replace("format = 2", "format = 9")).unwrap();
    let error = Checkpoint::read(&path).unwrap_err().to_string();
    assert!(error.contains("manifest.toml") && error.contains("format 9") && error.contains("update"), "{error}");
}

#[derive(Debug, Clone)]
enum Damage {
    Flip(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Insert(prop::sample::Index, Vec<u8>),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        (any::<prop::sample::Index>(), 0_u8..8).prop_map(|(at, bit)| Damage::Flip(at, bit)),
        any::<prop::sample::Index>().prop_map(Damage::Cut),
        (any::<prop::sample::Index>(), prop::collection::vec(any::<u8>(), 1..9))
            .prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Damage anywhere is found, or changes nothing; and nothing panics.
    #[test]
    fn damage_is_found_or_harmless(part in 0_usize..5, damage in damage()) {
        let part =
            ["model.safetensors", "optimizer.safetensors", "state.toml", "manifest.toml", "clock.toml"][part];
        let folder = tempfile::tempdir().unwrap();
        train(1, folder.path());
        let path = folder.path().join("step-00000001");
        let before = Checkpoint::read(&path).unwrap();
        let mut bytes = fs::read(path.join(part)).unwrap();
        match damage {
            Damage::Flip(at, bit) => { let at = at.index(bytes.len()); bytes[at] ^= 1 << bit; }
            Damage::Cut(at) => bytes.truncate(at.index(bytes.len())),
            Damage::Insert(at, new) => { let at = at.index(bytes.len()); bytes.splice(at..at, new); }
        }
        fs::write(path.join(part), bytes).unwrap();
        if let Ok(after) = Checkpoint::read(&path) {
            prop_assert_eq!((after.params, after.optimizer), (before.params, before.optimizer));
            let (a, b) = (after.state, before.state);
            prop_assert_eq!((a.step, a.position, a.best, a.divergence), (b.step, b.position, b.best, b.divergence));
        }
    }
}
