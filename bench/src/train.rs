//! Updates of an encoder–decoder by the trainer that `attentive train` runs.

use std::{ops::ControlFlow, time::Duration};

use anyhow::Result;
use attentive_backend::{BackendKind, Objective, Precision};
use attentive_core::Endless;
use attentive_model::{CausalLmObjective, MaskedLmObjective, ModelSpec, TranslationObjective};
use attentive_optim::ScheduleConfig;
use attentive_trainer::{Callback, CallbackError, CheckpointDir, Event, Trainer, TrainerConfig};
use burn::module::Module;
use serde_json::json;

use crate::{
    worker,
    workload::{Model, Workload},
};

pub(crate) fn run(name: &str, precision: Precision) -> Result<()> {
    let config = TrainerConfig { steps: u64::MAX, seed: 1, precision, ..TrainerConfig::default() };
    let device = BackendKind::Flex.device()?.autodiff();
    let workload = Workload::named(name)?;
    match &workload.model {
        Model::EncoderDecoder(model) => {
            let batch = workload.pairs(model.source_vocab_size);
            minimise(model.init(&device, 1)?, TranslationObjective::default(), batch, config, &workload)
        }
        Model::Causal(model) => {
            let batch = workload.contexts(model.vocab_size);
            minimise(model.init(&device, 1)?, CausalLmObjective::default(), batch, config, &workload)
        }
        Model::Masked(model) => {
            let batch = workload.masked(model.vocab_size);
            minimise(model.init(&device, 1)?, MaskedLmObjective::default(), batch, config, &workload)
        }
    }
}

/// Trains on one batch.
fn minimise<M: Module, O: Objective<M>>(
    model: M,
    objective: O,
    batch: O::Batch,
    config: TrainerConfig,
    workload: &Workload,
) -> Result<()>
where
    O::Batch: Clone,
{
    let folder = tempfile::tempdir()?;
    let schedule = ScheduleConfig::Constant { lr: 1e-4, warmup_steps: 0 }.build(1);
    let trainer = Trainer::builder(model, objective).schedule(schedule).config(config);
    let trainer = trainer.checkpoints(CheckpointDir::new(folder.path(), 1)).build()?;
    let steps = workload.steps;
    worker::ready(&json!({ "product_flops_per_step": workload.product_flops(), "steps": steps }));
    if !worker::wait() {
        return Ok(());
    }
    let mut rounds = Rounds { steps, n_steps: 0, spent: Duration::ZERO, n_targets: 0 };
    trainer.run(&mut Endless::new(vec![batch]), None, &mut [&mut rounds])?;
    Ok(())
}

/// Reports every few updates, and waits for the order to continue.
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
