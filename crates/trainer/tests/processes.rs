//! Processes that train together, as threads: the bytes of one, whatever their number, and an end for all where one ends.

use std::{collections::BTreeMap, ops::ControlFlow, path::Path, rc::Rc};

use attentive_backend::{BackendKind, Recompute, ops::NORM_BLOCK};
use attentive_collective::{Collective, CollectiveError, Exchange, Threads, gather_equal};
use attentive_core::{BatchStream, Position, SequenceBatch, StreamError};
use attentive_model::{CausalLmObjective, Gpt, GptConfig, ModelSpec};
use attentive_optim::{OptimizerConfig, ScheduleConfig};
use attentive_trainer::{
    CheckpointDir, Endless, Event, Outcome, QuantizeFormat, TrainError, Trainer, TrainerConfig, Validation,
};

use crate::{
    common::{self, Ragged, Watch, builder, files},
    rounding::Grid,
};

const VOCAB: u32 = 530;

/// Ragged batches, in which no two updates of 3 to 8 have the same numbers of targets.
fn batches() -> Vec<SequenceBatch> {
    let row = |i: u32, n: u32| (0..n).map(|at| (i * 37 + at * at * 11) % VOCAB).collect::<Vec<_>>();
    let batch =
        |i: u32| SequenceBatch::next_tokens(&[row(i, 3 + i % 5), row(i + 50, 7 - i % 4)], 0, vec![2 * u64::from(i)]);
    (0..11).map(batch).collect()
}

/// Dropout, clipping, a running mean, validation and checkpoints; the table of embeddings has two blocks.
fn config(accumulate: usize) -> TrainerConfig {
    let config =
        TrainerConfig { steps: 6, accumulate, clip_norm: 0.1, ema_decay: 0.9, seed: 3, ..TrainerConfig::default() };
    TrainerConfig { validate_every: 2, checkpoint_every: 2, ..config }
}

/// What each of `size` processes makes of `work`.
fn each<R: Send>(size: usize, work: impl Fn(Rc<dyn Collective>) -> R + Sync) -> Vec<R> {
    Threads::each(size, |peer| work(Rc::new(peer)))
}

/// Trains in `folder`, going on if there is a checkpoint; process `stops.0` wants to end after update `stops.1`.
fn process(
    peers: &Rc<dyn Collective>,
    config: TrainerConfig,
    optimizer: OptimizerConfig,
    folder: &Path,
    stops: Option<(usize, u64)>,
) -> Result<Outcome<Gpt>, TrainError> {
    let device = BackendKind::Flex.device().unwrap().autodiff();
    let model = GptConfig::gpt2_like(VOCAB as usize, 8, [1, 2, 32]).init(&device, 1).unwrap();
    let checkpoints = CheckpointDir::new(folder, 2);
    let trainer = Trainer::builder(model, CausalLmObjective::default())
        .rounding(|_| Some(Box::new(Grid)))
        .config(config)
        .optimizer(optimizer.init().unwrap())
        .schedule(ScheduleConfig::Constant { lr: 1e-2, warmup_steps: 3 }.build(1))
        .checkpoints(checkpoints.clone())
        .peers(Rc::clone(peers));
    let mut trainer = trainer.build()?;
    let found = if peers.rank() == 0 { checkpoints.latest()?.checkpoint } else { None };
    if let Some((_, checkpoint)) = attentive_trainer::Checkpoint::of_first(&**peers, found)? {
        trainer = trainer.resume(checkpoint)?;
    }
    // All score the same model, at the same time; what the first one says counts.
    let rank = peers.rank();
    let mut n_validations = 0.0;
    let mut evaluate = |model: &Gpt| {
        n_validations += 1.0;
        let norm: f64 =
            attentive_weights::params(model).values().flat_map(|param| param.values.clone()).map(f64::from).sum();
        let of_all = gather_equal(&**peers, &[norm.to_bits()]).unwrap();
        assert!(of_all.iter().all(|of_one| *of_one == [norm.to_bits()]), "{of_all:?}");
        let nll_nats = norm + rank as f64;
        Ok(Validation { nll_nats, scores: vec![("n".into(), n_validations)], quality: None })
    };
    let mut watch = |event: &Event<'_>| match event {
        Event::Step(report) if stops == Some((rank, report.step)) => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    trainer.run(&mut Endless::new(batches()), Some(&mut evaluate), &mut [&mut watch])
}

type Files = BTreeMap<String, Vec<u8>>;

/// The parameters that each process ends with, and the files that all leave.
fn trained(size: usize, config: &TrainerConfig, optimizer: OptimizerConfig) -> (Vec<Vec<u32>>, Files) {
    let folder = tempfile::tempdir().unwrap();
    let ends =
        each(size, |peers| bits(&process(&peers, config.clone(), optimizer, folder.path(), None).unwrap().model));
    (ends, files(folder.path()))
}

fn bits(model: &Gpt) -> Vec<u32> {
    attentive_weights::params(model)
        .values()
        .flat_map(|param| param.values.iter().map(|value| value.to_bits()))
        .collect()
}

#[track_caller]
fn assert_same(found: &Files, expected: &Files, of: &str) {
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{of}");
    let differing: Vec<_> =
        expected.iter().filter(|(name, bytes)| found[*name] != **bytes).map(|(name, _)| name).collect();
    assert!(differing.is_empty(), "{of}: {differing:?}");
}

#[test]
fn powers_of_two_leave_the_bytes_of_one() {
    for (accumulate, sizes) in [(4, &[2, 4][..]), (6, &[2, 4]), (8, &[2, 4, 8])] {
        let config = config(accumulate);
        let (alone, expected) = trained(1, &config, OptimizerConfig::default());
        assert!(expected.keys().any(|name| name.ends_with("ema.safetensors")));
        for &size in sizes {
            let (ends, found) = trained(size, &config, OptimizerConfig::default());
            assert!(ends.iter().all(|end| *end == alone[0]), "{size} processes, {accumulate} micro-batches");
            assert_same(&found, &expected, &format!("{size} processes, {accumulate} micro-batches"));
        }
    }
}

/// Adam has two moments of each parameter, each of which one process holds (Rajbhandari et al. 2020, ZeRO, stage 1).
#[test]
fn processes_share_the_moments() {
    let held = |size: usize| {
        let folder = tempfile::tempdir().unwrap();
        each(size, |peers| {
            let outcome = process(&peers, config(4), OptimizerConfig::default(), folder.path(), None).unwrap();
            (outcome.n_moments, bits(&outcome.model).len())
        })
    };
    for size in [1, 2, 3] {
        let held = held(size);
        let n_values = held[0].1;
        assert_eq!(
            held.iter().map(|(n_moments, _)| n_moments).sum::<usize>(),
            2 * n_values,
            "{size} processes: {held:?}"
        );
        // Cuts are between blocks of norms, of which the table of embeddings has two.
        assert!(held.iter().all(|(n_moments, _)| *n_moments <= 2 * (n_values / size + NORM_BLOCK)), "{held:?}");
        assert!(size == 1 || held.iter().all(|(n_moments, _)| *n_moments < 2 * n_values), "{held:?}");
    }
}

/// Layers that run again leave the bytes of layers that were kept, in one process and in several.
#[test]
fn recomputed_layers_leave_the_same_bytes() {
    let (_, expected) = trained(1, &config(4), OptimizerConfig::default());
    let config = TrainerConfig { recompute: Recompute::Layers, ..config(4) };
    for size in [1, 2] {
        assert_same(&trained(size, &config, OptimizerConfig::default()).1, &expected, &format!("{size} processes"));
    }
}

/// Passes of rounded matrices, in one process and in several.
#[test]
fn rounded_matrices_leave_the_same_bytes() {
    let rounding = TrainerConfig { quantize: Some(QuantizeFormat::Q8_0), ..config(4) };
    let (alone, expected) = trained(1, &rounding, OptimizerConfig::default());
    assert!(alone != trained(1, &config(4), OptimizerConfig::default()).0);
    for size in [2, 4] {
        let (ends, found) = trained(size, &rounding, OptimizerConfig::default());
        assert!(ends.iter().all(|end| *end == alone[0]), "{size} processes");
        assert_same(&found, &expected, &format!("{size} processes"));
    }
}

/// Gradients that travel as bf16: other bytes than those of one process, the same in all and again, and near.
#[test]
fn rounded_gradients_are_the_same_in_every_process() {
    let (exact, _) = trained(1, &config(4), OptimizerConfig::default());
    let rounded = TrainerConfig { exchange: Exchange::Bf16, ..config(4) };
    assert!(trained(1, &rounded, OptimizerConfig::default()).0 == exact, "one process sends nothing");
    for size in [2, 3, 4] {
        let [(ends, first), (_, again)] = [(); 2].map(|()| trained(size, &rounded, OptimizerConfig::default()));
        assert_same(&again, &first, &format!("{size} processes"));
        assert!(ends.iter().all(|end| *end == ends[0]) && ends[0] != exact[0], "{size} processes");
        let far = ends[0].iter().zip(&exact[0]).map(|(&a, &b)| (f32::from_bits(a) - f32::from_bits(b)).abs());
        // Adam's steps have the sign of a gradient: where that is near zero, they may go another way.
        let far: Vec<f32> = far.collect();
        let mean = far.iter().sum::<f32>() / far.len() as f32;
        assert!(mean < 1e-3, "{size} processes: {mean}");
    }
}

/// Training on rounded gradients gets as far.
#[test]
fn rounded_gradients_learn_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let last_loss = |exchange: Exchange| {
        let config = TrainerConfig { steps: 60, exchange, ..config(4) };
        let folder = folder.path().join(format!("{exchange:?}"));
        let losses = each(2, |peers| {
            let device = BackendKind::Flex.device().unwrap().autodiff();
            let model = GptConfig::gpt2_like(VOCAB as usize, 8, [1, 2, 32]).init(&device, 1).unwrap();
            let trainer = Trainer::builder(model, CausalLmObjective::default())
                .config(TrainerConfig { validate_every: 0, ..config.clone() })
                .schedule(ScheduleConfig::Constant { lr: 1e-2, warmup_steps: 3 }.build(1))
                .checkpoints(CheckpointDir::new(&folder, 2))
                .peers(peers)
                .build()
                .unwrap();
            let mut losses = Vec::new();
            let mut watch = |event: &Event<'_>| {
                if let Event::Step(report) = event {
                    losses.push(report.loss_nats);
                }
                ControlFlow::Continue(())
            };
            trainer.run(&mut Endless::new(batches()), None, &mut [&mut watch]).unwrap();
            losses
        });
        assert_eq!(losses[0], losses[1]);
        (losses[0][0], *losses[0].last().unwrap())
    };
    let [(first, exact), (_, rounded)] = [Exchange::F32, Exchange::Bf16].map(last_loss);
    assert!(exact < 0.9 * first && (rounded - exact).abs() < 0.05 * first, "{first}: {exact}, rounded {rounded}");
}

#[test]
fn every_optimizer_can_be_shared() {
    let config = TrainerConfig { steps: 3, ..config(2) };
    for optimizer in [
        OptimizerConfig::Sgd {},
        OptimizerConfig::Momentum { decay: 0.9 },
        OptimizerConfig::AdaGrad { epsilon: 1e-8 },
        OptimizerConfig::RmsProp { decay: 0.9, epsilon: 1e-8 },
    ] {
        let [(_, expected), (_, found)] = [1, 2].map(|size| trained(size, &config, optimizer));
        assert_same(&found, &expected, &format!("{optimizer:?}"));
    }
}

#[test]
fn other_numbers_have_bytes_of_their_own_again_and_again() {
    let config = config(7);
    for size in [3, 5, 7] {
        let [(ends, first), (_, again)] = [(); 2].map(|()| trained(size, &config, OptimizerConfig::default()));
        assert_same(&again, &first, &format!("{size} processes"));
        assert!(ends.iter().all(|end| *end == ends[0]));
        let (alone, _) = trained(1, &config, OptimizerConfig::default());
        let [found, expected] =
            [&ends[0], &alone[0]].map(|end| end.iter().map(|&x| f32::from_bits(x)).collect::<Vec<_>>());
        assert!(attentive_testkit::largest_error(&found, &expected) < 1e-3, "{size} processes");
    }
}

#[test]
fn a_run_goes_on_with_another_number_of_processes() {
    let expected = trained(1, &config(4), OptimizerConfig::default()).1;
    // Sizes of sessions, and who ends which session after which update.
    for sessions in
        [[(2, 1, 1), (4, 3, 3), (1, 0, 4)], [(1, 0, 2), (2, 0, 3), (4, 0, 99)], [(4, 2, 3), (2, 1, 5), (4, 0, 99)]]
    {
        let folder = tempfile::tempdir().unwrap();
        for (size, who, step) in sessions {
            let ends = each(size, |peers| {
                let end =
                    process(&peers, config(4), OptimizerConfig::default(), folder.path(), Some((who, step))).unwrap();
                (end.stopped, end.state.step)
            });
            // One wants to end, and all do, after it is saved.
            let expected = (step < 99, step.min(6));
            assert!(ends.iter().all(|end| *end == expected), "{sessions:?}: {ends:?}");
        }
        each(2, |peers| {
            process(&peers, config(4), OptimizerConfig::default(), folder.path(), None).unwrap().state.step
        });
        assert_same(&files(folder.path()), &expected, &format!("{sessions:?}"));
    }
}

/// What a process does about losses that are not numbers, all do: here they go back twice.
#[test]
fn divergence_is_decided_together() {
    let whole = tempfile::tempdir().unwrap();
    let poison = |position: Position| position >= Position { epoch: 4, batch_idx: 2 };
    let train = |peers: Rc<dyn Collective>, folder: &Path| {
        let config = TrainerConfig { steps: 1_000, ..common::config(16) };
        let data = Ragged { poison, ..Ragged::new() };
        let mut watch = Watch::default();
        let trainer = builder(config, folder).peers(peers).build().unwrap();
        let error = trainer.run(&mut Endless::new(&data), None, &mut [&mut watch]).unwrap_err();
        (error.to_string(), watch.rolled_back_to, watch.n_skipped)
    };
    let expected = train(Rc::new(attentive_collective::Alone), whole.path());
    assert_eq!((expected.1.len(), expected.2), (3, 80));
    let folder = tempfile::tempdir().unwrap();
    for found in each(2, |peers| train(peers, folder.path())) {
        assert_eq!(found, expected);
    }
    assert_same(&files(folder.path()), &files(whole.path()), "after divergence");
}

/// A stream that can't be read after some batches.
struct Failing(Endless<Vec<SequenceBatch>>, usize);

impl BatchStream for Failing {
    type Batch = SequenceBatch;

    fn next_batch(&mut self) -> Result<SequenceBatch, StreamError> {
        self.1 = self.1.checked_sub(1).ok_or("the disk is gone")?;
        self.0.next_batch()
    }

    fn position(&self) -> Position {
        self.0.position()
    }

    fn n_batches(&mut self) -> Result<u64, StreamError> {
        self.0.n_batches()
    }

    fn seek(&mut self, position: Position) -> Result<(), StreamError> {
        self.0.seek(position)
    }

    fn share(&mut self, ours: std::ops::Range<u64>, n: u64) {
        self.0.share(ours, n);
    }
}

/// A trainer whose checkpoints are in `folder`.
fn saving(peers: Rc<dyn Collective>, folder: &Path) -> Trainer<Gpt, CausalLmObjective> {
    let device = BackendKind::Flex.device().unwrap().autodiff();
    let model = GptConfig::gpt2_like(VOCAB as usize, 8, [1, 2, 32]).init(&device, 1).unwrap();
    let trainer = Trainer::builder(model, CausalLmObjective::default()).config(config(4)).peers(peers);
    trainer.checkpoints(CheckpointDir::new(folder, 2)).build().unwrap()
}

#[test]
fn where_one_ends_all_end_and_what_was_saved_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let errors = each(4, |peers| {
        let n_readable = if peers.rank() == 2 { 3 } else { 100 };
        let batches = &mut Failing(Endless::new(batches()), n_readable);
        saving(peers, folder.path()).run(batches, None, &mut []).unwrap_err()
    });
    for (rank, error) in errors.iter().enumerate() {
        let is_right = match error {
            TrainError::Data(_) => rank == 2,
            TrainError::Collective(CollectiveError::Gone { .. }) => rank != 2,
            _ => false,
        };
        assert!(is_right, "process {rank}: {error}");
    }
    let latest = CheckpointDir::new(folder.path(), 2).latest().unwrap();
    assert!(latest.damaged.is_empty() && latest.checkpoint.unwrap().1.state.step == 2);
}

#[test]
fn where_the_first_can_not_save_all_end_and_what_was_saved_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let errors = each(4, |peers| {
        let is_first = peers.rank() == 0;
        let mut block = |event: &Event<'_>| {
            if is_first && matches!(event, Event::Step(report) if report.step == 3) {
                // Where the next checkpoint would be written.
                std::fs::write(folder.path().join("writing"), "").unwrap();
            }
            ControlFlow::Continue(())
        };
        saving(peers, folder.path()).run(&mut Endless::new(batches()), None, &mut [&mut block]).unwrap_err()
    });
    for (rank, error) in errors.iter().enumerate() {
        let is_right = match error {
            TrainError::NotSaved { step, .. } => (rank, *step) == (0, 4),
            TrainError::Collective(CollectiveError::Gone { .. }) => rank != 0,
            _ => false,
        };
        assert!(is_right, "process {rank}: {error}");
    }
    let latest = CheckpointDir::new(folder.path(), 2).latest().unwrap();
    assert!(latest.damaged.is_empty() && latest.checkpoint.unwrap().1.state.step == 2);
}

#[test]
fn where_one_can_not_validate_all_end() {
    let errors = each(2, |peers| {
        let folder = tempfile::tempdir().unwrap();
        let rank = peers.rank();
        let mut evaluate = |_: &common::Constant| match rank {
            1 => Err("no room".into()),
            _ => Ok(Validation { nll_nats: 1.0, scores: Vec::new(), quality: None }),
        };
        let config = TrainerConfig { validate_every: 1, ..common::config(3) };
        let trainer = builder(config, folder.path()).peers(peers).build().unwrap();
        let data = Ragged::new();
        trainer.run(&mut Endless::new(&data), Some(&mut evaluate), &mut []).unwrap_err().to_string()
    });
    assert_eq!(errors[1], "validation after step 1: no room");
    assert!(errors[0].contains("has ended before the others"), "{errors:?}");
}

#[test]
fn a_process_with_another_model_stops_all() {
    let errors = each(2, |peers| {
        let device = BackendKind::Flex.device().unwrap().autodiff();
        let model = GptConfig::gpt2_like(VOCAB as usize, 8, [1, 2, 32]).init(&device, peers.rank() as u64).unwrap();
        let trainer =
            Trainer::builder(model, CausalLmObjective::default()).config(config(4)).peers(peers).build().unwrap();
        trainer.run(&mut Endless::new(batches()), None, &mut []).unwrap_err().to_string()
    });
    assert!(errors.iter().all(|error| error.starts_with("process 1 of 2 begins with other parameters")), "{errors:?}");
}

#[test]
fn an_update_has_a_micro_batch_for_each_process() {
    let errors = each(3, |peers| {
        let folder = tempfile::tempdir().unwrap();
        builder(common::config(3), folder.path()).peers(peers).build().unwrap_err().to_string()
    });
    assert!(errors[0].starts_with("accumulate = 2: an update needs a micro-batch for each process"), "{errors:?}");
}
