//! The translation of least risk.

use std::str::FromStr;

use attentive_bundle::Translation;
use attentive_decode::minimum_bayes_risk;
use attentive_metrics::{Bleu, Chrf, MetricError, Scorer};

/// How alike two texts are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Likeness {
    /// chrF of one against the other.
    #[default]
    Chrf,
    /// BLEU of one against the other, of as many orders of n-grams as it has, as sacreBLEU takes that of a sentence.
    Bleu,
}

/// What is no [`Likeness`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a score that texts are compared by: write chrf or bleu")]
pub struct BadLikeness(String);

impl FromStr for Likeness {
    type Err = BadLikeness;

    fn from_str(name: &str) -> Result<Self, BadLikeness> {
        match name {
            "chrf" => Ok(Self::Chrf),
            "bleu" => Ok(Self::Bleu),
            _ => Err(BadLikeness(name.to_owned())),
        }
    }
}

impl Likeness {
    fn of(self, text: &str, other: &str) -> Result<f64, MetricError> {
        match self {
            Self::Chrf => Ok(Chrf::default().sentence(text, &[other])?.score),
            Self::Bleu => {
                let bleu = Bleu { effective_order: true, ..Bleu::default() };
                Ok(bleu.sentence(text, &[other])?.score)
            }
        }
    }
}

/// Of samples of one text, the one that is most like all of them: that of the least Bayes risk (Kumar and Byrne 2004; Eikema
/// and Aziz 2020). Nothing of none.
///
/// # Errors
/// As the score's.
pub fn least_risk(mut samples: Vec<Translation>, likeness: Likeness) -> Result<Vec<Translation>, MetricError> {
    // Many samples may be one text, which is compared once: its number weighs it.
    let mut texts: Vec<(usize, f64)> = Vec::new();
    for (idx, sample) in samples.iter().enumerate() {
        match texts.iter_mut().find(|(first, _)| samples[*first].text == sample.text) {
            Some((_, n)) => *n += 1.0,
            None => texts.push((idx, 1.0)),
        }
    }
    let pairs = texts.iter().flat_map(|(a, _)| texts.iter().map(move |(b, _)| (*a, *b)));
    let of_pairs = pairs.map(|(a, b)| likeness.of(&samples[a].text, &samples[b].text));
    let of_pairs = of_pairs.collect::<Result<Vec<f64>, MetricError>>()?;
    let best = minimum_bayes_risk(texts.len(), |a, b| texts[b].1 * of_pairs[a * texts.len() + b]);
    Ok(best.map(|best| samples.swap_remove(texts[best].0)).into_iter().collect())
}
