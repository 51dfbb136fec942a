//! What an adapter changes of a model, apart from the model.

use std::{collections::BTreeMap, path::Path};

use attentive_core::describes;
use attentive_model::AdapterConfig;
use attentive_weights::{HostTensor, LowRank, Source, Tensors, check_tensor};
use toml::Table;

use crate::{
    BundleError,
    folder::{ADAPTER, CONFIG, Folder, Sum},
};

/// What stands between the path of a map and the name of a matrix of its change.
const OF_WEIGHT: &str = ".weight.adapter.";

/// What is changed of a model's parameters, apart from the model.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Adapter {
    /// Changes of linear maps, by the maps' paths: `decoder.layers.0.self_attention.query`.
    pub changes: BTreeMap<String, LowRankChange>,
    /// Parameters that take the place of the model's own, by their paths.
    pub params: Tensors,
}

/// The change of the weight `W` of a linear map to `W + s · A B`, each output's weights of the length `m` then, if it is
/// given (`attentive_attention::LowRank`).
#[derive(Debug, Clone, PartialEq)]
pub struct LowRankChange {
    /// `A`: `[d_in, r]`.
    pub down: HostTensor,
    /// `B`: `[r, d_out]`.
    pub up: HostTensor,
    /// `m`: `[d_out]`.
    pub magnitude: Option<HostTensor>,
    /// `s`.
    pub scale: f64,
}

/// An adapter of another model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the adapter does not fit the model:{}", list(.problems))]
pub struct AdapterMismatch {
    /// What does not fit, a line each.
    pub problems: Vec<String>,
}

/// What is wrong if a model's parameter is to have a shape.
fn mismatch(params: &dyn Source, name: &str, expected: &[usize]) -> Option<String> {
    match params.shape(name) {
        None => Some(format!("{name} {expected:?} is not in the model")),
        Some(shape) if shape != expected => {
            Some(format!("{name}: the model has {shape:?}, the adapter changes {expected:?}"))
        }
        Some(_) => None,
    }
}

/// The name of the parameter that a change of a map is of.
fn of_map(path: &str) -> String {
    format!("{path}.weight")
}

fn list(problems: &[String]) -> String {
    problems.iter().map(|problem| format!("\n  {problem}")).collect()
}

impl Adapter {
    /// The parameters of a model that was trained with an adapter, apart: those of the model as it was, but for what was
    /// trained as a whole, and the adapter.
    ///
    /// # Errors
    /// [`AdapterMismatch`] if a matrix of a change is missing.
    pub fn split(params: Tensors, config: &AdapterConfig) -> Result<(Tensors, Self), AdapterMismatch> {
        let (mut parts, params): (Tensors, Tensors) =
            params.into_iter().partition(|(name, _)| name.contains(OF_WEIGHT));
        let is_trained = |name: &str| config.train.iter().any(|pattern| describes(pattern, name));
        let trained = params.iter().filter(|(name, _)| is_trained(name));
        let mut adapter =
            Self { params: trained.map(|(name, param)| (name.clone(), param.clone())).collect(), ..Self::default() };
        while let Some((name, _)) = parts.first_key_value() {
            let path = name.split(OF_WEIGHT).next().unwrap_or_default().to_owned();
            let mut part = |name: &str| parts.remove(&format!("{path}{OF_WEIGHT}{name}"));
            let (down, up, magnitude) = (part("down"), part("up"), part("magnitude"));
            let (Some(down), Some(up)) = (down, up) else {
                return Err(AdapterMismatch { problems: vec![format!("{path}: a matrix of its change is missing")] });
            };
            adapter.changes.insert(path, LowRankChange { down, up, magnitude, scale: config.scale() });
        }
        Ok((params, adapter))
    }

    /// Checks that these are changes of a model's parameters.
    pub(crate) fn check(&self, params: &dyn Source) -> Result<(), AdapterMismatch> {
        let endless = |name: &str, tensor: &HostTensor| {
            let checked = check_tensor(name, tensor);
            checked.is_err().then(|| format!("{name}: the adapter has values that are not finite"))
        };
        let of_change = |(path, change): (&String, &LowRankChange)| match change.shape() {
            Some(shape) => mismatch(params, &of_map(path), &shape)
                .or_else(|| change.tensors().find_map(|tensor| endless(path, tensor))),
            None => Some(format!("{path}: the matrices of its change do not fit each other")),
        };
        let of_changes = self.changes.iter().filter_map(of_change);
        let of_param = |(name, param): (&String, &HostTensor)| {
            mismatch(params, name, &param.shape).or_else(|| endless(name, param))
        };
        let of_params = self.params.iter().filter_map(of_param);
        let problems: Vec<String> = of_changes.chain(of_params).collect();
        if problems.is_empty() { Ok(()) } else { Err(AdapterMismatch { problems }) }
    }

    /// The change of a parameter, if it is not replaced as a whole.
    pub(crate) fn change_of(&self, name: &str) -> Option<&LowRankChange> {
        self.changes.get(name.strip_suffix(".weight")?).filter(|_| !self.params.contains_key(name))
    }

    /// The names of the parameters that are changed or replaced.
    pub(crate) fn changed(&self) -> impl Iterator<Item = String> {
        self.changes.keys().map(|path| of_map(path)).chain(self.params.keys().cloned())
    }

    /// Changes the parameters of a model.
    ///
    /// # Errors
    /// [`AdapterMismatch`] lists what the model does not have, or has in another shape; nothing is changed then.
    pub fn merge(&self, params: &mut Tensors) -> Result<(), AdapterMismatch> {
        self.check(params)?;
        for (path, change) in &self.changes {
            if let Some(weight) = params.get_mut(&of_map(path)) {
                change.merge(weight);
            }
        }
        params.extend(self.params.iter().map(|(name, param)| (name.clone(), param.clone())));
        Ok(())
    }

    /// The adapter that a run's folder has beside its model, and its settings; `None` where no adapter was trained.
    ///
    /// # Errors
    /// [`BundleError`] names the part that is missing, changed or damaged.
    pub fn read(path: impl AsRef<Path>) -> Result<Option<(Self, AdapterConfig)>, BundleError> {
        let path = path.as_ref();
        let (folder, _) = Folder::open(path)?;
        if !folder.has(ADAPTER) {
            return Ok(None);
        }
        let damaged = |problem: String| BundleError::Damaged { path: path.join(CONFIG), problem };
        let config: Table = toml::from_str(&folder.text(CONFIG)?).map_err(|cause| damaged(cause.to_string()))?;
        let Some(settings) = config.get("adapter") else { return Ok(None) };
        let settings: AdapterConfig =
            settings.clone().try_into().map_err(|cause| damaged(format!("adapter: {cause}")))?;
        settings.validate().map_err(|cause| damaged(format!("adapter.{cause}")))?;
        let params = attentive_weights::read(&folder.checked(ADAPTER)?)?;
        let (rest, mut adapter) = Self::split(params, &settings)
            .map_err(|cause| BundleError::Damaged { path: path.join(ADAPTER), problem: cause.to_string() })?;
        adapter.params = rest;
        Ok(Some((adapter, settings)))
    }

    /// Writes the adapter alone into a run's folder, before the model is written, whose record then has its sum.
    ///
    /// # Errors
    /// [`BundleError::Weights`].
    pub fn write(&self, path: &Path) -> Result<(), BundleError> {
        let mut tensors = self.params.clone();
        for (map, LowRankChange { down, up, magnitude, .. }) in &self.changes {
            let parts = [("down", Some(down)), ("up", Some(up)), ("magnitude", magnitude.as_ref())];
            let parts = parts.into_iter().filter_map(|(name, part)| Some((name, part?)));
            tensors.extend(parts.map(|(name, part)| (format!("{map}{OF_WEIGHT}{name}"), part.clone())));
        }
        Ok(attentive_weights::write(&path.join(ADAPTER), &tensors, &BTreeMap::new())?)
    }

    /// A sum of all that it changes, wherever it came from.
    pub(crate) fn sum(&self) -> String {
        let of_changes = self.changes.iter().flat_map(|(path, change)| {
            let tensors = change.tensors();
            tensors.map(move |tensor| (path, change.scale, tensor))
        });
        let of_params = self.params.iter().map(|(name, param)| (name, 1.0, param));
        let mut sum = Sum::Xxh3(Box::default());
        for (name, scale, HostTensor { shape, values }) in of_changes.chain(of_params) {
            sum.add(format!("{name} {scale} {shape:?}\n").as_bytes());
            values.iter().for_each(|value| sum.add(&value.to_le_bytes()));
        }
        sum.text()
    }

    /// Number of parameters.
    pub fn n_params(&self) -> usize {
        let of_changes = self.changes.values().flat_map(LowRankChange::tensors);
        of_changes.chain(self.params.values()).map(|tensor| tensor.values.len()).sum()
    }
}

impl LowRankChange {
    /// Shape of the weight that it changes, `[d_in, d_out]`; `None` if its matrices do not fit each other.
    pub fn shape(&self) -> Option<[usize; 2]> {
        let (&[d_in, rank], &[of_up, d_out]) = (&self.down.shape[..], &self.up.shape[..]) else { return None };
        let fits = self.magnitude.as_ref().is_none_or(|magnitude| magnitude.shape == [d_out]);
        (rank == of_up && fits).then_some([d_in, d_out])
    }

    fn tensors(&self) -> impl Iterator<Item = &HostTensor> {
        [&self.down, &self.up].into_iter().chain(&self.magnitude)
    }

    /// `s · A B`.
    pub(crate) fn low_rank(&self) -> LowRank<'_> {
        LowRank { down: &self.down, up: &self.up, scale: self.scale }
    }

    /// Changes a weight of [`shape`](Self::shape); sums are of 64 bits.
    pub(crate) fn merge(&self, weight: &mut HostTensor) {
        let [rank, d_out] = [self.up.shape[0], self.up.shape[1]];
        if d_out == 0 || rank == 0 {
            return;
        }
        let mut changed = self.low_rank().added_to(weight);
        if let Some(magnitude) = &self.magnitude {
            let mut squares = vec![0.0; d_out];
            for row in changed.chunks_exact(d_out) {
                squares.iter_mut().zip(row).for_each(|(square, value)| *square += value * value);
            }
            let factors: Vec<f64> = magnitude
                .values
                .iter()
                .zip(squares)
                .map(|(&length, square)| f64::from(length) / square.sqrt())
                .collect();
            for row in changed.chunks_exact_mut(d_out) {
                row.iter_mut().zip(&factors).for_each(|(value, factor)| *value *= factor);
            }
        }
        weight.values.iter_mut().zip(changed).for_each(|(value, changed)| *value = changed as f32);
    }
}
