/// `a · b` for `a` `[m, k]` and `b` `[k, n]`; returns `[m, n]`.
///
/// # Panics
/// If a slice's length does not match the dimensions.
pub fn matmul(a: &[f64], b: &[f64], [m, k, n]: [usize; 3]) -> Vec<f64> {
    assert_eq!((a.len(), b.len()), (m * k, k * n));
    let mut c = vec![0.0; m * n];
    for i in 0..m {
        for j in 0..n {
            c[i * n + j] = (0..k).map(|p| a[i * k + p] * b[p * n + j]).sum();
        }
    }
    c
}

/// `xᵀ` for `x` `[rows, cols]`; returns `[cols, rows]`.
pub fn transpose(x: &[f64], [rows, cols]: [usize; 2]) -> Vec<f64> {
    (0..rows * cols).map(|i| x[i % rows * cols + i / rows]).collect()
}

/// `x · w + b` for `x` `[n, d_in]`, `w` `[d_in, d_out]` and `b` `[d_out]`; returns `[n, d_out]`.
///
/// # Panics
/// If a slice's length does not match the dimensions.
pub fn linear(x: &[f64], w: &[f64], b: Option<&[f64]>, [n, d_in, d_out]: [usize; 3]) -> Vec<f64> {
    let mut y = matmul(x, w, [n, d_in, d_out]);
    if let Some(b) = b {
        for row in y.chunks_exact_mut(d_out) {
            row.iter_mut().zip(b).for_each(|(y, b)| *y += b);
        }
    }
    y
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_worked_by_hand() {
        let y = linear(&[1.0, 2.0], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], Some(&[10.0, 20.0, 30.0]), [1, 2, 3]);
        assert_eq!(y, [19.0, 32.0, 45.0]);
        assert_eq!(transpose(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3]), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    }
}
