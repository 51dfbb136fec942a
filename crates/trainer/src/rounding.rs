//! Training for weights of fewer bits: passes of a model whose matrices are rounded.

use std::{collections::BTreeMap, fmt};

use attentive_core::describes;
use attentive_weights::{DeviceTensor, Rounding, check_tensor, with_values};
use burn::{
    module::{Module, ModuleMapper, Param},
    tensor::Tensor,
};
use serde::{Deserialize, Serialize};

use crate::TrainError;

/// Format to which weights are rounded while they are trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum QuantizeFormat {
    /// Signed bytes with a scale for each output and each word, as `quantize` writes them.
    Int8,
    /// GGUF's `Q8_0`: signed bytes with a scale for every 32 inputs of an output.
    #[serde(rename = "q8_0")]
    Q8_0,
    /// GGUF's `Q4_0`: four bits with a scale for every 32 inputs of an output.
    #[serde(rename = "q4_0")]
    Q4_0,
}

impl fmt::Display for QuantizeFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Int8 => "int8",
            Self::Q8_0 => "q8_0",
            Self::Q4_0 => "q4_0",
        })
    }
}

/// What rounds the matrices of a model that is trained; those that are frozen, once.
#[derive(Debug)]
pub(crate) struct Rounder {
    pub(crate) rounding: Box<dyn Rounding>,
    /// Patterns of the parameters that stay as they are.
    frozen: Vec<String>,
    /// Those of them that were rounded, by name.
    known: BTreeMap<String, Tensor<2>>,
}

impl Rounder {
    pub(crate) fn new(rounding: Box<dyn Rounding>, frozen: Vec<String>) -> Self {
        Self { rounding, frozen, known: BTreeMap::new() }
    }

    /// As [`rounded`], of a model whose frozen parameters are those of the last time.
    pub(crate) fn round<M: Module>(&mut self, model: M) -> Result<M, TrainError> {
        round(model, &*self.rounding, &self.frozen, &mut self.known)
    }

    /// The model has other parameters now, frozen ones too.
    pub(crate) fn forget(&mut self) {
        self.known.clear();
    }
}

/// `model` with its matrices rounded. Those are parameters of their own: a gradient of this model is one at rounded values.
///
/// A matrix with a number that is not finite stays as it is, so that the loss tells of it.
///
/// # Errors
/// [`TrainError::Quantize`] names a matrix that can't be rounded.
pub(crate) fn rounded<M: Module>(model: M, rounding: &dyn Rounding) -> Result<M, TrainError> {
    round(model, rounding, &[], &mut BTreeMap::new())
}

fn round<M: Module>(
    model: M,
    rounding: &dyn Rounding,
    frozen: &[String],
    known: &mut BTreeMap<String, Tensor<2>>,
) -> Result<M, TrainError> {
    let mut mapper = Mapper { path: Vec::new(), rounding, frozen, known, failure: None };
    let model = model.map(&mut mapper);
    mapper.failure.map_or(Ok(model), Err)
}

struct Mapper<'a> {
    path: Vec<String>,
    rounding: &'a dyn Rounding,
    frozen: &'a [String],
    known: &'a mut BTreeMap<String, Tensor<2>>,
    failure: Option<TrainError>,
}

impl ModuleMapper for Mapper<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = self.path.join(".");
        if D != 2 || !self.rounding.rounds(&name) {
            return param;
        }
        if let Some(known) = self.known.get(&name) {
            return param.map(|value| known.clone().reshape(value.dims()));
        }
        let matrix = DeviceTensor::new(param.val()).into_host();
        if check_tensor(&name, &matrix).is_err() {
            return param;
        }
        match self.rounding.round(&name, &matrix) {
            Ok(rounded) => {
                let param = with_values(param, rounded);
                if self.frozen.iter().any(|pattern| describes(pattern, &name)) {
                    self.known.insert(name, param.val().reshape([matrix.shape[0], matrix.shape[1]]));
                }
                param
            }
            Err(cause) => {
                self.failure.get_or_insert(TrainError::Quantize(cause));
                param
            }
        }
    }
}
