//! The results of a search.

use attentive_core::TokenId;

/// A token sequence that a search proposes.
#[derive(Debug, Clone, PartialEq)]
pub struct Hypothesis {
    /// The tokens produced, without prompt and end-of-sentence id.
    pub tokens: Vec<TokenId>,
    /// Sum of the tokens' log-probabilities, that of the end-of-sentence id included, in nats.
    pub log_prob: f64,
    /// The log-probability of each token, then of the end if the model ended it, in nats: they sum to `log_prob`.
    pub token_log_probs: Vec<f32>,
    /// The value that ranks hypotheses: `log_prob`, with its penalty of repetitions if there is one, over the length
    /// penalty, if the search has one, with its coverage penalty added.
    pub score: f64,
    /// Whether the model ended it; else it was cut at the maximum length, or no token could follow.
    pub finished: bool,
}
