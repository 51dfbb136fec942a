//! Which layers see everything, and which a window.

use super::keys::Keys;
use crate::InterchangeError;

/// A window, and the layers that see everything although there is one.
#[derive(Default)]
pub(crate) struct Windows {
    pub(crate) window: Option<usize>,
    pub(crate) full_layers: Vec<usize>,
}

/// Reads `sliding_window`, which is `usual` where nothing is said, and `layer_types`; without the latter, a layer is full if
/// `is_full` says so.
///
/// # Errors
/// As [`Keys::find`].
pub(crate) fn read(
    keys: &mut Keys<'_>,
    n_layers: usize,
    usual: Option<usize>,
    is_full: impl Fn(usize) -> bool,
) -> Result<Windows, InterchangeError> {
    let window = keys.find_or("sliding_window", usual)?;
    of_types(keys, window, n_layers, is_full)
}

/// Reads `layer_types` of a model with this window; as [`read`].
///
/// # Errors
/// As [`Keys::find`].
pub(crate) fn of_types(
    keys: &mut Keys<'_>,
    window: Option<usize>,
    n_layers: usize,
    is_full: impl Fn(usize) -> bool,
) -> Result<Windows, InterchangeError> {
    let types: Option<Vec<String>> = keys.find("layer_types")?;
    let mut full_layers: Vec<usize> = (0..n_layers).filter(|&layer| is_full(layer)).collect();
    if let Some(types) = types {
        keys.must(types.len() == n_layers, format!("layer_types has {} layers of {n_layers}", types.len()));
        let known = ["full_attention", "sliding_attention"];
        if let Some(other) = types.iter().find(|kind| !known.contains(&kind.as_str())) {
            keys.must(false, format!("layer_types has {other:?}; there are {}", known.join(" and ")));
        }
        full_layers = (0..n_layers.min(types.len())).filter(|&layer| types[layer] == known[0]).collect();
    }
    Ok(match window {
        Some(_) if full_layers.len() < n_layers => Windows { window, full_layers },
        _ => Windows::default(),
    })
}

/// `layer_types` of a model.
pub(crate) fn types(n_layers: usize, window: Option<usize>, full_layers: &[usize]) -> Vec<&'static str> {
    let is_full = |layer: usize| window.is_none() || full_layers.contains(&layer);
    (0..n_layers).map(|layer| if is_full(layer) { "full_attention" } else { "sliding_attention" }).collect()
}
