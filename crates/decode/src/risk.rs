//! Choosing among samples.

/// The one of `n` samples that is most like all of them: the index `i` of the greatest `Σⱼ utility(i, j)`, the first among
/// equals; `None` without samples. A sum that is not a number is less than all.
///
/// With translations that a model draws as samples and a metric as utility, it is the choice of minimum Bayes risk (Kumar and
/// Byrne 2004; Eikema and Aziz 2020, "Is MAP Decoding All You Need?", eq. 5).
///
/// ```
/// let samples = [3.0_f64, 10.0, 4.0];
/// let likeness = |i: usize, j: usize| -(samples[i] - samples[j]).abs();
/// assert_eq!(attentive_decode::minimum_bayes_risk(samples.len(), likeness), Some(2));
/// ```
pub fn minimum_bayes_risk(n: usize, mut utility: impl FnMut(usize, usize) -> f64) -> Option<usize> {
    let mut best: Option<(usize, f64)> = None;
    for sample in 0..n {
        let sum: f64 = (0..n).map(|other| utility(sample, other)).sum();
        if best.is_none_or(|(_, greatest)| sum > greatest || (greatest.is_nan() && !sum.is_nan())) {
            best = Some((sample, sum));
        }
    }
    best.map(|(sample, _)| sample)
}
