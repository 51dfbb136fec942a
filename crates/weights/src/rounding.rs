//! The interface of what rounds matrices.

use std::fmt;

use crate::{HostTensor, WeightsError};

/// Rounding of a model's matrices to the values of a format of fewer bits.
///
/// It is what training and the packing of weights have in common, which do not know each other.
pub trait Rounding: fmt::Debug {
    /// Whether the matrix of a name is rounded.
    fn rounds(&self, name: &str) -> bool;

    /// A matrix of a name, rounded if it is one that is.
    ///
    /// # Errors
    /// [`WeightsError::Blocks`] if the format can't hold the matrix.
    fn round(&self, name: &str, matrix: &HostTensor) -> Result<HostTensor, WeightsError>;
}
