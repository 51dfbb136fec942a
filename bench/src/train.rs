//! Updates of an encoder–decoder by the trainer that `attentive train` runs.

use std::{ops::ControlFlow, time::Duration};

use anyhow::Result;
use attentive_backend::BackendKind;
use attentive_core::{Position, TranslationBatch};
use attentive_model::{Transformer, TranslationObjective};
use attentive_optim::{AdamConfig, ScheduleConfig};
use attentive_trainer::{
    BatchStream, Callback, CallbackError, CheckpointDir, Evaluate, Event, Trainer, TrainerConfig, Validation,
};
use serde_json::json;

use crate::{worker, workload::Workload};

type Failure = Box<dyn std::error::Error + Send + Sync>;

pub(crate) fn run(name: &str) -> Result<()> {
    let workload = Workload::named(name)?;
    let model = workload.config.init(&BackendKind::Flex.device()?.autodiff(), 1)?;
    let folder = tempfile::tempdir()?;
    let schedule = ScheduleConfig::Noam { factor: 1.0, warmup_steps: 4000 }.build(workload.config.d_model);
    let config = TrainerConfig { steps: u64::MAX, seed: 1, ..TrainerConfig::default() };
    let trainer = Trainer::new(
        model,
        TranslationObjective::default(),
        AdamConfig::default(),
        &schedule,
        config,
        CheckpointDir::new(folder.path(), 1),
    )?;
    worker::ready(&json!({ "product_flops_per_step": workload.product_flops(), "steps": workload.steps }));
    if !worker::wait() {
        return Ok(());
    }
    let mut rounds = Rounds { steps: workload.steps, n_steps: 0, spent: Duration::ZERO, n_targets: 0 };
    trainer.run(&mut Same(workload.batch()), &mut NoScore, &mut [&mut rounds])?;
    Ok(())
}

/// One batch, again and again.
struct Same(TranslationBatch);

impl BatchStream for Same {
    type Batch = TranslationBatch;

    fn next_batch(&mut self) -> Result<TranslationBatch, Failure> {
        Ok(self.0.clone())
    }

    fn position(&self) -> Position {
        Position::START
    }

    fn seek(&mut self, _: Position) -> Result<(), Failure> {
        Ok(())
    }
}

/// Reports every few updates, and waits until more are wanted.
struct Rounds {
    steps: u64,
    n_steps: u64,
    spent: Duration,
    n_targets: usize,
}

impl Callback for Rounds {
    fn on_event(&mut self, event: &Event<'_>) -> Result<ControlFlow<()>, CallbackError> {
        let Event::Step(report) = event else { return Ok(ControlFlow::Continue(())) };
        self.n_steps += 1;
        self.spent += report.step_time;
        self.n_targets += report.n_targets;
        if self.n_steps < self.steps {
            return Ok(ControlFlow::Continue(()));
        }
        worker::report(self.spent.as_secs_f64(), self.n_targets as f64, &json!({ "loss": report.loss_nats }));
        *self = Self { n_steps: 0, spent: Duration::ZERO, n_targets: 0, ..*self };
        Ok(if worker::wait() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    }
}

/// Training that is never validated.
struct NoScore;

impl Evaluate<Transformer> for NoScore {
    fn evaluate(&mut self, _: &Transformer) -> Result<Validation, Failure> {
        Ok(Validation { nll_nats: f64::NAN, scores: Vec::new(), quality: 0.0 })
    }
}
