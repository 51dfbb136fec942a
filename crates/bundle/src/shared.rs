//! Parameters that several models have in common, each with an adapter of its own.

use std::{borrow::Cow, sync::Arc};

use attentive_engine::{SharedWeights, int8_axis};
use attentive_weights::{Blocks, HostTensor, Int8Rows, LowRank, Rows, ScaleAxis, Source, WeightsError};

use crate::{
    Adapter, AdapterMismatch, BundleError, LowRankChange,
    stored::{Params, Stored},
};

/// The parameters of a bundle's file and what an adapter changes of them, for several models of which each has an adapter, or
/// none. Where weights are packed, those that the adapters leave as they are are in memory once.
#[derive(Debug, Clone)]
pub struct SharedParams {
    stored: Arc<Stored>,
    weights: SharedWeights,
    adapter: Arc<Adapter>,
}

impl SharedParams {
    /// As they are in the file.
    pub(crate) fn new(stored: Stored) -> Self {
        Self { stored: Arc::new(stored), weights: SharedWeights::default(), adapter: Arc::default() }
    }

    /// These with what `adapter` changes of the file's, in the place of what another does.
    pub(crate) fn with_adapter(&self, adapter: Adapter) -> Result<Self, AdapterMismatch> {
        adapter.check(&*self.stored)?;
        let Self { stored, weights, .. } = self;
        Ok(Self { stored: Arc::clone(stored), weights: weights.clone(), adapter: Arc::new(adapter) })
    }

    /// A sum of what the adapter changes, if there is one.
    pub(crate) fn sum_of_adapter(&self) -> Option<String> {
        (*self.adapter != Adapter::default()).then(|| self.adapter.sum())
    }

    /// The change of a parameter that is added in use. Lengths of DoRA are those of sums, and tables are looked up: their changes
    /// are merged.
    fn added(&self, name: &str) -> Option<&LowRankChange> {
        let is_map = int8_axis(name) == Some(ScaleAxis::Columns);
        let is_sum = |change: &&LowRankChange| change.magnitude.is_none() && !change.up.values.is_empty();
        self.adapter.change_of(name).filter(|change| is_map && is_sum(change))
    }

    /// Whether a parameter is another than the file's.
    fn is_own(&self, name: &str) -> bool {
        let is_changed = self.adapter.params.contains_key(name) || self.adapter.change_of(name).is_some();
        is_changed && self.added(name).is_none()
    }
}

impl Source for SharedParams {
    fn names(&self) -> Vec<&str> {
        self.stored.names()
    }

    fn shape(&self, name: &str) -> Option<&[usize]> {
        self.stored.shape(name)
    }

    fn tensor(&self, name: &str) -> Result<Cow<'_, HostTensor>, WeightsError> {
        if let Some(own) = self.adapter.params.get(name) {
            return Ok(Cow::Borrowed(own));
        }
        let mut tensor = self.stored.tensor(name)?;
        if let Some(change) = self.adapter.change_of(name).filter(|_| self.is_own(name)) {
            change.merge(tensor.to_mut());
        }
        Ok(tensor)
    }

    fn rows(&self, name: &str) -> Result<Rows<'_>, WeightsError> {
        if self.is_own(name) { self.tensor(name).map(Rows::from) } else { self.stored.rows(name) }
    }

    fn blocks(&self, name: &str) -> Result<Option<Cow<'_, Blocks>>, WeightsError> {
        if self.is_own(name) { Ok(None) } else { self.stored.blocks(name) }
    }

    fn int8(&self, name: &str) -> Result<Option<Int8Rows<'_>>, WeightsError> {
        if self.is_own(name) { Ok(None) } else { self.stored.int8(name) }
    }

    fn low_rank(&self, name: &str) -> Option<LowRank<'_>> {
        self.added(name).map(LowRankChange::low_rank)
    }
}

impl Params for SharedParams {
    fn verify(&self) -> Result<(), BundleError> {
        self.stored.verify()
    }

    fn packed(&self) -> SharedWeights {
        self.weights.except(self.adapter.changed().filter(|name| self.is_own(name)).collect())
    }
}
