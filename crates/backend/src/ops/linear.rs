//! Affine maps.

use burn::tensor::Tensor;

/// `x W + b` over the last axis.
///
/// # Shapes
/// - `x`: `[..., d_in]`, `weight`: `[d_in, d_out]`, `bias`: `[d_out]`
/// - returns `[..., d_out]`
///
/// # Panics
/// If the last axis of `x` is not `d_in`.
pub fn linear<const D: usize>(x: Tensor<D>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<D> {
    let mut shape = x.dims();
    let [d_in, d_out] = weight.dims();
    assert_eq!(shape[D - 1], d_in, "linear: the input ends in {}, the weight takes {d_in}", shape[D - 1]);
    #[cfg(feature = "flex")]
    if crate::fused::applies(&x) {
        let bias = bias.unwrap_or_else(|| Tensor::zeros([d_out], &x.device()));
        return crate::fused::linear(x, weight, bias);
    }
    // Rows are folded so that the weight's gradient is one product, not one for each batch entry.
    let n_rows = shape[..D - 1].iter().product();
    let y = crate::precision::product(x.reshape([n_rows, d_in]), weight);
    let y = match bias {
        Some(bias) => y + bias.unsqueeze(),
        None => y,
    }; // [rows, d_out]
    shape[D - 1] = d_out;
    y.reshape(shape)
}
