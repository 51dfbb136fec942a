//! How often the corpora that are learnt from together are drawn from.

use crate::{permutation, seeded_rng};

/// The number of pairs that an epoch has of each of several corpora.
///
/// Of N pairs, those of corpus i are `N · wᵢ nᵢ^(1/T) / Σ wⱼ nⱼ^(1/T)`, rounded, and one at least: with the weights 1 and the
/// temperature 1, each pair once. A higher temperature draws more often from small corpora (Arivazhagan et al. 2019,
/// "Massively Multilingual Neural Machine Translation in the Wild", §4.2; there 5).
///
/// Of each corpus, epochs take the next pairs of an endless row of its permutations: no pair comes a second time before all
/// others have come once, and what an epoch has is a function of seed and epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mixture {
    lens: Vec<usize>,
    counts: Vec<usize>,
}

impl Mixture {
    /// The mixture of corpora of so many pairs, each with its weight.
    ///
    /// # Panics
    /// If there are not as many weights as corpora.
    pub fn new(lens: &[usize], weights: &[f64], temperature: f64) -> Self {
        assert_eq!(lens.len(), weights.len(), "Mixture: a weight for each corpus");
        let n: usize = lens.iter().sum();
        let shares: Vec<f64> =
            lens.iter().zip(weights).map(|(&len, weight)| weight * (len as f64).powf(temperature.recip())).collect();
        let sum: f64 = shares.iter().sum();
        let count = |(&len, share): (&usize, &f64)| match len {
            0 => 0,
            _ => ((n as f64 * share / sum).round() as usize).max(1),
        };
        Self { counts: lens.iter().zip(&shares).map(count).collect(), lens: lens.to_vec() }
    }

    /// The number of pairs of each corpus in an epoch.
    pub fn counts(&self) -> &[usize] {
        &self.counts
    }

    /// The pairs of an epoch, numbered through all corpora, in random order.
    pub(crate) fn draw(&self, seed: u64, epoch: u64) -> Vec<u32> {
        let mut drawn = Vec::with_capacity(self.counts.iter().sum());
        let mut before = 0;
        for (part, (&len, &count)) in self.lens.iter().zip(&self.counts).enumerate() {
            let purpose = format!("pairs of corpus {part}");
            // The pairs from `at` on of the endless row.
            let (mut at, end) =
                (epoch.saturating_mul(count as u64), epoch.saturating_add(1).saturating_mul(count as u64));
            while at < end {
                let pass = at / len as u64;
                let order = permutation(len as u32, &mut seeded_rng(seed, &purpose, pass));
                let first = (at % len as u64) as usize;
                let n = (len - first).min((end - at) as usize);
                drawn.extend(order[first..][..n].iter().map(|pair| before + pair));
                at += n as u64;
            }
            before += len as u32;
        }
        let order = permutation(drawn.len() as u32, &mut seeded_rng(seed, "pairs", epoch));
        order.into_iter().map(|place| drawn[place as usize]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temperature_draws_more_often_from_small_corpora() {
        let counts = |temperature| Mixture::new(&[900, 100, 0], &[1.0; 3], temperature).counts().to_vec();
        assert_eq!(counts(1.0), [900, 100, 0]);
        // 30 and 10 are the roots.
        assert_eq!(counts(2.0), [750, 250, 0]);
        assert_eq!(counts(1e9), [500, 500, 0]);
        assert_eq!(Mixture::new(&[900, 100], &[1.0, 9.0], 1.0).counts(), [500, 500]);
        assert_eq!(Mixture::new(&[1_000_000, 1], &[1.0, 1e-9], 1.0).counts(), [1_000_001, 1]);
    }

    #[test]
    fn no_pair_comes_again_before_all_others_have_come() {
        let mixture = Mixture::new(&[50, 7], &[1.0; 2], 5.0);
        let [large, small] = mixture.counts()[..] else { unreachable!() };
        assert!(small > 7 && large < 50 && large + small == 57);
        let mut times = [0_usize; 57];
        for epoch in 0..9 {
            let drawn = mixture.draw(3, epoch);
            assert_eq!(drawn.iter().filter(|&&pair| pair >= 50).count(), small);
            assert_eq!(drawn.len(), 57);
            drawn.iter().for_each(|&pair| times[pair as usize] += 1);
            for part in [&times[..50], &times[50..]] {
                let (least, most) = (part.iter().min().unwrap(), part.iter().max().unwrap());
                assert!(most - least <= 1, "{times:?}");
            }
        }
        assert_eq!(mixture.draw(3, 4), mixture.draw(3, 4));
        assert_ne!(mixture.draw(3, 4), mixture.draw(3, 5));
        assert_ne!(mixture.draw(3, 4), mixture.draw(4, 4));
    }
}
