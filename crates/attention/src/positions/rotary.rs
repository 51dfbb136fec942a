use std::f64::consts::TAU;

use serde::{Deserialize, Serialize};

/// Base of frequencies in the paper (Su et al. 2021, §3.2.2).
const THETA: f64 = 10_000.0;

/// Frequencies of rotary positions.
///
/// Pair `i` of the `r` features that are turned has the frequency `θ^(-2i/r)`, in radians a position, before
/// [`scaling`](Self::scaling). Source: Su et al. 2021, "RoFormer", §3.2.2, eq. 15.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Rotary {
    /// Base of the frequencies, θ.
    #[serde(default = "theta")]
    pub theta: f64,
    /// Features of a head that are turned, its first ones; without it, all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n_features: Option<usize>,
    /// How frequencies are lowered for texts that are longer than those of pre-training.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scaling: Option<RotaryScaling>,
}

/// How the frequencies of rotary positions are lowered, for a longer context.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum RotaryScaling {
    /// All divided by one factor (Chen et al. 2023, "Extending Context Window of Large Language Models via Positional
    /// Interpolation", §2.3).
    Linear {
        /// The divisor.
        factor: f64,
    },
    /// Low ones divided, high ones kept, a ramp between: as Llama 3.1's (Grattafiori et al. 2024; the ramp is in the
    /// authors' code).
    Llama3 {
        /// The divisor of low frequencies.
        factor: f64,
        /// Turns within `original_len` below which a frequency is low.
        low_freq_factor: f64,
        /// Turns within `original_len` above which a frequency is high.
        high_freq_factor: f64,
        /// The context of pre-training, in tokens.
        original_len: usize,
    },
    /// YaRN (Peng et al. 2023, §3.2 to §3.4): as before, the ramp over the pairs instead of the turns; queries and keys grow.
    Yarn {
        /// The divisor of low frequencies.
        factor: f64,
        /// The context of pre-training, in tokens.
        original_len: usize,
        /// Turns within `original_len` above which a frequency is high, 32 in the paper.
        beta_fast: f64,
        /// Turns within `original_len` below which a frequency is low, 1 in the paper.
        beta_slow: f64,
        /// Factor of queries and keys that are turned, `0.1 ln(factor) + 1` in the paper.
        amplitude: f64,
    },
    /// Each by a divisor of its own, which was searched for (Ding et al. 2024, "LongRoPE", §3.2); queries and keys grow. There
    /// are divisors for texts of up to `original_len` tokens, where texts end then, and for longer ones.
    LongRope {
        /// The divisors for texts of up to `original_len` tokens, one for each pair.
        short: Vec<f64>,
        /// Those for longer texts.
        long: Vec<f64>,
        /// The context of pre-training, in tokens.
        original_len: usize,
        /// Factor of queries and keys that are turned.
        amplitude: f64,
        /// Whether texts are longer: then all have `long`, and no end.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        is_long: bool,
    },
    /// Not at all up to `original_len` tokens, where texts end: those of longer ones would change with every token, and with
    /// them all that is kept of earlier tokens (`dynamic` in other programs).
    Dynamic {
        /// How many times as long texts may get there.
        factor: f64,
        /// The context of pre-training, in tokens.
        original_len: usize,
    },
}

fn theta() -> f64 {
    THETA
}

impl Default for Rotary {
    /// θ = 10,000, all features, no scaling.
    fn default() -> Self {
        Self::new(THETA)
    }
}

impl Rotary {
    /// All features, unscaled frequencies of the base `theta`.
    pub fn new(theta: f64) -> Self {
        Self { theta, n_features: None, scaling: None }
    }

    /// The number of features that are turned, of a head of width `d_k`.
    pub fn width(&self, d_k: usize) -> usize {
        self.n_features.unwrap_or(d_k)
    }

    /// The cosines and sines of the positions `first .. first + n` for heads of width `d_k`, `[n, width / 2]` each.
    pub fn angles(&self, first: usize, n: usize, d_k: usize) -> [Vec<f32>; 2] {
        let (frequencies, amplitude) = (self.frequencies(d_k), self.amplitude());
        let angles =
            || (first..first + n).flat_map(|pos| frequencies.iter().map(move |frequency| pos as f64 * frequency));
        let table = |f: fn(f64) -> f64| angles().map(|angle| (amplitude * f(angle)) as f32).collect();
        [table(f64::cos), table(f64::sin)]
    }

    /// The angle of each pair at position 1, in radians, for heads of width `d_k`: `[width / 2]`.
    pub fn frequencies(&self, d_k: usize) -> Vec<f64> {
        let width = self.width(d_k) as f64;
        let plain = (0..self.width(d_k) / 2).map(|pair| self.theta.powf(-2.0 * pair as f64 / width));
        let Some(scaling) = &self.scaling else { return plain.collect() };
        plain.enumerate().map(|(pair, plain)| plain / scaling.divisor(pair, plain, width, self.theta)).collect()
    }

    /// The longest sequence that these frequencies are for, if there is one.
    pub fn max_len(&self) -> Option<usize> {
        match self.scaling {
            Some(
                RotaryScaling::LongRope { original_len, is_long: false, .. }
                | RotaryScaling::Dynamic { original_len, .. },
            ) => Some(original_len),
            _ => None,
        }
    }

    /// The factor of what is turned.
    fn amplitude(&self) -> f64 {
        match self.scaling {
            Some(RotaryScaling::Yarn { amplitude, .. } | RotaryScaling::LongRope { amplitude, .. }) => amplitude,
            _ => 1.0,
        }
    }
}

impl RotaryScaling {
    /// Its numbers, which must be positive, by name.
    pub fn numbers(&self) -> Vec<(&'static str, f64)> {
        match *self {
            Self::Linear { factor } => vec![("positions.rotary.scaling.linear.factor", factor)],
            Self::Llama3 { factor, low_freq_factor, high_freq_factor, original_len } => vec![
                ("positions.rotary.scaling.llama3.factor", factor),
                ("positions.rotary.scaling.llama3.low_freq_factor", low_freq_factor),
                // Above the other.
                ("positions.rotary.scaling.llama3.high_freq_factor", high_freq_factor - low_freq_factor),
                ("positions.rotary.scaling.llama3.original_len", original_len as f64),
            ],
            Self::Yarn { factor, original_len, beta_fast, beta_slow, amplitude } => vec![
                ("positions.rotary.scaling.yarn.factor", factor),
                ("positions.rotary.scaling.yarn.original_len", original_len as f64),
                ("positions.rotary.scaling.yarn.beta_fast", beta_fast - beta_slow),
                ("positions.rotary.scaling.yarn.beta_slow", beta_slow),
                ("positions.rotary.scaling.yarn.amplitude", amplitude),
            ],
            Self::LongRope { ref short, ref long, original_len, amplitude, is_long: _ } => {
                let least = |divisors: &[f64]| divisors.iter().copied().fold(1.0, f64::min);
                vec![
                    ("positions.rotary.scaling.long-rope.short", least(short)),
                    ("positions.rotary.scaling.long-rope.long", least(long)),
                    ("positions.rotary.scaling.long-rope.original_len", original_len as f64),
                    ("positions.rotary.scaling.long-rope.amplitude", amplitude),
                ]
            }
            Self::Dynamic { factor, original_len } => vec![
                ("positions.rotary.scaling.dynamic.factor", factor),
                ("positions.rotary.scaling.dynamic.original_len", original_len as f64),
            ],
        }
    }

    /// The numbers of its divisors, if it has one for each pair.
    pub fn n_divisors(&self) -> Option<[usize; 2]> {
        match self {
            Self::LongRope { short, long, .. } => Some([short.len(), long.len()]),
            _ => None,
        }
    }

    /// What a pair's frequency is divided by.
    fn divisor(&self, pair: usize, frequency: f64, width: f64, theta: f64) -> f64 {
        // How much of it stays as it is: all where it is high, nothing where it is low.
        let (share, factor) = match *self {
            Self::Linear { factor } => (0.0, factor),
            Self::Dynamic { .. } => return 1.0,
            Self::LongRope { ref short, ref long, is_long, .. } => {
                return if is_long { long[pair] } else { short[pair] };
            }
            Self::Llama3 { factor, low_freq_factor: low, high_freq_factor: high, original_len } => {
                let turns = original_len as f64 * frequency / TAU;
                (((turns - low) / (high - low)).clamp(0.0, 1.0), factor)
            }
            Self::Yarn { factor, original_len, beta_fast, beta_slow, .. } => {
                // The pair that turns so often within the original context.
                let pair_of = |turns: f64| width * (original_len as f64 / (turns * TAU)).ln() / (2.0 * theta.ln());
                let first = pair_of(beta_fast).floor().max(0.0);
                let last = pair_of(beta_slow).ceil().min(width - 1.0);
                let ramp = if last > first { last - first } else { 1e-3 }; // as the authors' code
                (1.0 - ((pair as f64 - first) / ramp).clamp(0.0, 1.0), factor)
            }
        };
        1.0 / (share + (1.0 - share) / factor)
    }
}
