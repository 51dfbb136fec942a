//! The rounding of weights that a run trains for.

use attentive_bundle::{PackedRounding, WeightFormat};
use attentive_model::ModelSpec;
use attentive_trainer::QuantizeFormat;
use attentive_weights::Rounding;

/// What rounds the matrices of a model to a format while it is trained, if its family is packed.
pub(crate) fn rounding(spec: &impl ModelSpec, format: QuantizeFormat) -> Option<Box<dyn Rounding>> {
    let format = match format {
        QuantizeFormat::Int8 => WeightFormat::Int8,
        QuantizeFormat::Q8_0 => WeightFormat::Q8_0,
        QuantizeFormat::Q4_0 => WeightFormat::Q4_0,
    };
    let rounding: Box<dyn Rounding> = Box::new(PackedRounding::new(spec, format)?);
    Some(rounding)
}
