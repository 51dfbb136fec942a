//! Tokens on their way to a model.

use attentive_core::TokenMatrix;
use burn::tensor::{Device, Int, Tensor, TensorData};

/// Token ids on a device: `[rows, cols]`.
pub(crate) fn token_tensor(tokens: &TokenMatrix, device: &Device) -> Tensor<2, Int> {
    let ids: Vec<i64> = tokens.ids().iter().map(|&id| i64::from(id)).collect();
    Tensor::from_data(TensorData::new(ids, [tokens.n_rows(), tokens.n_cols()]), device)
}

/// The segment of each token on a device: `[rows, cols]`.
pub(crate) fn segment_tensor(segments: &[u8], shape: [usize; 2], device: &Device) -> Tensor<2, Int> {
    let segments: Vec<i64> = segments.iter().map(|&segment| i64::from(segment)).collect();
    Tensor::from_data(TensorData::new(segments, shape), device)
}
