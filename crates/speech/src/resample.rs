//! Other rates of samples.

use std::f64::consts::{PI, TAU};

/// Zero crossings of the filter on each side.
const CROSSINGS: f64 = 32.0;

/// The filter's end, of the lower rate's half: it takes some room to fall.
const CUTOFF: f64 = 0.94;

/// Places between two samples at which the filter is known, at most, and weights of all of them.
const MOST_PHASES: usize = 4096;
const MOST_WEIGHTS: usize = 1 << 22;

/// The same sound at `to` samples a second instead of `from`, by a sinc under a Blackman–Harris window (Harris 1978); as it is
/// where both are one. Nothing is delayed.
///
/// # Panics
/// If a rate is 0.
pub fn resample(samples: Vec<f32>, from: u32, to: u32) -> Vec<f32> {
    assert!(from > 0 && to > 0, "rates of samples are above 0");
    if from == to || samples.is_empty() {
        return samples;
    }
    let filter = Filter::new(from, to);
    let [from, to] = [from, to].map(u64::from);
    let n_samples = (samples.len() as u64 * to).div_ceil(from);
    (0..n_samples).map(|at| filter.at(&samples, at * from / to, at * from % to, to)).collect()
}

/// Weights of the samples around a place, for places between two samples.
struct Filter {
    /// Samples before a place, that at it included, and after it.
    half: usize,
    n_phases: usize,
    /// `[phases, 2 · half]`.
    weights: Vec<f32>,
}

impl Filter {
    fn new(from: u32, to: u32) -> Self {
        let narrow = f64::from(to.min(from)) / f64::from(from);
        let half = (CROSSINGS / narrow).ceil() as usize;
        let divisor = gcd(from, to);
        let n_phases = ((to / divisor) as usize).min(MOST_PHASES).min((MOST_WEIGHTS / (2 * half)).max(1));
        let weights_at = |phase: usize| {
            let place = phase as f64 / n_phases as f64;
            let weight = move |tap: usize| {
                let distance = place + half as f64 - 1.0 - tap as f64;
                let x = distance * narrow;
                narrow * CUTOFF * sinc(x * CUTOFF) * blackman_harris(x / CROSSINGS)
            };
            let weights: Vec<f64> = (0..2 * half).map(weight).collect();
            // What is always the same stays the same.
            let sum: f64 = weights.iter().sum();
            weights.into_iter().map(move |weight| (weight / sum) as f32)
        };
        Self { half, n_phases, weights: (0..n_phases).flat_map(weights_at).collect() }
    }

    /// The sound at `part / whole` of a sample after sample `idx`; there is silence before its beginning and after its end.
    fn at(&self, samples: &[f32], idx: u64, part: u64, whole: u64) -> f32 {
        let phase = (part * self.n_phases as u64 / whole) as usize;
        let weights = &self.weights[phase * 2 * self.half..][..2 * self.half];
        // Weight `tap` is that of sample `idx + 1 - half + tap`.
        let idx = idx as usize + 1;
        let (first, skipped) = (idx.saturating_sub(self.half), self.half.saturating_sub(idx));
        let near = &samples[first.min(samples.len())..];
        near.iter().zip(&weights[skipped..]).map(|(sample, weight)| sample * weight).sum()
    }
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// `sin(πx) / πx`.
fn sinc(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { (PI * x).sin() / (PI * x) }
}

/// The window of four terms at `x` from -1 to 1, and 0 beyond.
fn blackman_harris(x: f64) -> f64 {
    let cosine = |n: f64| (n * TAU * (x + 1.0) / 2.0).cos();
    if x.abs() < 1.0 { 0.35875 - 0.48829 * cosine(1.0) + 0.14128 * cosine(2.0) - 0.01168 * cosine(3.0) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hertz: f64, rate: u32, n: usize) -> Vec<f32> {
        (0..n).map(|at| (TAU * hertz * at as f64 / f64::from(rate)).sin() as f32).collect()
    }

    #[test]
    fn a_tone_stays_the_same_tone_at_another_rate() {
        for (from, to) in
            [(8000, 16_000), (44_101, 16_000), (44_100, 16_000), (48_000, 16_000), (22_050, 16_000), (16_000, 8000)]
        {
            let n = from as usize;
            let found = resample(tone(440.0, from, n), from, to);
            assert!(found.len().abs_diff(to as usize) <= 1, "{from} to {to}: {} samples", found.len());
            let expected = tone(440.0, to, found.len());
            // The filter has nothing before the beginning and after the end.
            let inner = 200..found.len() - 200;
            let worst = inner.map(|at| (found[at] - expected[at]).abs()).fold(0.0, f32::max);
            assert!(worst < 2e-3, "{from} to {to}: {worst}");
        }
    }

    #[test]
    fn what_the_lower_rate_can_t_hold_is_left_out() {
        let found = resample(tone(7000.0, 16_000, 16_000), 16_000, 8000);
        assert!(found[200..found.len() - 200].iter().all(|sample| sample.abs() < 1e-3));
    }
}
