//! Packed weights that several models have in common.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use crate::{embedding::Table, weight::WeightFormat};

/// What packed weights are known by: the names of the parameters that they are made of, and the format.
pub(crate) type Key = (String, WeightFormat);

/// Packed weights that models of one configuration and the same parameters have in common: the first model packs them, and the
/// others take them.
///
/// ```
/// use attentive_backend::BackendKind;
/// use attentive_engine::{CpuGpt, WeightFormat, WeightPacking};
/// use attentive_model::{GptConfig, ModelSpec};
///
/// let config = GptConfig::gpt2_like(50, 8, [1, 2, 16]);
/// let params = attentive_weights::params(&config.init(&BackendKind::Flex.device()?, 1)?);
/// let packing = WeightPacking::from(WeightFormat::Int8);
/// let first = CpuGpt::new(&config, &params, packing.clone())?;
/// let second = CpuGpt::new(&config, &params, packing)?; // needs no memory for matrices
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct SharedWeights {
    kept: Arc<Mutex<BTreeMap<Key, Table>>>,
    /// Parameters that the model does not share.
    own: Arc<BTreeSet<String>>,
}

impl SharedWeights {
    /// These weights, for a model whose parameters of the names `own` are others.
    #[must_use]
    pub fn except(&self, own: BTreeSet<String>) -> Self {
        Self { kept: Arc::clone(&self.kept), own: Arc::new(own) }
    }

    /// What the weights of some parameters are known by; nothing if the model has one of these of its own.
    pub(crate) fn key(&self, names: &[String], format: WeightFormat) -> Option<Key> {
        let are_shared = names.iter().all(|name| !self.own.contains(name));
        are_shared.then(|| (names.join(" "), format))
    }

    pub(crate) fn get(&self, key: &Key) -> Option<Table> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    /// Keeps what a model has packed, which all of its parameters were right for.
    pub(crate) fn keep(&self, packed: Vec<(Key, Table)>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, table) in packed {
            kept.entry(key).or_insert(table);
        }
    }
}

/// How a model's weights are packed.
#[derive(Debug, Clone, Default)]
pub struct WeightPacking {
    /// The numbers that they are kept in.
    pub format: WeightFormat,
    /// Those that other models have packed.
    pub shared: SharedWeights,
}

impl From<WeightFormat> for WeightPacking {
    /// By itself.
    fn from(format: WeightFormat) -> Self {
        Self { format, shared: SharedWeights::default() }
    }
}
