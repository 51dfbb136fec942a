use crate::softmax;

/// The dimensions of [`Attention`].
#[derive(Clone, Copy, Debug)]
pub struct AttentionShape {
    /// Sequences.
    pub batch: usize,
    /// Heads.
    pub heads: usize,
    /// Queries of each sequence.
    pub q_len: usize,
    /// Keys and values of each sequence.
    pub k_len: usize,
    /// Features of a query and of a key.
    pub d_k: usize,
    /// Features of a value.
    pub d_v: usize,
}

/// Scaled dot-product attention `softmax(q kᵀ / √d_k) v`, every weight written out.
///
/// Source: Vaswani et al. 2017, section 3.2.1, equation 1. A key is hidden when its flag says so or, with `causal`, when
/// it lies after the query; the last query is at the position of the last key, as when decoding with a cache. A query
/// with no visible key gives zeros. Dropout acts on the weights after the soft-max.
#[derive(Clone, Copy, Debug)]
pub struct Attention<'a> {
    /// Dimensions.
    pub shape: AttentionShape,
    /// `[batch, k_len]`, true = hidden.
    pub hidden: Option<&'a [bool]>,
    /// Whether a query sees no later key.
    pub causal: bool,
    /// Which weights survive, `[batch, heads, q_len, k_len]`, and the factor that survivors are scaled by.
    pub keep: Option<(&'a [bool], f64)>,
}

impl Attention<'_> {
    /// `q` `[batch, heads, q_len, d_k]`, `k` `[batch, heads, k_len, d_k]`, `v` `[batch, heads, k_len, d_v]`; returns
    /// `[batch, heads, q_len, d_v]`.
    pub fn forward(&self, q: &[f64], k: &[f64], v: &[f64]) -> Vec<f64> {
        let AttentionShape { batch, heads, q_len, k_len, d_k, d_v } = self.shape;
        let mut out = vec![0.0; batch * heads * q_len * d_v];
        for head in 0..batch * heads {
            for i in 0..q_len {
                let row = head * q_len + i;
                let scores: Vec<f64> = (0..k_len)
                    .map(|j| {
                        let dot: f64 = (0..d_k).map(|c| q[row * d_k + c] * k[(head * k_len + j) * d_k + c]).sum();
                        if self.is_hidden(head / heads, i, j) { f64::NEG_INFINITY } else { dot / (d_k as f64).sqrt() }
                    })
                    .collect();
                for (j, weight) in softmax(&scores, k_len).into_iter().enumerate() {
                    let weight = match self.keep {
                        Some((keep, scale)) => weight * if keep[row * k_len + j] { scale } else { 0.0 },
                        None => weight,
                    };
                    for c in 0..d_v {
                        out[row * d_v + c] += weight * v[(head * k_len + j) * d_v + c];
                    }
                }
            }
        }
        out
    }

    fn is_hidden(&self, batch_idx: usize, i: usize, j: usize) -> bool {
        let AttentionShape { q_len, k_len, .. } = self.shape;
        self.hidden.is_some_and(|hidden| hidden[batch_idx * k_len + j]) || (self.causal && j + q_len > i + k_len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assert_close;

    const SHAPE: AttentionShape = AttentionShape { batch: 1, heads: 1, q_len: 2, k_len: 2, d_k: 1, d_v: 1 };

    #[test]
    fn two_by_two_worked_by_hand() {
        // Scores ln 3 and 0 give weights 3/4 and 1/4; a query of zero sees both keys alike.
        let plain = Attention { shape: SHAPE, hidden: None, causal: false, keep: None };
        let (q, k, v) = ([3f64.ln(), 0.0], [1.0, 0.0], [4.0, 8.0]);
        assert_close(&plain.forward(&q, &k, &v), &[5.0, 6.0], 1e-12, 0.0);
        assert_close(&Attention { causal: true, ..plain }.forward(&q, &k, &v), &[4.0, 6.0], 1e-12, 0.0);
        assert_close(&Attention { hidden: Some(&[true, true]), ..plain }.forward(&q, &k, &v), &[0.0; 2], 0.0, 0.0);
        let keep = Attention { keep: Some((&[true, false, false, true], 2.0)), ..plain };
        assert_close(&keep.forward(&q, &k, &v), &[6.0, 8.0], 1e-12, 0.0);
    }
}
