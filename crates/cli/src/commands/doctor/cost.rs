//! What a run costs, measured on its first batches.

use std::{
    iter,
    path::Path,
    time::{Duration, Instant},
};

use attentive_backend::Device;
use attentive_core::Batch;
use attentive_model::ModelSpec;
use attentive_run::{Rehearsal, peak_memory};
use attentive_task::{Context, Result, Task, clock, config::RunRecipe, thousands};

use crate::terminal::Terminal;

/// Updates that are measured, after one that is not.
const N_MEASURED: u32 = 5;

/// What a run costs.
pub(super) struct Cost {
    n_params: u64,
    /// Of one update.
    time: Duration,
    targets_per_second: f64,
    /// The most memory that the process has held, where the system tells.
    peak_bytes: Option<u64>,
}

/// Makes a few updates as training would.
pub(super) fn measure(task: &impl Task, recipe: &RunRecipe, device: &Device) -> Result<Cost> {
    let mut rehearsal = Rehearsal::new(task, recipe, device, &Terminal::default())?;
    report!("model     {} parameters: {}", thousands(rehearsal.n_params()), task.spec().describe());
    let mut batches = task.batches();
    let (mut n_targets, mut started) = (0, Instant::now());
    for update in 0..=N_MEASURED {
        if update == 1 {
            (n_targets, started) = (0, Instant::now());
        }
        let of_update = iter::repeat_with(|| batches.next_batch()).take(recipe.training.accumulate);
        let of_update: Vec<_> = of_update.collect::<Result<_, _>>().context("reading the data")?;
        n_targets += of_update.iter().map(Batch::n_targets).sum::<usize>();
        rehearsal.update(&of_update);
    }
    let time = started.elapsed();
    Ok(Cost {
        n_params: rehearsal.n_params(),
        time: time / N_MEASURED,
        targets_per_second: n_targets as f64 / time.as_secs_f64(),
        peak_bytes: peak_memory(),
    })
}

impl Cost {
    /// Shows time, memory and disk space; returns what is odd.
    pub(super) fn report(&self, run: &RunRecipe, average_last: usize, runs: &Path) -> Vec<String> {
        let steps = u32::try_from(run.training.steps).unwrap_or(u32::MAX);
        report!(
            "time      {:.3} s an update, {:.0} target tokens/s: {} for {} updates, validation apart",
            self.time.as_secs_f64(),
            self.targets_per_second,
            clock(self.time.saturating_mul(steps)),
            thousands(run.training.steps)
        );
        match self.peak_bytes {
            Some(bytes) => report!("memory    {} at the most, so far", size(bytes)),
            None => report!("memory    not told by this system"),
        }
        let checkpoint =
            (run.optimizer.bytes_per_parameter() + 4 * u64::from(run.training.ema_decay > 0.0)) * self.n_params;
        // Those averaged, the best, one that is written, and those kept for good.
        let n_for_good = run.training.steps.checked_div(run.training.keep_every).unwrap_or(0);
        let n_kept = average_last.max(2) as u64 + 2 + n_for_good;
        let needed = checkpoint * n_kept + 4 * self.n_params;
        let free = free_bytes(runs);
        report!(
            "disk      {} a checkpoint, {} for all that are kept, {} free in {}",
            size(checkpoint),
            size(needed),
            free.map_or("an unknown number of bytes".into(), size),
            runs.display()
        );
        match free.filter(|&free| free < needed) {
            Some(free) => vec![format!(
                "disk: {} are free in {} and the run will want {}",
                size(free),
                runs.display(),
                size(needed)
            )],
            None => Vec::new(),
        }
    }
}

fn size(bytes: u64) -> String {
    let mebibytes = bytes as f64 / (1 << 20) as f64;
    if mebibytes < 10_000.0 { format!("{mebibytes:.1} MiB") } else { format!("{:.1} GiB", mebibytes / 1024.0) }
}

/// Free space where a folder is or will be.
fn free_bytes(folder: &Path) -> Option<u64> {
    let there = folder.ancestors().find(|path| path.exists()).unwrap_or(Path::new("."));
    fs4::available_space(there).ok()
}
