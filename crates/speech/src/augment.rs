//! Recordings that are a little different each time.

use attentive_core::Dropout;
use serde::{Deserialize, Serialize};

use crate::random::below;

/// What is changed of recordings in training: their speed, with their pitch (Ko et al. 2015, "Audio augmentation for speech
/// recognition", §2), and bands of spectrograms that are hidden (Park et al. 2019, "SpecAugment", §2; without its time
/// warping, docs/deviations.md#specaugment).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct SpecAugment {
    /// By how much recordings are made slower and lower, or faster and higher, at most.
    #[serde(skip_serializing_if = "is_zero")]
    pub speed_percent: u32,
    /// Stretches of time that are hidden.
    pub n_time_masks: usize,
    /// Frames of a stretch at most.
    pub max_time: usize,
    /// Bands of frequencies that are hidden.
    pub n_mel_masks: usize,
    /// Bins of a band at most.
    pub max_mels: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(percent: &u32) -> bool {
    *percent == 0
}

impl SpecAugment {
    /// The speed of a recording in percent of its own, drawn by the next key of `pass`: 100 without a change.
    pub fn speed(&self, pass: &Dropout) -> u32 {
        match self.speed_percent {
            0 => 100,
            most => 100 - most + below(pass.next_key(), 2 * most as usize + 1) as u32,
        }
    }

    /// Hides bands of a spectrogram, `[frames, mels]`: their values become its mean. Lengths and places are drawn by the next
    /// keys of `pass`, as dropout is, so that they are a function of its seed.
    ///
    /// # Panics
    /// If there are not as many values as frames times `n_mels`.
    pub fn apply(&self, frames: &mut [f32], n_mels: usize, pass: &Dropout) {
        assert!(n_mels > 0 && frames.len().is_multiple_of(n_mels), "whole frames of {n_mels} bins");
        let hides_nothing = self.n_time_masks * self.max_time + self.n_mel_masks * self.max_mels == 0;
        if hides_nothing || frames.is_empty() {
            return;
        }
        let n_frames = frames.len() / n_mels;
        let mean = (frames.iter().map(|&value| f64::from(value)).sum::<f64>() / frames.len() as f64) as f32;
        let band = |max: usize, n: usize| {
            let len = below(pass.next_key(), max.min(n) + 1);
            let first = below(pass.next_key(), n - len + 1);
            first..first + len
        };
        for _ in 0..self.n_time_masks {
            let hidden = band(self.max_time, n_frames);
            frames[hidden.start * n_mels..hidden.end * n_mels].fill(mean);
        }
        for _ in 0..self.n_mel_masks {
            let hidden = band(self.max_mels, n_mels);
            frames.chunks_exact_mut(n_mels).for_each(|frame| frame[hidden.clone()].fill(mean));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_speed_within_the_range_is_drawn() {
        let augment = SpecAugment { speed_percent: 3, ..SpecAugment::default() };
        let drawn: BTreeSet<u32> = (0..200).map(|seed| augment.speed(&Dropout::new(seed))).collect();
        assert_eq!(drawn, (97..=103).collect());
        assert_eq!(augment.speed(&Dropout::new(7)), augment.speed(&Dropout::new(7)));
        assert_eq!(SpecAugment::default().speed(&Dropout::new(7)), 100);
    }
}
