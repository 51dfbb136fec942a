//! Layers whose two sub-layers have one norm there, and two here.

use std::borrow::Cow;

use attentive_bundle::Bundle;
use attentive_weights::{HostTensor, Tensors};

/// The model with the same norm for both sub-layers of each layer: gains `γ` and offsets `β` that the feed-forward network has
/// learnt of its own become part of its first map, which reads `(x - β₁) γ / γ₁ + β` where it read `x`.
///
/// The error is the first layer of which that can't be said.
pub(super) fn share(bundle: &Bundle, n_layers: usize) -> Result<Cow<'_, Bundle>, usize> {
    let mut shared = Cow::Borrowed(bundle);
    for n in 0..n_layers {
        let norm = |part: &str| ["gamma", "beta"].map(|kind| format!("decoder.layers.{n}.{part}_add_norm.norm.{kind}"));
        let [first, own] =
            ["self_attention", "feed_forward"].map(|part| norm(part).map(|name| bundle.params.get(&name)));
        if first == own {
            continue;
        }
        let ([Some(gain), Some(offset)], [Some(own_gain), Some(own_offset)]) = (first, own) else { return Err(n) };
        let factors: Vec<f32> = own_gain.values.iter().zip(&gain.values).map(|(own, gain)| own / gain).collect();
        if !factors.iter().all(|factor| factor.is_finite()) {
            return Err(n);
        }
        let moved = own_offset.values.iter().zip(&offset.values).zip(&factors);
        let moved: Vec<f32> = moved.map(|((own, offset), factor)| own - offset * factor).collect();
        let same = norm("feed_forward").into_iter().zip([gain.clone(), offset.clone()]);
        let params = &mut shared.to_mut().params;
        params.extend(same);
        scale(params, &format!("decoder.layers.{n}.feed_forward.inner"), &factors, &moved).ok_or(n)?;
    }
    Ok(shared)
}

/// Lets a map, `[d, d_ff]`, read `x · factors + moved` where it reads `x`; nothing if it is not there.
fn scale(params: &mut Tensors, map: &str, factors: &[f32], moved: &[f32]) -> Option<()> {
    let weight = params.get(&format!("{map}.weight"))?.clone();
    let bias = params.get_mut(&format!("{map}.bias"))?;
    let d_ff = bias.values.len().max(1);
    for (row, moved) in weight.values.chunks_exact(d_ff).zip(moved) {
        bias.values.iter_mut().zip(row).for_each(|(bias, weight)| *bias += moved * weight);
    }
    let HostTensor { values, .. } = params.get_mut(&format!("{map}.weight"))?;
    for (row, factor) in values.chunks_exact_mut(d_ff).zip(factors) {
        row.iter_mut().for_each(|weight| *weight *= factor);
    }
    Some(())
}
