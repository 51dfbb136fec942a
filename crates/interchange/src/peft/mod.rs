//! Adapters as PEFT keeps them: `adapter_config.json` and `adapter_model.safetensors`, over a model of transformers.
//!
//! A module of theirs may be several maps of ours (GPT-2's `c_attn`) and the reverse never is: so a change of theirs is one
//! of each part, whose `A` they share, and changes of ours that are parts of one module are one change of the sum of their
//! ranks.

mod config;
mod export;

use std::{collections::BTreeMap, path::Path};

use attentive_bundle::{Adapter, AdapterMismatch, Bundle, LowRankChange, SharedParams};
use attentive_weights::{HostTensor, Tensors};

use self::config::{CONFIG, Settings, WEIGHTS};
pub use self::export::export_adapter;
use crate::{
    Format, InterchangeError,
    decoder::add_to_gains,
    layout::{Linear, Order, Places, Slot, zeros},
};

/// What names of tensors begin with: PEFT's class, and the model within.
const PREFIX: &str = "base_model.model.";

/// Whether a folder has an adapter of PEFT.
pub fn is_adapter(folder: &Path) -> bool {
    folder.join(CONFIG).is_file()
}

/// Reads the adapter of a run's folder, or one of PEFT for a model of ours, whose transformers' names the adapter's are.
///
/// # Errors
/// [`InterchangeError::NoAdapter`] if there is none; of PEFT's, [`InterchangeError::Unsupported`] lists settings that are not
/// followed here, [`InterchangeError::Adapter`] tensors that the model has no place for.
pub fn read_adapter<P>(folder: &Path, bundle: &Bundle<P>) -> Result<Adapter, InterchangeError> {
    if !is_adapter(folder) {
        let none = || InterchangeError::NoAdapter { path: folder.to_owned() };
        return Ok(Adapter::read(folder)?.ok_or_else(none)?.0);
    }
    // Names are a matter of the configuration.
    let bundle = &bundle.with_params(Tensors::new());
    let settings = Settings::read(folder)?;
    let path = WEIGHTS.map(|name| folder.join(name)).into_iter().find(|path| path.is_file());
    let missing = || InterchangeError::Missing { path: folder.to_owned(), wanted: WEIGHTS[0] };
    let tensors = attentive_weights::read(&path.ok_or_else(missing)?)?;
    let places = Format::ALL.iter().filter(|format| format.role() == bundle.model.role());
    let places = places.filter_map(|format| format.family().places).filter_map(|places| places(bundle).ok());
    let mut fewest: Option<Vec<String>> = None;
    for places in places {
        match (Reading { settings: &settings, places: &places, problems: Vec::new() }).read(&tensors) {
            Ok(adapter) => return Ok(adapter),
            Err(problems) if fewest.as_ref().is_none_or(|fewest| problems.len() < fewest.len()) => {
                fewest = Some(problems);
            }
            Err(_) => {}
        }
    }
    let family = bundle.model.family();
    let none = || vec![format!("transformers' names of a {family} are not known here; a run's adapter needs none")];
    let cause = AdapterMismatch { problems: fewest.unwrap_or_else(none) };
    Err(InterchangeError::Adapter { path: folder.to_owned(), cause })
}

/// The folders of a model and of an adapter over it, as a user writes them: `MODEL`, or `MODEL+ADAPTER`. Folders that are there
/// may have such signs in their own paths; where no part is a model's folder, the first sign counts, for an error to name both.
pub fn model_and_adapter(written: &Path) -> (&Path, Option<&Path>) {
    let text = written.to_str().filter(|_| !written.exists()).unwrap_or_default();
    let splits = text.match_indices('+').map(|(at, _)| (&text[..at], &text[at + 1..]));
    let mut splits = splits.filter(|(model, adapter)| !model.is_empty() && !adapter.is_empty());
    let is_there = |part: &str| Path::new(part).exists();
    // The longest folder, of those before an adapter that is there too.
    let found = splits.clone().filter(|(model, _)| is_there(model)).max_by_key(|(_, adapter)| is_there(adapter));
    match found.or_else(|| splits.next()) {
        Some((model, adapter)) => (Path::new(model), Some(Path::new(adapter))),
        None => (written, None),
    }
}

/// A model with the adapter of a folder over it, as [`read_adapter`] reads it.
///
/// # Errors
/// As there, and [`InterchangeError::Adapter`] if it is of another model.
pub fn with_adapter(bundle: &Bundle<SharedParams>, folder: &Path) -> Result<Bundle<SharedParams>, InterchangeError> {
    let adapter = read_adapter(folder, bundle)?;
    bundle.with_adapter(adapter).map_err(|cause| InterchangeError::Adapter { path: folder.to_owned(), cause })
}

/// Merges the adapter of a folder, as [`read_adapter`] reads it, into a model in memory, and returns it.
///
/// # Errors
/// As [`with_adapter`].
pub fn merge_adapter(bundle: &mut Bundle, folder: &Path) -> Result<Adapter, InterchangeError> {
    let adapter = read_adapter(folder, bundle)?;
    bundle.unpack();
    let mismatch = |cause| InterchangeError::Adapter { path: folder.to_owned(), cause };
    adapter.merge(&mut bundle.params).map_err(mismatch)?;
    bundle.record.scores.clear(); // they were another model's
    Ok(adapter)
}

/// An adapter that is read by the names of one format.
struct Reading<'a> {
    settings: &'a Settings,
    places: &'a Places,
    problems: Vec<String>,
}

/// The matrices of a module's change.
#[derive(Default)]
struct Factors<'a> {
    a: Option<&'a HostTensor>,
    b: Option<&'a HostTensor>,
    magnitude: Option<&'a HostTensor>,
}

impl Reading<'_> {
    fn read(mut self, tensors: &Tensors) -> Result<Adapter, Vec<String>> {
        let mut modules: BTreeMap<&str, Factors<'_>> = BTreeMap::new();
        let mut adapter = Adapter::default();
        for (name, tensor) in tensors {
            let bare = name.strip_prefix(PREFIX).unwrap_or(name);
            let part = |end: &str| bare.strip_suffix(end);
            if let Some(module) = part(".lora_A.weight") {
                modules.entry(module).or_default().a = Some(tensor);
            } else if let Some(module) = part(".lora_B.weight") {
                modules.entry(module).or_default().b = Some(tensor);
            } else if let Some(module) = part(".lora_magnitude_vector.weight").or(part(".lora_magnitude_vector")) {
                modules.entry(module).or_default().magnitude = Some(tensor);
            } else if let Some(own) = self.whole(name, bare, tensor) {
                adapter.params.extend(own);
            }
        }
        for (module, factors) in modules {
            adapter.changes.extend(self.changes(module, &factors));
        }
        match self.problems.is_empty() {
            true => Ok(adapter),
            false => Err(self.problems),
        }
    }

    /// The parameters that a tensor of a module that was trained as a whole is.
    fn whole(&mut self, name: &str, bare: &str, tensor: &HostTensor) -> Option<Tensors> {
        let of_module = |module: &String| bare.contains(&format!("{module}."));
        let slots = match self.settings.modules_to_save.iter().any(of_module) {
            true => slots_of(self.places, bare),
            false => Vec::new(),
        };
        if slots.is_empty() || slots.iter().any(|slot| slot.layout.theirs() != tensor.shape) {
            self.problems.push(format!("{name} {:?} is not of a linear map of this model", tensor.shape));
            return None;
        }
        let own = slots.into_iter().map(|slot| (slot.ours.clone(), part(slot, tensor, &self.places.order)));
        let mut own: Tensors = own.collect();
        add_to_gains(&mut own, self.places.gain_offset);
        Some(own)
    }

    /// The changes of ours that are one of a module.
    fn changes(&mut self, module: &str, factors: &Factors<'_>) -> Vec<(String, LowRankChange)> {
        let mut refuse = |problem: String| {
            self.problems.push(format!("{module}: {problem}"));
            Vec::new()
        };
        let (Some(a), Some(b)) = (factors.a, factors.b) else {
            return refuse("lora_A or lora_B is missing".to_owned());
        };
        if self.settings.use_dora != factors.magnitude.is_some() {
            return refuse("use_dora and lora_magnitude_vector go together".to_owned());
        }
        let (&[rank, d_in], &[d_out, of_b]) = (&a.shape[..], &b.shape[..]) else {
            return refuse("its change is not of two matrices".to_owned());
        };
        if rank != of_b || factors.magnitude.is_some_and(|magnitude| magnitude.values.len() != d_out) {
            return refuse("its matrices do not fit each other".to_owned());
        }
        let slots = slots_of(self.places, &format!("{module}.weight"));
        if slots.is_empty() {
            return refuse("the model has no such linear map".to_owned());
        }
        let scale = match self.settings.scale(module, rank) {
            Ok(scale) => scale,
            Err(problem) => return refuse(problem),
        };
        let of_slot = |slot: &Slot| {
            let Linear { inputs, outputs, d_out: rows, .. } = linear(slot, &self.places.order)?;
            if [inputs.len(), rows] != [d_in, d_out] {
                return Err(format!("it maps {d_in} to {d_out} features, the model's {} to {rows}", inputs.len()));
            }
            let down = inputs.iter().flat_map(|&input| (0..rank).map(move |k| a.values[k * d_in + input])).collect();
            let outputs = &outputs;
            let up = (0..rank).flat_map(|k| outputs.iter().map(move |output| b.values[output * rank + k])).collect();
            let lengths = factors.magnitude.map(|magnitude| HostTensor {
                shape: vec![outputs.len()],
                values: outputs.iter().map(|&output| magnitude.values[output]).collect(),
            });
            let change = LowRankChange {
                down: HostTensor { shape: vec![inputs.len(), rank], values: down },
                up: HostTensor { shape: vec![rank, outputs.len()], values: up },
                magnitude: lengths,
                scale,
            };
            Ok((path_of(slot).to_owned(), change))
        };
        let changes: Result<Vec<_>, String> = slots.into_iter().map(of_slot).collect();
        changes.unwrap_or_else(|problem| {
            self.problems.push(format!("{module}: {problem}"));
            Vec::new()
        })
    }
}

/// The slots of a tensor of theirs; files of a part of a model lack what stands before, or have more.
fn slots_of<'a>(places: &'a Places, name: &str) -> Vec<&'a Slot> {
    let within = |long: &str, short: &str| {
        long.strip_suffix(short).is_some_and(|before| before.is_empty() || before.ends_with('.'))
    };
    let slots = places.slots.iter();
    slots.filter(|slot| within(&slot.theirs, name) || within(name, &slot.theirs)).collect()
}

/// How a linear map of ours is one of theirs.
fn linear(slot: &Slot, order: &Order) -> Result<Linear, String> {
    let refused = || format!("{} is a table or a convolution, whose changes are not read or written here", slot.ours);
    let found = slot.layout.linear(order).filter(|_| slot.ours.ends_with(".weight")).ok_or_else(refused)?;
    // Of what lies there as here, GPT-2's maps alone are maps; the rest are tables.
    match found.transposed || slot.ours.starts_with("decoder.layers.") {
        true => Ok(found),
        false => Err(refused()),
    }
}

/// The path of the map whose weight a slot is of.
fn path_of(slot: &Slot) -> &str {
    slot.ours.strip_suffix(".weight").unwrap_or(&slot.ours)
}

/// The parameter of ours that is a part of their tensor.
fn part(slot: &Slot, tensor: &HostTensor, order: &Order) -> HostTensor {
    let mut ours = zeros(slot.layout.ours());
    slot.layout.for_each(order, |here, there| ours.values[here] = tensor.values[there]);
    ours
}
