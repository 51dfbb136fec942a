//! Drawing tokens at random.

use attentive_core::{TokenId, mix64};
use serde::{Deserialize, Serialize};

use crate::DecodeError;

/// A user's settings of sampling; the defaults draw from the model's own distribution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct SamplingConfig {
    /// Divisor of log-probabilities: below 1 for less surprise, 0 for the most probable token always.
    pub temperature: f64,
    /// Only this many of the most probable tokens are drawn (Fan et al. 2018); 0 for no limit.
    pub top_k: usize,
    /// Only the fewest most probable tokens are drawn that are this probable together (Holtzman et al. 2020).
    pub top_p: f64,
    /// Only tokens are drawn that are at least this probable relative to the most probable one (Nguyen et al. 2024).
    pub min_p: f64,
    /// Only the fewest tokens whose surprise is nearest to the mean one, and which are this probable together, are drawn
    /// (Meister et al. 2023, locally typical sampling).
    pub typical_p: f64,
    /// Only tokens at least this probable are drawn (Hewitt et al. 2022, ε-sampling).
    pub epsilon_cutoff: f64,
    /// Only tokens are drawn that are at least `min(ε, √ε · exp(-H))` probable, for this ε and the entropy H of the
    /// distribution (Hewitt et al. 2022, η-sampling).
    pub eta_cutoff: f64,
    /// Factor of the log-probabilities of tokens that the text already has (Keskar et al. 2019, §4.1); 1 for none, more for
    /// less repetition.
    pub repetition_penalty: f64,
    /// Names the stream of random numbers: the same text follows from the same seed.
    pub seed: u64,
}

impl Default for SamplingConfig {
    fn default() -> Self {
        Self {
            temperature: 1.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            typical_p: 1.0,
            epsilon_cutoff: 0.0,
            eta_cutoff: 0.0,
            repetition_penalty: 1.0,
            seed: 0,
        }
    }
}

impl SamplingConfig {
    /// Checks the settings without a model.
    ///
    /// # Errors
    /// [`DecodeError::Setting`] names the setting that is out of range.
    pub fn validate(&self) -> Result<(), DecodeError> {
        let settings = [
            ("temperature", self.temperature, self.temperature >= 0.0, "at least 0"),
            ("top_p", self.top_p, self.top_p > 0.0 && self.top_p <= 1.0, "above 0 and at most 1"),
            ("min_p", self.min_p, (0.0..=1.0).contains(&self.min_p), "between 0 and 1"),
            ("typical_p", self.typical_p, self.typical_p > 0.0 && self.typical_p <= 1.0, "above 0 and at most 1"),
            (
                "epsilon_cutoff",
                self.epsilon_cutoff,
                (0.0..1.0).contains(&self.epsilon_cutoff),
                "at least 0 and below 1",
            ),
            ("eta_cutoff", self.eta_cutoff, (0.0..1.0).contains(&self.eta_cutoff), "at least 0 and below 1"),
            ("repetition_penalty", self.repetition_penalty, self.repetition_penalty > 0.0, "above 0"),
        ];
        match settings.into_iter().find(|(_, value, is_good, _)| !value.is_finite() || !is_good) {
            Some((key, value, _, expected)) => Err(DecodeError::Setting { key, value, expected }),
            None => Ok(()),
        }
    }

    /// The key of a setting that leaves tokens out of what is drawn, if one does. At temperature 0 nothing is drawn, and it has no
    /// effect.
    ///
    /// ```
    /// use attentive_decode::SamplingConfig;
    ///
    /// assert_eq!(SamplingConfig { top_p: 0.9, ..Default::default() }.limit(), Some("top_p"));
    /// assert_eq!(SamplingConfig { temperature: 0.5, ..Default::default() }.limit(), None);
    /// ```
    pub fn limit(&self) -> Option<&'static str> {
        let limits = [
            ("top_k", self.top_k > 0),
            ("top_p", self.top_p < 1.0),
            ("min_p", self.min_p > 0.0),
            ("typical_p", self.typical_p < 1.0),
            ("epsilon_cutoff", self.epsilon_cutoff > 0.0),
            ("eta_cutoff", self.eta_cutoff > 0.0),
        ];
        limits.into_iter().find_map(|(key, is_limit)| is_limit.then_some(key))
    }

    /// Whether the most probable token is always drawn, and nothing but its probability counts.
    pub(crate) fn is_greedy(&self) -> bool {
        self.temperature == 0.0 && self.repetition_penalty == 1.0
    }

    /// The settings of sample `sample` of a text: the same with its own seed, which for the first is
    /// [`seed`](Self::seed).
    pub fn of_sample(&self, sample: u64) -> Self {
        let seed = if sample == 0 { self.seed } else { mix64(self.seed ^ mix64(sample)) };
        Self { seed, ..self.clone() }
    }

    /// The settings of one text of many: the same with a seed of its own, which is a function of [`seed`](Self::seed) and
    /// of what the model reads. Without it, the tokens at one place of all texts are drawn by one random number.
    ///
    /// ```
    /// use attentive_decode::SamplingConfig;
    ///
    /// let config = SamplingConfig::default();
    /// assert_ne!(config.of_text(&[3, 5]).seed, config.of_text(&[3, 6]).seed);
    /// ```
    pub fn of_text(&self, text: &[TokenId]) -> Self {
        let with = |seed: u64, &id: &TokenId| mix64(seed ^ mix64(u64::from(id) + 1));
        Self { seed: text.iter().fold(self.seed, with), ..self.clone() }
    }

    /// The settings of `n_samples` texts after each of some prompts, in the order of samples within that of prompts: each a
    /// function of its sample and of what its prompt is, wherever that is among others.
    pub(crate) fn of_prompts<'a>(
        &'a self,
        prompts: impl IntoIterator<Item = &'a Vec<TokenId>>,
        n_samples: usize,
    ) -> impl Iterator<Item = Self> {
        let of_prompt =
            move |prompt: &'a Vec<TokenId>| self.of_samples(n_samples).map(move |sample| sample.of_text(prompt));
        prompts.into_iter().flat_map(of_prompt)
    }

    /// The settings of each of `n_samples` of a text.
    pub(crate) fn of_samples(&self, n_samples: usize) -> impl Iterator<Item = Self> {
        (0..n_samples as u64).map(move |sample| self.of_sample(sample))
    }

    /// The tokens that may be drawn after `text`, with their probabilities, most probable first, the lower id in a tie.
    ///
    /// One filter after another, probabilities made to sum to 1 in between: the penalty of repetitions, temperature,
    /// `top_k`, `top_p`, `min_p`, `typical_p`, `epsilon_cutoff`, `eta_cutoff`. At least one token is left, unless none can follow. As a log-probability is never
    /// positive, a penalty of θ multiplies it by θ; a constant in the model's scores does not matter.
    ///
    /// ```
    /// use attentive_decode::SamplingConfig;
    ///
    /// let log_probs = [0.5_f32, 0.2, 0.3].map(f32::ln);
    /// let config = SamplingConfig { top_k: 2, ..Default::default() };
    /// let left = config.distribution(&log_probs, &[], &[]);
    /// assert_eq!(left.iter().map(|&(token, _)| token).collect::<Vec<_>>(), [0, 2]);
    /// assert!((left[0].1 - 0.5 / 0.8).abs() < 1e-6);
    /// ```
    pub fn distribution(&self, log_probs: &[f32], text: &[TokenId], suppressed: &[TokenId]) -> Vec<(TokenId, f64)> {
        let possible = |(token, &log_prob): (usize, &f32)| {
            let token = token as TokenId;
            (log_prob > f32::NEG_INFINITY && !suppressed.contains(&token)).then_some((token, f64::from(log_prob)))
        };
        let mut left: Vec<(TokenId, f64)> = log_probs.iter().enumerate().filter_map(possible).collect();
        if self.repetition_penalty != 1.0 {
            let seen: std::collections::HashSet<TokenId> = text.iter().copied().collect();
            left.iter_mut().filter(|(token, _)| seen.contains(token)).for_each(|(_, s)| *s *= self.repetition_penalty);
        }
        let n_wanted = match (self.temperature, self.top_k) {
            (0.0, _) => 1,
            (_, 0) => usize::MAX,
            (_, top_k) => top_k,
        };
        let better = |a: &(TokenId, f64), b: &(TokenId, f64)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
        if n_wanted < left.len() {
            left.select_nth_unstable_by(n_wanted - 1, better);
            left.truncate(n_wanted);
        }
        left.sort_unstable_by(better);
        let Some(&(_, best)) = left.first() else { return left };
        let temperature = if self.temperature > 0.0 { self.temperature } else { 1.0 };
        left.iter_mut().for_each(|(_, score)| *score = ((*score - best) / temperature).exp());
        normalise(&mut left);
        if self.top_p < 1.0 {
            let mut sum = 0.0;
            let below = |(_, p): &&(TokenId, f64)| {
                let before = sum;
                sum += p;
                before < self.top_p
            };
            let n_nucleus = left.iter().take_while(below).count();
            left.truncate(n_nucleus);
        }
        let floor = self.min_p * left[0].1;
        left.truncate(left.partition_point(|(_, p)| *p >= floor));
        normalise(&mut left);
        if self.typical_p < 1.0 {
            keep_typical(&mut left, self.typical_p);
        }
        for floor in [|config: &Self, _: f64| config.epsilon_cutoff, Self::eta] {
            let floor = floor(self, entropy(&left));
            left.truncate(left.partition_point(|(_, p)| *p >= floor).max(1));
            normalise(&mut left);
        }
        left
    }

    /// The least probability of [`eta_cutoff`](Self::eta_cutoff), at an entropy in nats.
    fn eta(&self, entropy: f64) -> f64 {
        self.eta_cutoff.min(self.eta_cutoff.sqrt() * (-entropy).exp())
    }

    /// Draws one of a distribution's tokens, the `step`-th of a text: a function of the seed and the step.
    ///
    /// # Panics
    /// If the distribution is empty.
    pub fn draw(&self, distribution: &[(TokenId, f64)], step: u64) -> TokenId {
        let mut left = self.unit(step);
        for &(token, p) in distribution {
            left -= p;
            if left < 0.0 {
                return token;
            }
        }
        distribution.last().expect("a token to draw").0
    }

    /// The random number of a step, in [0, 1).
    pub(crate) fn unit(&self, step: u64) -> f64 {
        let bits = mix64(self.seed ^ mix64(step.wrapping_add(0x9e37_79b9_7f4a_7c15)));
        (bits >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Makes probabilities sum to 1.
fn normalise(distribution: &mut [(TokenId, f64)]) {
    let sum: f64 = distribution.iter().map(|(_, p)| p).sum();
    distribution.iter_mut().for_each(|(_, p)| *p /= sum);
}

/// The entropy in nats.
fn entropy(distribution: &[(TokenId, f64)]) -> f64 {
    -distribution.iter().filter(|(_, p)| *p > 0.0).map(|(_, p)| p * p.ln()).sum::<f64>()
}

/// Keeps the tokens whose surprise is nearest to the entropy, until they are so probable together.
fn keep_typical(distribution: &mut Vec<(TokenId, f64)>, mass: f64) {
    let entropy = entropy(distribution);
    let distance = |(_, p): &(TokenId, f64)| (-p.ln() - entropy).abs();
    distribution.sort_by(|a, b| distance(a).total_cmp(&distance(b)));
    let mut sum = 0.0;
    let n_kept = distribution.iter().take_while(|(_, p)| {
        let before = sum;
        sum += p;
        before < mass
    });
    let n_kept = n_kept.count();
    distribution.truncate(n_kept);
    distribution.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    normalise(distribution);
}
