//! Span corruption: what T5 and ByT5 learn from a text.

use std::ops::Range;

use attentive_core::{TokenId, mix64};
use rand_chacha::rand_core::Rng;
use serde::{Deserialize, Serialize};

use crate::{DataError, seeded_rng, shuffle::below};

/// How much of a text is hidden, and in how long spans.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct SpanCorruptionConfig {
    /// Part of the tokens that is hidden.
    pub rate: f64,
    /// Mean length of a hidden span, in tokens.
    pub mean_span: f64,
}

impl Default for SpanCorruptionConfig {
    /// T5's 15 % in spans of 3 (Raffel et al. 2020, §3.3.4); ByT5 takes spans of 20 bytes (Xue et al. 2022, §3.1).
    fn default() -> Self {
        Self { rate: 0.15, mean_span: 3.0 }
    }
}

/// Hides spans of a text, as a function of a seed, the epoch and the example.
///
/// The input has a sentinel of its own in the place of each span; the target is the spans, each after its sentinel, and one
/// more sentinel. Source: Raffel et al. 2020, §3.1.4 and Figure 2. As in the authors' code, a text's
/// length alone says how many tokens and spans are hidden, so that texts of one length make inputs and targets of one length
/// each; ours may begin or end in a hidden span or not, where the code always ends in one.
///
/// ```
/// use attentive_data::{SpanCorruption, SpanCorruptionConfig};
///
/// let config = SpanCorruptionConfig { rate: 0.5, mean_span: 2.0 };
/// let corruption = SpanCorruption::new(config, vec![90, 91, 92, 93], 1, 7)?;
/// let (input, target) = corruption.corrupt(&[10, 11, 12, 13, 14, 15, 16, 17], 0, 0);
/// assert_eq!((input.len(), target.len()), (4 + 2 + 1, 4 + 3 + 1)); // what is left or hidden, sentinels, the end
/// assert_eq!([input.last(), target.last()], [Some(&1); 2]);
/// # Ok::<(), attentive_data::DataError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct SpanCorruption {
    config: SpanCorruptionConfig,
    sentinels: Vec<TokenId>,
    end: TokenId,
    seed: u64,
}

impl SpanCorruption {
    /// Spans are replaced by `sentinels` in their order; `end` ends inputs and targets.
    ///
    /// # Errors
    /// [`DataError::FewSentinels`] if there are fewer than two.
    pub fn new(
        config: SpanCorruptionConfig,
        sentinels: Vec<TokenId>,
        end: TokenId,
        seed: u64,
    ) -> Result<Self, DataError> {
        if sentinels.len() < 2 {
            return Err(DataError::FewSentinels { n: sentinels.len() });
        }
        Ok(Self { config, sentinels, end, seed })
    }

    /// How many of `n` tokens are hidden, and in how many spans: `max(1, round(rate · n))` but not all, and as many spans as
    /// their mean length makes of them, if there are as many sentinels and tokens to stand between them.
    fn sizes(&self, n: usize) -> [usize; 2] {
        let [n_hidden, n_spans] = self.wanted(n);
        [n_hidden, n_spans.min(self.sentinels.len() - 1)]
    }

    /// [`sizes`](Self::sizes) with as many sentinels as it takes.
    fn wanted(&self, n: usize) -> [usize; 2] {
        let n_hidden = ((n as f64 * self.config.rate).round() as usize).clamp(1, (n - 1).max(1));
        let n_spans = ((n_hidden as f64 / self.config.mean_span).round() as usize).max(1);
        [n_hidden, n_spans.min(n_hidden).min(n - n_hidden + 1)]
    }

    /// The mean length of the spans of a text of `n` tokens, if it is above what was asked for, as there are too few sentinels.
    pub fn stretched_span(&self, n: usize) -> Option<f64> {
        let ([n_hidden, n_spans], [_, n_wanted]) = (self.sizes(n), self.wanted(n));
        (n_spans < n_wanted).then(|| n_hidden as f64 / n_spans as f64)
    }

    /// Tokens of the target of a text of `n` tokens, sentinels and end included.
    pub fn target_len(&self, n: usize) -> usize {
        let [n_hidden, n_spans] = if n == 0 { [0, 0] } else { self.sizes(n) };
        n_hidden + n_spans + 2
    }

    /// The hidden spans of a text of `n` tokens, in their order: none touches the next.
    pub fn spans(&self, n: usize, epoch: u64, example: u64) -> Vec<Range<usize>> {
        if n == 0 {
            return Vec::new();
        }
        let mut rng = seeded_rng(self.seed, "spans", mix64(epoch).wrapping_add(example));
        let [n_hidden, n_spans] = self.sizes(n);
        let hidden = parts(n_hidden, n_spans, &mut rng);
        // The text before the first span and after the last one may be empty: one token is lent to each.
        let mut shown = parts(n - n_hidden + 2, n_spans + 1, &mut rng);
        shown[0] -= 1;
        let mut at = 0;
        let span = |(shown, hidden): (usize, usize)| {
            let start = at + shown;
            at = start + hidden;
            start..at
        };
        shown.into_iter().zip(hidden).map(span).collect()
    }

    /// Input and target of `tokens`.
    pub fn corrupt(&self, tokens: &[TokenId], epoch: u64, example: u64) -> (Vec<TokenId>, Vec<TokenId>) {
        let (mut input, mut target) = (Vec::new(), Vec::new());
        let mut at = 0;
        let spans = self.spans(tokens.len(), epoch, example);
        for (span, &sentinel) in spans.iter().zip(&self.sentinels) {
            input.extend_from_slice(&tokens[at..span.start]);
            input.push(sentinel);
            target.push(sentinel);
            target.extend_from_slice(&tokens[span.clone()]);
            at = span.end;
        }
        input.extend_from_slice(&tokens[at..]);
        target.push(self.sentinels[spans.len()]);
        [&mut input, &mut target].into_iter().for_each(|row| row.push(self.end));
        (input, target)
    }
}

/// The lengths of `k` parts, none empty, that `n` things in a row are cut into, all ways alike.
fn parts(n: usize, k: usize, rng: &mut impl Rng) -> Vec<usize> {
    let mut parts = Vec::with_capacity(k);
    let mut start = 0;
    for at in 1..n {
        // `k - 1` of the `n - 1` places between are chosen (Knuth, TAOCP 2, §3.4.2, algorithm S).
        if (below((n - at) as u32, rng) as usize) < k - 1 - parts.len() {
            parts.push(at - start);
            start = at;
        }
    }
    parts.push(n - start);
    parts
}
