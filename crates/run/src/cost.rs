//! What a run costs, measured on its first batches.

use std::{
    iter,
    time::{Duration, Instant},
};

use attentive_backend::Device;
use attentive_core::Batch;
use attentive_task::{Context, Log, Result, Task, config::RunRecipe};

use crate::{Rehearsal, peak_memory};

/// Updates that are measured, after one that is not.
const N_MEASURED: u32 = 5;

/// What a run costs.
#[derive(Debug, Clone, PartialEq)]
pub struct Cost {
    /// Parameters of the model.
    pub n_params: u64,
    /// Parameters that are trained.
    pub n_trained: u64,
    /// Time of one update.
    pub time: Duration,
    /// Targets that are learnt from in a second.
    pub targets_per_second: f64,
    /// The most memory that the process has held, where the system tells.
    pub peak_bytes: Option<u64>,
}

impl Cost {
    /// Makes a few updates as training would, of a model that is thrown away.
    ///
    /// # Errors
    /// Those of [`Rehearsal::new`] and [`Rehearsal::update`], and of reading the data.
    pub fn measure(task: &impl Task, run: &RunRecipe, device: &Device, log: &dyn Log) -> Result<Self> {
        let mut rehearsal = Rehearsal::new(task, run, device, log)?;
        let mut batches = task.batches();
        let (mut n_targets, mut started) = (0, Instant::now());
        for update in 0..=N_MEASURED {
            if update == 1 {
                (n_targets, started) = (0, Instant::now());
            }
            let of_update = iter::repeat_with(|| batches.next_batch()).take(run.training.accumulate);
            let of_update: Vec<_> = of_update.collect::<Result<_, _>>().context("reading the data")?;
            n_targets += of_update.iter().map(Batch::n_targets).sum::<usize>();
            rehearsal.update(&of_update)?;
        }
        let time = started.elapsed();
        Ok(Self {
            n_params: rehearsal.n_params(),
            n_trained: rehearsal.n_trained(),
            time: time / N_MEASURED,
            targets_per_second: n_targets as f64 / time.as_secs_f64(),
            peak_bytes: peak_memory(),
        })
    }

    /// Bytes of a checkpoint: parameters, the optimizer's state and the running mean.
    pub fn checkpoint_bytes(&self, run: &RunRecipe) -> u64 {
        let of_value = 4 + 4 * u64::from(run.training.ema_decay > 0.0);
        of_value * self.n_params + (run.optimizer.bytes_per_parameter() - 4) * self.n_trained
    }

    /// Bytes of what a run keeps on disk: the checkpoints that are averaged, the best, one that is written, those kept for
    /// good, and the model.
    pub fn kept_bytes(&self, run: &RunRecipe, average_last: usize) -> u64 {
        let n_for_good = run.training.steps.checked_div(run.training.keep_every).unwrap_or(0);
        self.checkpoint_bytes(run) * (average_last.max(2) as u64 + 2 + n_for_good) + 4 * self.n_params
    }
}
