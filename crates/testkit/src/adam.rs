/// Adam with decoupled weight decay, one scalar step after another.
///
/// `m ← β₁ m + (1 - β₁) g`, `v ← β₂ v + (1 - β₂) g²`, `w ← w - lr (m̂ / (√v̂ + ε) + λ w)` with `m̂ = m / (1 - β₁ᵗ)` and
/// `v̂ = v / (1 - β₂ᵗ)`. Source: Kingma and Ba 2015, algorithm 1; Loshchilov and Hutter 2019, algorithm 2 (λ = 0 gives
/// Adam).
#[derive(Clone, Copy, Debug)]
pub struct Adam {
    /// Step size.
    pub lr: f64,
    /// Decay of the first moment.
    pub beta_1: f64,
    /// Decay of the second moment.
    pub beta_2: f64,
    /// Added to the root of the second moment.
    pub eps: f64,
    /// Decoupled weight decay λ, scaled by `lr`.
    pub weight_decay: f64,
}

/// The moments of each weight, zero before the first step.
#[derive(Clone, Debug)]
pub struct AdamMoments {
    /// First moments.
    pub m: Vec<f64>,
    /// Second moments.
    pub v: Vec<f64>,
}

impl AdamMoments {
    /// Moments of `n` weights before the first step.
    pub fn zeros(n: usize) -> Self {
        Self { m: vec![0.0; n], v: vec![0.0; n] }
    }
}

impl Adam {
    /// One update, the `step`-th counted from 1.
    pub fn update(&self, weights: &mut [f64], grads: &[f64], moments: &mut AdamMoments, step: u32) {
        for i in 0..weights.len() {
            moments.m[i] = self.beta_1 * moments.m[i] + (1.0 - self.beta_1) * grads[i];
            moments.v[i] = self.beta_2 * moments.v[i] + (1.0 - self.beta_2) * grads[i] * grads[i];
            let m_hat = moments.m[i] / (1.0 - self.beta_1.powi(step as i32));
            let v_hat = moments.v[i] / (1.0 - self.beta_2.powi(step as i32));
            weights[i] -= self.lr * (m_hat / (v_hat.sqrt() + self.eps) + self.weight_decay * weights[i]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assert_close;

    #[test]
    fn the_first_step_has_the_size_of_lr() {
        let adam = Adam { lr: 0.1, beta_1: 0.9, beta_2: 0.98, eps: 0.0, weight_decay: 0.0 };
        let mut weights = [1.0, -2.0];
        adam.update(&mut weights, &[0.003, -40.0], &mut AdamMoments::zeros(2), 1);
        assert_close(&weights, &[0.9, -1.9], 1e-12, 0.0);
    }
}
