//! Training for weights of fewer bits: passes of a model whose matrices are rounded.

use std::fmt;

use attentive_weights::{DeviceTensor, Rounding, with_values};
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

/// `model` with its matrices rounded. Those are parameters of their own: a gradient of this model is one at rounded values.
///
/// A matrix with a number that is not finite stays as it is, so that the loss tells of it.
///
/// # Errors
/// [`TrainError::Quantize`] names a matrix that can't be rounded.
pub(crate) fn rounded<M: Module>(model: M, rounding: &dyn Rounding) -> Result<M, TrainError> {
    let mut rounder = Rounder { path: Vec::new(), rounding, failure: None };
    let model = model.map(&mut rounder);
    rounder.failure.map_or(Ok(model), Err)
}

struct Rounder<'a> {
    path: Vec<String>,
    rounding: &'a dyn Rounding,
    failure: Option<TrainError>,
}

impl ModuleMapper for Rounder<'_> {
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
        let matrix = DeviceTensor::new(param.val()).into_host();
        if !matrix.values.iter().all(|value| value.is_finite()) {
            return param;
        }
        match self.rounding.round(&name, &matrix) {
            Ok(rounded) => with_values(param, rounded),
            Err(cause) => {
                self.failure.get_or_insert(TrainError::Quantize(cause));
                param
            }
        }
    }
}
