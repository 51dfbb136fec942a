//! A text that is found for a text.

use attentive_core::TokenId;
use attentive_tokenizer::Tokenizer;
use serde_json::{Value, json};

/// One translation of a text.
#[derive(Debug, Clone, PartialEq)]
pub struct Translation {
    /// The text.
    pub text: String,
    /// Its tokens, without begin and end of sentence.
    pub tokens: Vec<TokenId>,
    /// ln p(translation | source), in nats.
    pub log_prob: f64,
    /// The log-probability of each token, then of the end if the model ended it, in nats.
    pub token_log_probs: Vec<f32>,
    /// The value that the search ranks by: `log_prob`, repetitions penalised, over the length penalty.
    pub score: f64,
    /// Whether the model ended it; else it was cut at the maximum length, and `log_prob` is without an end.
    pub is_finished: bool,
}

impl AsRef<str> for Translation {
    /// The text, as metrics read it.
    fn as_ref(&self) -> &str {
        &self.text
    }
}

impl Translation {
    /// An object of its text, its score, and its tokens, which `tokenizer` names, with their log-probabilities in nats; that of
    /// the end, if the model ended it, is the last.
    pub fn to_json(&self, tokenizer: &dyn Tokenizer) -> Value {
        let end = self.is_finished.then(|| tokenizer.specials().end()).flatten();
        let tokens = self.tokens.iter().copied().chain(end).zip(&self.token_log_probs);
        let token = |(id, log_prob): (TokenId, &f32)| json!({ "token": tokenizer.token(id), "log_prob": log_prob });
        json!({
            "translation": self.text,
            "score": self.score,
            "log_prob": self.log_prob,
            "is_finished": self.is_finished,
            "tokens": tokens.map(token).collect::<Vec<Value>>(),
        })
    }
}
