//! Tokens to a model's device, and scores back from it.

use attentive_core::{DeviceError, Scores, TokenId, TokenMatrix};
use burn::tensor::{Device, Int, Tensor, TensorData, activation::log_softmax};

/// Token ids on a device: `[rows, cols]`.
pub(crate) fn token_tensor(tokens: &TokenMatrix, device: &Device) -> Tensor<2, Int> {
    let ids: Vec<i64> = tokens.ids().iter().map(|&id| i64::from(id)).collect();
    Tensor::from_data(TensorData::new(ids, [tokens.n_rows(), tokens.n_cols()]), device)
}

/// The new tokens of `rows` rows, `[rows × new]`, on a device: `[rows, new]`.
///
/// # Panics
/// If rows differ in their number of new tokens.
pub(crate) fn new_tokens(tokens: &[TokenId], rows: usize, device: &Device) -> Tensor<2, Int> {
    let new = tokens.len().checked_div(rows).unwrap_or(0);
    assert_eq!(tokens.len(), rows * new, "advance: the state has another number of rows");
    let ids: Vec<i64> = tokens.iter().map(|&id| i64::from(id)).collect();
    Tensor::from_data(TensorData::new(ids, [rows, new]), device)
}

/// Log-probabilities of the logits of each row, `[rows, vocab]`, on the host.
pub(crate) fn scores(logits: Tensor<2>) -> Result<Scores, DeviceError> {
    log_softmax(logits, 1).try_into_vec_as::<f32>().map(Scores::All).map_err(DeviceError::new)
}

/// The segment of each token on a device: `[rows, cols]`.
pub(crate) fn segment_tensor(segments: &[u8], shape: [usize; 2], device: &Device) -> Tensor<2, Int> {
    let segments: Vec<i64> = segments.iter().map(|&segment| i64::from(segment)).collect();
    Tensor::from_data(TensorData::new(segments, shape), device)
}

/// The vectors at some places, `row · positions + position`: `[rows, positions, d_model]` to `[places, d_model]`.
pub(crate) fn vectors_at(x: Tensor<3>, places: &[u32]) -> Tensor<2> {
    let [rows, n, d_model] = x.dims();
    let indices: Vec<i64> = places.iter().map(|&place| i64::from(place)).collect();
    let indices = Tensor::<1, Int>::from_data(TensorData::new(indices, [places.len()]), &x.device());
    x.reshape([rows * n, d_model]).select(0, indices)
}
