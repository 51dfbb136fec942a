//! Models on their way to a device: packed where it runs them best so, else on tensors.

use std::{any::Any, borrow::Cow};

use attentive_engine::{WeightFormat, WeightPacking};
use attentive_model::ModelSpec;
use attentive_weights::{Blocks, HostTensor, Int8Rows, LowRank, Rows, Source, WeightsError};
use burn::tensor::Device;

use crate::{Bundle, BundleError, Params, folder::CONFIG};

/// The configuration, if it is of the family `P`, which `device` runs best with packed weights.
pub(crate) fn packable<'a, P: ModelSpec>(spec: &'a impl ModelSpec, device: &Device) -> Option<&'a P> {
    (spec as &dyn Any).downcast_ref().filter(|_| attentive_backend::has_kernels(device))
}

/// A bundle, a device, and the precision that was asked for.
pub(crate) struct Destination<'a, P> {
    pub(crate) bundle: &'a Bundle<P>,
    pub(crate) device: &'a Device,
    pub(crate) format: Option<WeightFormat>,
}

impl<P: Params> Destination<'_, P> {
    /// The packed model that `new` makes of a configuration, the bundle's parameters and the precision.
    pub(crate) fn packed<C: ModelSpec, M>(
        self,
        config: &C,
        new: impl FnOnce(&C, &dyn Source, WeightPacking) -> Result<M, WeightsError>,
    ) -> Result<M, BundleError> {
        let Self { bundle, format, .. } = self;
        config.validate().map_err(|cause| bundle.bad_config(cause))?;
        let format = format.unwrap_or(bundle.decoding.precision);
        let model = new(config, &WithBlocks(bundle), WeightPacking { format, shared: bundle.params.packed() });
        bundle.params.verify()?;
        model.map_err(|cause| bundle.bad_weights(cause))
    }

    /// The model on tensors, which has no precision of its own.
    pub(crate) fn on_tensors<C: ModelSpec>(self) -> Result<C::Model, BundleError> {
        match (self.format, self.bundle.decoding.precision) {
            // Weights of an int8 bundle are rounded in its file, those in blocks have values of their own.
            (Some(WeightFormat::F32), _) | (None, WeightFormat::F32 | WeightFormat::Int8 | WeightFormat::Blocks) => {
                self.bundle.model::<C>(self.device)
            }
            (Some(format), _) => Err(BundleError::WeightFormat { format }),
            (None, format) => Err(BundleError::OwnWeightFormat { path: self.bundle.path.join(CONFIG), format }),
        }
    }
}

/// All parameters of a bundle, those too that it has in blocks.
pub(crate) struct WithBlocks<'a, P>(pub(crate) &'a Bundle<P>);

impl<P: Params> Source for WithBlocks<'_, P> {
    fn names(&self) -> Vec<&str> {
        let mut names = self.0.params.names();
        names.extend(self.0.blocks.keys().map(String::as_str));
        names.sort_unstable();
        names
    }

    fn shape(&self, name: &str) -> Option<&[usize]> {
        self.0.blocks.get(name).map(|blocks| &blocks.shape()[..]).or_else(|| self.0.params.shape(name))
    }

    fn tensor(&self, name: &str) -> Result<Cow<'_, HostTensor>, WeightsError> {
        match self.0.blocks.get(name) {
            Some(blocks) => Ok(Cow::Owned(blocks.to_host())),
            None => self.0.params.tensor(name),
        }
    }

    fn rows(&self, name: &str) -> Result<Rows<'_>, WeightsError> {
        match self.0.blocks.get(name) {
            Some(_) => self.tensor(name).map(Rows::from),
            None => self.0.params.rows(name),
        }
    }

    fn blocks(&self, name: &str) -> Result<Option<Cow<'_, Blocks>>, WeightsError> {
        match self.0.blocks.get(name) {
            Some(blocks) => Ok(Some(Cow::Borrowed(blocks))),
            None => self.0.params.blocks(name),
        }
    }

    fn int8(&self, name: &str) -> Result<Option<Int8Rows<'_>>, WeightsError> {
        self.0.params.int8(name)
    }

    fn low_rank(&self, name: &str) -> Option<LowRank<'_>> {
        self.0.params.low_rank(name)
    }
}
