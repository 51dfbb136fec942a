//! Updates of an encoder–decoder by the trainer that `attentive train` runs.

use std::{ops::ControlFlow, time::Duration};

use anyhow::Result;
use attentive_backend::{BackendKind, Precision};
use attentive_core::{Endless, Objective};
use attentive_model::{CausalLmObjective, ModelSpec, TranslationObjective};
use attentive_optim::ScheduleConfig;
use attentive_trainer::{Callback, CallbackError, CheckpointDir, Event, Trainer, TrainerConfig};
use burn::module::Module;
use serde_json::json;

use crate::{
    worker,
    workload::{GptWorkload, Workload},
};

pub(crate) fn run(name: &str, precision: Precision) -> Result<()> {
    let config = TrainerConfig { steps: u64::MAX, seed: 1, precision, ..TrainerConfig::default() };
    let device = BackendKind::Flex.device()?.autodiff();
    if name == "gpt" {
        let GptWorkload { config: shape, .. } = GptWorkload::default();
        let (flops, batch) = (GptWorkload::default().product_flops(), GptWorkload::default().batch());
        return minimise(
            shape.init(&device, 1)?,
            CausalLmObjective::default(),
            batch,
            config,
            flops,
            GptWorkload::STEPS,
        );
    }
    let workload = Workload::named(name)?;
    let (model, flops) = (workload.config.init(&device, 1)?, workload.product_flops());
    minimise(model, TranslationObjective::default(), workload.batch(), config, flops, workload.steps)
}

/// Trains on one batch, `steps` updates a round.
fn minimise<M: Module, O: Objective<M>>(
    model: M,
    objective: O,
    batch: O::Batch,
    config: TrainerConfig,
    product_flops: f64,
    steps: u64,
) -> Result<()>
where
    O::Batch: Clone,
{
    let folder = tempfile::tempdir()?;
    let schedule = ScheduleConfig::Constant { lr: 1e-4, warmup_steps: 0 }.build(1);
    let trainer = Trainer::builder(model, objective).schedule(schedule).config(config);
    let trainer = trainer.checkpoints(CheckpointDir::new(folder.path(), 1)).build()?;
    worker::ready(&json!({ "product_flops_per_step": product_flops, "steps": steps }));
    if !worker::wait() {
        return Ok(());
    }
    let mut rounds = Rounds { steps, n_steps: 0, spent: Duration::ZERO, n_targets: 0 };
    trainer.run(&mut Endless::new(vec![batch]), None, &mut [&mut rounds])?;
    Ok(())
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
