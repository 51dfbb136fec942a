use crate::softmax;

/// The dimensions of [`Attention`].
#[derive(Clone, Copy, Debug)]
pub struct AttentionShape {
    /// Sequences.
    pub batch: usize,
    /// Heads of queries.
    pub heads: usize,
    /// Heads of keys and values: each serves `heads / kv_heads` neighbouring heads of queries.
    pub kv_heads: usize,
    /// Queries of each sequence.
    pub q_len: usize,
    /// Keys and values of each sequence.
    pub k_len: usize,
    /// Features of a query and of a key.
    pub d_k: usize,
    /// Features of a value.
    pub d_v: usize,
}

/// Scaled dot-product attention `softmax(scale · q kᵀ + bias) v`, every weight written out.
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
    /// Keys this far from a query, or farther, are hidden from it.
    pub window: Option<usize>,
    /// `[batch, heads, q_len, k_len]`.
    pub bias: Option<&'a [f64]>,
    /// `1 / √d_k` in the paper.
    pub scale: f64,
    /// The surviving weights, `[batch, heads, q_len, k_len]`, and the factor of survivors.
    pub keep: Option<(&'a [bool], f64)>,
}

impl Attention<'_> {
    /// Every query sees every key, and scores are divided by √d_k.
    pub fn new(shape: AttentionShape) -> Self {
        let scale = 1.0 / (shape.d_k as f64).sqrt();
        Self { shape, hidden: None, causal: false, window: None, bias: None, scale, keep: None }
    }

    /// `q` `[batch, heads, q_len, d_k]`, `k` `[batch, kv_heads, k_len, d_k]`, `v` `[batch, kv_heads, k_len, d_v]`; returns
    /// `[batch, heads, q_len, d_v]`.
    pub fn forward(&self, q: &[f64], k: &[f64], v: &[f64]) -> Vec<f64> {
        let AttentionShape { batch, heads, kv_heads, q_len, k_len, d_k, d_v } = self.shape;
        let mut out = vec![0.0; batch * heads * q_len * d_v];
        for head in 0..batch * heads {
            let kv_head = head / heads * kv_heads + head % heads / (heads / kv_heads);
            for i in 0..q_len {
                let row = head * q_len + i;
                let scores: Vec<f64> = (0..k_len)
                    .map(|j| {
                        let dot: f64 = (0..d_k).map(|c| q[row * d_k + c] * k[(kv_head * k_len + j) * d_k + c]).sum();
                        let bias = self.bias.map_or(0.0, |bias| bias[row * k_len + j]);
                        if self.is_hidden(head / heads, i, j) { f64::NEG_INFINITY } else { dot * self.scale + bias }
                    })
                    .collect();
                for (j, weight) in softmax(&scores, k_len).into_iter().enumerate() {
                    let weight = match self.keep {
                        Some((keep, scale)) => weight * if keep[row * k_len + j] { scale } else { 0.0 },
                        None => weight,
                    };
                    for c in 0..d_v {
                        out[row * d_v + c] += weight * v[(kv_head * k_len + j) * d_v + c];
                    }
                }
            }
        }
        out
    }

    fn is_hidden(&self, batch_idx: usize, i: usize, j: usize) -> bool {
        let AttentionShape { q_len, k_len, .. } = self.shape;
        // Distance of the key after the query.
        let offset = (j + q_len) as isize - (i + k_len) as isize;
        self.hidden.is_some_and(|hidden| hidden[batch_idx * k_len + j])
            || (self.causal && offset > 0)
            || self.window.is_some_and(|window| offset.unsigned_abs() >= window)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assert_close;

    const SHAPE: AttentionShape =
        AttentionShape { batch: 1, heads: 1, kv_heads: 1, q_len: 2, k_len: 2, d_k: 1, d_v: 1 };

    #[test]
    fn two_by_two_worked_by_hand() {
        // Scores ln 3 and 0 give weights 3/4 and 1/4; a query of zero sees both keys alike.
        let plain = Attention::new(SHAPE);
        let (q, k, v) = ([3f64.ln(), 0.0], [1.0, 0.0], [4.0, 8.0]);
        assert_close(&plain.forward(&q, &k, &v), &[5.0, 6.0], 1e-12, 0.0);
        assert_close(&Attention { causal: true, ..plain }.forward(&q, &k, &v), &[4.0, 6.0], 1e-12, 0.0);
        assert_close(&Attention { hidden: Some(&[true, true]), ..plain }.forward(&q, &k, &v), &[0.0; 2], 0.0, 0.0);
        let keep = Attention { keep: Some((&[true, false, false, true], 2.0)), ..plain };
        assert_close(&keep.forward(&q, &k, &v), &[6.0, 8.0], 1e-12, 0.0);
        assert_close(&Attention { window: Some(1), ..plain }.forward(&q, &k, &v), &[4.0, 8.0], 1e-12, 0.0);
        let biased = Attention { bias: Some(&[0.0, 3f64.ln(), 0.0, 0.0]), ..plain };
        assert_close(&biased.forward(&q, &k, &v), &[6.0, 6.0], 1e-12, 0.0);
    }
}
