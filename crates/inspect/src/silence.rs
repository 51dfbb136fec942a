//! Models in which heads say nothing.

use attentive_bundle::Bundle;
use attentive_model::ModelHeads;

use crate::InspectError;

/// Silences heads. What they would add is gone, as if their weights were zero; the model's form is the same.
///
/// Source: Michel et al. 2019, "Are Sixteen Heads Really Better than One?", eq. 2 with a gate of 0.
///
/// # Errors
/// [`InspectError::NoHeads`] if the family's heads have no names, [`InspectError::NoHead`] if a head is not there, or was pruned.
pub fn silence(bundle: &mut Bundle, heads: &ModelHeads) -> Result<(), InspectError> {
    let Some(attentions) = bundle.model.attentions() else {
        return Err(InspectError::NoHeads { family: bundle.model.family() });
    };
    for head in heads.iter() {
        let left = attentions.left(head.attention).heads;
        let name = format!("{}.output.weight", head.attention.path());
        // As numbers, where it is kept in blocks.
        let blocks = bundle.blocks.remove(&name).map(|blocks| (name.clone(), blocks.to_host()));
        bundle.params.extend(blocks);
        // `[heads · d_v, d_model]`: a head's rows are what it adds.
        let place = left.binary_search(&head.head).ok().filter(|_| attentions.places.contains(&head.attention));
        let (Some(place), Some(weight)) = (place, bundle.params.get_mut(&name)) else {
            return Err(InspectError::NoHead { head });
        };
        let n = weight.values.len() / left.len();
        weight.values[place * n..][..n].fill(0.0);
    }
    Ok(())
}
