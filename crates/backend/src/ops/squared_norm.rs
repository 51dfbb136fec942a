use burn::tensor::Tensor;

/// `Σ x²`, as a tensor of one value: the square of a gradient's L2 norm.
pub fn squared_norm(x: Tensor<1>) -> Tensor<1> {
    #[cfg(feature = "flex")]
    if crate::fused::applies(&x) {
        return crate::fused::squared_norm(x);
    }
    x.square().sum()
}
