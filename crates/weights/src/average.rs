//! Checkpoint averaging.

use std::path::Path;

use crate::{HostTensor, Tensors, WeightsError, read};

/// The mean of each parameter over several files; the paper averages the last 5 (base) or 20 (big) checkpoints
/// (§6.1).
///
/// # Errors
/// [`WeightsError`]: no file, one that can't be read, or files of different models.
pub fn average<P: AsRef<Path>>(paths: &[P]) -> Result<Tensors, WeightsError> {
    let (first, others) = paths.split_first().ok_or(WeightsError::NothingToAverage)?;
    let first = read(first.as_ref())?;
    // Sums in f64, so that the mean does not depend on the number of files.
    let mut sums: Vec<Vec<f64>> = first.values().map(|t| t.values.iter().copied().map(f64::from).collect()).collect();
    for path in others {
        let tensors = read(path.as_ref())?;
        same_model(&first, &tensors, path.as_ref())?;
        for (sum, tensor) in sums.iter_mut().zip(tensors.values()) {
            sum.iter_mut().zip(&tensor.values).for_each(|(sum, &value)| *sum += f64::from(value));
        }
    }
    let n = paths.len() as f64;
    let mean = |sum: Vec<f64>| sum.into_iter().map(|sum| (sum / n) as f32).collect();
    let means = first.into_iter().zip(sums);
    Ok(means.map(|((name, t), sum)| (name, HostTensor { shape: t.shape, values: mean(sum) })).collect())
}

fn same_model(first: &Tensors, other: &Tensors, path: &Path) -> Result<(), WeightsError> {
    let shapes = |tensors: &Tensors| -> Vec<(String, Vec<usize>)> {
        tensors.iter().map(|(name, tensor)| (name.clone(), tensor.shape.clone())).collect()
    };
    let (expected, found) = (shapes(first), shapes(other));
    if expected == found {
        return Ok(());
    }
    let problems = expected
        .iter()
        .filter(|param| !found.contains(param))
        .map(|(name, shape)| format!("{}: no {name} {shape:?}, which the first file has", path.display()));
    let extra = found
        .iter()
        .filter(|param| !expected.contains(param))
        .map(|(name, shape)| format!("{}: {name} {shape:?}, which the first file does not have", path.display()));
    Err(WeightsError::Mismatch { problems: problems.chain(extra).collect() })
}
