//! Values that a model can use.

use crate::{HostTensor, Tensors, WeightsError};

/// Checks that every value is a finite number.
///
/// ```
/// use attentive_weights::{HostTensor, check_finite};
///
/// let bias = HostTensor { shape: vec![2], values: vec![0.5, f32::NAN] };
/// let error = check_finite(&[("layers.0.bias".to_owned(), bias)].into()).unwrap_err();
/// assert!(error.to_string().starts_with("layers.0.bias: value 1 is NaN"));
/// ```
///
/// # Errors
/// [`WeightsError::NotFinite`] names the first parameter with another value.
pub fn check_finite(tensors: &Tensors) -> Result<(), WeightsError> {
    tensors.iter().try_for_each(|(name, tensor)| check_tensor(name, tensor))
}

/// [`check_finite`] of one tensor.
///
/// # Errors
/// [`WeightsError::NotFinite`] names it.
pub fn check_tensor(name: &str, tensor: &HostTensor) -> Result<(), WeightsError> {
    check_values(name, 0, &tensor.values)
}

/// [`check_finite`] of the values of one tensor from its value `first` on.
pub(crate) fn check_values(name: &str, first: usize, values: &[f32]) -> Result<(), WeightsError> {
    // The largest magnitude as bits, which the compiler finds by vectors; only what is not finite is looked for.
    let largest = values.iter().fold(0, |largest, value| value.abs().to_bits().max(largest));
    if f32::from_bits(largest).is_finite() {
        return Ok(());
    }
    match values.iter().position(|value| !value.is_finite()) {
        Some(at) => Err(WeightsError::NotFinite { name: name.to_owned(), index: first + at, value: values[at] }),
        None => Ok(()),
    }
}
