/// Layer normalisation of each row: `γ (x - μ) / √(σ² + ε) + β`, σ² without Bessel's correction.
///
/// Source: Ba, Kiros and Hinton 2016, equations 3 and 4. `x` is `[rows, d]`, `gamma` and `beta` are `[d]`.
pub fn layer_norm(x: &[f64], gamma: &[f64], beta: &[f64], eps: f64) -> Vec<f64> {
    let d = gamma.len();
    x.chunks_exact(d)
        .flat_map(|row| {
            let (mean, rstd) = moments(row, eps);
            (0..d).map(move |j| gamma[j] * (row[j] - mean) * rstd + beta[j])
        })
        .collect()
}

/// The gradients of [`layer_norm`] for an upstream gradient.
#[derive(Clone, Debug)]
pub struct LayerNormGradient {
    /// For the input, `[rows, d]`.
    pub x: Vec<f64>,
    /// For the gain, `[d]`.
    pub gamma: Vec<f64>,
    /// For the bias, `[d]`.
    pub beta: Vec<f64>,
}

/// Backward pass of [`layer_norm`]: `dx = rstd (g - mean(g) - x̂ mean(g x̂))` with `g = γ dy`.
pub fn layer_norm_backward(x: &[f64], gamma: &[f64], dy: &[f64], eps: f64) -> LayerNormGradient {
    let d = gamma.len();
    let mut grad = LayerNormGradient { x: Vec::with_capacity(x.len()), gamma: vec![0.0; d], beta: vec![0.0; d] };
    for (row, dy) in x.chunks_exact(d).zip(dy.chunks_exact(d)) {
        let (mean, rstd) = moments(row, eps);
        let x_hat: Vec<f64> = row.iter().map(|x| (x - mean) * rstd).collect();
        let g: Vec<f64> = (0..d).map(|j| gamma[j] * dy[j]).collect();
        let mean_g = g.iter().sum::<f64>() / d as f64;
        let mean_gx = g.iter().zip(&x_hat).map(|(g, x)| g * x).sum::<f64>() / d as f64;
        for j in 0..d {
            grad.x.push(rstd * (g[j] - mean_g - x_hat[j] * mean_gx));
            grad.gamma[j] += dy[j] * x_hat[j];
            grad.beta[j] += dy[j];
        }
    }
    grad
}

/// Root-mean-square normalisation of each row: `γ x / √(mean(x²) + ε)`. Source: Zhang and Sennrich 2019, equation 4.
pub fn rms_norm(x: &[f64], gamma: &[f64], eps: f64) -> Vec<f64> {
    let d = gamma.len();
    x.chunks_exact(d)
        .flat_map(|row| {
            let rstd = 1.0 / (row.iter().map(|x| x * x).sum::<f64>() / d as f64 + eps).sqrt();
            (0..d).map(move |j| gamma[j] * row[j] * rstd)
        })
        .collect()
}

fn moments(row: &[f64], eps: f64) -> (f64, f64) {
    let mean = row.iter().sum::<f64>() / row.len() as f64;
    let variance = row.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / row.len() as f64;
    (mean, 1.0 / (variance + eps).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{assert_close, gradient};

    const X: [f64; 6] = [1.0, 2.0, 4.0, -1.0, 0.5, 3.0];
    const GAMMA: [f64; 3] = [1.5, -0.5, 2.0];
    const BETA: [f64; 3] = [0.1, 0.2, 0.3];

    #[test]
    fn a_row_worked_by_hand() {
        // Mean 2, variance 1: only the sign of each deviation is left.
        assert_close(&layer_norm(&[1.0, 3.0], &[1.0; 2], &[0.0; 2], 0.0), &[-1.0, 1.0], 1e-15, 0.0);
        assert_close(&rms_norm(&[3.0, 4.0], &[1.0; 2], 0.0), &[3.0 / 12.5f64.sqrt(), 4.0 / 12.5f64.sqrt()], 1e-15, 0.0);
    }

    #[test]
    fn backward_is_the_gradient_of_forward() {
        let dy = [0.3, -0.7, 1.1, 0.9, 0.2, -0.4];
        let loss = |y: Vec<f64>| y.iter().zip(&dy).map(|(y, g)| y * g).sum::<f64>();
        let grad = layer_norm_backward(&X, &GAMMA, &dy, 1e-5);
        assert_close(&grad.x, &gradient(|x| loss(layer_norm(x, &GAMMA, &BETA, 1e-5)), &X), 1e-7, 1e-9);
        assert_close(&grad.gamma, &gradient(|g| loss(layer_norm(&X, g, &BETA, 1e-5)), &GAMMA), 1e-7, 1e-9);
        assert_close(&grad.beta, &gradient(|b| loss(layer_norm(&X, &GAMMA, b, 1e-5)), &BETA), 1e-7, 1e-9);
    }
}
