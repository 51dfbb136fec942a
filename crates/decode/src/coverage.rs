//! How much of the source a translation has looked at.

/// The coverage penalty `β Σ ln(min(Σ p, 1))`, which is added to a score: the sums are of the attention that each token of the
/// source has had, `attention`, over the tokens of the translation. At most 0, where every token has had as much as one.
///
/// Source: Wu et al. 2016, "Google's Neural Machine Translation System", equation 14.
///
/// ```
/// use attentive_decode::coverage_penalty;
///
/// assert_eq!(coverage_penalty(&[1.0, 2.5], 0.2), 0.0);
/// assert!((coverage_penalty(&[0.5, 1.0], 0.2) + 0.2 * 2_f64.ln()).abs() < 1e-12);
/// ```
pub fn coverage_penalty(attention: &[f64], beta: f64) -> f64 {
    // A sum that is 0 for rounding is the least that there is.
    let least = f64::from(f32::MIN_POSITIVE);
    beta * attention.iter().map(|sum| sum.clamp(least, 1.0).ln()).sum::<f64>()
}

/// The attention that each token of a source has had; of no tokens where nobody asks.
#[derive(Debug, Clone, Default)]
pub(crate) struct Coverage(Vec<f64>);

impl Coverage {
    /// With the attention of one more token of the translation.
    pub(crate) fn with(&self, attention: Option<&Vec<f32>>) -> Self {
        let Some(attention) = attention else { return self.clone() };
        let before = self.0.iter().copied().chain(std::iter::repeat(0.0));
        Self(attention.iter().zip(before).map(|(p, sum)| sum + f64::from(*p)).collect())
    }

    pub(crate) fn penalty(&self, beta: f64) -> f64 {
        if beta == 0.0 { 0.0 } else { coverage_penalty(&self.0, beta) }
    }
}
