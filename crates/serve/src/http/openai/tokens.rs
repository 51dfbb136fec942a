//! Tokens and their log-probabilities, as the interface tells them.

use attentive_core::TokenId;
use attentive_tokenizer::Tokenizer;
use serde_json::{Map, Value, json};

use crate::{
    http::own::{finite, token_text},
    models::Told,
};

/// The `logprobs` of an answer of chat.
pub(super) fn of_chat<'a>(tokenizer: &dyn Tokenizer, told: impl IntoIterator<Item = &'a Told>) -> Value {
    let content: Vec<Value> = told.into_iter().filter_map(|told| entry(tokenizer, told)).collect();
    json!({ "content": content, "refusal": null })
}

fn entry(tokenizer: &dyn Tokenizer, told: &Told) -> Option<Value> {
    let (id, log_prob) = told.token?;
    let one = |id: TokenId, log_prob: f64| {
        let text = token_text(tokenizer, id);
        let bytes = text.as_bytes().to_vec();
        json!({ "token": text, "logprob": finite(log_prob), "bytes": bytes })
    };
    let mut entry = one(id, log_prob);
    let top: Vec<Value> = told.top.iter().map(|&(id, log_prob)| one(id, f64::from(log_prob))).collect();
    entry["top_logprobs"] = json!(top);
    Some(entry)
}

/// The `logprobs` of a completion, whose text begins at character `offset`.
pub(super) fn of_completion<'a>(
    tokenizer: &dyn Tokenizer,
    told: impl IntoIterator<Item = &'a Told>,
    mut offset: usize,
) -> Value {
    let (mut tokens, mut log_probs, mut tops, mut offsets) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for told in told {
        if let Some((id, log_prob)) = told.token {
            tokens.push(token_text(tokenizer, id));
            log_probs.push(finite(log_prob));
            let top = told.top.iter();
            let top = top.map(|&(id, log_prob)| (token_text(tokenizer, id), json!(finite(f64::from(log_prob)))));
            tops.push(Value::Object(top.collect::<Map<_, _>>()));
            offsets.push(offset);
        }
        offset += told.text.chars().count();
    }
    json!({ "tokens": tokens, "token_logprobs": log_probs, "top_logprobs": tops, "text_offset": offsets })
}
