//! Log-mel spectrograms.

use std::{fmt, sync::Arc};

use realfft::{RealFftPlanner, RealToComplex};
use serde::{Deserialize, Serialize};

use crate::{SpeechError, mel_filters};

/// The least power that is told from silence.
const FLOOR: f64 = 1e-10;

/// Powers of ten below the loudest value at which a spectrogram is cut off.
const RANGE: f64 = 8.0;

/// Sizes of spectrograms.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct FeatureConfig {
    /// Samples a second; sound of other rates is resampled.
    pub sampling_rate: u32,
    /// Samples of a frame, which is transformed as a whole.
    pub n_fft: usize,
    /// Samples from one frame to the next.
    pub hop_length: usize,
    /// Bins of the mel scale.
    pub n_mels: usize,
    /// Sound that the model listens to at once.
    pub window_seconds: f64,
}

impl Default for FeatureConfig {
    /// Whisper's: 80 bins of frames of 25 ms, every 10 ms, in windows of 30 seconds (Radford et al. 2022, §2.2).
    fn default() -> Self {
        Self { sampling_rate: 16_000, n_fft: 400, hop_length: 160, n_mels: 80, window_seconds: 30.0 }
    }
}

impl FeatureConfig {
    /// Samples of a window.
    pub fn n_samples(&self) -> usize {
        (self.window_seconds * f64::from(self.sampling_rate)).round() as usize
    }

    /// Frames of a window.
    pub fn n_frames(&self) -> usize {
        self.n_samples() / self.hop_length.max(1)
    }

    /// Time from one frame to the next.
    pub fn frame_seconds(&self) -> f64 {
        self.hop_length as f64 / f64::from(self.sampling_rate.max(1))
    }

    /// Checks the sizes.
    ///
    /// # Errors
    /// [`SpeechError::Setting`] names the one that is out of range.
    pub fn validate(&self) -> Result<(), SpeechError> {
        let Self { sampling_rate, n_fft, hop_length, n_mels, window_seconds } = *self;
        let setting = |key, value, expected| Err(SpeechError::Setting { key, value, expected });
        if !(1000..=192_000).contains(&sampling_rate) {
            return setting("sampling_rate", f64::from(sampling_rate), "from 1000 to 192000");
        }
        if !(4..=1 << 16).contains(&n_fft) {
            return setting("n_fft", n_fft as f64, "from 4 to 65536");
        }
        if !(1..=1 << 16).contains(&hop_length) {
            return setting("hop_length", hop_length as f64, "from 1 to 65536");
        }
        if !(1..=1024).contains(&n_mels) {
            return setting("n_mels", n_mels as f64, "from 1 to 1024");
        }
        if !(window_seconds > 0.0 && window_seconds <= 600.0) {
            return setting("window_seconds", window_seconds, "above 0 and at most 600");
        }
        if self.n_samples() <= n_fft.max(hop_length) {
            return setting("window_seconds", window_seconds, "longer than a frame");
        }
        Ok(())
    }
}

/// Makes log-mel spectrograms, as `WhisperFeatureExtractor` of transformers does.
///
/// The power spectrum of frames under Hann's window, their ends reflected, summed by [`mel_filters`], as decimal logarithms
/// that are cut off at 8 below the largest, divided by 4 and moved by 1.
#[derive(Clone)]
pub struct LogMel {
    config: FeatureConfig,
    fft: Arc<dyn RealToComplex<f64>>,
    window: Vec<f64>,
    /// Each filter's first frequency, and its weights from there.
    filters: Vec<(usize, Vec<f64>)>,
}

impl LogMel {
    /// Plans for these sizes.
    ///
    /// # Errors
    /// [`SpeechError::Setting`] names a size that is out of range.
    pub fn new(config: &FeatureConfig) -> Result<Self, SpeechError> {
        config.validate()?;
        let FeatureConfig { sampling_rate, n_fft, n_mels, .. } = *config;
        let hann = |at: usize| 0.5 - 0.5 * (std::f64::consts::TAU * at as f64 / n_fft as f64).cos();
        let sparse = |filter: Vec<f64>| {
            let first = filter.iter().position(|&weight| weight > 0.0).unwrap_or(0);
            let weights = filter[first..].iter().copied().take_while(|&weight| weight > 0.0).collect();
            (first, weights)
        };
        Ok(Self {
            config: config.clone(),
            fft: RealFftPlanner::new().plan_fft_forward(n_fft),
            window: (0..n_fft).map(hann).collect(),
            filters: mel_filters(sampling_rate, n_fft, n_mels).into_iter().map(sparse).collect(),
        })
    }

    /// The sizes.
    pub fn config(&self) -> &FeatureConfig {
        &self.config
    }

    /// The spectrogram of one window, filled with silence or cut off: `[frames, mels]`.
    pub fn window(&self, samples: &[f32]) -> Vec<f32> {
        let n_samples = self.config.n_samples();
        let mut window = samples[..samples.len().min(n_samples)].to_vec();
        window.resize(n_samples, 0.0);
        self.all(&window)
    }

    /// The spectrogram of sound of any length, filled with silence up to a window: `[frames, mels]`, a frame for each hop.
    #[expect(clippy::missing_panics_doc, reason = "buffers are made by the plan that takes them")]
    pub fn all(&self, samples: &[f32]) -> Vec<f32> {
        let FeatureConfig { n_fft, hop_length, .. } = self.config;
        let n_samples = samples.len().max(self.config.n_samples());
        let n_frames = n_samples / hop_length;
        let half = n_fft / 2;
        let sample = |at: usize| samples.get(at).map_or(0.0, |&sample| f64::from(sample));
        // Sample `at` of the sound with `half` samples reflected at each end.
        let reflected = |at: usize| match at.checked_sub(half) {
            None => sample(half - at),
            Some(at) if at < n_samples => sample(at),
            Some(at) => sample(2 * (n_samples - 1) - at),
        };
        let mut frame = self.fft.make_input_vec();
        let mut spectrum = self.fft.make_output_vec();
        let mut scratch = self.fft.make_scratch_vec();
        let mut powers = vec![0.0; spectrum.len()];
        let mut logs = Vec::with_capacity(n_frames * self.filters.len());
        for first in (0..n_frames).map(|idx| idx * hop_length) {
            let windowed = self.window.iter().enumerate().map(|(at, weight)| weight * reflected(first + at));
            frame.iter_mut().zip(windowed).for_each(|(to, value)| *to = value);
            let transformed = self.fft.process_with_scratch(&mut frame, &mut spectrum, &mut scratch);
            transformed.expect("buffers of the plan's own sizes");
            powers.iter_mut().zip(&spectrum).for_each(|(to, value)| *to = value.norm_sqr());
            logs.extend(self.filters.iter().map(|(first, weights)| {
                let sum: f64 = weights.iter().zip(&powers[*first..]).map(|(weight, power)| weight * power).sum();
                sum.max(FLOOR).log10()
            }));
        }
        let least = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max) - RANGE;
        logs.into_iter().map(|log| ((log.max(least) + 4.0) / 4.0) as f32).collect()
    }
}

impl fmt::Debug for LogMel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogMel").field("config", &self.config).finish_non_exhaustive()
    }
}
