//! Texts that were written, and how they are.

use attentive_decode::{ContrastiveConfig, Drafts, Ended};
use attentive_tokenizer::{TokenId, Tokenizer};
use serde_json::{Value, json};

/// A text that was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Generated {
    /// The text after the prompt, without a string that ended it.
    pub text: String,
    /// The tokens that were written, without the one that ended the text, each with the model's log-probability of it in nats.
    pub tokens: Vec<(TokenId, f64)>,
    /// Why it ended.
    pub ended: Ended,
}

impl Generated {
    /// An object of the text, its tokens, which `tokenizer` names, with their log-probabilities in nats, their sum, and the
    /// reason for its end: `end`, a token that ends it; `stop`, a string that does; `length`.
    pub fn to_json(&self, tokenizer: &dyn Tokenizer) -> Value {
        let token = |&(id, log_prob): &(TokenId, f64)| json!({ "token": tokenizer.token(id), "log_prob": log_prob });
        let ended = match self.ended {
            Ended::ByModel => "end",
            Ended::ByCaller => "stop",
            Ended::ByLength => "length",
        };
        json!({
            "text": self.text,
            "log_prob": self.tokens.iter().map(|(_, log_prob)| log_prob).sum::<f64>(),
            "ended": ended,
            "tokens": self.tokens.iter().map(token).collect::<Vec<Value>>(),
        })
    }
}

/// How the tokens of a text are found.
#[derive(Debug)]
pub enum Strategy<'a, D> {
    /// Each is drawn from the model's distribution, as [`SamplingConfig`](attentive_decode::SamplingConfig) says.
    Sampling,
    /// The same, with drafts, several of which the model accepts or replaces in one pass.
    Drafted(Drafts<'a, D>),
    /// Contrastive search. Of the settings of sampling, `repetition_penalty` is followed; the others are of drawing at random,
    /// and nothing is drawn.
    Contrastive(ContrastiveConfig),
}
