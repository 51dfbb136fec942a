//! The mel scale.

/// The highest frequency that filters reach, in Hertz: half of Whisper's rate.
const HIGHEST: f64 = 8000.0;

/// Frequency at which Slaney's scale turns from linear to logarithmic, its mels, and its mels for a factor of 6.4 above it.
const TURN_HERTZ: f64 = 1000.0;
const TURN_MELS: f64 = 15.0;
const MELS_OF_FACTOR: f64 = 27.0;
const FACTOR: f64 = 6.4;

/// Mels of a frequency (Slaney 1998, "Auditory Toolbox").
fn mels(hertz: f64) -> f64 {
    match hertz {
        hertz if hertz < TURN_HERTZ => hertz * TURN_MELS / TURN_HERTZ,
        hertz => TURN_MELS + (hertz / TURN_HERTZ).ln() * MELS_OF_FACTOR / FACTOR.ln(),
    }
}

/// The frequency of some mels.
fn hertz(mels: f64) -> f64 {
    match mels {
        mels if mels < TURN_MELS => mels * TURN_HERTZ / TURN_MELS,
        mels => TURN_HERTZ * (FACTOR.ln() / MELS_OF_FACTOR * (mels - TURN_MELS)).exp(),
    }
}

/// Triangular filters at equal distances on the mel scale, each of area 1 (Slaney 1998), from 0 Hertz to 8,000, or to half of
/// `rate` where that is lower: `[n_mels, n_fft / 2 + 1]`, their weights for each frequency of a Fourier transform of `n_fft`
/// samples.
pub fn mel_filters(rate: u32, n_fft: usize, n_mels: usize) -> Vec<Vec<f64>> {
    let half = f64::from(rate / 2);
    let top = mels(HIGHEST.min(half));
    let corner = |idx: usize| hertz(top * idx as f64 / (n_mels + 1) as f64);
    let n_bins = n_fft / 2 + 1;
    let frequency = |bin: usize| half * bin as f64 / (n_bins - 1).max(1) as f64;
    let filter = |idx: usize| {
        let [low, peak, high] = [corner(idx), corner(idx + 1), corner(idx + 2)];
        let weight = |hertz: f64| {
            let slope = ((hertz - low) / (peak - low)).min((high - hertz) / (high - peak));
            slope.max(0.0) * 2.0 / (high - low)
        };
        (0..n_bins).map(|bin| weight(frequency(bin))).collect()
    };
    (0..n_mels).map(filter).collect()
}
