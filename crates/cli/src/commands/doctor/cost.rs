//! Time, memory and disk space of a run.

use std::path::Path;

use attentive_run::Cost;
use attentive_task::{binary_size, clock, config::RunRecipe, thousands};

/// Shows what a run costs; returns what is odd.
pub(super) fn report(cost: &Cost, run: &RunRecipe, average_last: usize, runs: &Path) -> Vec<String> {
    let steps = u32::try_from(run.training.steps).unwrap_or(u32::MAX);
    report!(
        "time      {:.3} s an update, {:.0} target tokens/s: {} for {} updates, validation apart",
        cost.time.as_secs_f64(),
        cost.targets_per_second,
        clock(cost.time.saturating_mul(steps)),
        thousands(run.training.steps)
    );
    match cost.peak_bytes {
        Some(bytes) => report!("memory    {} at the most, so far", binary_size(bytes)),
        None => report!("memory    not told by this system"),
    }
    let needed = cost.kept_bytes(run, average_last);
    let free = free_bytes(runs);
    report!(
        "disk      {} a checkpoint, {} for all that are kept, {} free in {}",
        binary_size(cost.checkpoint_bytes(run)),
        binary_size(needed),
        free.map_or("an unknown number of bytes".into(), binary_size),
        runs.display()
    );
    match free.filter(|&free| free < needed) {
        Some(free) => {
            vec![format!(
                "disk: {} are free in {} and the run will want {}",
                binary_size(free),
                runs.display(),
                binary_size(needed)
            )]
        }
        None => Vec::new(),
    }
}

/// Free space where a folder is or will be.
fn free_bytes(folder: &Path) -> Option<u64> {
    let there = folder.ancestors().find(|path| path.exists()).unwrap_or(Path::new("."));
    fs4::available_space(there).ok()
}
