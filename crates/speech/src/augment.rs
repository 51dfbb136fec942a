//! SpecAugment.

use attentive_core::Dropout;
use serde::{Deserialize, Serialize};

use crate::random::below;

/// Bands of spectrograms that are hidden in training (Park et al. 2019, "SpecAugment", §2; without its time warping).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct SpecAugment {
    /// Stretches of time that are hidden.
    pub n_time_masks: usize,
    /// Frames of a stretch at most.
    pub max_time: usize,
    /// Bands of frequencies that are hidden.
    pub n_mel_masks: usize,
    /// Bins of a band at most.
    pub max_mels: usize,
}

impl SpecAugment {
    /// Whether it changes anything.
    pub fn is_off(&self) -> bool {
        self.n_time_masks * self.max_time + self.n_mel_masks * self.max_mels == 0
    }

    /// Hides bands of a spectrogram, `[frames, mels]`: their values become its mean. Lengths and places are drawn by the next
    /// keys of `pass`, as dropout is, so that they are a function of its seed.
    ///
    /// # Panics
    /// If there are not as many values as frames times `n_mels`.
    pub fn apply(&self, frames: &mut [f32], n_mels: usize, pass: &Dropout) {
        assert!(n_mels > 0 && frames.len().is_multiple_of(n_mels), "whole frames of {n_mels} bins");
        if self.is_off() || frames.is_empty() {
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
