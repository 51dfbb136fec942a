//! Adapters of ours as PEFT reads them.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use attentive_bundle::{Adapter, Bundle, LowRankChange};
use attentive_model::{AdapterConfig, AdapterKind, Role};
use attentive_weights::{HostTensor, Tensors};
use serde_json::{Map, Value, json};

use super::{
    PREFIX,
    config::{CONFIG, WEIGHTS},
    linear, path_of,
};
use crate::{
    Format, InterchangeError, files,
    layout::{Linear, Places, Slot, zeros},
};

/// Writes an adapter as PEFT reads it, over the model that it changes, which [`export`](crate::export) writes as `format`.
///
/// `bundle` is the changed model. The folder is written in one step; other files in it stay.
///
/// # Errors
/// [`InterchangeError::Inexpressible`] lists what PEFT has no place for; or what the system refuses.
pub fn export_adapter(
    bundle: &Bundle,
    (adapter, settings): &(Adapter, AdapterConfig),
    format: Format,
    folder: &Path,
) -> Result<(), InterchangeError> {
    let inexpressible = |problems| InterchangeError::Inexpressible { format: "PEFT", problems };
    let unnamed = || inexpressible(vec![format!("adapters of {format} are not written here")]);
    let places = format.family().places.ok_or_else(unnamed)?(bundle)?;
    let mut writing = Writing {
        bundle,
        adapter,
        places: &places,
        tensors: Tensors::new(),
        ranks: BTreeMap::new(),
        problems: Vec::new(),
    };
    let modules_to_save = writing.wholes();
    writing.changes();
    let Writing { tensors, ranks, mut problems, .. } = writing;
    let known: BTreeSet<&str> = places.slots.iter().map(path_of).collect();
    let lost = adapter.changes.keys().filter(|path| !known.contains(path.as_str()));
    problems.extend(lost.map(|path| format!("{path}: {format} has no such map")));
    if !problems.is_empty() {
        return Err(inexpressible(problems));
    }
    // What is of more than one map of ours has their ranks together, and the same factor.
    let alpha_of = |rank: usize| match settings.rank_stabilized {
        true => settings.scale() * (rank as f64).sqrt(),
        false => settings.scale() * rank as f64,
    };
    let others = ranks.iter().filter(|(_, rank)| **rank != settings.rank);
    let rank_pattern: Map<String, Value> = others.clone().map(|(name, &rank)| (name.clone(), json!(rank))).collect();
    let alpha_pattern: Map<String, Value> = others.map(|(name, &rank)| (name.clone(), json!(alpha_of(rank)))).collect();
    let task = match bundle.model.role() {
        Role::LanguageModel => Some("CAUSAL_LM"),
        Role::EncoderDecoder => Some("SEQ_2_SEQ_LM"),
        _ => None,
    };
    let config = json!({
        "peft_type": "LORA",
        "task_type": task,
        "base_model_name_or_path": null,
        "inference_mode": true,
        "r": settings.rank,
        "lora_alpha": settings.alpha,
        "lora_dropout": settings.dropout,
        "use_rslora": settings.rank_stabilized,
        "use_dora": settings.kind == AdapterKind::Dora,
        "bias": "none",
        "fan_in_fan_out": format == Format::Gpt2,
        "target_modules": ranks.keys().collect::<Vec<_>>(),
        "modules_to_save": (!modules_to_save.is_empty()).then_some(modules_to_save),
        "rank_pattern": rank_pattern,
        "alpha_pattern": alpha_pattern,
    });
    let write = |folder: &Path| {
        files::make_folder(folder)?;
        files::write_json(&folder.join(CONFIG), &config)?;
        let metadata = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
        Ok(attentive_weights::write(&folder.join(WEIGHTS[0]), &tensors, &metadata)?)
    };
    attentive_bundle::write_folder(folder, write, |cause| InterchangeError::Io { path: folder.to_owned(), cause })
}

/// An adapter on its way out.
struct Writing<'a> {
    bundle: &'a Bundle,
    adapter: &'a Adapter,
    places: &'a Places,
    tensors: Tensors,
    /// The rank of each module's change.
    ranks: BTreeMap<String, usize>,
    problems: Vec<String>,
}

impl Writing<'_> {
    /// The slots of each tensor of theirs.
    fn by_tensor(&self) -> BTreeMap<&str, Vec<&Slot>> {
        let mut by_tensor: BTreeMap<&str, Vec<&Slot>> = BTreeMap::new();
        for slot in &self.places.slots {
            by_tensor.entry(&slot.theirs).or_default().push(slot);
        }
        by_tensor
    }

    /// Writes what was trained as a whole; gives the modules that it is of, which PEFT keeps whole.
    fn wholes(&mut self) -> Vec<String> {
        let names: BTreeSet<&str> = self.places.slots.iter().map(|slot| &*slot.ours).collect();
        let lost = self.adapter.params.keys().filter(|name| !names.contains(name.as_str()));
        self.problems.extend(lost.map(|name| format!("{name}: the format has no such parameter")));
        let module_of = |theirs: &str| theirs.rsplit_once('.').map_or(theirs, |(module, _)| module).to_owned();
        let trained = self.places.slots.iter().filter(|slot| self.adapter.params.contains_key(&slot.ours));
        let modules: BTreeSet<String> = trained.map(|slot| module_of(&slot.theirs)).collect();
        let mut written = Tensors::new();
        for slot in self.places.slots.iter().filter(|slot| modules.contains(&module_of(&slot.theirs))) {
            let Some(param) = self.bundle.params.get(&slot.ours) else { continue };
            let whole = || zeros(slot.layout.theirs());
            let tensor = written.entry(format!("{PREFIX}{}", slot.theirs)).or_insert_with(whole);
            let offset = if slot.ours.ends_with(".gamma") { self.places.gain_offset } else { 0.0 };
            slot.layout.for_each(&self.places.order, |from, to| tensor.values[to] = param.values[from] - offset);
        }
        self.tensors.extend(written);
        modules.into_iter().collect()
    }

    /// Writes the changes of low rank.
    fn changes(&mut self) {
        let mut written = Vec::new();
        for (theirs, slots) in self.by_tensor() {
            let changed: Vec<(&Slot, &LowRankChange)> =
                slots.iter().filter_map(|&slot| Some((slot, self.adapter.changes.get(path_of(slot))?))).collect();
            if !changed.is_empty() {
                written.push((
                    theirs.strip_suffix(".weight").unwrap_or(theirs).to_owned(),
                    self.change(&changed, slots.len()),
                ));
            }
        }
        for (module, change) in written {
            match change {
                Ok(Change { rank, a, b, magnitude }) => {
                    let named = |part: &str| format!("{PREFIX}{module}.{part}.weight");
                    self.tensors.insert(named("lora_A"), a);
                    self.tensors.insert(named("lora_B"), b);
                    self.tensors.extend(magnitude.map(|magnitude| (named("lora_magnitude_vector"), magnitude)));
                    self.ranks.insert(module, rank);
                }
                Err(problem) => self.problems.push(format!("{module}: {problem}")),
            }
        }
    }

    /// The change of a module that has `n_parts` maps of ours, of the changes of some of them, side by side.
    fn change(&self, changed: &[(&Slot, &LowRankChange)], n_parts: usize) -> Result<Change, String> {
        let has_lengths = changed.iter().any(|(_, change)| change.magnitude.is_some());
        if has_lengths && changed.len() < n_parts {
            return Err("DoRA changes all of the module's parts there, or none: name them all in targets".to_owned());
        }
        let rank: usize = changed.iter().map(|(_, change)| change.up.shape[0]).sum();
        let (mut a, mut b, mut magnitude) = (Vec::new(), None, None);
        let mut first = 0;
        for (slot, change) in changed {
            let Linear { inputs, outputs, d_out, .. } = linear(slot, &self.places.order)?;
            if change.shape() != Some([inputs.len(), outputs.len()]) {
                return Err(format!("the change of {} is of another shape", slot.ours));
            }
            let own = change.up.shape[0];
            for k in 0..own {
                let mut row = vec![0.0; inputs.len()];
                inputs.iter().enumerate().for_each(|(at, &input)| row[input] = change.down.values[at * own + k]);
                a.extend(row);
            }
            let b = b.get_or_insert_with(|| zeros(&[d_out, rank]));
            for (at, &output) in outputs.iter().enumerate() {
                for k in 0..own {
                    b.values[output * rank + first + k] = change.up.values[k * outputs.len() + at];
                }
            }
            if let Some(lengths) = &change.magnitude {
                let all = magnitude.get_or_insert_with(|| zeros(&[d_out]));
                outputs.iter().zip(&lengths.values).for_each(|(&output, &length)| all.values[output] = length);
            }
            first += own;
        }
        let d_in = a.len() / rank.max(1);
        let b = b.ok_or_else(|| "nothing is changed".to_owned())?;
        Ok(Change { rank, a: HostTensor { shape: vec![rank, d_in], values: a }, b, magnitude })
    }
}

/// The change of a module of theirs.
struct Change {
    rank: usize,
    a: HostTensor,
    b: HostTensor,
    magnitude: Option<HostTensor>,
}
