//! Models without some of their heads.

use attentive_model::ModelHeads;
use attentive_weights::HostTensor;

use crate::{Bundle, BundleError};

impl Bundle {
    /// Takes heads out of the model, with their rows and columns of the projections of queries, keys, values and outputs: it
    /// computes what it computes with these heads silent, and has fewer parameters. Heads that are gone already count as
    /// pruned. Matrices that were in blocks become 32-bit numbers where a head leaves them; the scores of the record, which
    /// are the whole model's, go.
    ///
    /// Source: Michel et al. 2019, "Are Sixteen Heads Really Better than One?", §4.
    ///
    /// # Errors
    /// [`BundleError::Heads`] if the family keeps all heads, a head is not there, or what is left can't be; the bundle is as it
    /// was.
    pub fn prune_heads(&mut self, heads: &ModelHeads) -> Result<(), BundleError> {
        let mut model = self.model.clone();
        model.prune_heads(heads).map_err(|cause| BundleError::Heads { path: self.path.clone(), cause })?;
        let (Some(before), Some(after)) = (self.model.attentions(), model.attentions()) else { return Ok(()) };
        for place in heads.places() {
            let [old, new] = [&before, &after].map(|attentions| attentions.left(place));
            let path = place.path();
            let queries = places(&old.heads, &new.heads);
            let keys = places(&old.kv_heads, &new.kv_heads);
            for (part, n_heads, kept) in [
                ("query", old.heads.len(), &queries),
                ("key", old.kv_heads.len(), &keys),
                ("value", old.kv_heads.len(), &keys),
            ] {
                self.keep(&format!("{path}.{part}.weight"), |weight| last_axis(weight, n_heads, kept));
                self.keep(&format!("{path}.{part}.bias"), |bias| last_axis(bias, n_heads, kept));
            }
            self.keep(&format!("{path}.output.weight"), |weight| first_axis(weight, old.heads.len(), &queries));
        }
        self.model = model;
        self.record.scores.clear();
        Ok(())
    }

    /// Makes another of a parameter, if there is one of that name.
    fn keep(&mut self, name: &str, kept: impl FnOnce(&HostTensor) -> HostTensor) {
        let blocks = self.blocks.remove(name).map(|blocks| (name.to_owned(), blocks.to_host()));
        self.params.extend(blocks);
        if let Some(tensor) = self.params.get_mut(name) {
            *tensor = kept(tensor);
        }
    }
}

/// Where those of `new` are among `old`, both in order.
fn places(old: &[usize], new: &[usize]) -> Vec<usize> {
    new.iter().filter_map(|head| old.binary_search(head).ok()).collect()
}

/// Some heads of the last axis, `[…, heads · d]`.
fn last_axis(tensor: &HostTensor, n_heads: usize, kept: &[usize]) -> HostTensor {
    let Some((width, before)) = tensor.shape.split_last() else { return tensor.clone() };
    let d = width / n_heads;
    let row = |row: &[f32]| kept.iter().flat_map(|head| row[head * d..][..d].to_vec()).collect::<Vec<f32>>();
    HostTensor {
        shape: [before, &[kept.len() * d]].concat(),
        values: tensor.values.chunks_exact((*width).max(1)).flat_map(row).collect(),
    }
}

/// Some heads of the first axis, `[heads · d, d_model]`.
fn first_axis(tensor: &HostTensor, n_heads: usize, kept: &[usize]) -> HostTensor {
    let Some((height, after)) = tensor.shape.split_first() else { return tensor.clone() };
    let n = tensor.values.len() / n_heads;
    HostTensor {
        shape: [&[kept.len() * (height / n_heads)], after].concat(),
        values: kept.iter().flat_map(|head| &tensor.values[head * n..][..n]).copied().collect(),
    }
}
