//! The translation of least risk.

use attentive_bundle::Translation;
use attentive_decode::minimum_bayes_risk;
use attentive_metrics::{Chrf, MetricError, Scorer};

/// Of samples of one text, the one that is most like all of them by chrF: that of the least Bayes risk (Kumar and Byrne 2004;
/// Eikema and Aziz 2020). Nothing of none.
///
/// # Errors
/// As chrF's.
pub fn least_risk(mut samples: Vec<Translation>) -> Result<Vec<Translation>, MetricError> {
    let chrf = Chrf::default();
    // Many samples may be one text, which is compared once: its number weighs it.
    let mut texts: Vec<(usize, f64)> = Vec::new();
    for (idx, sample) in samples.iter().enumerate() {
        match texts.iter_mut().find(|(first, _)| samples[*first].text == sample.text) {
            Some((_, n)) => *n += 1.0,
            None => texts.push((idx, 1.0)),
        }
    }
    let of_pair = |(a, b): (usize, usize)| Ok(chrf.sentence(&samples[a].text, &[&samples[b].text])?.score);
    let pairs = texts.iter().flat_map(|(a, _)| texts.iter().map(move |(b, _)| (*a, *b)));
    let likeness = pairs.map(of_pair).collect::<Result<Vec<f64>, MetricError>>()?;
    let best = minimum_bayes_risk(texts.len(), |a, b| texts[b].1 * likeness[a * texts.len() + b]);
    Ok(best.map(|best| samples.swap_remove(texts[best].0)).into_iter().collect())
}
