//! The largest batch that fits into memory: measured before the first step.

use std::{fs, iter};

use attentive_backend::Device;
use attentive_core::Batch;
use attentive_task::{Context, Log, Resizable, Result, config::RunRecipe};

use crate::Rehearsal;

/// What is left unused of the room that is measured, for what measuring does not meet.
const MARGIN: f64 = 0.05;

/// The share by which two measurements of the same may differ.
const SAME: f64 = 0.02;

/// The largest size of batches, which is the value of `setting`, with which training takes at most `limit` bytes; the task's
/// data is cut by it.
pub(crate) fn fit<T: Resizable>(
    task: &mut T,
    run: &RunRecipe,
    (setting, limit): (&str, u64),
    device: &Device,
    log: &dyn Log,
) -> Result<usize> {
    let mut rehearsal = Rehearsal::new(task, run, device, log)?;
    let n_passes = run.training.accumulate.min(2);
    // What checkpoints and the running mean will take beside.
    let bytes_beside = 4 + if run.training.ema_decay > 0.0 { 4 } else { 0 };
    let of_trained = run.optimizer.bytes_per_parameter() - 4;
    // Sums of gradients that wait in the tree of four micro-batches and more, beside the one that is measured.
    let n_sums = run.training.accumulate.next_power_of_two().ilog2().saturating_sub(1);
    let of_trained = of_trained + 4 * u64::from(n_sums);
    let reserve = bytes_beside * rehearsal.n_params() + of_trained * rehearsal.n_trained();
    let mut try_size = |size: usize| -> Result<Option<(u64, usize)>> {
        if task.with_batch_size(size).is_err() {
            return Ok(None); // Some pair is longer.
        }
        let bytes = measure(task, &mut rehearsal, n_passes)? + reserve;
        log.line(&format!("memory    {:.0} MiB with {setting} = {size}", bytes as f64 / f64::from(1 << 20)));
        Ok(Some((bytes, task.largest_batches().iter().map(Batch::n_rows).sum())))
    };
    let best = largest(T::FIRST, limit, &mut try_size)?;
    let Some(best) = best else {
        let least = T::FIRST;
        refuse!(
            "--memory: {setting} = {least}, or what the longest pair needs, takes more; give more, or a smaller model"
        );
    };
    task.with_batch_size(best)?;
    log.line(&format!("batches   {setting} = {best} is the most that fits"));
    Ok(best)
}

/// The largest size from `first` on that takes at most `limit` bytes, as `try_size` measures beside the rows of its largest
/// batches; `None` if there is not one.
///
/// Not a part of [`fit`], which is compiled again for each task.
fn largest(
    first: usize,
    limit: u64,
    try_size: &mut dyn FnMut(usize) -> Result<Option<(u64, usize)>>,
) -> Result<Option<usize>> {
    // Each is a size and the bytes that it takes.
    let mut measured: Vec<(usize, u64)> = Vec::new();
    let (mut size, mut rows_before) = (first, 0);
    let is_all = loop {
        if let Some((bytes, n_rows)) = try_size(size)? {
            // Where twice the size has the same rows, and hardly takes more, all of the data is in one batch.
            let takes_more = measured.last().is_none_or(|&(_, before)| bytes as f64 > before as f64 * (1.0 + SAME));
            let is_all = n_rows == rows_before && !takes_more;
            measured.push((size, bytes));
            rows_before = n_rows;
            let next = predicted(&measured, 2 * size);
            if bytes > limit || next > limit as f64 || is_all || size > 1 << 24 {
                break is_all;
            }
        } else if size > 1 << 24 {
            refuse!("some pair is longer than any batch: lower rules.max_tokens, or set batch.on_oversized = \"skip\"");
        }
        size *= 2;
    };
    // Between the last size that was measured and its double, as far as a straight line tells.
    let mut best = measured.iter().rev().find(|(_, bytes)| *bytes <= limit).map(|(size, _)| *size);
    if let Some(size) = best.filter(|_| !is_all) {
        let mut candidate = (size..2 * size)
            .step_by((size / 16).max(1))
            .rev()
            .find(|&candidate| predicted(&measured, candidate) <= limit as f64 * (1.0 - MARGIN))
            .unwrap_or(size);
        while candidate > size {
            if try_size(candidate)?.is_some_and(|(bytes, _)| bytes <= limit) {
                best = Some(candidate);
                break;
            }
            candidate -= (size / 16).max(1);
        }
    }
    Ok(best)
}

/// What a size will take, by the last two that were measured.
fn predicted(measured: &[(usize, u64)], size: usize) -> f64 {
    match measured {
        [.., (a, bytes_a), (b, bytes_b)] => {
            let slope = (*bytes_b as f64 - *bytes_a as f64) / (b - a) as f64;
            *bytes_b as f64 + slope.max(0.0) * (size as f64 - *b as f64)
        }
        _ => 0.0,
    }
}

/// The most memory that the process holds while it makes updates of `n_passes` with the largest batches.
fn measure<T: Resizable>(task: &T, rehearsal: &mut Rehearsal<T>, n_passes: usize) -> Result<u64> {
    let untold = || "--memory: this system does not tell how much memory a process takes";
    // Linux forgets the peak so far.
    fs::write("/proc/self/clear_refs", "5").with_context(untold)?;
    for batch in task.largest_batches() {
        rehearsal.update(iter::repeat_n(&batch, n_passes))?;
    }
    crate::peak_memory::bytes().with_context(untold)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_end_where_all_data_is_in_one_batch() {
        let mut tried = Vec::new();
        // Ten rows in all, which take a byte each and some more at times.
        let mut try_size = |size: usize| {
            tried.push(size);
            Ok(Some((1000 + 100 * size.min(10) as u64 + (tried.len() % 2) as u64, size.min(10))))
        };
        assert_eq!(largest(1, 1 << 40, &mut try_size).unwrap(), Some(32));
        assert_eq!(tried, [1, 2, 4, 8, 16, 32]);
    }

    #[test]
    fn a_straight_line_goes_on() {
        assert_eq!(predicted(&[(10, 100), (20, 150)], 40), 250.0);
        assert_eq!(predicted(&[(10, 100), (20, 90)], 40), 90.0);
        assert_eq!(predicted(&[(10, 100)], 40), 0.0);
    }
}
