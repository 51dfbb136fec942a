pub use attentive_kernels::{NORM_BLOCK, squares_of_blocks};
use burn::tensor::Tensor;

/// `Σ x²`, as a tensor of one value: the square of a gradient's L2 norm.
pub fn squared_norm(x: Tensor<1>) -> Tensor<1> {
    #[cfg(feature = "flex")]
    if crate::fused::applies(&x) {
        return crate::fused::squared_norm(x);
    }
    x.square().sum()
}

/// [`squared_norm`] on flex of a vector whose blocks of [`NORM_BLOCK`] values have these sums of squares.
pub fn squared_norm_of_blocks(squares: &[f32]) -> f32 {
    squares.iter().copied().map(f64::from).sum::<f64>() as f32
}
