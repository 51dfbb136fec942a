//! Positions as rotations of queries and keys.

use burn::tensor::Tensor;

/// Turns each pair of features `(x_i, x_{i + d/2})` by an angle: `x_i cos - x_{i + d/2} sin`, `x_{i + d/2} cos + x_i sin`.
///
/// Source: Su et al. 2021, "RoFormer", §3.4.2. There pairs are neighbours; pairing the halves, as GPT-NeoX does, is the
/// same up to the order of the projections' columns, and needs no interleaving.
///
/// # Shapes
/// - `x`: `[batch, heads, seq, d]`, `cos` and `sin` of each position's angles: `[seq, d / 2]`
/// - returns `[batch, heads, seq, d]`
///
/// # Panics
/// If `d` is odd.
pub fn rotate(x: Tensor<4>, cos: Tensor<2>, sin: Tensor<2>) -> Tensor<4> {
    let [.., d] = x.dims();
    assert!(d.is_multiple_of(2), "a head of {d} features has no pairs to rotate");
    #[cfg(feature = "flex")]
    if crate::fused::applies(&x) {
        return crate::fused::rotation(x, cos, sin);
    }
    let (a, b) = (x.clone().narrow(3, 0, d / 2), x.narrow(3, d / 2, d / 2));
    let (cos, sin) = (cos.unsqueeze::<4>(), sin.unsqueeze::<4>()); // [1, 1, seq, d / 2]
    let turned = [a.clone() * cos.clone() - b.clone() * sin.clone(), b * cos + a * sin];
    Tensor::cat(turned.into(), 3)
}
