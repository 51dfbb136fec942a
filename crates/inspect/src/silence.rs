//! Models in which heads say nothing.

use attentive_bundle::Bundle;

use crate::{Head, InspectError};

/// Silences heads of the attention at `path`, which has `{layer}` for a layer's number: `encoder.layers.{layer}.self_attention`.
/// What they would add is gone, as if their weights were zero; the model's form is the same.
///
/// Source: Michel et al. 2019, "Are Sixteen Heads Really Better than One?", eq. 2 with a gate of 0.
///
/// # Errors
/// [`InspectError::NoHead`] if there is no such attention, or no such head of `n_heads`.
pub fn silence(bundle: &mut Bundle, path: &str, n_heads: usize, heads: &[Head]) -> Result<(), InspectError> {
    for &Head { layer, head } in heads {
        let name = format!("{}.output.weight", path.replace("{layer}", &layer.to_string()));
        let none = || InspectError::NoHead { name: name.clone(), head };
        // As numbers, where it is kept in blocks.
        let blocks = bundle.blocks.remove(&name).map(|blocks| (name.clone(), blocks.to_host()));
        bundle.params.extend(blocks);
        // `[heads · d_v, d_model]`: a head's rows are what it adds.
        let weight = bundle.params.get_mut(&name).filter(|_| head < n_heads).ok_or_else(none)?;
        let n = weight.values.len() / n_heads;
        weight.values[head * n..][..n].fill(0.0);
    }
    Ok(())
}
